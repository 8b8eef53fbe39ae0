//! Tower's contract: what was polled ready is what is called, on every way that a request can
//! take; errors and readiness of the inner service are its own; and whoever stops waiting gives
//! back what it held.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    convert::Infallible,
    fmt,
    future::{Future, Ready, ready},
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{
    BodyExt, Empty, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};
use support::{Api, ORIGIN, Script, get, poll_once, secs, settle, token};
use tokio::sync::Semaphore;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, retry::Policy};
use tower_reauth::{
    Auth, AuthLayer, Error,
    attach::Bare,
    clock::SystemClock,
    future::ResponseFuture,
    provider::{FixedToken, ProviderError},
    test_util::ManualClock,
};

const HOUR: u64 = 3_600;

/// A service that must be polled ready before each call, on the very instance that is called: a
/// clone is not ready because its original was.
struct Strict {
    ready: bool,
    answer: Arc<dyn Fn(&str) -> StatusCode + Send + Sync>,
    calls: Arc<AtomicUsize>,
    wrong: Arc<AtomicBool>,
}

impl Strict {
    fn new(answer: impl Fn(&str) -> StatusCode + Send + Sync + 'static) -> Self {
        Self {
            ready: false,
            answer: Arc::new(answer),
            calls: Arc::default(),
            wrong: Arc::default(),
        }
    }

    /// How often it was called, always when it was ready.
    fn calls(&self) -> usize {
        assert!(!self.wrong.load(SeqCst), "it was called and not ready");
        self.calls.load(SeqCst)
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            ready: false,
            answer: Arc::clone(&self.answer),
            calls: Arc::clone(&self.calls),
            wrong: Arc::clone(&self.wrong),
        }
    }
}

impl Service<Request<Empty<Bytes>>> for Strict {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        if !std::mem::take(&mut self.ready) {
            self.wrong.store(true, SeqCst);
        }
        self.calls.fetch_add(1, SeqCst);
        let header = request.headers().get("authorization");
        let header = header.map_or("", |value| value.to_str().unwrap());
        let mut response = Response::new(Empty::new());
        *response.status_mut() = (self.answer)(header);
        ready(Ok(response))
    }
}

fn refusing(token: &'static str) -> Strict {
    Strict::new(move |header| match header == format!("Bearer {token}") {
        true => StatusCode::UNAUTHORIZED,
        false => StatusCode::OK,
    })
}

fn script() -> Script {
    Script::with_lifetime(secs(HOUR))
}

fn warm(script: &Script, clock: &ManualClock) -> AuthLayer<Script> {
    let layer = script.layer(clock).initial(token(0, secs(HOUR)));
    layer.build().unwrap()
}

/// Sends `requests` one after the other through one service, as a client does.
async fn send_all<const N: usize>(
    service: &mut Auth<Strict, Script>,
    requests: [Request<Empty<Bytes>>; N],
) {
    for request in requests {
        let response = service.ready().await.unwrap().call(request).await;
        assert_eq!(response.unwrap().status(), StatusCode::OK);
    }
}

// === what is called was ready ===

#[tokio::test]
async fn with_a_good_token_the_service_that_was_ready_is_called() {
    let (clock, script, inner) = (ManualClock::new(), script(), refusing("none"));
    let mut service = warm(&script, &clock).layer(inner.clone());
    send_all(&mut service, [get(), get(), get()]).await;
    assert_eq!(inner.calls(), 3);
}

#[tokio::test]
async fn a_bare_request_calls_the_service_that_was_ready() {
    let (clock, script, inner) = (ManualClock::new(), script(), refusing("none"));
    let mut service = warm(&script, &clock).layer(inner.clone());
    let bare = || {
        let mut request = get();
        request.extensions_mut().insert(Bare);
        request
    };
    send_all(&mut service, [bare(), get(), bare()]).await;
    assert_eq!(inner.calls(), 3);
}

#[tokio::test]
async fn after_waiting_for_a_token_the_service_that_was_ready_is_called() {
    let (clock, script, inner) = (ManualClock::new(), script(), refusing("none"));
    let mut service = script.service(&clock, &inner);
    send_all(&mut service, [get(), get()]).await;
    clock.advance(secs(HOUR));
    send_all(&mut service, [get(), get()]).await;
    assert_eq!(inner.calls(), 4);
    assert_eq!(script.exchanges(), 2);
}

