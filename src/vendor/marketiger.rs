//! Marketiger3D: 3D models for web shops.
//!
//! Source: the vendor's public documentation at `docs.marketiger3d.com`. It does not say whether a
//! refresh token that is used twice ends the session, nor whether there is a host beside the one
//! that all its pages show: both are taken for the worse.

use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::{
    oauth2::wire::{self, Endpoint, Json, Names},
    provider::{
        Credential, Exchange, Login, Origins, Profile, Provider, ProviderError, Rotation,
        SessionParts, TokenReply,
    },
    token::{Secret, Token},
};

/// Sessions at Marketiger3D.
///
/// To refresh, the vendor asks for the old access token beside the refresh token, so a session
/// starts from a pair: [`Token::from_pair`]. Every refresh gives a new pair. A refresh token lives
/// for 12 hours; after that, only [email and password](Self::email_and_password) help.
///
/// ```
/// use tower_reauth::vendor::Marketiger3D;
///
/// let provider = Marketiger3D::new();
/// ```
#[derive(Clone, Debug)]
pub struct Marketiger3D {
    base: Endpoint,
    origins: Option<Origins>,
    user: Option<User>,
}

/// Who logs in.
#[derive(Clone, Debug)]
struct User {
    email: Secret,
    password: Credential,
}

// === impl Marketiger3D ===

impl Marketiger3D {
    /// The only host that the vendor's documentation shows, `https://devapi.marketiger3d.com/v2`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            base: Endpoint::base(BASE),
            origins: None,
            user: None,
        }
    }

    /// Another place where the vendor's API is.
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

    /// Logs in with email and password, where the session has no refresh token, or the vendor refuses
    /// it. A refused password is not sent again before somebody hands a token over, or the process
    /// begins anew. This is the login of one user, and so of the layer's first session.
    ///
    /// The vendor's reply may lack the refresh token: the session then ends with its access token,
    /// and logs in again.
    ///
    /// ```
    /// use tower_reauth::AuthLayer;
    /// use tower_reauth::vendor::Marketiger3D;
    ///
    /// let provider = Marketiger3D::new().email_and_password("me@shop.example", "s3cr3t");
    /// let auth = AuthLayer::new(provider);
    /// ```
    #[must_use]
    pub fn email_and_password(
        mut self,
        email: impl Into<Secret>,
        password: impl Into<Credential>,
    ) -> Self {
        self.user = Some(User {
            email: email.into(),
            password: password.into(),
        });
        self
    }

    fn login_request(&self) -> Result<Request<Bytes>, ProviderError> {
        let user = self.user.as_ref();
        let user = user.ok_or_else(|| ProviderError::refused("nobody logs in to this session"))?;
        let password = user.password.look_up()?;
        let members = [
            ("email", user.email.expose()),
            ("password", password.expose()),
        ];
        wire::post_json(self.base.uri("/Auth/Login")?, &members)
    }

    fn request(&self, exchange: &Exchange) -> Result<Request<Bytes>, ProviderError> {
        let refresh_token = exchange.refresh_token()?;
        let access_token = exchange
            .last()
            .and_then(Token::access_token)
            .ok_or_else(|| {
                ProviderError::refused(
                    "Marketiger3D asks for the old access token, and there is none: \
                 start the session from `Token::from_pair`",
                )
            })?;
        let members = [
            ("accessToken", access_token.expose()),
            ("refreshToken", refresh_token.expose()),
        ];
        wire::post_json(self.base.uri("/Auth/RefreshToken")?, &members)
    }
}

impl Default for Marketiger3D {
    fn default() -> Self {
        Self::new()
    }
}

impl Provider for Marketiger3D {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let request = self.request(&exchange)?;
        let reply = exchange.client().send(request).await?;
        read(&reply, SESSION_REFUSED)
    }

    async fn login(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let request = self.login_request()?;
        let sent = exchange.client().send(request).await;
        // A password is good for more than one use.
        let read = sent.and_then(|reply| read(&reply, PASSWORD_REFUSED));
        read.map_err(ProviderError::of_nothing_spent)
    }

    fn profile(&self) -> Profile {
        let login = match self.user {
            Some(_) => Login::First,
            None => Login::None,
        };
        let email = self.user.as_ref().map_or("", |user| user.email.expose());
        Profile::new(VENDOR)
            .identity(SessionParts {
                namespace: String::new(),
                vendor: VENDOR.to_owned(),
                base_url: self.base.url().to_owned(),
                client: String::new(),
                account: email.to_owned(),
                scope: String::new(),
                resource: Vec::new(),
                audience: Vec::new(),
                binding: String::new(),
                session_key: String::new(),
            })
            .origins(self.origins.clone().unwrap_or_else(|| self.base.origins()))
            .rotation(Rotation::Must)
            .default_refresh_lifetime(REFRESH_LIFETIME)
            .login(login)
    }
}

/// A success says so twice, in its status and in its envelope. A refusal may come as either.
fn read(reply: &TokenReply, refused: &'static str) -> Result<Token, ProviderError> {
    if !reply.status().is_success() {
        let verdict = wire::decision(reply, &ENVELOPE).and_then(|json| refusal(&json, refused));
        return Err(told_by(verdict.unwrap_or_else(|| reply.failure()), reply));
    }
    let token = wire::issued(reply, &NAMES);
    let json = Json::read(reply.body(), &ENVELOPE);
    let whole = reply.is_complete() && json.fault().is_none();
    match (json.flag("success"), token) {
        (Some(true), token) => token,
        (Some(false), Err(error)) if whole && error.salvaged().is_none() => {
            let verdict = refusal(&json, refused).unwrap_or_else(|| {
                ProviderError::misconfigured(
                    "the vendor refused the token request for a reason that it does not document",
                )
            });
            Err(told_by(verdict, reply))
        }
        // Tokens in an envelope that does not announce them: keep them, and trust nothing.
        (_, Ok(token)) => Err(ProviderError::unknown_outcome(
            "the reply holds tokens and does not say that it is a success",
        )
        .status(reply.status())
        .salvaging(token)),
        (_, Err(error)) => Err(error),
    }
}

fn refusal(json: &Json, refused: &'static str) -> Option<ProviderError> {
    (json.text("error.type") == Some("AUTHENTICATION"))
        .then(|| ProviderError::refused(refused).code("AUTHENTICATION"))
}

fn told_by(error: ProviderError, reply: &TokenReply) -> ProviderError {
    error.status(reply.status()).vendor_text(reply.body())
}

const SESSION_REFUSED: &str =
    "the vendor refuses the session: log in again with email and password";
const PASSWORD_REFUSED: &str =
    "the vendor refuses email and password: check both, then begin the process anew";
const VENDOR: &str = "marketiger3d";
const BASE: &str = "https://devapi.marketiger3d.com/v2";
const ENVELOPE: [&str; 2] = ["success", "error.type"];
const REFRESH_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// The access token's lifetime is not published; where it is a JWT, it says so itself.
const NAMES: Names = Names {
    access: "data.accessToken",
    refresh: Some("data.refreshToken"),
    lifetime: None,
    refresh_lifetimes: &[],
    token_type: None,
    scope: None,
};
