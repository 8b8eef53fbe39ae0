//! The layer's own errors, as a gRPC caller reads them.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use tonic::{Code, Status};

use super::is_grpc;
use crate::error::{BoxError, Error};

/// The form in which `error` reaches the caller of the request with these headers: a gRPC status,
/// with the error as its source, where the request is a call of gRPC.
pub(crate) fn to_caller(error: Error, headers: &HeaderMap) -> BoxError {
    match is_grpc(headers) {
        true => status(error).into(),
        false => error.into(),
    }
}

fn status(error: Error) -> Status {
    let mut status = Status::new(code(&error), error.to_string());
    status.set_source(Arc::new(error));
    status
}

/// As gRFC A97 has it: UNAVAILABLE, which clients try again by themselves, where the token endpoint
/// was not reached or is not available by the mapping of HTTP statuses to gRPC's; else
/// UNAUTHENTICATED. Others are no credential's to give (gRFC A54).
fn code(error: &Error) -> Code {
    if error.is_out_of_time() {
        return Code::DeadlineExceeded;
    }
    let said = error.provider_error().and_then(|error| error.http_status());
    match said {
        _ if !error.is_transient() => Code::Unauthenticated,
        None => Code::Unavailable,
        Some(said) if UNAVAILABLE.contains(&said) => Code::Unavailable,
        Some(_) => Code::Unauthenticated,
    }
}

const UNAVAILABLE: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];
