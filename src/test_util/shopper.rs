//! The simulator of Dressipi: shoppers who log in with a code.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    builder::MINUTE,
    dressipi::{DressipiOptions, REDIRECT_URI, error, invalid_request, malformed},
    once::{Once, Unusable},
    sessions::Sessions,
    vendor::{Denial, Request},
    wire::{self, Form},
};

// === impl DressipiOptions: first visits ===

impl DressipiOptions {
    pub(super) fn authorize(
        &self,
        request: &Request,
        sessions: &Sessions,
    ) -> Result<Response<Bytes>, Denial> {
        let query = request.parts.uri.query().unwrap_or_default();
        let query = Form::of_query(query).map_err(invalid_request)?;
        let is = |name: &str, wanted: &str| match query.require(name) {
            Ok(value) if value == wanted => Ok(()),
            Ok(_) => Err(invalid_request(format!("{name} is not {wanted}"))),
            Err(complaint) => Err(invalid_request(complaint)),
        };
        if !self.has_api_key(&request.parts) {
            return Err(malformed("invalid_client", "x-api-key".into()));
        }
        is("response_type", "code")?;
        is("code_challenge_method", "S256")?;
        is("redirect_uri", REDIRECT_URI)?;
        query.require("state").map_err(invalid_request)?;
        if query.require("client_id").map_err(invalid_request)? != self.client_id {
            return Err(Denial::refused(error("unauthorized_client")));
        }
        let challenge = query.require("code_challenge").map_err(invalid_request)?;
        let now = sessions.clock().now().unix();
        let code = new_code(&self.codes, challenge, now);
        Ok(match self.code_as_text {
            true => wire::reply(StatusCode::OK, "text/plain", code + "\n"),
            false => wire::json(StatusCode::OK, &json!({ "code": code })),
        })
    }

    pub(super) fn redeem(
        &self,
        form: &Form,
        sessions: &Sessions,
    ) -> Result<Response<Bytes>, Denial> {
        let code = form.require("code").map_err(invalid_request)?;
        let verifier = form.require("code_verifier").map_err(invalid_request)?;
        let now = sessions.clock().now().unix();
        let challenge = self.codes.redeem(code, now);
        if challenge == Err(Unusable::Used) {
            sessions.spent_twice();
        }
        let answer = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        if challenge.is_err() || challenge.is_ok_and(|challenge| challenge != answer) {
            return Err(Denial::refused(error("invalid_grant")));
        }
        let seed = sessions.begin();
        let reply = json!({
            "access_token": seed.access_token,
            "token_type": "Bearer",
            "expires_in": sessions.access_lifetime().as_secs(),
            "refresh_token": seed.refresh_token,
        });
        Ok(wire::json(StatusCode::OK, &reply))
    }
}

pub(super) fn new_code(codes: &Once<String>, challenge: &str, now: Duration) -> String {
    let code = format!("{:032x}", fastrand::u128(..));
    codes.open(code.clone(), challenge.to_owned(), now + 10 * MINUTE);
    code
}
