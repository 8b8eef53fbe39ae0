//! What callers learn from an error: how to find it in a stack, and when to try again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{error::Error as StdError, fmt, io, task::Poll, time::Duration};

use http::{Request, StatusCode};
use http_body_util::Empty;
use support::{Api, Script, get, poll_once, secs, settle};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_reauth::{
    AuthLayer, Error,
    provider::{FixedToken, ProviderError},
    test_util::ManualClock,
};

const HOUR: u64 = 3_600;

/// One of our errors, as a call gives it.
async fn ours() -> BoxError {
    let script = Script::with_lifetime(secs(HOUR));
    let layer = script.layer(&ManualClock::new()).build().unwrap();
    let elsewhere = Request::get("https://evil.example").body(()).unwrap();
    let service = layer.layer(Api::accepting_all());
    service.oneshot(elsewhere).await.unwrap_err()
}

fn is_found(error: &(dyn StdError + 'static)) -> bool {
    Error::find(error).is_some_and(Error::is_origin)
}

#[derive(Debug)]
struct Around(BoxError);

impl fmt::Display for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("around")
    }
}

impl StdError for Around {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test]
async fn our_error_is_found_by_itself_and_behind_others() {
    assert!(is_found(&*ours().await));
    assert!(is_found(&Around(ours().await)));
    assert!(is_found(&Around(Box::new(Around(ours().await)))));
    assert!(!is_found(&Around("another".into())));
    assert!(!is_found(&io::Error::from(io::ErrorKind::NotFound)));
}

#[tokio::test]
async fn our_error_is_found_inside_of_an_io_error() {
    assert!(is_found(&io::Error::other(ours().await)));
    assert!(is_found(&io::Error::other(Around(ours().await))));
    assert!(is_found(&Around(
        io::Error::other(io::Error::other(ours().await)).into()
    )));
}

#[tokio::test]
async fn our_error_is_found_behind_those_of_tower() {
    let script = Script::with_lifetime(secs(HOUR));
    let mut service = ServiceBuilder::new()
        .buffer(1)
        .timeout(secs(HOUR))
        .concurrency_limit(1)
        .layer(script.layer(&ManualClock::new()).build().unwrap())
        .service(Api::accepting_all());
    let elsewhere = Request::get("https://evil.example").body(Empty::<bytes::Bytes>::new());
    let ready = service.ready().await.unwrap();
    let error = ready.call(elsewhere.unwrap()).await.unwrap_err();
    assert!(is_found(&*error));
}

/// The delay that each of several callers of one failed exchange, and one after it, learns.
async fn delays(error: ProviderError) -> (Vec<Option<Duration>>, Option<Duration>) {
    let (clock, script) = (ManualClock::new(), Script::gated(secs(HOUR)));
    script.usually(move |_| Err(error.clone()));
    let service = script.service(&clock, &Api::accepting_all());
    let callers: Vec<_> = (0..3)
        .map(|_| tokio::spawn(service.clone().oneshot(get())))
        .collect();
    settle().await;
    script.open(1);
    let mut learned = Vec::new();
    for caller in callers {
        let error = caller.await.unwrap().unwrap_err();
        learned.push(Error::find(&*error).unwrap().retry_after());
    }
    let late = service.oneshot(get()).await.unwrap_err();
    assert_eq!(script.exchanges(), 1);
    (learned, Error::find(&*late).unwrap().retry_after())
}

#[tokio::test]
async fn everybody_who_waited_learns_when_to_try_again_as_those_who_come_later_do() {
    let (waited, late) = delays(ProviderError::throttled(Some(secs(17)))).await;
    assert_eq!(waited, [Some(secs(17)); 3]);
    assert_eq!(late, Some(secs(17)));
    let (waited, late) = delays(ProviderError::throttled(Some(secs(7 * HOUR)))).await;
    assert_eq!(waited, [Some(secs(HOUR)); 3], "longer pauses are not kept");
    assert_eq!(late, Some(secs(HOUR)));
    let (waited, late) = delays(ProviderError::transient("down")).await;
    assert!(late.is_some_and(|late| late < secs(2)));
    assert_eq!(waited, [late; 3]);
}

#[tokio::test]
async fn a_fixed_token_with_a_line_break_is_a_wrong_setting() {
    let provider = FixedToken::bearer("t0ken\n").origins(["https://api.example.com"]);
    let service = AuthLayer::new(provider).layer(Api::accepting_all());
    let error = service.oneshot(get()).await.unwrap_err();
    let error = Error::find(&*error).unwrap();
    assert!(error.is_misconfigured() && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("line break"), "{error}");
}

/// The newer token is there when the refusal comes, and the answer at once.
#[tokio::test]
async fn a_future_that_is_polled_after_a_replay_at_once_says_that_it_had_finished() {
    let script = Script::with_lifetime(secs(HOUR));
    let layer = script.layer(&ManualClock::new()).build().unwrap();
    let api = Api::new(|header| match header {
        "Bearer access-1" => StatusCode::UNAUTHORIZED,
        _ => StatusCode::OK,
    });
    layer.handle().token().await.unwrap();
    let mut service = layer.layer(api.clone());
    // This service is always ready.
    let mut call = Box::pin(service.call(get()));
    layer.handle().refresh().await.unwrap();
    let Poll::Ready(answer) = poll_once(call.as_mut()).await else {
        panic!("nothing is waited for");
    };
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    assert_eq!(api.seen(), ["Bearer access-1", "Bearer access-2"]);
    assert_says_that_it_had_finished(poll_once(call.as_mut()).await);
}

/// There is no token yet, and so an outcome is awaited.
#[tokio::test]
async fn a_future_that_is_polled_after_it_waited_for_a_token_says_that_it_had_finished() {
    let script = Script::with_lifetime(secs(HOUR));
    let layer = script.layer(&ManualClock::new()).build().unwrap();
    let mut service = layer.layer(Api::new(|_| StatusCode::OK));
    let mut call = Box::pin(service.call(get()));
    assert_eq!(call.as_mut().await.unwrap().status(), StatusCode::OK);
    assert_says_that_it_had_finished(poll_once(call.as_mut()).await);
}

fn assert_says_that_it_had_finished<T>(polled: Poll<Result<T, BoxError>>) {
    let said = match polled {
        Poll::Ready(Err(error)) => error.to_string(),
        Poll::Ready(Ok(_)) | Poll::Pending => "nothing".to_owned(),
    };
    assert!(said.contains("after it had finished"), "{said}");
}
