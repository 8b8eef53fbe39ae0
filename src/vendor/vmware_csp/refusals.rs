//! What the vendor's refusals mean.

use http::StatusCode;

use crate::{
    oauth2::wire,
    provider::{ProviderError, TokenReply},
};

/// The one vendor whose refusals are told by a text: 400 or 404, no code, and a `message` that
/// begins with an OAuth code and goes on with the tail of the API token.
pub(super) fn of_api_token(reply: &TokenReply) -> ProviderError {
    if !says(reply, "invalid_grant:") {
        return reply.failure();
    }
    ProviderError::refused("the API token is not valid, or not any more: make a new one")
        .code("invalid_grant")
        .status(reply.status())
        .vendor_text(reply.body())
}

/// How a wrong passcode is answered, the vendor does not say: any 400, 401 or 403 that decides about
/// the request is taken for it, since the passcode is what was new in it.
pub(super) fn of_passcode(reply: &TokenReply) -> ProviderError {
    let status = reply.status();
    let about_it = matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    );
    let decides = about_it && wire::decision(reply, &[]).is_some();
    if !decides && !says(reply, "invalid_grant:") {
        return reply.failure();
    }
    ProviderError::refused("the vendor refuses the passcode, or the API token that it goes with")
        .status(status)
        .vendor_text(reply.body())
}

/// A service account that is not accepted is somebody's setting: no login helps.
pub(super) fn of_account(reply: &TokenReply) -> ProviderError {
    let unauthorized = reply.status() == StatusCode::UNAUTHORIZED && reply.is_complete();
    if !unauthorized && !says(reply, "invalid_client") {
        return reply.failure();
    }
    ProviderError::misconfigured(
        "the vendor does not accept the service account: check its id, its secret, and the organization",
    )
    .code("invalid_client")
    .status(reply.status())
    .vendor_text(reply.body())
}

/// Whether a reply that decides about the request has a message that begins like this.
fn says(reply: &TokenReply, beginning: &str) -> bool {
    wire::decision(reply, &["message"]).is_some_and(|json| {
        json.text("message")
            .is_some_and(|text| text.starts_with(beginning))
    })
}
