//! The simulator of VMware's CSP. Its other ways to a token are in `csp_accounts.rs`.

use std::{io, ops::Deref};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header::AUTHORIZATION, request::Parts};
use serde_json::{Value, json};

use super::{
    builder::{DAY, MINUTE, SimBuilder, launch},
    client_auth::ClientSecret,
    once::Once,
    sessions::Sessions,
    simulator::Simulator,
    vendor::{Denial, Reception, Request, Vendor},
    wire::{self, Form},
};

/// VMware Cloud Services, simulated: an API token that never rotates is exchanged in a form at
/// `POST /csp/gateway/am/api/auth/api-tokens/authorize`.
///
/// Access tokens live for 30 minutes, of which the reply promises one second less, and API tokens
/// for six months, as the vendor's defaults are. A dead API token is refused with 400 and nothing
/// but a text to tell, which quotes the token's last five characters. Every other path is API and
/// takes the token in `Authorization: Bearer`, in `csp-auth-token`, or in both; where both are
/// there, both have to be good.
///
/// `POST …/auth/authorize` takes a service account by Basic, with an optional `orgId`, and `POST
/// …/auth/api-tokens/details` tells when an API token expires.
///
/// Ours and not the vendor's: the words and codes of the errors other than that text, also those that
/// answer a wrong passcode and a wrong service account.
#[derive(Debug)]
pub struct SimVmwareCsp {
    sim: Simulator,
    options: VmwareCspOptions,
}

/// The part of [`SimBuilder`] that only [`SimVmwareCsp`] has.
#[derive(Clone, Debug)]
pub struct VmwareCspOptions {
    accept_refresh_token: bool,
    expires_in: Option<u64>,
    refusal: StatusCode,
    module_code: Value,
    require_both_headers: bool,
    require_passcode: bool,
    pub(super) passcodes: Once<()>,
    pub(super) service_account: ClientSecret,
    pub(super) org_id: String,
}

// === impl SimVmwareCsp ===

impl SimVmwareCsp {
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
    pub fn builder() -> SimBuilder<VmwareCspOptions> {
        let options = VmwareCspOptions {
            accept_refresh_token: false,
            expires_in: None,
            refusal: StatusCode::BAD_REQUEST,
            module_code: json!(540),
            require_both_headers: false,
            require_passcode: false,
            passcodes: Once::default(),
            service_account: ClientSecret::new("service id", "s3cret %+&:"),
            org_id: "organization".into(),
        };
        SimBuilder::new(options, 30 * MINUTE, 180 * DAY)
    }

    /// What the user's second factor shows, good for one use.
    #[must_use]
    pub fn passcode(&self) -> String {
        let passcode = format!("{:06}", fastrand::u32(..1_000_000));
        let ever = std::time::Duration::MAX;
        self.options.passcodes.open(passcode.clone(), (), ever);
        passcode
    }

    /// The service account's id; unless it is set, one that has to be encoded.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.options.service_account.id()
    }

    /// The service account's secret; unless it is set, one that has to be encoded.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        self.options.service_account.secret()
    }

    /// The one organization.
    #[must_use]
    pub fn org_id(&self) -> &str {
        &self.options.org_id
    }

    /// Revokes every API token made until now. Access tokens live on until they expire, as the
    /// vendor documents.
    pub fn revoke_api_tokens(&self) {
        self.sim.sessions().revoke_refresh_tokens();
    }
}

impl Deref for SimVmwareCsp {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.sim
    }
}

// === impl SimBuilder ===

impl SimBuilder<VmwareCspOptions> {
    /// Takes the deprecated `refresh_token=` in place of `api_token=` too.
    pub fn accept_refresh_token(mut self) -> Self {
        self.vendor.accept_refresh_token = true;
        self
    }

    /// Promises this lifetime in replies, whatever the access token's is.
    pub fn expires_in(mut self, seconds: u64) -> Self {
        self.vendor.expires_in = Some(seconds);
        self
    }

    /// Refuses dead API tokens with 404, which has been seen too.
    pub fn refuse_with_not_found(mut self) -> Self {
        self.vendor.refusal = StatusCode::NOT_FOUND;
        self
    }

    /// Writes `moduleCode` as a string, which has been seen too.
    pub fn module_code_as_string(mut self) -> Self {
        self.vendor.module_code = json!("540");
        self
    }

    /// Wants a passcode with each API token.
    pub fn require_passcode(mut self) -> Self {
        self.vendor.require_passcode = true;
        self
    }

