//! The simulator of Marketiger3D.

use std::{fmt, io, ops::Deref};

use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};
use serde_json::json;

use super::{
    builder::{HOUR, SimBuilder, launch},
    policy::AccessStyle,
    sessions::Sessions,
    simulator::Simulator,
    vendor::{Denial, Reception, Request, Vendor},
    wire,
};

/// Marketiger3D, simulated: `POST /v2/Auth/RefreshToken` in JSON with *both* old tokens, replies in
/// an envelope, and a 401 from the token endpoint itself.
///
/// The access token may have expired, but has to belong to the refresh token's session. Refresh
/// tokens live for 12 hours, as the vendor documents. Every other path is API and wants
/// `Authorization: Bearer`.
///
/// `POST /v2/Auth/Login` takes the email and the password of one user.
///
/// Ours and not the vendor's, who publishes nothing on it: the access lifetime of one hour, that
/// each exchange starts the 12 hours anew, that refresh tokens are good for one exchange, that a
/// second one ends the session, and the error types other than `AUTHENTICATION`.
#[derive(Debug)]
pub struct SimMarketiger {
    sim: Simulator,
    options: MarketigerOptions,
}

/// The part of [`SimBuilder`] that only [`SimMarketiger`] has.
#[derive(Clone)]
pub struct MarketigerOptions {
    refuse_with_ok: bool,
    email: String,
    password: String,
    leaves_refresh_out: bool,
}

// === impl SimMarketiger ===

impl SimMarketiger {
    /// Starts one with the lifetimes above and the system's clock.
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
    pub fn builder() -> SimBuilder<MarketigerOptions> {
        let options = MarketigerOptions {
            refuse_with_ok: false,
            email: "me@shop.example".into(),
            password: "p\u{e4}ss \"word\"".into(),
            leaves_refresh_out: false,
        };
        SimBuilder::new(options, HOUR, 12 * HOUR)
    }

    /// The user's email; `me@shop.example`, unless it is set.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.options.email
    }

    /// The user's password; unless it is set, one that has to be escaped.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.options.password
    }
}

impl Deref for SimMarketiger {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.sim
    }
}

// === impl SimBuilder ===

impl SimBuilder<MarketigerOptions> {
    /// Refuses exchanges with 200 and `"success": false` in place of 401.
    pub fn refuse_with_ok(mut self) -> Self {
        self.vendor.refuse_with_ok = true;
        self
    }

    /// The one user who logs in.
    pub fn user(mut self, email: impl Into<String>, password: impl Into<String>) -> Self {
        self.vendor.email = email.into();
        self.vendor.password = password.into();
        self
    }

    /// Leaves the refresh token out of the replies to logins, as the vendor's example does.
    pub fn logins_without_refresh_token(mut self) -> Self {
        self.vendor.leaves_refresh_out = true;
        self
    }

    /// Leaves `exp` out of the access tokens. They expire all the same, and nobody can tell when.
    pub fn access_tokens_without_exp(mut self) -> Self {
        self.policy.access = AccessStyle::JwtWithoutExp;
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
    pub async fn start(self) -> io::Result<SimMarketiger> {
        let options = self.vendor.clone();
        let sim = launch(self).await?;
        Ok(SimMarketiger { sim, options })
    }
}

// === impl MarketigerOptions ===

impl Vendor for MarketigerOptions {
    fn token_path(&self) -> &'static str {
        "/v2/Auth/RefreshToken"
    }

    fn exchange(&self, request: &Request, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        let malformed = |complaint: String| {
            let reply = invalid(&complaint);
            Denial::malformed(complaint, reply)
        };
        let body = wire::json_object(request.headers(), &request.body).map_err(malformed)?;
        let text = |name| wire::text(&body, name).map_err(malformed);
        let (access, refresh) = (text("accessToken")?, text("refreshToken")?);
        if !sessions.same_session(access, refresh) {
            return Err(self.refusal());
        }
        let grant = sessions
            .exchange(refresh, || true)
            .map_err(|_| self.refusal())?;
        let data = json!({ "accessToken": grant.access, "refreshToken": grant.refresh });
        Ok(wire::json(
            StatusCode::OK,
            &json!({ "success": true, "data": data }),
        ))
    }

    fn login_paths(&self) -> &'static [&'static str] {
        &["/v2/Auth/Login"]
    }

    fn log_in(&self, request: &Request, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        let malformed = |complaint: String| {
            let reply = invalid(&complaint);
            Denial::malformed(complaint, reply)
        };
        let body = wire::json_object(request.headers(), &request.body).map_err(malformed)?;
        let text = |name| wire::text(&body, name).map_err(malformed);
        if (text("email")?, text("password")?) != (&self.email, &self.password) {
            let status = match self.refuse_with_ok {
                true => StatusCode::OK,
                false => StatusCode::BAD_REQUEST,
            };
            let message = "Email or password is wrong";
            return Err(Denial::refused(failure(status, "AUTHENTICATION", message)));
        }
        let seed = sessions.begin();
        let mut data = json!({ "accessToken": seed.access_token });
        if !self.leaves_refresh_out {
            data["refreshToken"] = seed.refresh_token.into();
        }
        Ok(wire::json(
            StatusCode::OK,
            &json!({ "success": true, "data": data }),
        ))
    }

    fn complain(&self, complaint: &str) -> Response<Bytes> {
        invalid(complaint)
    }

    fn throttle(&self) -> Response<Bytes> {
        failure(
            StatusCode::TOO_MANY_REQUESTS,
            "RATE_LIMIT",
            "Too many requests",
        )
    }

    fn api(&self, request: &Parts, sessions: &Sessions, refuse: bool) -> Reception {
        let token = wire::bearer(&request.headers);
        if refuse || token.is_none_or(|it| sessions.check_access(it).is_err()) {
            let message = "The access token is missing, expired or invalid";
            let reply = failure(StatusCode::UNAUTHORIZED, "AUTHENTICATION", message);
            return Reception::Refused(reply);
        }
        let data = json!({ "path": request.uri.path() });
        let reply = json!({ "success": true, "data": data });
        Reception::Answered(wire::json(StatusCode::OK, &reply))
    }
}

impl MarketigerOptions {
    fn refusal(&self) -> Denial {
        let status = match self.refuse_with_ok {
            true => StatusCode::OK,
            false => StatusCode::UNAUTHORIZED,
        };
        let message = "The tokens cannot be refreshed";
        Denial::refused(failure(status, "AUTHENTICATION", message))
    }
}

impl fmt::Debug for MarketigerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MarketigerOptions")
            .field("refuse_with_ok", &self.refuse_with_ok)
            .finish_non_exhaustive()
    }
}

fn invalid(complaint: &str) -> Response<Bytes> {
    failure(StatusCode::BAD_REQUEST, "VALIDATION", complaint)
}

fn failure(status: StatusCode, kind: &str, message: &str) -> Response<Bytes> {
    let error = json!({ "type": kind, "message": message });
    wire::json(status, &json!({ "success": false, "error": error }))
}
