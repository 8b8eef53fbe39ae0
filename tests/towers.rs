//! tower's own layers around and under this one: what of theirs is held while a token is awaited,
//! and that nobody waits for a place that he holds himself.
//!
//! What tower's contract asks of the layer is in `tests/readiness.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    future::{Ready, ready},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody, combinators::UnsyncBoxBody};
use support::{Api, Script, get, ours, secs, settle, token};
use tokio::{sync::Semaphore, task::JoinSet};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, ServiceExt, buffer::Buffer, limit::ConcurrencyLimit,
    retry::Policy, service_fn, timeout::error::Elapsed, util::BoxCloneService,
};
use tower_reauth::{
    AuthLayer, attach::Bare, provider::ProviderError, replay::Replay, test_util::ManualClock,
};

const HOUR: u64 = 3_600;

fn script() -> Script {
    Script::with_lifetime(secs(HOUR))
}

/// A layer that starts from `access-0`.
fn warm(script: &Script) -> AuthLayer<Script> {
    let layer = script.layer(&ManualClock::new());
    layer.initial(token(0, secs(HOUR))).build().unwrap()
}

/// A layer without a token yet.
fn cold(script: &Script) -> AuthLayer<Script> {
    script.layer(&ManualClock::new()).build().unwrap()
}

/// An API that refuses `access-0`.
fn refusing() -> Api {
    Api::new(|header| match header {
        "Bearer access-0" => StatusCode::UNAUTHORIZED,
        _ => StatusCode::OK,
    })
}

/// A request that waits for no token.
fn bare() -> Request<Empty<Bytes>> {
    let mut request = get();
    request.extensions_mut().insert(Bare);
    request
}

fn elsewhere() -> Request<Empty<Bytes>> {
    let request = Request::get("https://evil.example/");
    request.body(Empty::new()).unwrap()
}

type Sent = tokio::task::JoinHandle<Result<StatusCode, BoxError>>;

/// Sends in a task of its own.
fn send<S, B>(service: &S, request: Request<Empty<Bytes>>) -> Sent
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = BoxError>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    let sent = service.clone().oneshot(request);
    tokio::spawn(async move { Ok(sent.await?.status()) })
}

async fn is_ok(sent: Sent) {
    assert!(sent.is_finished(), "it waits");
    assert_eq!(sent.await.unwrap().unwrap(), StatusCode::OK);
}

// === Buffer ===

/// A buffer of one place, whose worker runs in the background.
fn buffered<S>(service: S) -> Buffer<Request<Empty<Bytes>>, S::Future>
where
    S: Service<Request<Empty<Bytes>>, Error: Into<BoxError> + Send + Sync> + Send + 'static,
    S::Future: Send,
{
    Buffer::new(service, 1)
}

#[tokio::test]
async fn a_request_that_waits_for_a_token_keeps_its_place_in_a_buffer_under_the_layer() {
    for is_dropped in [false, true] {
        let script = Script::gated(secs(HOUR));
        let layer = cold(&script);
        let service = layer.layer(buffered(Api::accepting_all()));
        let waiting = send(&service, get());
        settle().await;
        let next = send(&service, bare());
        settle().await;
        assert!(!next.is_finished(), "the only place is taken");
        match is_dropped {
            true => waiting.abort(),
            false => script.open(1),
        }
        settle().await;
        is_ok(next).await;
        if !is_dropped {
            is_ok(waiting).await;
        }
    }
}

#[tokio::test]
async fn a_refused_request_keeps_no_place_in_a_buffer_under_the_layer() {
    let script = Script::gated(secs(HOUR));
    let service = warm(&script).layer(buffered(refusing()));
    let waiting = send(&service, get());
    settle().await;
    assert_eq!(script.exchanges(), 1);
    let next = send(&service, bare());
    settle().await;
    is_ok(next).await;
    script.open(1);
    settle().await;
    is_ok(waiting).await;
}

