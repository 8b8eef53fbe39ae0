//! The simulator of Dressipi. Its shoppers are in `shopper.rs`.

use std::{fmt, io, ops::Deref};

use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};
use serde_json::json;

use super::{
    builder::{DAY, SimBuilder, launch},
    once::Once,
    policy::RefreshStyle,
    rotation::{Rotation, Turns},
    sessions::Sessions,
    shopper::new_code,
    simulator::Simulator,
    vendor::{Denial, Reception, Request, Vendor},
    wire::{self, Form},
};

/// Dressipi, simulated: `POST /oauth/token` as a form with the constant `redirect_uri`, a public
/// client, and an API that never says 401.
///
/// Access tokens live for 24 hours, as the vendor documents. Every other path is API and takes the
/// token bare in `x-dressipi-jwt`: with a good one it answers 200 and `"personalised": true`, with
/// a dead one or none 200 and `false`. `GET /oauth/authorize` with a challenge of PKCE (S256 only)
/// makes a shopper and answers with a code, which `authorization_code` with its verifier redeems.
///
/// Ours and not the vendor's: the refresh lifetime of 30 days, what a missing API key leads to, that
/// a refresh token spent twice ends its session, that codes are good for 10 minutes and one use, and
/// that they come as JSON or [as they are](SimBuilder::code_as_text).
#[derive(Debug)]
pub struct SimDressipi {
    sim: Simulator,
    client_id: String,
    codes: Once<String>,
}

/// The part of [`SimBuilder`] that only [`SimDressipi`] has.
#[derive(Clone)]
pub struct DressipiOptions {
    pub(super) client_id: String,
    api_key: Option<String>,
    rotation: Turns,
    /// Each with the challenge that it was asked for with.
    pub(super) codes: Once<String>,
    pub(super) code_as_text: bool,
}

// === impl SimDressipi ===

impl SimDressipi {
    /// Starts one with the vendor's lifetimes and the system's clock; it rotates always.
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
    pub fn builder() -> SimBuilder<DressipiOptions> {
        let options = DressipiOptions {
            client_id: "client-id".into(),
            api_key: None,
            rotation: Turns::new(Rotation::Always),
            codes: Once::default(),
            code_as_text: false,
        };
        let mut builder = SimBuilder::new(options, DAY, 30 * DAY);
        builder.policy.refresh = RefreshStyle::DashedHex;
        builder
    }

    /// A code, as a shopper's first visit gives it, for the challenge of a verifier.
    #[must_use]
    pub fn code_for(&self, challenge: &str) -> String {
        let now = self.sim.sessions().clock().now().unix();
        new_code(&self.codes, challenge, now)
    }

    /// The client that all sessions belong to; `client-id`, unless it is set.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }
}

impl Deref for SimDressipi {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.sim
    }
}

// === impl SimBuilder ===

impl SimBuilder<DressipiOptions> {
    /// The client that all sessions belong to.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.vendor.client_id = id.into();
        self
    }

    /// Asks for this `x-api-key`, on token requests (else `invalid_client`) and on API calls (else
    /// 403).
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.vendor.api_key = Some(key.into());
        self
    }

    /// Answers with the code alone, in place of JSON.
    pub fn code_as_text(mut self) -> Self {
        self.vendor.code_as_text = true;
        self
    }

    /// When an exchange spends the refresh token and gives another.
    pub fn rotation(mut self, rotation: Rotation) -> Self {
        self.vendor.rotation = Turns::new(rotation);
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
    pub async fn start(self) -> io::Result<SimDressipi> {
        let client_id = self.vendor.client_id.clone();
        let codes = self.vendor.codes.clone();
        let sim = launch(self).await?;
        Ok(SimDressipi {
            sim,
            client_id,
            codes,
        })
    }
}

// === impl DressipiOptions ===