#[tokio::test]
async fn a_replay_polls_its_own_service_ready() {
    let (clock, script, inner) = (ManualClock::new(), script(), refusing("access-0"));
    let mut service = warm(&script, &clock).layer(inner.clone());
    send_all(&mut service, [get(), get()]).await;
    assert_eq!(inner.calls(), 3);
}

#[tokio::test]
async fn so_does_the_replay_of_a_request_that_waited_for_its_token() {
    let (clock, script, inner) = (ManualClock::new(), script(), refusing("access-1"));
    let mut service = script.service(&clock, &inner);
    send_all(&mut service, [get(), get()]).await;
    assert_eq!(inner.calls(), 3);
}

#[tokio::test]
async fn a_request_that_was_held_back_leaves_the_service_ready_for_the_next() {
    let (clock, script, inner) = (ManualClock::new(), script(), refusing("none"));
    let mut service = warm(&script, &clock).layer(inner.clone());
    let elsewhere = Request::get("https://evil.example")
        .body(Empty::new())
        .unwrap();
    let held_back = service.ready().await.unwrap().call(elsewhere).await;
    assert!(Error::find(&*held_back.unwrap_err()).unwrap().is_origin());
    send_all(&mut service, [get()]).await;
    assert_eq!(inner.calls(), 1);
}

#[tokio::test]
async fn a_call_alone_sends_nothing_while_it_waits_and_the_service_can_be_used_again() {
    let (clock, script, inner) = (
        ManualClock::new(),
        Script::gated(secs(HOUR)),
        refusing("none"),
    );
    let mut service = script.service(&clock, &inner);
    let first = tokio::spawn(service.ready().await.unwrap().call(get()));
    let second = tokio::spawn(service.ready().await.unwrap().call(get()));
    settle().await;
    assert_eq!(inner.calls(), 0);
    script.open(1);
    settle().await;
    assert!(first.is_finished() && second.is_finished());
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(inner.calls(), 2);
}

// === what is the inner service's ===

/// A service whose readiness and errors are told to it.
#[derive(Clone)]
struct Told {
    readiness: Arc<Mutex<Poll<Result<(), Odd>>>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Odd(u8);

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "odd {}", self.0)
    }
}

impl std::error::Error for Odd {}

impl<B> Service<Request<B>> for Told {
    type Response = Response<Empty<Bytes>>;
    type Error = Odd;
    type Future = Ready<Result<Self::Response, Odd>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Odd>> {
        *self.readiness.lock().unwrap()
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Err(Odd(2)))
    }
}

fn told<P>(layer: &AuthLayer<P>, readiness: Poll<Result<(), Odd>>) -> Auth<Told, P>
where
    P: tower_reauth::Provider,
{
    layer.layer(Told {
        readiness: Arc::new(Mutex::new(readiness)),
    })
}

fn poll_ready<P: tower_reauth::Provider>(
    service: &mut Auth<Told, P>,
) -> Poll<Result<(), BoxError>> {
    let mut cx = Context::from_waker(Waker::noop());
    Service::<Request<Empty<Bytes>>>::poll_ready(service, &mut cx)
}

#[test]
fn readiness_is_the_inner_services_own_whatever_the_session_is_in() {
    let clock = ManualClock::new();
    let cold = script().layer(&clock).build().unwrap();
    let blocked = AuthLayer::new(script().profile(|profile| profile.origins(Vec::<&str>::new())));
    for layer in [cold, warm(&script(), &clock), blocked] {
        let mut service = told(&layer, Poll::Pending);
        assert!(poll_ready(&mut service).is_pending());
        *service.get_ref().readiness.lock().unwrap() = Poll::Ready(Ok(()));
        assert!(matches!(poll_ready(&mut service), Poll::Ready(Ok(()))));
        *service.get_mut().readiness.lock().unwrap() = Poll::Ready(Err(Odd(1)));
        let Poll::Ready(Err(error)) = poll_ready(&mut service) else {
            unreachable!("it is told to fail");
        };
        assert_eq!(error.downcast_ref(), Some(&Odd(1)));
        assert!(Error::find(&*error).is_none());
        let inner = service.into_inner();
        assert!(inner.readiness.lock().unwrap().is_ready());
    }
}

