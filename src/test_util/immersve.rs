//! The simulator of Immersve. Its wallets are in `wallet.rs`.

use std::{io, ops::Deref, time::Duration};

use bytes::Bytes;
use http::{
    Response, StatusCode,
    header::{AUTHORIZATION, ORIGIN},
    request::Parts,
};
use serde_json::json;

use super::{
    builder::{DAY, MINUTE, SimBuilder, launch},
    immersve_replies::{error, invalid_input, malformed, refused, unauthorized},
    once::Once,
    policy::RefreshStyle,
    sessions::Sessions,
    simulator::Simulator,
    vendor::{Denial, Reception, Request, Revoked, Vendor},
    wallet::{self, Challenge},
    wire,
};

/// Immersve, simulated: `POST /auth/token` in JSON with the `Origin` header, single-use refresh
/// tokens that are JWTs, refusals as 403 with an error code. `POST /auth/logout` with a good access
/// token ends its session.
///
/// Access tokens live for 20 minutes and refresh tokens for 30 days, as the vendor documents. Every
/// other path is API and wants `Authorization: Bearer`; it echoes `x-account-id`. `/forbidden`
/// answers 403 to a good token, as the vendor's business rules do.
///
/// Wallets log in at `POST /auth/login-init` and `/auth/login-complete`, by `siwe`, `algorand` or
/// `xrpl`, and at the deprecated `/siwe/generate-challenge` and `/siwe/login`; what they have to sign
/// with is [`sign`](Self::sign). API calls with the right [`x-api-key` and
/// `x-api-secret`](SimBuilder::api_key) need no token.
///
/// Ours and not the vendor's: the words in its bodies, that a refresh token spent twice ends its
/// session, that a message may be signed for 5 minutes, and that a wallet's signature is a hash.
#[derive(Debug)]
pub struct SimImmersve {
    sim: Simulator,
    options: ImmersveOptions,
}

/// The part of [`SimBuilder`] that only [`SimImmersve`] has.
#[derive(Clone, Debug)]
pub struct ImmersveOptions {
    pub(super) origin: String,
    pub(super) client_application_id: String,
    forbid: bool,
    pub(super) challenges: Once<Challenge>,
    pub(super) challenge_lifetime: Duration,
    /// Wallets without an account.
    pub(super) strangers: Vec<String>,
    api_key: Option<(String, String)>,
}

// === impl SimImmersve ===

impl SimImmersve {
    /// Starts one with the vendor's lifetimes and the system's clock.
    ///
    /// # Errors
    ///
    /// When no socket on the loopback is to be had.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// One with other settings.
    pub fn builder() -> SimBuilder<ImmersveOptions> {
        let options = ImmersveOptions {
            origin: "https://app.example".into(),
            client_application_id: "client-app-id".into(),
            forbid: false,
            challenges: Once::default(),
            challenge_lifetime: 5 * MINUTE,
            strangers: Vec::new(),
            api_key: None,
        };
        let mut builder = SimBuilder::new(options, 20 * MINUTE, 30 * DAY);
        builder.policy.refresh = RefreshStyle::Jwt;
        builder
    }

    /// The one origin that may exchange tokens; `https://app.example`, unless it is set.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.options.origin
    }

    /// The signature that the simulated wallets make of a message.
    #[must_use]
    pub fn sign(message: &str) -> String {
        wallet::sign(message)
    }

    /// The client application that all sessions belong to; `client-app-id`, unless it is set.
    #[must_use]
    pub fn client_application_id(&self) -> &str {
        &self.options.client_application_id
    }
}

impl Deref for SimImmersve {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.sim
    }
}

// === impl SimBuilder ===

impl SimBuilder<ImmersveOptions> {
    /// The one origin that may exchange tokens.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.vendor.origin = origin.into();
        self
    }

    /// The client application that all sessions belong to.
    pub fn client_application_id(mut self, id: impl Into<String>) -> Self {
        self.vendor.client_application_id = id.into();
        self
    }

    /// How long a message may be signed.
    pub fn challenge_lifetime(mut self, lifetime: Duration) -> Self {
        self.vendor.challenge_lifetime = lifetime;
        self
    }

    /// One more wallet that has no account. All others have one.
    pub fn stranger(mut self, wallet: impl Into<String>) -> Self {
        self.vendor.strangers.push(wallet.into());
        self
    }

    /// A partner's key and secret, which API calls may have in place of a token.
    pub fn api_key(mut self, key: impl Into<String>, secret: impl Into<String>) -> Self {
        self.vendor.api_key = Some((key.into(), secret.into()));
        self
    }

    /// Refuses every well-formed exchange with 403 `FORBIDDEN`, as the vendor's example shows.
    pub fn forbid_exchanges(mut self) -> Self {
        self.vendor.forbid = true;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// When no socket on the loopback is to be had.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn start(self) -> io::Result<SimImmersve> {
        let options = self.vendor.clone();
        let sim = launch(self).await?;
        Ok(SimImmersve { sim, options })
    }
}