impl Vendor for DressipiOptions {
    fn token_path(&self) -> &'static str {
        "/oauth/token"
    }

    fn exchange(&self, request: &Request, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        if !self.has_api_key(&request.parts) {
            return Err(malformed(
                "invalid_client",
                "x-api-key is missing or wrong".into(),
            ));
        }
        let form = self.form(request)?;
        if form.get("grant_type") == Some("authorization_code") {
            return self.redeem(&form, sessions);
        }
        let refresh = form.require("refresh_token").map_err(invalid_request)?;
        let dead = |_| Denial::refused(error("invalid_grant"));
        let grant = sessions
            .exchange(refresh, || self.rotation.next())
            .map_err(dead)?;
        let mut reply = json!({
            "access_token": grant.access,
            "token_type": "Bearer",
            "expires_in": sessions.access_lifetime().as_secs(),
        });
        if let Some(refresh) = grant.refresh {
            reply["refresh_token"] = refresh.into();
        }
        Ok(wire::json(StatusCode::OK, &reply))
    }

    fn login_paths(&self) -> &'static [&'static str] {
        &[AUTHORIZE]
    }

    fn get_path(&self) -> Option<&'static str> {
        Some(AUTHORIZE)
    }

    fn log_in(&self, request: &Request, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        self.authorize(request, sessions)
    }

    fn complain(&self, _complaint: &str) -> Response<Bytes> {
        error("invalid_request")
    }

    fn throttle(&self) -> Response<Bytes> {
        wire::reply(
            StatusCode::TOO_MANY_REQUESTS,
            "text/plain",
            "Too many requests",
        )
    }

    fn api(&self, request: &Parts, sessions: &Sessions, refuse: bool) -> Reception {
        if !self.has_api_key(request) {
            let reply = json!({ "error": "x-api-key" });
            return Reception::Forbidden(wire::json(StatusCode::FORBIDDEN, &reply));
        }
        let token = wire::single(&request.headers, "x-dressipi-jwt");
        let good = token.is_some_and(|it| sessions.check_access(it).is_ok()) && !refuse;
        let reply = json!({ "path": request.uri.path(), "personalised": good });
        let reply = wire::json(StatusCode::OK, &reply);
        match good {
            true => Reception::Answered(reply),
            false => Reception::Anonymous(reply),
        }
    }
}

impl DressipiOptions {
    pub(super) fn has_api_key(&self, request: &Parts) -> bool {
        self.api_key.is_none()
            || wire::single(&request.headers, "x-api-key") == self.api_key.as_deref()
    }

    /// The form of a token request by the right client.
    fn form(&self, request: &Request) -> Result<Form, Denial> {
        let form = Form::parse(request.headers(), &request.body).map_err(invalid_request)?;
        let grant_type = form.require("grant_type").map_err(invalid_request)?;
        if !matches!(grant_type, "refresh_token" | "authorization_code") {
            let complaint = "grant_type is neither refresh_token nor authorization_code";
            return Err(malformed("unsupported_grant_type", complaint.into()));
        }
        if form.require("redirect_uri").map_err(invalid_request)? != REDIRECT_URI {
            return Err(invalid_request(format!(
                "redirect_uri is not {REDIRECT_URI}"
            )));
        }
        if form.require("client_id").map_err(invalid_request)? != self.client_id {
            return Err(Denial::refused(error("invalid_client")));
        }
        Ok(form)
    }
}

impl fmt::Debug for DressipiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DressipiOptions")
            .field("client_id", &self.client_id)
            .field("wants_api_key", &self.api_key.is_some())
            .field("rotation", &self.rotation)
            .finish()
    }
}

pub(super) fn invalid_request(complaint: String) -> Denial {
    malformed("invalid_request", complaint)
}

pub(super) fn malformed(code: &str, complaint: String) -> Denial {
    Denial::malformed(complaint, error(code))
}

pub(super) fn error(code: &str) -> Response<Bytes> {
    wire::json(StatusCode::BAD_REQUEST, &json!({ "error": code }))
}

const AUTHORIZE: &str = "/oauth/authorize";
pub(super) const REDIRECT_URI: &str = "urn:ietf:wg:oauth:2.0:oob:auto";
