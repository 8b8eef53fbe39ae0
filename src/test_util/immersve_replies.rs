//! What Immersve says when it says no.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;

use super::{vendor::Denial, wire};

pub(super) fn malformed(path: &str, complaint: String) -> Denial {
    let reply = invalid_input(path, &complaint);
    Denial::malformed(complaint, reply)
}

pub(super) fn refused(code: &str, reason: &str) -> Denial {
    Denial::refused(error(StatusCode::FORBIDDEN, code, reason))
}

pub(super) fn unauthorized() -> Response<Bytes> {
    let reason = "The token is missing, expired or invalid";
    error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", reason)
}

pub(super) fn error(status: StatusCode, code: &str, reason: &str) -> Response<Bytes> {
    let body = json!({
        "statusCode": status.as_u16(),
        "statusName": status_name(status),
        "errorCode": code,
        "reason": reason,
    });
    wire::json(status, &body)
}

pub(super) fn invalid_input(path: &str, message: &str) -> Response<Bytes> {
    let status = StatusCode::BAD_REQUEST;
    let body = json!({
        "statusCode": status.as_u16(),
        "statusName": status_name(status),
        "errorCode": "INVALID_REQUEST_INPUT",
        "errors": [{ "message": message, "path": path }],
    });
    wire::json(status, &body)
}

pub(super) fn status_name(status: StatusCode) -> String {
    let name = status.canonical_reason().unwrap_or_default();
    name.to_ascii_uppercase().replace(' ', "_")
}
