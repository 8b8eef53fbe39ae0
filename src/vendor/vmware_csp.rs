//! VMware Cloud Services (CSP), and its Tanzu twin.
//!
//! Source: the vendor's public API documentation, and public clients of it where that is silent
//! (the form of a refusal is only to be seen there).

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, Request};

use crate::{
    oauth2::wire::{self, Endpoint, Names},
    provider::{
        Credential, Exchange, Origins, Placement, Profile, Provider, ProviderError, Rotation,
        SessionParts, TokenReply,
    },
    token::{Secret, Token},
};

/// Access tokens of VMware Cloud Services, got with an API token.
///
/// The API token is made by a person in the console, lives for months and stays the same, so a
/// session needs nothing to start from, and asking twice does no harm. Replies hold it again as
/// their `refresh_token`; whatever is there is ignored, since an API token is replaced by the
/// person who made it and by nobody else.
///
/// ```
/// use tower_reauth::vendor::VmwareCsp;
///
/// let provider = VmwareCsp::api_token("s3cr3t", ["https://vmc.vmware.com"]);
/// // The Tanzu twin:
/// let provider = provider.base_url("https://console.tanzu.broadcom.com");
/// ```
#[derive(Clone, Debug)]
pub struct VmwareCsp {
    api_token: Credential,
    parameter: &'static str,
    base: Endpoint,
    origins: Origins,
    placement: Placement,
    account: Option<Secret>,
}

// === impl VmwareCsp ===

impl VmwareCsp {
    /// The services at `origins`, with an API token.
    #[must_use]
    pub fn api_token(api_token: impl Into<Credential>, origins: impl Into<Origins>) -> Self {
        Self {
            api_token: api_token.into(),
            parameter: "api_token",
            base: Endpoint::base(BASE),
            origins: origins.into(),
            placement: Placement::bearer(),
            account: None,
        }
    }

    /// Another console than `https://console.cloud.vmware.com`: staging, or the Tanzu twin.
    #[must_use]
    pub fn base_url(mut self, base_url: impl AsRef<str>) -> Self {
        self.base = Endpoint::base(base_url.as_ref());
        self
    }

    /// Sends the API token as `refresh_token`, the parameter's deprecated name, for servers that
    /// know no other. Always in the body: never in the URL, where logs would keep it.
    #[must_use]
    pub fn deprecated_refresh_token_parameter(mut self) -> Self {
        self.parameter = "refresh_token";
        self
    }

    /// Sends access tokens to the services as `csp-auth-token`, the older header, instead of
    /// `Authorization`.
    #[must_use]
    pub fn only_csp_auth_token(mut self) -> Self {
        self.placement = Placement::header(CSP_AUTH_TOKEN);
        self
    }

    /// Sends access tokens to the services in both headers, as some of them want it.
    #[must_use]
    pub fn also_csp_auth_token(mut self) -> Self {
        self.placement = Placement::bearer().and_header(CSP_AUTH_TOKEN);
        self
    }

    /// Whose API token it is. Without it a fingerprint of the API token, as it is when the layer is
    /// built, keeps the sessions of several ones apart. It is another one for a new API token, and
    /// may be after an update of Rust: either costs one exchange. An API token that is
    /// [looked up](Credential::looked_up) has to be of the same account for as long as the layer
    /// lives.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(Secret::from(account.into()));
        self
    }

    fn request(&self) -> Result<Request<Bytes>, ProviderError> {
        let api_token = self.api_token.look_up()?;
        if api_token.is_empty() {
            return Err(ProviderError::misconfigured("the API token is empty"));
        }
        let uri = self
            .base
            .uri("/csp/gateway/am/api/auth/api-tokens/authorize")?;
        wire::post_form(uri, &[(self.parameter, api_token.expose())])
    }

    fn account_name(&self) -> String {
        let named = self.account.as_ref();
        named.map_or_else(|| self.fingerprint(), |name| name.expose().to_owned())
    }

    /// Sixty-four bits say nothing about a random token several times as long. The hash may be
    /// another one with another compiler; that costs one exchange. An API token that cannot be
    /// looked up has a session of its own: two of them must not share one in a store.
    fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        match self.api_token.look_up() {
            Ok(api_token) => api_token.expose().hash(&mut hasher),
            Err(_) => (fastrand::u64(..), fastrand::u64(..)).hash(&mut hasher),
        }
        format!("{:016x}", hasher.finish())
    }
}

impl Provider for VmwareCsp {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let reply = exchange.client().send(self.request()?).await?;
        if reply.status().is_success() {
            return wire::issued(&reply, &NAMES);
        }
        Err(failure(&reply))
    }

    fn profile(&self) -> Profile {
        Profile::new(VENDOR)
            .identity(SessionParts {
                namespace: String::new(),
                vendor: VENDOR.to_owned(),
                base_url: self.base.url().to_owned(),
                client: String::new(),
                account: self.account_name(),
                scope: String::new(),
                resource: Vec::new(),
                audience: Vec::new(),
                binding: String::new(),
                session_key: String::new(),
            })
            .placement(self.placement.clone())
            .origins(self.origins.clone())
            .rotation(Rotation::Never)
            .default_lifetime(LIFETIME)
    }
}

/// The one vendor whose refusals are told by a text: 400 or 404, no code, and a `message` that
/// begins with an OAuth code and goes on with the tail of the API token.
fn failure(reply: &TokenReply) -> ProviderError {
    let refuses = wire::decision(reply, &["message"]).is_some_and(|json| {
        json.text("message")
            .is_some_and(|text| text.starts_with(REFUSAL))
    });
    if !refuses {
        return reply.failure();
    }
    ProviderError::refused("the API token is not valid, or not any more: make a new one")
        .code("invalid_grant")
        .status(reply.status())
        .vendor_text(reply.body())
}

const VENDOR: &str = "vmware-csp";
const BASE: &str = "https://console.cloud.vmware.com";
const CSP_AUTH_TOKEN: HeaderName = HeaderName::from_static("csp-auth-token");
const REFUSAL: &str = "invalid_grant:";
/// What replies say: half an hour, less a second.
const LIFETIME: Duration = Duration::from_secs(1799);
const NAMES: Names = Names {
    access: "access_token",
    refresh: None,
    lifetime: Some("expires_in"),
    refresh_lifetimes: &[],
    token_type: Some("token_type"),
    scope: Some("scope"),
};
