//! The simulator of a plain OAuth 2.0 server.

use std::{io, ops::Deref, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL},
    request::Parts,
};
use serde_json::json;

use super::{
    answers::{
        BARE, INSUFFICIENT_SCOPE, INVALID_TOKEN, challenge, error, invalid_client, invalid_request,
    },
    bound,
    builder::{DAY, HOUR, SimBuilder, launch},
    client_auth::ClientSecret,
    dpop::ProofChecker,
    expires_in::ExpiresIn,
    policy::AccessStyle,
    rotation::{Rotation, Turns},
    sessions::Sessions,
    simulator::Simulator,
    vendor::{Denial, Reception, Request, Revoked, Vendor},
    wire::{self, Form},
};

/// A plain OAuth 2.0 server (RFC 6749) and an API behind bearer tokens (RFC 6750).
///
/// `POST /token` serves `client_credentials`, without a refresh token in the reply, and
/// `refresh_token`; `POST /revoke` ends the session of a token, and thereby its access tokens (RFC
/// 7009). The client authenticates by Basic or in the body, never both. Every other path is API:
/// 401 with `invalid_token` for a dead token, 401 without an error code for none, and 403
/// `insufficient_scope` at `/scoped` whatever the token.
///
/// Access tokens live for an hour and refresh tokens for 30 days. A refresh token spent twice ends
/// its session, as RFC 9700 (section 4.14.2) asks.
///
/// With [`dpop`](SimBuilder::dpop) tokens are bound to keys (RFC 9449): both ends want a proof with each
/// request, made for it within the last minute and never seen before.
#[derive(Debug)]
pub struct SimOauth {
    sim: Simulator,
    client: ClientSecret,
    pub(super) proofs: Option<Arc<ProofChecker>>,
}

/// The part of [`SimBuilder`] that only [`SimOauth`] has.
#[derive(Clone, Debug)]
pub struct OauthOptions {
    client: ClientSecret,
    expires_in: ExpiresIn,
    rotation: Turns,
    scope: String,
    pub(super) proofs: Option<Arc<ProofChecker>>,
}

// === impl SimOauth ===

impl SimOauth {
    /// Starts one with the lifetimes above and the system's clock; it rotates always.
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
    pub fn builder() -> SimBuilder<OauthOptions> {
        let options = OauthOptions {
            client: ClientSecret::new("client id", "s3cret %+&:\u{fc}"),
            expires_in: ExpiresIn::Number,
            rotation: Turns::new(Rotation::Always),
            scope: "read write".into(),
            proofs: None,
        };
        SimBuilder::new(options, HOUR, 30 * DAY)
    }

    /// The URL of the revocation endpoint.
    #[must_use]
    pub fn revocation_url(&self) -> String {
        self.base_url() + "/revoke"
    }

    /// The one client's id; unless it is set, one that has to be encoded.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.client.id()
    }

    /// The one client's secret; unless it is set, one that has to be encoded.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        self.client.secret()
    }
}

impl Deref for SimOauth {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.sim
    }
}

// === impl SimBuilder ===

impl SimBuilder<OauthOptions> {
    /// The one client.
    pub fn client(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.vendor.client = ClientSecret::new(id, secret);
        self
    }

    /// Gives out random access tokens in place of JWTs.
    pub fn opaque_access_tokens(mut self) -> Self {
        self.policy.access = AccessStyle::Opaque;
        self
    }

    /// How replies write `expires_in`.
    pub fn expires_in(mut self, expires_in: ExpiresIn) -> Self {
        self.vendor.expires_in = expires_in;
        self
    }

    /// When an exchange spends the refresh token and gives another.
    pub fn rotation(mut self, rotation: Rotation) -> Self {
        self.vendor.rotation = Turns::new(rotation);
        self
    }

    /// Lets a spent refresh token be spent again within this time, as some vendors do for replies
    /// that were lost. Each replay gives new tokens, and the earlier ones stay good.
    pub fn reuse_grace(mut self, grace: Duration) -> Self {
        self.policy.grace = grace;
        self
    }

    /// The scope that a client may have at most, and has by default: words with spaces between.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.vendor.scope = scope.into();
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
    pub async fn start(self) -> io::Result<SimOauth> {
        let client = self.vendor.client.clone();
        let proofs = self.vendor.proofs.clone();
        let sim = launch(self).await?;
        Ok(SimOauth {
            sim,
            client,
            proofs,
        })
    }
}

