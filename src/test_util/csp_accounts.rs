//! The simulator of VMware's CSP: passcodes, service accounts, and when an API token expires.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::{
    once::Unusable,
    sessions::Sessions,
    vendor::{Denial, Request, Vendor},
    vmware_csp::VmwareCspOptions,
    wire::{self, Form},
};

// === impl VmwareCspOptions: passcodes, service accounts, details ===

impl VmwareCspOptions {
    pub(super) fn check_passcode(
        &self,
        passcode: Option<&str>,
        sessions: &Sessions,
    ) -> Result<(), Denial> {
        let now = sessions.clock().now().unix();
        let redeemed = passcode.map(|passcode| self.passcodes.redeem(passcode, now));
        if redeemed == Some(Err(Unusable::Used)) {
            sessions.spent_twice();
        }
        match redeemed {
            Some(Ok(())) => Ok(()),
            _ => {
                let reply = self.error(StatusCode::BAD_REQUEST, "Invalid passcode");
                Err(Denial::refused(reply))
            }
        }
    }

    pub(super) fn serve(
        &self,
        request: &Request,
        sessions: &Sessions,
    ) -> Result<Response<Bytes>, Denial> {
        let malformed = |complaint| self.malformed(complaint);
        let form = Form::parse(request.headers(), &request.body).map_err(malformed)?;
        let grant = form.require("grant_type").map_err(malformed)?;
        if grant != "client_credentials" {
            return Err(malformed("grant_type is not client_credentials".into()));
        }
        let headers = request.headers();
        let known = self.service_account.authenticate(headers, &form);
        if !known.map_err(malformed)? {
            let message = "invalid_client: Invalid client credentials";
            let reply = self.error(StatusCode::UNAUTHORIZED, message);
            return Err(Denial::refused(reply));
        }
        if form.get("orgId").is_some_and(|id| id != self.org_id) {
            let message = "Client is not part of the organization";
            let reply = self.error(StatusCode::FORBIDDEN, message);
            return Err(Denial::refused(reply));
        }
        sessions.exchanged();
        Ok(self.granted(&sessions.access_only(), None, sessions))
    }

    pub(super) fn malformed(&self, complaint: String) -> Denial {
        let reply = self.complain(&complaint);
        Denial::malformed(complaint, reply)
    }

    pub(super) fn details(
        &self,
        request: &Request,
        sessions: &Sessions,
    ) -> Result<Response<Bytes>, Denial> {
        let malformed = |complaint| self.malformed(complaint);
        let body = wire::json_object(request.headers(), &request.body).map_err(malformed)?;
        let token = wire::text(&body, "tokenValue").map_err(malformed)?;
        match sessions.refresh_expiry(token) {
            Some(millis) => {
                let reply = json!({ "tokenName": "simulated", "expiresAt": millis });
                Ok(wire::json(StatusCode::OK, &reply))
            }
            None => Err(Denial::refused(
                self.error(StatusCode::NOT_FOUND, "No such token"),
            )),
        }
    }
}