#[tokio::test]
async fn errors_of_the_inner_service_pass_untouched_on_every_way() {
    let (clock, script) = (ManualClock::new(), script());
    let mut bare = get();
    bare.extensions_mut().insert(Bare);
    for layer in [warm(&script, &clock), script.layer(&clock).build().unwrap()] {
        for request in [get(), bare.clone()] {
            let service = told(&layer, Poll::Ready(Ok(())));
            let error = service.oneshot(request).await.unwrap_err();
            assert_eq!(*error.downcast::<Odd>().unwrap(), Odd(2));
        }
    }
}

// === in a stack ===

/// A policy that tries twice more, whatever went wrong.
#[derive(Clone)]
struct Thrice(usize);

impl<R> Policy<Request<Empty<Bytes>>, R, BoxError> for Thrice {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Empty<Bytes>>,
        result: &mut Result<R, BoxError>,
    ) -> Option<Ready<()>> {
        let again = result.is_err() && self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Empty<Bytes>>) -> Option<Request<Empty<Bytes>>> {
        Some(request.clone())
    }
}

// Paused, so that a stack that waits for ever ends at once.
#[tokio::test(start_paused = true)]
async fn it_works_over_and_under_the_layers_of_tower() {
    let (clock, script, inner) = (ManualClock::new(), script(), refusing("access-2"));
    let minute = Duration::from_secs(60);
    script.next(|_| Err(ProviderError::misconfigured("a first try that fails")));
    let mut service = ServiceBuilder::new()
        .buffer(4)
        .concurrency_limit(1)
        .retry(Thrice(2))
        .timeout(minute)
        .layer(script.layer(&clock).build().unwrap())
        .timeout(minute)
        .concurrency_limit(1)
        .buffer(1)
        .concurrency_limit(1)
        .service(inner.clone());
    let work = async {
        // The retries meet the pause after the failure, and share its error.
        let error = service
            .ready()
            .await
            .unwrap()
            .call(get())
            .await
            .unwrap_err();
        assert!(Error::find(&*error).unwrap().is_misconfigured());
        clock.advance(secs(HOUR));
        for _ in 0..3 {
            let response = service.ready().await.unwrap().call(get()).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
    };
    let done = tokio::time::timeout(secs(HOUR), work).await;
    assert!(done.is_ok(), "it waits for ever");
    assert_eq!(script.exchanges(), 3, "failed, first, refused");
    assert_eq!(inner.calls(), 4, "three and one replay");
}

#[tokio::test]
async fn a_retry_outside_gets_the_token_that_is_current_then() {
    let (clock, script) = (ManualClock::new(), script());
    let layer = warm(&script, &clock);
    let (handle, seen) = (layer.handle(), Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&seen);
    let flaky = tower::service_fn(move |request: Request<Empty<Bytes>>| {
        let (handle, log) = (handle.clone(), Arc::clone(&log));
        async move {
            log.lock()
                .unwrap()
                .push(request.headers()["authorization"].clone());
            handle.refresh().await.unwrap();
            Err::<Response<()>, _>(io::Error::from(io::ErrorKind::ConnectionReset))
        }
    });
    let service = ServiceBuilder::new()
        .retry(Thrice(1))
        .layer(layer)
        .service(flaky);
    service.oneshot(get()).await.unwrap_err();
    assert_eq!(
        *seen.lock().unwrap(),
        ["Bearer access-0", "Bearer access-1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_ends_the_waiting_and_not_the_exchange() {
    let (clock, script) = (ManualClock::new(), Script::gated(secs(HOUR)));
    let layer = script.layer(&clock).build().unwrap();
    let service = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .layer(layer.clone())
        .service(Api::accepting_all());
    let error = service.oneshot(get()).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>());
    script.open(1);
    settle().await;
    assert!(layer.handle().status().usable);
    assert_eq!(script.exchanges(), 1);
}

// === giving back ===

/// A service under a limit of one request at a time.
fn limited(
    layer: &AuthLayer<Script>,
    answer: impl Fn(&str) -> StatusCode + Send + Sync + 'static,
) -> (
    Auth<tower::limit::ConcurrencyLimit<Strict>, Script>,
    Arc<Semaphore>,
) {
    let permits = Arc::new(Semaphore::new(1));
    let inner =
        tower::limit::ConcurrencyLimit::with_semaphore(Strict::new(answer), Arc::clone(&permits));
    (layer.layer(inner), permits)
}

#[tokio::test]
async fn dropping_a_request_that_waits_for_a_token_gives_its_place_back() {
    let (clock, script) = (ManualClock::new(), Script::gated(secs(HOUR)));
    let layer = script.layer(&clock).build().unwrap();
    let (mut service, permits) = limited(&layer, |_| StatusCode::OK);
    let mut waiting = Box::pin(service.ready().await.unwrap().call(get()));
    assert!(poll_once(waiting.as_mut()).await.is_pending());
    assert_eq!(
        permits.available_permits(),
        0,
        "it keeps its place while it waits"
    );
    drop(waiting);
    assert_eq!(permits.available_permits(), 1);
    settle().await;
    script.open(1);
    settle().await;
    assert!(
        layer.handle().status().usable,
        "the exchange is nobody's to drop"
    );
}

#[tokio::test]
async fn dropping_a_request_before_it_is_polled_gives_its_place_back() {
    let (clock, script) = (ManualClock::new(), script());
    for layer in [warm(&script, &clock), script.layer(&clock).build().unwrap()] {
        let (mut service, permits) = limited(&layer, |_| StatusCode::OK);
        drop(service.ready().await.unwrap().call(get()));
        assert_eq!(permits.available_permits(), 1);
    }
    settle().await;
    assert_eq!(script.exchanges(), 0, "nor was anything asked for");
}

#[tokio::test]
async fn a_refused_request_holds_no_place_while_it_waits_for_a_newer_token() {
    for cold in [false, true] {
        let (clock, script) = (ManualClock::new(), Script::gated(secs(HOUR)));
        let layer = match cold {
            true => script.layer(&clock).build().unwrap(),
            false => warm(&script, &clock),
        };
        script.open(usize::from(cold));
        let first = if cold {
            "Bearer access-1"
        } else {
            "Bearer access-0"
        };
        let (service, permits) = limited(&layer, move |header| match header == first {
            true => StatusCode::UNAUTHORIZED,
            false => StatusCode::OK,
        });
        let waiting = tokio::spawn(service.oneshot(get()));
        settle().await;
        assert_eq!(script.exchanges(), 1 + usize::from(cold));
        // The replay asks for a place of its own: with this one kept it would wait for itself.
        assert_eq!(permits.available_permits(), 1, "cold: {cold}");
        script.open(1);
        settle().await;
        assert!(waiting.is_finished(), "the replay waits for a place");
        assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
        assert_eq!(permits.available_permits(), 1);
    }
}

#[tokio::test]
async fn dropping_a_request_that_waits_for_a_newer_token_leaves_the_exchange_to_itself() {
    let (clock, script) = (ManualClock::new(), Script::gated(secs(HOUR)));
    let layer = warm(&script, &clock);
    let mut waiting = Box::pin(layer.layer(refusing("access-0")).oneshot(get()));
    assert!(poll_once(waiting.as_mut()).await.is_pending());
    settle().await;
    drop(waiting);
    script.open(1);
    settle().await;
    let token = layer.handle().token().await.unwrap();
    assert_eq!(token.access_token().unwrap().expose(), "access-1");
}

#[tokio::test]
async fn a_response_future_that_has_failed_says_so_when_it_is_polled_again() {
    let (clock, script) = (ManualClock::new(), script());
    let mut service = warm(&script, &clock).layer(Api::accepting_all());
    let elsewhere = Request::get("https://evil.example")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let mut future = Box::pin(service.call(elsewhere));
    assert!(matches!(
        poll_once(future.as_mut()).await,
        Poll::Ready(Err(_))
    ));
    assert!(matches!(
        poll_once(future.as_mut()).await,
        Poll::Ready(Err(_))
    ));
}

// === no runtime, another runtime ===

/// Polls on this thread, outside of any runtime.
fn outside<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::yield_now();
    }
    unreachable!("it waits, and there is nothing to wait for")
}