#[tokio::test]
async fn requests_that_wait_for_a_token_keep_no_place_in_a_buffer_around_the_layer() {
    let script = Script::gated(secs(HOUR));
    let service = buffered(cold(&script).layer(Api::accepting_all()));
    let waiting: Vec<_> = (0..10).map(|_| send(&service, get())).collect();
    settle().await;
    let next = send(&service, bare());
    settle().await;
    is_ok(next).await;
    script.open(1);
    settle().await;
    for waiting in waiting {
        is_ok(waiting).await;
    }
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_buffer_survives_what_the_layer_answers_itself() {
    let script = script();
    let clock = ManualClock::new();
    script.next(|_| Err(ProviderError::transient("down")));
    let layer = script.layer(&clock).build().unwrap();
    let around = buffered(layer.layer(Api::accepting_all()));
    let under = layer.layer(buffered(Api::accepting_all()));
    for service in [BoxCloneService::new(around), BoxCloneService::new(under)] {
        let stopped = service.clone().oneshot(elsewhere()).await;
        assert!(ours(&stopped.unwrap_err()).is_origin());
        if script.exchanges() == 0 {
            let failed = service.clone().oneshot(get()).await;
            assert!(ours(&failed.unwrap_err()).is_transient());
            clock.advance(secs(HOUR));
        }
        let response = service.oneshot(get()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

// === ConcurrencyLimit ===

#[tokio::test]
async fn a_limit_around_the_layer_counts_a_request_while_it_waits_and_while_it_is_sent_again() {
    for is_refused in [false, true] {
        let script = Script::gated(secs(HOUR));
        let layer = if is_refused {
            warm(&script)
        } else {
            cold(&script)
        };
        let permits = Arc::new(Semaphore::new(1));
        let service = layer.layer(refusing());
        let service = ConcurrencyLimit::with_semaphore(service, Arc::clone(&permits));
        let waiting = send(&service, get());
        settle().await;
        assert_eq!(script.exchanges(), 1);
        assert_eq!(permits.available_permits(), 0);
        let next = send(&service, bare());
        settle().await;
        assert!(!next.is_finished(), "the only place is taken");
        script.open(1);
        settle().await;
        is_ok(waiting).await;
        is_ok(next).await;
        assert_eq!(permits.available_permits(), 1);
    }
}

/// An inner service that is busy with each request for a while.
fn busy(
    revoke_after: usize,
) -> impl Service<Request<Stream>, Response = Response<()>, Error = io::Error, Future: Send>
+ Clone
+ Send
+ 'static {
    let answered = Arc::new(AtomicUsize::new(0));
    service_fn(move |request: Request<Stream>| {
        let answered = Arc::clone(&answered);
        async move {
            let is_old = request.headers()["authorization"] == "Bearer access-0";
            let mut response = Response::new(());
            if is_old && answered.load(SeqCst) >= revoke_after {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                // Before the body is read.
                tokio::task::yield_now().await;
                return Ok(response);
            }
            request.into_body().collect().await?;
            tokio::task::yield_now().await;
            answered.fetch_add(1, SeqCst);
            Ok(response)
        }
    })
}

type Stream = UnsyncBoxBody<Bytes, io::Error>;

fn upload() -> Request<Stream> {
    let frames = ["one", "two"].map(|data| Ok(Frame::data(Bytes::from(data))));
    let body = StreamBody::new(tokio_stream::iter(frames));
    Request::post(support::ORIGIN)
        .body(body.boxed_unsync())
        .unwrap()
}

#[tokio::test]
async fn a_limit_of_one_under_the_layer_serves_a_crowd_through_a_revocation() {
    const CROWD: usize = 64;
    let script = Script::gated(secs(HOUR));
    let layer = warm(&script);
    let inner = ServiceBuilder::new()
        .buffer(1)
        .concurrency_limit(1)
        .service(busy(CROWD / 2));
    let limited = ConcurrencyLimit::new(busy(CROWD / 2), 1);
    for service in [
        BoxCloneService::new(layer.layer(limited)),
        BoxCloneService::new(warm(&script).layer(inner)),
    ] {
        let before = script.exchanges();
        let mut crowd = JoinSet::new();
        for _ in 0..CROWD {
            crowd.spawn(service.clone().oneshot(upload()));
        }
        settle().await;
        script.open(1);
        let answers = tokio::time::timeout(secs(60), crowd.join_all()).await;
        let answers = answers.expect("somebody waits for himself");
        let replayed = answers.into_iter().map(Result::unwrap);
        let replayed = replayed.inspect(|it| assert_eq!(it.status(), StatusCode::OK));
        let replayed = replayed.filter(|it| it.extensions().get() == Some(&Replay::Replayed));
        assert!(replayed.count() > 0);
        assert_eq!(script.exchanges() - before, 1);
    }
}

#[tokio::test]
async fn a_replay_and_a_request_that_waits_for_its_token_do_not_wait_for_each_other() {
    let (script, clock) = (Script::gated(secs(24 * HOUR)), ManualClock::new());
    let layer = script.layer(&clock).initial(token(0, secs(HOUR)));
    // Longer than the token lives.
    let layer = layer.wait_at_most(secs(2 * HOUR)).build().unwrap();
    let permits = Arc::new(Semaphore::new(1));
    let inner = ConcurrencyLimit::with_semaphore(refusing(), Arc::clone(&permits));
    let service = layer.layer(inner);
    let refused = send(&service, get());
    settle().await;
    assert_eq!((script.exchanges(), permits.available_permits()), (1, 1));
    clock.advance(secs(HOUR));
    let waiting = send(&service, get());
    settle().await;
    assert_eq!((script.exchanges(), permits.available_permits()), (1, 0));
    script.open(1);
    settle().await;
    is_ok(refused).await;
    is_ok(waiting).await;
    assert_eq!((script.exchanges(), permits.available_permits()), (1, 1));
}

// === RateLimit ===

/// Whether a service is ready within half an hour; time is paused, and passes at once.
async fn is_ready_soon<S: Service<Request<Empty<Bytes>>>>(service: &mut S) -> bool {
    let half = Duration::from_secs(HOUR / 2);
    tokio::time::timeout(half, service.ready()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_under_the_layer_counts_both_sendings() {
    let inner = ServiceBuilder::new()
        .buffer(1)
        .rate_limit(2, Duration::from_secs(HOUR))
        .service(refusing());
    let mut service = warm(&script()).layer(inner);
    let first = service.ready().await.unwrap().call(get());
    let first = tokio::time::timeout(Duration::from_secs(1), first).await;
    let first = first.expect("there is room for two").unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    // The buffer takes a third, which then waits for its turn.
    let third = service.ready().await.unwrap().call(get());
    let half = Duration::from_secs(HOUR / 2);
    let mut third = Box::pin(third);
    assert!(tokio::time::timeout(half, &mut third).await.is_err());
    assert_eq!(third.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_around_the_layer_counts_a_request_once_however_often_it_is_sent() {
    let mut service = ServiceBuilder::new()
        .rate_limit(2, Duration::from_secs(HOUR))
        .layer(warm(&script()))
        .service(refusing());
    for _ in 0..2 {
        assert!(is_ready_soon(&mut service).await);
        let response = service.call(get()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    assert!(!is_ready_soon(&mut service).await);
}

// === Timeout ===

/// An API that takes 700 ms for each answer, and refuses `access-0`.
fn slow()
-> impl Service<Request<Empty<Bytes>>, Response = Response<()>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(|request: Request<Empty<Bytes>>| async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let mut response = Response::new(());
        if request.headers()["authorization"] == "Bearer access-0" {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        Ok(response)
    })
}

#[tokio::test(start_paused = true)]
async fn a_timeout_under_the_layer_spans_one_sending_and_no_wait_for_a_token() {
    let script = Script::gated(secs(HOUR));
    let layer = cold(&script);
    script.next(|_| Ok(token(0, secs(HOUR))));
    let inner = ServiceBuilder::new().timeout(Duration::from_secs(1));
    let waiting = send(&layer.layer(inner.service(slow())), get());
    for exchanges in 1..=2 {
        // Far longer than the timeout, first without a token and then with a refused one.
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(script.exchanges(), exchanges);
        script.open(1);
    }
    assert_eq!(waiting.await.unwrap().unwrap(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn what_a_timeout_under_the_layer_says_is_the_callers_and_nothing_is_sent_again() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let never = service_fn(move |_: Request<Empty<Bytes>>| {
        count.fetch_add(1, SeqCst);
        std::future::pending::<Result<Response<()>, BoxError>>()
    });
    let script = script();
    let inner = ServiceBuilder::new().timeout(Duration::from_secs(1));
    let service = warm(&script).layer(inner.service(never));
    let error = service.oneshot(get()).await.unwrap_err();
    assert!(error.is::<Elapsed>());
    assert_eq!((sent.load(SeqCst), script.exchanges()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_around_the_layer_spans_both_sendings_and_what_was_learnt_stays() {
    let script = script();
    let service = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .layer(warm(&script))
        .service(slow());
    let error = service.clone().oneshot(get()).await.unwrap_err();
    assert!(error.is::<Elapsed>());
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.extensions().get::<Replay>().is_none());
    assert_eq!(script.exchanges(), 1);
}

// === Retry ===

/// Tries twice more where the answer is no 2xx.
#[derive(Clone)]
struct Twice(usize);

impl<B, E> Policy<Request<Empty<Bytes>>, Response<B>, E> for Twice {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Empty<Bytes>>,
        result: &mut Result<Response<B>, E>,
    ) -> Option<Ready<()>> {
        let is_good = matches!(result, Ok(response) if response.status().is_success());
        let again = !is_good && self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Empty<Bytes>>) -> Option<Request<Empty<Bytes>>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn a_retry_under_the_layer_repeats_the_token_that_it_was_given() {
    let (script, api) = (script(), refusing());
    let inner = ServiceBuilder::new().retry(Twice(2)).service(api.clone());
    let response = warm(&script).layer(inner).oneshot(get()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let (old, new) = ("Bearer access-0", "Bearer access-1");
    assert_eq!(api.seen(), [old, old, old, new]);
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_retry_around_the_layer_starts_from_the_newer_token_and_has_a_replay_of_its_own() {
    let script = script();
    // The second token is taken before it is refused: a 503 would not have said so.
    let answers = Mutex::new(vec![200, 401, 404, 401]);
    let api = Api::new(move |_| {
        let next = answers.lock().unwrap().pop().unwrap();
        StatusCode::from_u16(next).unwrap()
    });
    let service = ServiceBuilder::new()
        .retry(Twice(2))
        .layer(warm(&script))
        .service(api.clone());
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let seen = api.seen();
    let expected = [0, 1, 1, 2].map(|number| format!("Bearer access-{number}"));
    assert_eq!(seen, expected);
    assert_eq!(script.exchanges(), 2);
}
