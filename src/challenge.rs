//! Whether a response refuses the token that was sent. Pure.
//!
//! For nearly every response this is a look at its version and status. Headers are looked at where
//! the status refuses, and where HTTP/2 may carry gRPC.

use http::{
    HeaderMap, HeaderValue, Response, Version,
    header::{CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_auth::{ChallengeRef, parser::ChallengeParser};

use crate::provider::Refusal;

/// Whether `response` says that the token is not good.
pub(crate) fn refuses<B>(response: &Response<B>, refusal: &Refusal) -> bool {
    if response.version() >= Version::HTTP_2
        && let Some(status) = grpc_status(response.headers())
    {
        return status == UNAUTHENTICATED && !refusal.is_never();
    }
    refusal.has_status(response.status()) && !lacks_scope_only(response.headers())
}

/// The status of a gRPC call that ended with the headers of its response (Trailers-Only). Where
/// there is one, the status of HTTP is to be ignored; where there is none, a gateway before gRPC
/// may have answered, and the status of HTTP counts.
fn grpc_status(headers: &HeaderMap) -> Option<&HeaderValue> {
    let content = headers.get(CONTENT_TYPE)?.as_bytes();
    let is_grpc = content
        .get(..GRPC.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(GRPC));
    is_grpc.then(|| headers.get(GRPC_STATUS)).flatten()
}

/// Whether all that is asked of a token is more scope, which a newer one would not have either
/// (RFC 6750, section 3.1). What cannot be read asks for anything.
fn lacks_scope_only(headers: &HeaderMap) -> bool {
    let mut lacks_scope = false;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(header) = header.to_str() else {
            return false;
        };
        for challenge in ChallengeParser::new(header) {
            match challenge {
                Ok(challenge) if !challenge.scheme.eq_ignore_ascii_case(SCHEME) => {}
                Ok(challenge) if asks_for_scope(&challenge) => lacks_scope = true,
                Ok(_) | Err(_) => return false,
            }
        }
    }
    lacks_scope
}

fn asks_for_scope(challenge: &ChallengeRef<'_>) -> bool {
    let mut errors = challenge
        .params
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("error"));
    errors.next().is_some_and(|(_, error)| error.to_unescaped() == INSUFFICIENT_SCOPE)
        // An attribute that is there twice (section 3 forbids it) says nothing.
        && errors.next().is_none()
}

/// The scheme that challenges a token, wherever the vendor wants it placed.
const SCHEME: &str = "Bearer";
const INSUFFICIENT_SCOPE: &str = "insufficient_scope";
/// With whatever follows: `+proto`, `;charset=…`.
const GRPC: &[u8] = b"application/grpc";
const GRPC_STATUS: &str = "grpc-status";
const UNAUTHENTICATED: &str = "16";

#[cfg(test)]
mod tests;
