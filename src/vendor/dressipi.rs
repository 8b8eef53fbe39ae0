//! Dressipi, now Mapp Fashion: recommendations for shoppers of a fashion shop.
//!
//! Source: the vendor's public documentation at `docs.mapp.com/apidocs`.

mod login;

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request};

use self::login::{Codes, Slot};
use super::hook::Hook;

use crate::{
    oauth2::wire::{self, Endpoint, Grant, Names},
    provider::{
        Exchange, Login, Origins, Placement, Profile, Provider, ProviderError, Refusal, Rotation,
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
/// A session starts from the refresh token of a shopper's first visit, or from an authorization code
/// with its PKCE verifier. Asking for a code makes another shopper, so that is done by the application,
/// or by its [explicit wish](Self::authorize_by_itself).
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
    codes: Option<Codes>,
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
            codes: None,
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

    /// Begins a session with an authorization code that the application has got, and the PKCE verifier
    /// whose challenge it was asked for with (RFC 7636). Used once, where there is no refresh token,
    /// or the vendor refuses it; afterwards the session needs a new one.
    ///
    /// ```
    /// # let (code, verifier) = ("c0de", "1tBnEmtSImyCykPHxHYBdzpSFhKEj0Q1LuiHd4fdDlY");
    /// use tower_reauth::vendor::Dressipi;
    ///
    /// let provider = Dressipi::new("https://dressipi.shop.example/api", "client-id")
    ///     .authorization_code(code, verifier);
    /// ```
    #[must_use]
    pub fn authorization_code(
        mut self,
        code: impl Into<Secret>,
        verifier: impl Into<Secret>,
    ) -> Self {
        self.codes = Some(Codes::given(code.into(), verifier.into()));
        self
    }

    /// Begins a session with a code that the application gets for each login: `ask` is handed the
    /// address to get it at, with the challenge of a new verifier in it, and has five minutes. Each
    /// answer of that address makes another shopper.
    ///
    /// ```
    /// use tower_reauth::vendor::Dressipi;
    ///
    /// # async fn visit(address: &str) -> String { String::new() }
    /// let provider = Dressipi::new("https://dressipi.shop.example/api", "client-id")
    ///     .ask_for_code(|address| async move { Ok(visit(&address).await.into()) });
    /// ```
    #[must_use]
    pub fn ask_for_code<F, Fut>(mut self, ask: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, ProviderError>> + Send + 'static,
    {
        self.codes = Some(Codes::Asked(Hook::new(ask)));
        self
    }

    /// Gets a code by itself where there is no refresh token, or the vendor refuses it. **Each time
    /// this makes another shopper**, who has none of the old one's preferences, so it fits visitors
    /// that nobody knows yet, and nobody else.
    ///
    /// That the vendor answers the call with 200 and the code in the body is its documentation's
    /// word; that the body is the code alone, or JSON with a `code` in it, is an assumption of ours.
    ///
    /// ```
    /// use tower_reauth::vendor::Dressipi;
    ///
    /// let provider = Dressipi::new("https://dressipi.shop.example/api", "client-id").authorize_by_itself();
    /// ```
    #[must_use]
    pub fn authorize_by_itself(mut self) -> Self {
        self.codes = Some(Codes::Authorized(Slot::default()));
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
        self.put_api_key(request.headers_mut())?;
        if let Some(value) = self.old_token(exchange).and_then(wire::secret_header) {
            request.headers_mut().insert(TOKEN, value);
        }
        Ok(request)
    }

    fn put_api_key(&self, headers: &mut HeaderMap) -> Result<(), ProviderError> {
        let Some(key) = &self.api_key else {
            return Ok(());
        };
        let unfit =
            || ProviderError::misconfigured("the key given to `.api_key(..)` is no header value");
        headers.insert(API_KEY, wire::secret_header(key).ok_or_else(unfit)?);
        Ok(())
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

    async fn login(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        match &self.codes {
            Some(codes) => self.log_in(codes, &exchange).await,
            None => Err(ProviderError::refused("there is no authorization code")),
        }
    }

    fn profile(&self) -> Profile {
        let login = match self.codes {
            Some(_) => Login::First,
            None => Login::None,
        };
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
            .login(login)
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
