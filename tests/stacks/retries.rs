//! reqwest-retry outside of the layer: each attempt gets the token that is current then, and what
//! the layer says itself is not tried again.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{Response, StatusCode};
use reqwest::redirect::Policy;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use tower_reauth::{
    AuthLayer, Error, provider::ProviderError, replay::Replay, test_util::ManualClock,
};

use crate::{
    support::{Script, secs, token},
    web::{self, Web, Wire, reply, whole},
};

const DAY: u64 = 86_400;

/// A server that answers by a closure over the token, and the tokens that it saw.
async fn server(
    answer: impl Fn(&str) -> u16 + Send + Sync + 'static,
) -> (Web, Arc<Mutex<Vec<String>>>) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    let answer = move |request| {
        let token = web::token(&request);
        let status = answer(&token);
        log.lock().unwrap().push(token);
        async move { Ok::<Response<_>, _>(reply(status, whole("said"))) }
    };
    (Web::start(Wire::Http2Tls, answer).await, seen)
}

/// A client that tries up to three times more, with a layer inside.
fn client(web: &Web, layer: &AuthLayer<Script>) -> ClientWithMiddleware {
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .tls_backend_preconfigured(web.client_tls());
    let backoff = ExponentialBackoff::builder()
        .retry_bounds(Duration::from_millis(1), Duration::from_millis(2))
        .build_with_max_retries(3);
    ClientBuilder::new(http.build().unwrap())
        .with(RetryTransientMiddleware::new_with_policy(backoff))
        .with(layer.middleware())
        .build()
}

fn session(web: &Web, clock: &ManualClock) -> (Script, AuthLayer<Script>) {
    let origin = web.url();
    let script = Script::with_lifetime(secs(DAY)).profile(|it| it.origins([origin]));
    let layer = script.layer(clock).initial(token(0, secs(DAY)));
    let layer = layer.build().unwrap();
    (script, layer)
}

#[tokio::test]
async fn an_attempt_after_a_503_gets_the_token_that_is_current_then() {
    let clock = ManualClock::new();
    let time = clock.clone();
    let (web, seen) = server(move |token| match token {
        "access-0" => {
            time.advance(secs(2 * DAY));
            503
        }
        _ => 200,
    })
    .await;
    let (script, layer) = session(&web, &clock);
    let response = client(&web, &layer).get(web.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(*seen.lock().unwrap(), ["access-0", "access-1"]);
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_503_and_then_a_revocation_are_the_concern_of_no_caller() {
    let asked = AtomicUsize::new(0);
    let (web, seen) = server(move |token| match (asked.fetch_add(1, SeqCst), token) {
        (0, _) => 503,
        (_, "access-0") => 401,
        _ => 200,
    })
    .await;
    let (script, layer) = session(&web, &ManualClock::new());
    let sent = client(&web, &layer).post(web.url()).body("once").send();
    let response = sent.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.extensions().get(), Some(&Replay::Replayed));
    assert_eq!(*seen.lock().unwrap(), ["access-0", "access-0", "access-1"]);
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_503_to_a_replay_is_tried_again_with_the_newer_token() {
    let asked = AtomicUsize::new(0);
    let (web, seen) = server(move |token| match (asked.fetch_add(1, SeqCst), token) {
        (_, "access-0") => 401,
        (1, _) => 503,
        _ => 200,
    })
    .await;
    let (script, layer) = session(&web, &ManualClock::new());
    let response = client(&web, &layer).get(web.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(*seen.lock().unwrap(), ["access-0", "access-1", "access-1"]);
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn what_the_layer_says_itself_is_not_tried_again_and_is_found_behind_the_retries() {
    let clock = ManualClock::new();
    let (web, seen) = server(|_| 200).await;
    let (script, layer) = session(&web, &clock);
    script.usually(|_| Err(ProviderError::transient("down")));
    let client = client(&web, &layer);
    let elsewhere = client.get("https://127.0.0.1:1/").send().await.unwrap_err();
    assert!(
        Error::find(&elsewhere).is_some_and(Error::is_origin),
        "{elsewhere:?}"
    );
    clock.advance(secs(2 * DAY));
    let down = client.get(web.url()).send().await.unwrap_err();
    assert!(
        Error::find(&down).is_some_and(Error::is_transient),
        "{down:?}"
    );
    assert_eq!(script.exchanges(), 1);
    assert!(seen.lock().unwrap().is_empty());
}
