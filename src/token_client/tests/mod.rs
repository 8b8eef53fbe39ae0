mod fakes;
#[cfg(feature = "https")]
mod sockets;

use std::{error::Error as StdError, sync::Arc};

use bytes::Bytes;
use http::Request;

use super::HttpTokenClient;
use crate::{
    clock::SystemClock,
    provider::{FailureKind, ProviderError, TokenClient, TokenReply},
};

const CANARY: &str = "canary-4711";

fn client(http: HttpTokenClient) -> TokenClient {
    TokenClient::new(http.into_transport(), Arc::new(SystemClock))
}

fn post(url: impl AsRef<str>) -> Request<Bytes> {
    Request::post(url.as_ref())
        .body(Bytes::from(format!("refresh_token={CANARY}")))
        .expect("a request")
}

/// The failure of `result`, checked to show nothing of the request.
fn failure(result: Result<TokenReply, ProviderError>) -> FailureKind {
    let error = result.expect_err("a failure");
    let mut next: Option<&dyn StdError> = Some(&error);
    while let Some(shown) = next {
        let text = format!("{shown} {shown:?} {shown:#?}");
        assert!(!text.contains(CANARY), "{text}");
        next = shown.source();
    }
    error.kind()
}
