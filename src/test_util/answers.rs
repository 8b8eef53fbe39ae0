//! What an OAuth 2.0 server says when it says no.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};
use serde_json::json;

use super::{vendor::Denial, wire};

pub(super) fn invalid_request(complaint: String) -> Denial {
    Denial::malformed(complaint, error("invalid_request"))
}

/// 401 with a challenge is a must only for clients that used the header (RFC 6749, section 5.2).
pub(super) fn invalid_client(by_header: bool) -> Response<Bytes> {
    let mut reply = error("invalid_client");
    if by_header {
        *reply.status_mut() = StatusCode::UNAUTHORIZED;
        let basic = HeaderValue::from_static("Basic realm=\"simulator\"");
        reply.headers_mut().insert(WWW_AUTHENTICATE, basic);
    }
    reply
}

pub(super) fn error(code: &str) -> Response<Bytes> {
    wire::json(StatusCode::BAD_REQUEST, &json!({ "error": code }))
}

pub(super) fn challenge(status: StatusCode, challenge: &'static str) -> Response<Bytes> {
    let mut reply = wire::json(status, &json!({ "message": "no" }));
    let challenge = HeaderValue::from_static(challenge);
    reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    reply
}

pub(super) const BARE: &str = "Bearer realm=\"simulator\"";
pub(super) const INVALID_TOKEN: &str = "Bearer realm=\"simulator\", error=\"invalid_token\"";
pub(super) const INSUFFICIENT_SCOPE: &str =
    "Bearer realm=\"simulator\", error=\"insufficient_scope\", scope=\"more\"";