    /// Wants API calls to have the token in both headers.
    pub fn require_both_headers(mut self) -> Self {
        self.vendor.require_both_headers = true;
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
    pub async fn start(self) -> io::Result<SimVmwareCsp> {
        let options = self.vendor.clone();
        let sim = launch(self).await?;
        Ok(SimVmwareCsp { sim, options })
    }
}

// === impl VmwareCspOptions ===

impl Vendor for VmwareCspOptions {
    fn token_path(&self) -> &'static str {
        "/csp/gateway/am/api/auth/api-tokens/authorize"
    }

    fn exchange(&self, request: &Request, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        let malformed = |complaint| self.malformed(complaint);
        let form = Form::parse(request.headers(), &request.body).map_err(malformed)?;
        let api_token = self.api_token(&form).map_err(malformed)?;
        let dead = |_| Denial::refused(self.error(self.refusal, &dead_message(api_token)));
        if self.require_passcode {
            self.check_passcode(form.get("passcode"), sessions)?;
        }
        let grant = sessions.exchange(api_token, || false).map_err(dead)?;
        Ok(self.granted(&grant.access, Some(api_token), sessions))
    }

    fn login_paths(&self) -> &'static [&'static str] {
        &[SERVICE, DETAILS]
    }

    fn log_in(&self, request: &Request, sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        match request.parts.uri.path() {
            DETAILS => self.details(request, sessions),
            _ => self.serve(request, sessions),
        }
    }

    fn complain(&self, complaint: &str) -> Response<Bytes> {
        self.error(StatusCode::BAD_REQUEST, complaint)
    }

    fn throttle(&self) -> Response<Bytes> {
        self.error(StatusCode::TOO_MANY_REQUESTS, "Too many requests")
    }

    fn api(&self, request: &Parts, sessions: &Sessions, refuse: bool) -> Reception {
        if refuse || !self.is_authenticated(&request.headers, sessions) {
            let reply = self.error(StatusCode::UNAUTHORIZED, "Unauthorized");
            return Reception::Refused(reply);
        }
        let reply = json!({ "path": request.uri.path() });
        Reception::Answered(wire::json(StatusCode::OK, &reply))
    }
}

impl VmwareCspOptions {
    pub(super) fn granted(
        &self,
        access: &str,
        api_token: Option<&str>,
        sessions: &Sessions,
    ) -> Response<Bytes> {
        let lifetime = sessions.access_lifetime().as_secs();
        let mut reply = json!({
            "id_token": sessions.id_token(),
            "token_type": "bearer",
            "expires_in": self.expires_in.unwrap_or(lifetime.saturating_sub(1)),
            "scope": "openid ALL_PERMISSIONS",
            "access_token": access,
        });
        if let Some(api_token) = api_token {
            reply["refresh_token"] = api_token.into();
        }
        wire::json(StatusCode::OK, &reply)
    }

    fn api_token<'a>(&self, form: &'a Form) -> Result<&'a str, String> {
        match (form.get("api_token"), form.get("refresh_token")) {
            (Some(_), Some(_)) => Err("api_token and refresh_token are both there".into()),
            (Some(token), None) => Ok(token),
            (None, Some(token)) if self.accept_refresh_token => Ok(token),
            (None, Some(_)) => Err("refresh_token is there in place of api_token".into()),
            (None, None) => Err("api_token is missing".into()),
        }
    }

    fn is_authenticated(&self, headers: &HeaderMap, sessions: &Sessions) -> bool {
        let good = |token: Option<&str>| token.is_some_and(|it| sessions.check_access(it).is_ok());
        let (bearer, own) = (wire::bearer(headers), wire::single(headers, CSP_AUTH_TOKEN));
        let both = headers.contains_key(AUTHORIZATION) && headers.contains_key(CSP_AUTH_TOKEN);
        if both || self.require_both_headers {
            return good(bearer) && good(own);
        }
        good(bearer) || good(own)
    }

    pub(super) fn error(&self, status: StatusCode, message: &str) -> Response<Bytes> {
        let body = json!({
            "metadata": null,
            "traceId": format!("{:016x}", fastrand::u64(..)),
            "statusCode": status.as_u16(),
            "message": message,
            "requestId": format!("{:016x}", fastrand::u64(..)),
            "moduleCode": self.module_code,
            "cspErrorCode": format!("am.{}", status.as_u16()),
        });
        wire::json(status, &body)
    }
}

/// The one text that tells, with the tail of the token that the real one leaks too.
fn dead_message(api_token: &str) -> String {
    let hidden = api_token.chars().count().saturating_sub(5);
    let tail: String = api_token.chars().skip(hidden).collect();
    format!("invalid_grant: Invalid refresh token: xxxx...{tail}")
}

const SERVICE: &str = "/csp/gateway/am/api/auth/authorize";
const DETAILS: &str = "/csp/gateway/am/api/auth/api-tokens/details";
const CSP_AUTH_TOKEN: &str = "csp-auth-token";
