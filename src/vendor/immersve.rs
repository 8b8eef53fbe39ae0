//! Immersve: card issuing for applications with wallets.
//!
//! Source: the vendor's public documentation, repository `immersve/immersve-docs`, and the OpenAPI
//! document in it.

mod api_key;
mod codes;
mod login;

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, StatusCode,
    header::{AUTHORIZATION, ORIGIN},
};

use crate::{
    oauth2::wire::{self, Endpoint, Names},
    provider::{
        Exchange, Login, Origins, Placement, Profile, Provider, ProviderError, Rotation,
        SessionParts, TokenReply,
    },
    token::{Secret, Token},
};

pub use self::{api_key::ImmersveApiKey, login::ImmersveLogin};

/// Sessions at Immersve.
///
/// Refresh tokens are good for one use and about 30 days, access tokens for about 20 minutes; both
/// are JWTs that say so themselves. A session starts from the pair that a login gave, or logs in by
/// itself where it has a [signer](Self::login).
///
/// ```
/// use tower_reauth::vendor::Immersve;
///
/// let provider = Immersve::new("client-app-id", "https://app.example").account_id("account");
/// ```
///
/// The API says 403 when something is missing or not allowed, and 401 when the token is not good:
/// only the latter is worth a refresh.
#[derive(Clone, Debug)]
pub struct Immersve {
    client_application_id: String,
    origin: String,
    base: Endpoint,
    origins: Option<Origins>,
    account_id: Option<Secret>,
    login: Option<ImmersveLogin>,
}

// === impl Immersve ===

impl Immersve {
    /// The live environment, as the client application `client_application_id`. Its token endpoint
    /// asks for an `Origin` header, with one of the origins that the client application allows.
    #[must_use]
    pub fn new(client_application_id: impl Into<String>, origin: impl Into<String>) -> Self {
        Self {
            client_application_id: client_application_id.into(),
            origin: origin.into(),
            base: Endpoint::base(LIVE),
            origins: None,
            account_id: None,
            login: None,
        }
    }

    /// The vendor's test environment instead of the live one.
    #[must_use]
    pub fn test_environment(self) -> Self {
        self.base_url(TEST)
    }

    /// Another place where the vendor's API is.
    #[must_use]
    pub fn base_url(mut self, base_url: impl AsRef<str>) -> Self {
        self.base = Endpoint::base(base_url.as_ref());
        self
    }

    /// The origins that may see the token. Without it these are the environment's API and the host
    /// beside it that shows card secrets, or the origin of another base URL.
    #[must_use]
    pub fn origins(mut self, origins: impl Into<Origins>) -> Self {
        self.origins = Some(origins.into());
        self
    }

    /// The account that API calls are about: sent with each of them as `x-account-id`.
    #[must_use]
    pub fn account_id(mut self, account_id: impl Into<String>) -> Self {
        self.account_id = Some(Secret::from(account_id.into()));
        self
    }

    /// Logs in by itself, with a wallet that signs: where the session has no refresh token, or the
    /// vendor refuses it. This is the login of one wallet, and so of the layer's first session.
    #[must_use]
    pub fn login(mut self, login: ImmersveLogin) -> Self {
        self.login = Some(login);
        self
    }

    fn request(&self, exchange: &Exchange) -> Result<Request<Bytes>, ProviderError> {
        let refresh_token = exchange.refresh_token()?;
        wire::check_placement(&self.placement())?;
        let origin = HeaderValue::from_str(&self.origin).map_err(|_| {
            ProviderError::misconfigured("the origin given to `Immersve::new` is no header value")
        })?;
        let members = [
            ("refreshToken", refresh_token.expose()),
            ("clientApplicationId", &self.client_application_id),
        ];
        let mut request = wire::post_json(self.base.uri("/auth/token")?, &members)?;
        request.headers_mut().insert(ORIGIN, origin);
        Ok(request)
    }

    /// A logout, which needs no more than the access token.
    fn logout(&self, exchange: &Exchange) -> Result<Request<Bytes>, ProviderError> {
        let access = exchange.last().and_then(Token::access_token);
        let access = access.ok_or_else(|| ProviderError::refused(NO_ACCESS_TOKEN))?;
        let mut request = wire::post_json(self.base.uri("/auth/logout")?, &[])?;
        request
            .headers_mut()
            .insert(AUTHORIZATION, wire::bearer(access)?);
        Ok(request)
    }

    /// The account, and the wallet that logs in to it: neither may get the other's token.
    fn account(&self) -> String {
        let account = self.account_id.as_ref().map_or("", Secret::expose);
        match &self.login {
            Some(login) => format!("{account} {}", login.wallet()),
            None => account.to_owned(),
        }
    }