#[test]
fn outside_of_a_runtime_a_good_token_is_sent_and_a_missing_one_is_a_typed_error() {
    for system in [false, true] {
        let (clock, script) = (ManualClock::new(), script());
        let builder = |initial| {
            let builder = script.layer(&clock);
            let builder = match system {
                true => builder.clock(SystemClock),
                false => builder,
            };
            match initial {
                true => builder.initial(token(0, secs(HOUR))).build().unwrap(),
                false => builder.build().unwrap(),
            }
        };
        let sent = outside(builder(true).layer(Api::accepting_all()).oneshot(get()));
        assert_eq!(sent.unwrap().status(), StatusCode::OK);
        let refused = outside(builder(true).layer(refusing("access-0")).oneshot(get()));
        assert_eq!(refused.unwrap().status(), StatusCode::UNAUTHORIZED);
        let error = outside(builder(false).layer(Api::accepting_all()).oneshot(get()));
        let error = error.unwrap_err();
        let error = Error::find(&*error).unwrap();
        assert!(
            error.is_misconfigured() && error.to_string().contains("runtime"),
            "{error}"
        );
        let handle = builder(false).handle();
        assert!(outside(handle.token()).unwrap_err().is_misconfigured());
        assert!(outside(handle.refresh()).unwrap_err().is_misconfigured());
        assert_eq!(script.exchanges(), 0);
    }
}

