//! Dressipi, now Mapp Fashion: recommendations for shoppers of a fashion shop.
//!
//! Source: the vendor's public documentation at `docs.mapp.com/apidocs`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request};

use crate::{
    oauth2::wire::{self, Endpoint, Grant, Names},
    provider::{
        Exchange, Origins, Placement, Profile, Provider, ProviderError, Refusal, Rotation,
        SessionParts,
    },
    token::{Secret, Token},
};

/// Shoppers' sessions at Dressipi.
///
/// The API does not refuse a token that is missing or has expired: it answers 200, and leaves the
/// personal part out. So a token is refreshed by the clock alone, and a session whose refresh fails
/// answers with an error once its token has expired, rather than going on as nobody.
///
/// A session starts from the refresh token of a shopper's first visit. Asking for another first
/// token makes another shopper, so this is never done here.
///
/// ```
/// use tower_reauth::vendor::Dressipi;
///
/// let provider = Dressipi::new("https://dressipi.shop.example/api", "client-id");
/// ```
#[derive(Clone, Debug)]
pub struct Dressipi {
    client_id: String,
    base: Endpoint,
    origins: Option<Origins>,
    api_key: Option<Secret>,
    sends_old_token: bool,
}

// === impl Dressipi ===

impl Dressipi {
    /// The shop whose API is at `base_url`, path included: the vendor gives each customer a domain
    /// of its own. `client_id` is a public client; there is no secret.
    #[must_use]
    pub fn new(base_url: impl AsRef<str>, client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            base: Endpoint::base(base_url.as_ref()),
            origins: None,
            api_key: None,
            sends_old_token: false,
        }
    }

    /// Another place where the shop's API is.
    #[must_use]
    pub fn base_url(mut self, base_url: impl AsRef<str>) -> Self {
        self.base = Endpoint::base(base_url.as_ref());
        self
    }

    /// The origins that may see the token. Without it this is the origin of the base URL.
    #[must_use]
    pub fn origins(mut self, origins: impl Into<Origins>) -> Self {
        self.origins = Some(origins.into());
        self
    }

    /// A key that the shop's API asks for as well: sent as `x-api-key`, with token requests and
    /// with API calls.
    #[must_use]
    pub fn api_key(mut self, api_key: impl Into<Secret>) -> Self {
        self.api_key = Some(api_key.into());
        self
    }

    /// Sends the old access token with token requests. The vendor's documentation lists its header
    /// there among others, which reads as optional; it is left out without this setting.
    #[must_use]
    pub fn send_old_token(mut self) -> Self {
        self.sends_old_token = true;
        self
    }

    fn request(&self, exchange: &Exchange) -> Result<Request<Bytes>, ProviderError> {
        let refresh_token = exchange.refresh_token()?;
        let parameters = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
            ("client_id", &self.client_id),
            ("redirect_uri", REDIRECT_URI),
        ];
        let mut request = wire::post_form(self.base.uri("/oauth/token")?, &parameters)?;
        if let Some(key) = &self.api_key {
            let unfit = || {
                ProviderError::misconfigured("the key given to `.api_key(..)` is no header value")
            };
            let value = wire::secret_header(key).ok_or_else(unfit)?;
            request.headers_mut().insert(API_KEY, value);
        }
        if let Some(value) = self.old_token(exchange).and_then(wire::secret_header) {
            request.headers_mut().insert(TOKEN, value);
        }
        Ok(request)
    }

    fn old_token<'a>(&self, exchange: &'a Exchange) -> Option<&'a Secret> {
        let last = exchange.last().filter(|_| self.sends_old_token);
        last.and_then(Token::access_token)
    }

    fn placement(&self) -> Placement {
        let placement = Placement::header(TOKEN);
        match &self.api_key {
            Some(key) => placement.and_fixed(API_KEY, key.clone()),
            None => placement,
        }
    }
}

impl Provider for Dressipi {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let request = self.request(&exchange)?;
        let reply = exchange.client().send(request).await?;
        wire::oauth_token(&reply, &NAMES, Grant::RefreshToken)
    }

    fn profile(&self) -> Profile {
        Profile::new(VENDOR)
            .identity(SessionParts {
                namespace: String::new(),
                vendor: VENDOR.to_owned(),
                base_url: self.base.url().to_owned(),
                client: self.client_id.clone(),
                account: String::new(),
                scope: String::new(),
                resource: Vec::new(),
                audience: Vec::new(),
                binding: String::new(),
                session_key: String::new(),
            })
            .placement(self.placement())
            .origins(self.origins.clone().unwrap_or_else(|| self.base.origins()))
            .refusal(Refusal::never())
            .rotation(Rotation::May)
            .default_lifetime(LIFETIME)
    }
}

const VENDOR: &str = "dressipi";
const TOKEN: HeaderName = HeaderName::from_static("x-dressipi-jwt");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Required when refreshing too.
const REDIRECT_URI: &str = "urn:ietf:wg:oauth:2.0:oob:auto";
/// What replies say. Nothing else would ever end the life of a token that says nothing itself.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
const NAMES: Names = Names {
    access: "access_token",
    refresh: Some("refresh_token"),
    lifetime: Some("expires_in"),
    refresh_lifetimes: &[],
    token_type: Some("token_type"),
    scope: Some("scope"),
};