// === impl ImmersveOptions ===

impl Vendor for ImmersveOptions {
    fn token_path(&self) -> &'static str {
        "/auth/token"
    }

    fn exchange(&self, request: &Request, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        self.check_headers(request)?;
        let body = wire::json_object(request.headers(), &request.body)
            .map_err(|complaint| malformed("", complaint))?;
        let text = |name| wire::text(&body, name).map_err(|it| malformed(name, it));
        let (refresh, client) = (text("refreshToken")?, text("clientApplicationId")?);
        if self.forbid {
            return Err(refused("FORBIDDEN", "Unauthorized"));
        }
        if client != self.client_application_id {
            let reason = "The refresh token belongs to another client application";
            return Err(refused("CLIENT_APPLICATION_MISMATCH", reason));
        }
        let dead = |_| {
            refused(
                "REFRESH_TOKEN_EXPIRED",
                "The refresh token is no longer valid",
            )
        };
        let grant = sessions.exchange(refresh, || true).map_err(dead)?;
        let reply = json!({ "accessToken": grant.access, "refreshToken": grant.refresh });
        Ok(wire::json(StatusCode::OK, &reply))
    }

    fn login_paths(&self) -> &'static [&'static str] {
        &[
            "/auth/login-init",
            "/auth/login-complete",
            "/siwe/generate-challenge",
            "/siwe/login",
        ]
    }

    fn log_in(&self, request: &Request, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        self.log_in_at(request.parts.uri.path(), request, sessions)
    }

    fn revocation_path(&self) -> Option<&'static str> {
        Some("/auth/logout")
    }

    fn revoke(&self, request: &Request, sessions: &Sessions) -> Result<Revoked, Denial> {
        let token = wire::bearer(request.headers());
        match token.filter(|it| sessions.check_access(it).is_ok()) {
            Some(token) => Ok((
                sessions.session_of(token),
                wire::json(StatusCode::OK, &json!({})),
            )),
            None => Err(Denial::refused(unauthorized())),
        }
    }

    fn complain(&self, complaint: &str) -> Response<Bytes> {
        invalid_input("", complaint)
    }

    fn throttle(&self) -> Response<Bytes> {
        error(
            StatusCode::TOO_MANY_REQUESTS,
            "TOO_MANY_REQUESTS",
            "Slow down",
        )
    }

    fn api(&self, request: &Parts, sessions: &Sessions, refuse: bool) -> Reception {
        let token = wire::bearer(&request.headers);
        let good =
            token.is_some_and(|it| sessions.check_access(it).is_ok()) || self.has_key(request);
        if !good || refuse {
            return Reception::Refused(unauthorized());
        }
        if request.uri.path() == "/forbidden" {
            let reason = "A business rule is against it";
            return Reception::Forbidden(error(StatusCode::FORBIDDEN, "FORBIDDEN", reason));
        }
        let account = wire::single(&request.headers, "x-account-id");
        let reply = json!({ "path": request.uri.path(), "accountId": account });
        Reception::Answered(wire::json(StatusCode::OK, &reply))
    }
}

impl ImmersveOptions {
    fn has_key(&self, request: &Parts) -> bool {
        let of = |name| wire::single(&request.headers, name);
        self.api_key.as_ref().is_some_and(|(key, secret)| {
            of("x-api-key") == Some(key) && of("x-api-secret") == Some(secret)
        })
    }

    fn check_headers(&self, request: &Request) -> Result<(), Denial> {
        if request.headers().contains_key(AUTHORIZATION) {
            let complaint = "there is an Authorization header on the token request";
            return Err(malformed("", complaint.into()));
        }
        let not_allowed = || error(StatusCode::FORBIDDEN, "ORIGIN_NOT_ALLOWED", "Wrong origin");
        match wire::single(request.headers(), ORIGIN) {
            Some(origin) if origin == self.origin => Ok(()),
            Some(_) => Err(Denial::refused(not_allowed())),
            None => {
                let complaint = "there is not exactly one Origin header";
                Err(Denial::malformed(complaint, not_allowed()))
            }
        }
    }
}
