//! What is special about gRPC.
//!
//! A call's status is no status of HTTP: it comes in a header of its own, which may be among the
//! headers of the response (then the call had not begun) or behind its body (then it had, and may
//! not be sent again: gRFC A6). A caller reads the layer's own errors as a status as well, and says
//! with its request how long it waits.

mod deadline;
#[cfg(feature = "tonic")]
mod late;
#[cfg(feature = "tonic")]
mod status;

use http::{HeaderMap, HeaderValue, Response, Version, header::CONTENT_TYPE};

pub(crate) use self::deadline::Patience;
#[cfg(feature = "tonic")]
pub(crate) use self::{
    late::{has_begun, watch},
    status::to_caller,
};

/// Whether these are the headers of a gRPC request, or of a response to one. `application/grpc-web`
/// is another protocol, whose trailers are in the body.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let content = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    content
        .and_then(|content| content.split_at_checked(CONTENT.len()))
        .is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(CONTENT) && matches!(rest, [] | [b'+' | b';' | b' ', ..])
        })
}

/// What a gRPC response says in its headers about the call's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// It is no response of gRPC, or one from a gateway before gRPC: the status of HTTP counts.
    Foreign,
    /// The call ended before it began (Trailers-Only). The status of HTTP is to be ignored.
    Ended { unauthenticated: bool },
}

/// Whether a response of this version may be one of gRPC, of which there is none below HTTP/2.
#[inline]
pub(crate) fn may_be_in(version: Version) -> bool {
    version >= Version::HTTP_2
}

/// Reads the headers of `response`.
pub(crate) fn head<B>(response: &Response<B>) -> Head {
    match may_be_in(response.version()) {
        true => head_of(response.headers()),
        false => Head::Foreign,
    }
}

fn head_of(headers: &HeaderMap) -> Head {
    match headers.get(STATUS).filter(|_| is_grpc(headers)) {
        Some(status) => Head::Ended {
            unauthenticated: status == UNAUTHENTICATED,
        },
        None => Head::Foreign,
    }
}

/// Without tonic nobody here knows a body whose trailers could be read.
#[cfg(not(feature = "tonic"))]
pub(crate) fn has_begun<B>(_: &Response<B>) -> bool {
    false
}

/// There is none to watch.
#[cfg(not(feature = "tonic"))]
pub(crate) fn watch<B>(_: &mut Response<B>, _: impl FnOnce(bool)) {}

/// Without tonic a caller finds the error itself.
#[cfg(not(feature = "tonic"))]
pub(crate) fn to_caller(error: crate::error::Error, _: &HeaderMap) -> crate::error::BoxError {
    error.into()
}

/// Alone, or before `+proto` or a parameter.
const CONTENT: &[u8] = b"application/grpc";
const STATUS: &str = "grpc-status";
const UNAUTHENTICATED: &str = "16";
