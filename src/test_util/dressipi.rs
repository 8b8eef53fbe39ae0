use std::{fmt, io, ops::Deref};

use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};
use serde_json::json;

use super::{
    builder::{DAY, SimBuilder, launch},
    rotation::{Rotation, Turns},
    sessions::{RefreshStyle, Sessions},
    simulator::Simulator,
    vendor::{Denial, Reception, Request, Vendor},
    wire::{self, Form},
};

/// Dressipi, simulated: `POST /oauth/token` as a form with the constant `redirect_uri`, a public
/// client, and an API that never says 401.
///
/// Access tokens live for 24 hours, as the vendor documents. Every other path is API and takes the
/// token bare in `x-dressipi-jwt`: with a good one it answers 200 and `"personalised": true`, with
/// a dead one or none 200 and `false`. First logins (`authorization_code`) are not simulated, only
/// [`seed`](Simulator::seed) makes sessions.
///
/// Ours and not the vendor's: the refresh lifetime of 30 days, what a missing API key leads to, and
/// that a refresh token spent twice ends its session.
#[derive(Debug)]
pub struct SimDressipi {
    sim: Simulator,
    client_id: String,
}

/// The part of [`SimBuilder`] that only [`SimDressipi`] has.
#[derive(Clone)]
pub struct DressipiOptions {
    client_id: String,
    api_key: Option<String>,
    rotation: Turns,
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
        };
        let mut builder = SimBuilder::new(options, DAY, 30 * DAY);
        builder.policy.refresh = RefreshStyle::DashedHex;
        builder
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
        let sim = launch(self).await?;
        Ok(SimDressipi { sim, client_id })
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
    fn has_api_key(&self, request: &Parts) -> bool {
        self.api_key.is_none()
            || wire::single(&request.headers, "x-api-key") == self.api_key.as_deref()
    }

    /// The form of a refresh by the right client.
    fn form(&self, request: &Request) -> Result<Form, Denial> {
        let form = Form::parse(request.headers(), &request.body).map_err(invalid_request)?;
        let grant_type = form.require("grant_type").map_err(invalid_request)?;
        if grant_type != "refresh_token" {
            let complaint = "grant_type is not refresh_token";
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

fn invalid_request(complaint: String) -> Denial {
    malformed("invalid_request", complaint)
}

fn malformed(code: &str, complaint: String) -> Denial {
    Denial::malformed(complaint, error(code))
}

fn error(code: &str) -> Response<Bytes> {
    wire::json(StatusCode::BAD_REQUEST, &json!({ "error": code }))
}

const REDIRECT_URI: &str = "urn:ietf:wg:oauth:2.0:oob:auto";
