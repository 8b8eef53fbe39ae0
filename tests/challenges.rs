//! What a refused token is told by, through the whole layer: promise 3 begins with it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::Empty;
use support::{Script, get, secs, settle, token};
use tower::{Layer, ServiceExt};
use tower_reauth::test_util::ManualClock;

const DAY: u64 = 86_400;

/// What a request gets from an API that answers `access-0` with `refusal`, and how many exchanges
/// that makes.
async fn meets(refusal: fn() -> Response<Empty<Bytes>>) -> (Response<Empty<Bytes>>, usize) {
    let script = Script::with_lifetime(secs(DAY));
    let layer = script.layer(&ManualClock::new());
    let layer = layer.initial(token(0, secs(DAY))).build().unwrap();
    let api = tower::service_fn(move |request: Request<Empty<Bytes>>| {
        let old = request.headers()["authorization"] == "Bearer access-0";
        let answer = if old { refusal() } else { Response::default() };
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let response = layer.layer(api).oneshot(get()).await.unwrap();
    settle().await;
    (response, script.exchanges())
}

#[tokio::test]
async fn a_grpc_call_that_is_refused_before_it_began_is_recovered() {
    let (response, exchanges) = meets(|| {
        let response = Response::builder().version(Version::HTTP_2);
        let response = response.header("content-type", "application/grpc");
        response
            .header("grpc-status", "16")
            .body(Empty::new())
            .unwrap()
    })
    .await;
    assert!(!response.headers().contains_key("grpc-status"));
    assert_eq!(exchanges, 1);
}

#[tokio::test]
async fn a_token_that_lacks_a_scope_is_not_exchanged_for_it() {
    let (response, exchanges) = meets(|| {
        let response = Response::builder().status(401);
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"admin\"";
        let response = response.header("www-authenticate", challenge);
        response.body(Empty::new()).unwrap()
    })
    .await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(exchanges, 0);
}