// === impl OauthOptions ===

impl Vendor for OauthOptions {
    fn token_path(&self) -> &'static str {
        "/token"
    }

    fn exchange(&self, request: &Request, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        let Some(proofs) = &self.proofs else {
            return self.grant(request, sessions, None);
        };
        bound::exchange(proofs, request, sessions, |jkt| {
            self.grant(request, sessions, Some(jkt))
        })
    }

    fn revocation_path(&self) -> Option<&'static str> {
        Some("/revoke")
    }

    fn revoke(&self, request: &Request, sessions: &Sessions) -> Result<Revoked, Denial> {
        let form = self.authenticated_form(request)?;
        let token = form.require("token").map_err(invalid_request)?;
        let session = sessions.session_of(token);
        // A token that nobody knows is as good as revoked (section 2.2).
        Ok((
            session,
            wire::reply(StatusCode::OK, "text/plain", String::new()),
        ))
    }

    fn complain(&self, _complaint: &str) -> Response<Bytes> {
        error("invalid_request")
    }

    fn throttle(&self) -> Response<Bytes> {
        let body = json!({ "error": "temporarily_unavailable" });
        wire::json(StatusCode::TOO_MANY_REQUESTS, &body)
    }

    fn api(&self, request: &Parts, sessions: &Sessions, refuse: bool) -> Reception {
        if let Some(proofs) = &self.proofs {
            return bound::api(proofs, request, sessions, refuse);
        }
        let Some(token) = wire::bearer(&request.headers) else {
            return Reception::Refused(challenge(StatusCode::UNAUTHORIZED, BARE));
        };
        if refuse || sessions.check_access(token).is_err() {
            return Reception::Refused(challenge(StatusCode::UNAUTHORIZED, INVALID_TOKEN));
        }
        if request.uri.path() == "/scoped" {
            return Reception::Forbidden(challenge(StatusCode::FORBIDDEN, INSUFFICIENT_SCOPE));
        }
        let reply = json!({ "path": request.uri.path() });
        Reception::Answered(wire::json(StatusCode::OK, &reply))
    }
}

impl OauthOptions {
    pub(super) fn authenticated_form(&self, request: &Request) -> Result<Form, Denial> {
        let form = Form::parse(request.headers(), &request.body).map_err(invalid_request)?;
        let by_header = request.headers().contains_key(AUTHORIZATION);
        match self.client.authenticate(request.headers(), &form) {
            Ok(true) => Ok(form),
            Ok(false) => Err(Denial::refused(invalid_client(by_header))),
            Err(complaint) => Err(invalid_request(complaint)),
        }
    }

    pub(super) fn refresh(
        &self,
        form: &Form,
        sessions: &Sessions,
    ) -> Result<(String, Option<String>), Denial> {
        let token = form.require("refresh_token").map_err(invalid_request)?;
        let dead = |_| Denial::refused(error("invalid_grant"));
        let grant = sessions
            .exchange(token, || self.rotation.next())
            .map_err(dead)?;
        Ok((grant.access, grant.refresh))
    }

    /// The scope that was asked for, where it is no larger than what the client may have.
    pub(super) fn granted_scope<'a>(&'a self, form: &'a Form) -> Result<&'a str, Denial> {
        let asked = form.get("scope").unwrap_or(&self.scope);
        let allowed = |word: &str| self.scope.split(' ').any(|it| it == word);
        match asked.split(' ').all(allowed) {
            true => Ok(asked),
            false => Err(Denial::refused(error("invalid_scope"))),
        }
    }

    pub(super) fn granted(
        &self,
        access: String,
        refresh: Option<String>,
        scope: &str,
        lifetime: Duration,
    ) -> Response<Bytes> {
        let token_type = self.proofs.as_ref().map_or("Bearer", |_| "DPoP");
        let mut body = json!({ "access_token": access, "token_type": token_type, "scope": scope });
        if let Some(refresh) = refresh {
            body["refresh_token"] = refresh.into();
        }
        if let Some(expires_in) = self.expires_in.value(lifetime) {
            body["expires_in"] = expires_in;
        }
        let mut reply = wire::json(StatusCode::OK, &body);
        let no_store = HeaderValue::from_static("no-store");
        reply.headers_mut().insert(CACHE_CONTROL, no_store);
        reply
    }
}