    fn placement(&self) -> Placement {
        let placement = Placement::bearer();
        match &self.account_id {
            Some(account) => placement.and_fixed(ACCOUNT_ID, account.clone()),
            None => placement,
        }
    }

    fn logins(&self) -> Login {
        match self.login {
            Some(_) => Login::First,
            None => Login::None,
        }
    }
}

fn default_origins(base: &Endpoint) -> Origins {
    match base.url() {
        LIVE => Origins::from([LIVE, LIVE_CARD_SECRETS]),
        TEST => Origins::from([TEST, TEST_CARD_SECRETS]),
        _ => base.origins(),
    }
}

impl Provider for Immersve {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let request = self.request(&exchange)?;
        let reply = exchange.client().send(request).await?;
        if reply.status().is_success() {
            return wire::issued(&reply, &NAMES);
        }
        Err(failure(&reply))
    }

    async fn login(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        match &self.login {
            Some(login) => login.log_in(self, &exchange).await,
            None => Err(ProviderError::refused("nobody signs for this session")),
        }
    }

    async fn revoke(&self, exchange: Exchange) -> Result<(), ProviderError> {
        let reply = exchange.client().send(self.logout(&exchange)?).await?;
        match reply.status() {
            status if status.is_success() => Ok(()),
            StatusCode::UNAUTHORIZED => {
                Err(ProviderError::refused(NO_ACCESS_TOKEN).status(reply.status()))
            }
            _ => Err(failure(&reply)),
        }
    }

    fn profile(&self) -> Profile {
        Profile::new(VENDOR)
            .identity(SessionParts {
                namespace: String::new(),
                vendor: VENDOR.to_owned(),
                base_url: self.base.url().to_owned(),
                client: self.client_application_id.clone(),
                account: self.account(),
                scope: String::new(),
                resource: Vec::new(),
                audience: Vec::new(),
                binding: String::new(),
                session_key: String::new(),
            })
            .placement(self.placement())
            .origins(
                self.origins
                    .clone()
                    .unwrap_or_else(|| default_origins(&self.base)),
            )
            .rotation(Rotation::Must)
            .default_refresh_lifetime(REFRESH_LIFETIME)
            .login(self.logins())
    }
}

/// Refusals have an `errorCode`. One that is not known is somebody's setting, not a dead session.
fn failure(reply: &TokenReply) -> ProviderError {
    wire::decision(reply, &["errorCode"])
        .and_then(|json| known_code(json.text("errorCode")?))
        .map_or_else(
            || reply.failure(),
            |error| error.status(reply.status()).vendor_text(reply.body()),
        )
}

fn known_code(code: &str) -> Option<ProviderError> {
    let wrong = ProviderError::misconfigured;
    Some(match code {
        "REFRESH_TOKEN_EXPIRED" => {
            ProviderError::refused("the refresh token has expired or was used before: log in again")
                .code("REFRESH_TOKEN_EXPIRED")
        }
        "CLIENT_APPLICATION_MISMATCH" => wrong(
            "the refresh token belongs to another client application: \
             check the id given to `Immersve::new`",
        )
        .code("CLIENT_APPLICATION_MISMATCH"),
        "ORIGIN_NOT_ALLOWED" => wrong(
            "the client application does not allow this origin: \
             check the one given to `Immersve::new`",
        )
        .code("ORIGIN_NOT_ALLOWED"),
        "INVALID_REQUEST_INPUT" => wrong(
            "the vendor does not understand the token request: check the client application id",
        )
        .code("INVALID_REQUEST_INPUT"),
        "FORBIDDEN" => wrong("the vendor does not allow the token request").code("FORBIDDEN"),
        other => return codes::of_login(other),
    })
}

const NO_ACCESS_TOKEN: &str = "a logout needs an access token that is good";
const VENDOR: &str = "immersve";
const LIVE: &str = "https://api.immersve.com";
const LIVE_CARD_SECRETS: &str = "https://api-sec.immersve.com";
const TEST: &str = "https://test.immersve.com";
const TEST_CARD_SECRETS: &str = "https://test-sec.immersve.com";
const ACCOUNT_ID: HeaderName = HeaderName::from_static("x-account-id");
/// "About 30 days"; the token's own `exp` comes first.
const REFRESH_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// There is no lifetime and no type in a reply: the access token is a JWT and goes as Bearer.
const NAMES: Names = Names {
    access: "accessToken",
    refresh: Some("refreshToken"),
    lifetime: None,
    refresh_lifetimes: &[],
    token_type: None,
    scope: None,
};
