//! Any OAuth 2.0 server (RFC 6749).
//!
//! [`OAuth2`] knows the standard and nothing else; a vendor that deviates has an adapter of its own
//! in [`vendor`](crate::vendor), or gets one with [`provider_fn`](crate::provider::provider_fn).
//!
//! ```
//! use tower_reauth::oauth2::{ClientAuth, OAuth2};
//!
//! // A service with credentials of its own; it can start by itself:
//! let service = OAuth2::client_credentials("https://id.example.com/token", "orders", "s3cr3t")
//!     .scope(["orders:read"])
//!     .origins(["https://api.example.com"]);
//! // Somebody's session, which starts from the refresh token of a login:
//! let session = OAuth2::refresh_token("https://id.example.com/token", "orders")
//!     .client_auth(ClientAuth::Post("s3cr3t".into()))
//!     .origins(["https://api.example.com"]);
//! ```
//!
//! | a token for | made by |
//! | --- | --- |
//! | a service with credentials of its own | [`OAuth2::client_credentials`] |
//! | somebody's session, kept by its refresh token | [`OAuth2::refresh_token`] |
//! | its first token: a login in a browser, or on another device | [`OAuth2::authorization`], [`OAuth2::device_login`] |
//! | whoever a signed JWT is about | [`OAuth2::jwt_bearer`] |
//! | the owner of another token | [`OAuth2::token_exchange`] |
//!
//! The server is named by its token endpoint, or [found](Server::discover) by its issuer; how the
//! client proves who it is, is its [`ClientAuth`]. Which rule of which standard is kept, and by which
//! test that is shown, is in [`docs::standards`](crate::docs::standards).
//!
//! With feature `dpop` tokens can be bound to a key, and be of no use to whoever steals them: see
//! `OAuth2::dpop`.
//!
//! What is done with replies that are not quite as they should be:
//!
//! - `expires_in` may be a number or a text; if it is missing or makes no sense, the lifetime is
//!   unknown, and that of the JWT counts where the token is one.
//! - `token_type` must be `Bearer`, in any case, or missing (RFC 6749, section 7.1); with feature
//!   `dpop`, a provider that binds its tokens takes `DPoP` and nothing else.
//! - A reply that cannot be used is an error, and the refresh token in it is saved all the same.
//! - An error code in a 5xx is no verdict: whether the refresh token was spent is not known. See
//!   [`OAuth2::server_errors_are_transient`] for servers that are better than that.

mod asking;
mod assertion;
mod authorization_code;
mod bound;
mod callback;
mod client_auth;
mod client_credentials;
mod device;
#[cfg(feature = "dpop")]
pub mod dpop;
mod form;
#[cfg(test)]
#[path = "../../tests/fuzz/servers.rs"]
pub(crate) mod fuzz;
mod generic;
mod grant;
#[cfg(feature = "jwt")]
mod jwt;
mod jwt_bearer;
mod metadata;
mod pkce;
pub(crate) mod random;
mod refresh_token;
mod revocation;
mod server;
mod token_exchange;
mod well_known;
pub(crate) mod wire;

#[cfg(test)]
pub(crate) mod harness;
#[cfg(test)]
mod tests;

#[cfg(feature = "serde")]
pub(crate) use self::asking::is_resource;
#[cfg(feature = "jwt")]
pub use self::jwt::{Algorithm, Audience, PrivateKeyJwt, SigningKey, Statement};
pub use self::{
    assertion::Assertion,
    authorization_code::{Authorization, PendingLogin},
    client_auth::ClientAuth,
    device::DevicePrompt,
    generic::OAuth2,
    pkce::Pkce,
    server::Server,
    token_exchange::Subject,
};