// === types ===

/// A body type that nobody knows.
struct Own;

impl http_body::Body for Own {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

/// Gives each request's body back as the response's, so that both types are seen to be kept.
#[derive(Clone)]
struct Echo;

impl<B: Send + 'static> Service<Request<B>> for Echo {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(Response::new(request.into_body())))
    }
}

async fn echoes<B: Send + 'static>(body: B) -> B {
    let mut service = AuthLayer::new(FixedToken::bearer("t").origins([ORIGIN])).layer(Echo);
    let service: &mut Auth<Echo, FixedToken> =
        ServiceExt::<Request<B>>::ready(&mut service).await.unwrap();
    let future: ResponseFuture<Echo, B> = service.call(Request::new(body));
    let response: Response<B> = future.await.unwrap();
    response.into_body()
}

#[tokio::test]
async fn request_and_response_types_are_those_of_the_inner_service() {
    let _: Own = echoes(Own).await;
    let _: Empty<Bytes> = echoes(Empty::new()).await;
    let full: Full<Bytes> = echoes(Full::from("full")).await;
    assert_eq!(full.collect().await.unwrap().to_bytes(), "full");
    assert_eq!(echoes(String::from("text")).await, "text");
    let boxed: BoxBody<Bytes, io::Error> =
        echoes(Full::from("boxed").map_err(|never| match never {}).boxed()).await;
    assert_eq!(boxed.collect().await.unwrap().to_bytes(), "boxed");
    let unsync: UnsyncBoxBody<Bytes, BoxError> = echoes(
        Full::from("unsync")
            .map_err(|never| match never {})
            .boxed_unsync(),
    )
    .await;
    assert_eq!(unsync.collect().await.unwrap().to_bytes(), "unsync");
    let _: () = echoes(()).await;
}

#[tokio::test]
async fn a_service_can_be_sent_shared_and_boxed() {
    fn is_send_sync<T: Send + Sync>(_: &T) {}
    fn is_send<T: Send>(_: &T) {}
    let mut service = AuthLayer::new(FixedToken::bearer("t").origins([ORIGIN])).layer(Echo);
    is_send_sync(&service);
    is_send(&service.call(Request::new(String::new())));
    let boxed = service.clone().boxed_clone();
    let text: Response<String> = boxed.oneshot(Request::new("hi".to_owned())).await.unwrap();
    assert_eq!(text.into_body(), "hi");
}
