//! Providers and layers out of a configuration file (feature `serde`).
//!
//! [`AuthConfig`] describes a layer, [`ProviderConfig`] a provider alone, in whatever self-describing
//! format serde reads: TOML, JSON, YAML. Two things stay code, since they decide what a lost file
//! costs: the store, and the word that there is none.
//!
//! ```
//! use tower_reauth::{BoxError, config::AuthConfig, store::FileStore};
//!
//! # fn main() -> Result<(), BoxError> {
//! # let text = "vendor = 'marketiger3d'\n\
//! #     initial.refresh_token.value = 'r'\ninitial.access_token.value = 'a'";
//! let config: AuthConfig = toml::from_str(text)?;
//! let auth = config.builder()?.store(FileStore::new("session.json")).build()?;
//! # let _ = auth;
//! # Ok(())
//! # }
//! ```
//!
//! # Vendors
//!
//! Fields that are commented out may be left out, and show what then holds or an example. [`OAuth2`]
//! and the [vendors](crate::vendor) have methods of the same names, which say more.
//!
//! ```toml
//! vendor = "immersve"
//! client_application_id = "client-app-id"
//! origin = "https://app.example"
//! # environment = "live"                  # or "test"; or in its place:
//! # base_url = "https://api.immersve.com"
//! # account_id = "account"
//! # origins = ["https://api.immersve.com", "https://api-sec.immersve.com"]
//! [initial]
//! refresh_token = { file = "/run/secrets/immersve-refresh-token" }
//! ```
//!
//! ```toml
//! vendor = "immersve-api-key"             # no session: a partner's key, which does not expire
//! api_key = { env = "IMMERSVE_API_KEY" }  # both are read when the layer is built
//! api_secret = { file = "/run/secrets/immersve-api-secret" }
//! # environment = "live"                  # or "test", or `base_url` in its place
//! # account_id = "account"
//! # origins = ["https://api.immersve.com", "https://api-sec.immersve.com"]
//! ```
//!
//! ```toml
//! vendor = "dressipi"
//! base_url = "https://dressipi.shop.example/api"
//! client_id = "client-id"
//! # api_key = { env = "DRESSIPI_API_KEY" }  # read when the layer is built
//! # send_old_token = false
//! # origins = ["https://dressipi.shop.example"]
//! [initial]
//! refresh_token = { file = "/run/secrets/dressipi-refresh-token" }
//! ```
//!
//! ```toml
//! vendor = "marketiger3d"
//! # base_url = "https://devapi.marketiger3d.com/v2"
//! # origins = ["https://devapi.marketiger3d.com"]
//! [initial]
//! access_token = { file = "/run/secrets/marketiger3d-access-token" }
//! refresh_token = { file = "/run/secrets/marketiger3d-refresh-token" }
//! ```
//!
//! ```toml
//! vendor = "marketiger3d"                 # logs in by itself, and needs no [initial]
//! email = "me@shop.example"
//! password = { file = "/run/secrets/marketiger3d-password" }
//! ```
//!
//! ```toml
//! vendor = "vmware-csp"
//! api_token = { file = "/run/secrets/csp-api-token" }
//! # watch_api_token = false              # asks once a day when the API token expires
//! origins = ["https://vmc.vmware.com"]
//! # account = "build-server"               # keeps the session over a change of the API token
//! # base_url = "https://console.cloud.vmware.com"
//! # token_header = "authorization"         # or "csp-auth-token", or "both"
//! # deprecated_refresh_token_parameter = false
//! ```
//!
//! ```toml
//! vendor = "vmware-csp"                   # a service account, in place of an API token
//! client_id = "app-id"
//! client_secret = { file = "/run/secrets/csp-client-secret" }
//! origins = ["https://vmc.vmware.com"]
//! # org_id = "organization-id"
//! ```
//!
//! ```toml
//! vendor = "oauth2"
//! grant = "client-credentials"             # or "refresh-token", with [initial]; two more below
//! token_endpoint = "https://id.example.com/token"
//! client_id = "orders"
//! client_secret = { file = "/run/secrets/orders-client-secret" }
//! origins = ["https://api.example.com"]
//! # client_auth = "basic"                  # or "post"; "none" without a secret. Only a secret needs it
//! # scope = ["orders:read"]
//! # resource = ["https://api.example.com"]
//! # dpop = false                           # true binds tokens to a key (feature `dpop`)
//! # extra = { audience = "https://api.example.com" }
//! # token_header = "x-token"               # in place of `Authorization: Bearer`
//! # rotation = "may"                       # or "must", "never"
//! # lost_reply = "last-resort"             # or "harmless", "never", { replay_within = "30s" }
//! # revocation_endpoint = "https://id.example.com/revoke"
//! # server_errors_are_transient = false
//! # default_lifetime = "1h"
//! # default_refresh_lifetime = "30 days"
//! ```
//!
//! The server may be found by its issuer, the client may prove itself by something else than a secret,
//! and a token may be had for something else again. All else above may stand beside it.
//!
//! ```toml
//! vendor = "oauth2"                       # signs for itself (feature `jwt`)
//! grant = "client-credentials"
//! issuer = "https://id.example.com"       # as the server writes it, in place of `token_endpoint`
//! client_id = "orders"
//! private_key = { file = "/run/secrets/orders-key.pem" }
//! private_key_algorithm = "ES256"         # or "ES384", "PS256", "RS256", "EdDSA"
//! origins = ["https://api.example.com"]
//! # private_key_id = "2026-11"
//! # assertion_audience = "token-endpoint"  # or a URI; else the issuer, or the endpoint
//! ```
//!
//! ```toml
//! vendor = "oauth2"                       # shows what its platform signs, such as Kubernetes
//! grant = "client-credentials"
//! issuer = "https://id.example.com"
//! client_id = "orders"
//! client_assertion = { file = "/var/run/secrets/tokens/orders" }
//! origins = ["https://api.example.com"]
//! ```
//!
//! ```toml
//! vendor = "oauth2"                       # a token for a JWT that somebody signed (RFC 7523)
//! grant = "jwt-bearer"
//! issuer = "https://id.example.com"
//! assertion = { file = "/var/run/secrets/tokens/orders" }
//! origins = ["https://api.example.com"]
//! # client_id = "orders"
//! ```
//!
//! ```toml
//! vendor = "oauth2"                       # a token for another token (RFC 8693)
//! grant = "token-exchange"
//! issuer = "https://id.example.com"
//! subject_token = { file = "/var/run/secrets/tokens/subject" }
//! origins = ["https://api.example.com"]
//! # subject_token_type = "urn:ietf:params:oauth:token-type:jwt"  # else an access token
//! # requested_token_type = "urn:ietf:params:oauth:token-type:access_token"
//! # client_id = "orders"
//! ```
//!
//! # What any of them may have
//!
//! ```toml
//! [layer]
//! wait_at_most = "30s"                     # "5min", "1h 30min", or a whole number of seconds
//! keep_idle_sessions_alive = true
//! replay = true
//! replay_cap = 65536
//! send_bare_elsewhere = false
//! respect_existing = false
//!
//! [token_client]
//! timeout = "10s"
//! max_reply_bytes = 1048576
//! ```
//!
//! # Secrets
//!
//! A secret is a [`SecretSource`]: a file, an environment variable, or said aloud a value. An API
//! token, a password, what proves a client and what a token is given for are looked up again for each
//! exchange, so that what replaces the file is used with no restart. Tokens that a session starts from, and an API key, are read when the
//! layer is built; whoever rotates tokens needs a store, which is then newer than the file. What this
//! crate reads of a secret is overwritten when it is dropped; what a parser keeps of a `value` is out of
//! reach.
//!
//! # Errors
//!
//! A field that nobody knows is refused, and so is a missing one or one of another type, each by its
//! path within the configuration, as in `` `layer.wait_at_most` must be a duration ``. No error of ours
//! holds a value. Parsers are another matter: an error of the `toml` crate *shows* the line that it is
//! about, of `Display` at least, and that may be one with a `value` in it. Print its `message()`.
//!
//! [`OAuth2`]: crate::oauth2::OAuth2

mod auth;
mod duration;
mod oauth2;
mod provider;
mod secret;
mod table;
mod token_client;
mod value;
mod vendors;

pub use self::{
    auth::AuthConfig,
    provider::{Configured, ProviderConfig},
    secret::SecretSource,
    token_client::TokenClientConfig,
};
