//! What is said about a refused request, on its response.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use http::StatusCode;
use support::{Api, Script, get, secs, settle, token};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Error, attach::Bare, layer::AuthLayerBuilder, provider::ProviderError, replay::Replay,
    test_util::ManualClock,
};

const DAY: u64 = 86_400;

fn script() -> Script {
    Script::with_lifetime(secs(DAY))
}

/// A layer that starts from `access-0`.
fn layer(script: &Script) -> AuthLayerBuilder<Script> {
    let layer = script.layer(&ManualClock::new());
    layer.initial(token(0, secs(DAY)))
}

/// An API that refuses `access-0`, and answers anything else with `status`.
fn refusing_the_first(status: StatusCode) -> Api {
    Api::new(move |sent| match sent {
        "Bearer access-0" => StatusCode::UNAUTHORIZED,
        _ => status,
    })
}

/// What the response to `request` says, under a layer, before such an API.
async fn outcome<B: Send + 'static>(
    layer: AuthLayerBuilder<Script>,
    status: StatusCode,
    request: http::Request<B>,
) -> (StatusCode, Option<Replay>) {
    let service = layer.build().unwrap().layer(refusing_the_first(status));
    let response = service.oneshot(request).await.unwrap();
    settle().await;
    (response.status(), response.extensions().get().copied())
}

#[tokio::test]
async fn a_replayed_request_says_so_whatever_the_second_answer_is() {
    for status in [
        StatusCode::OK,
        StatusCode::UNAUTHORIZED,
        StatusCode::BAD_GATEWAY,
    ] {
        let outcome = outcome(layer(&script()), status, get()).await;
        assert_eq!(outcome, (status, Some(Replay::Replayed)));
    }
}

#[tokio::test]
async fn a_request_that_was_not_refused_says_nothing() {
    for status in [
        StatusCode::OK,
        StatusCode::FORBIDDEN,
        StatusCode::BAD_GATEWAY,
    ] {
        let layer = script().layer(&ManualClock::new());
        let layer = layer.initial(token(7, secs(DAY)));
        assert_eq!(outcome(layer, status, get()).await, (status, None));
    }
    let mut bare = get();
    bare.extensions_mut().insert(Bare);
    let status = StatusCode::UNAUTHORIZED;
    assert_eq!(
        outcome(layer(&script()), status, bare).await,
        (status, None)
    );
}

#[tokio::test]
async fn a_refusal_that_reaches_the_caller_says_why() {
    let refused = StatusCode::UNAUTHORIZED;
    let unknown = get().map(|_| ());
    let told = outcome(layer(&script()), StatusCode::OK, unknown).await;
    assert_eq!(told, (refused, Some(Replay::NotReplayable)));

    let off = layer(&script()).replay(false);
    let told = outcome(off, StatusCode::OK, get()).await;
    assert_eq!(told, (refused, Some(Replay::SwitchedOff)));

    let failing = script();
    failing.usually(|_| Err(ProviderError::transient("down")));
    let told = outcome(layer(&failing), StatusCode::OK, get()).await;
    assert_eq!(told, (refused, Some(Replay::NoNewerToken)));
}

#[tokio::test]
async fn a_refusal_in_the_pause_of_an_origin_that_was_not_cured_says_so() {
    let layer = layer(&script()).build().unwrap();
    let service = layer.layer(Api::new(|_| StatusCode::UNAUTHORIZED));
    let first = service.clone().oneshot(get()).await.unwrap();
    assert_eq!(first.extensions().get(), Some(&Replay::Replayed));
    let second = service.oneshot(get()).await.unwrap();
    assert_eq!(second.extensions().get(), Some(&Replay::NoNewerToken));
}

#[tokio::test]
async fn a_request_that_waited_for_its_token_says_the_same() {
    for (known, outcome) in [(true, Replay::Replayed), (false, Replay::NotReplayable)] {
        let layer = script().layer(&ManualClock::new()).build().unwrap();
        let service = layer.layer(Api::new(|_| StatusCode::UNAUTHORIZED));
        let response = match known {
            true => service.oneshot(get()).await.unwrap(),
            false => service.oneshot(get().map(|_| ())).await.unwrap(),
        };
        assert_eq!(response.extensions().get(), Some(&outcome));
    }
}

#[tokio::test]
async fn a_refusal_without_a_newer_token_says_why_there_is_none() {
    let script = script();
    script.usually(|_| Err(ProviderError::refused("logged out")));
    let service = layer(&script).build().unwrap();
    let service = service.layer(refusing_the_first(StatusCode::OK));
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.extensions().get(), Some(&Replay::NoNewerToken));
    let why: &Error = response.extensions().get().unwrap();
    assert!(why.is_login_required(), "{why}");
}
