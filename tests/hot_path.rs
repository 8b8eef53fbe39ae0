//! Promise 12: with a good token a request costs next to nothing, and what replay costs is paid
//! where it can be had.
//!
//! Allocations are counted on the test's own thread. That no lock is taken cannot be counted; what
//! stands for it is the clock, which the way through the lock reads once more.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{
    BodyExt, Empty, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use support::{ORIGIN, Script, secs, settle, token};
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_reauth::{
    Auth, AuthLayer,
    attach::Bare,
    clock::{Clock, Moment, Sleep, SystemClock},
    future::ResponseFuture,
    peek::PeekLayer,
    provider::{FixedToken, Origins, Placement, Profile, ProviderError},
    test_util::ManualClock,
};

const HOUR: u64 = 3_600;

/// Answers at once and allocates nothing.
#[derive(Clone)]
struct Instant(StatusCode);

impl<B> Service<Request<B>> for Instant {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = Response::new(Empty::new());
        *response.status_mut() = self.0;
        ready(Ok(response))
    }
}

fn layer(placement: Placement, replay: bool) -> AuthLayer<Script> {
    let script = Script::with_lifetime(secs(HOUR));
    let script = script.profile(|profile: Profile| profile.placement(placement));
    let builder = AuthLayer::builder(script).clock(SystemClock).memory_only();
    let builder = builder.initial(token(0, secs(HOUR)));
    builder.replay(replay).build().unwrap()
}

/// A request with a header of its own: the first header of a map makes the map allocate, whoever
/// inserts it.
fn request<B>(body: B) -> Request<B> {
    let request = Request::get(format!("{ORIGIN}/thing"));
    let accept = HeaderValue::from_static("*/*");
    request.header("accept", accept).body(body).unwrap()
}

fn answer<B: Send + 'static>(
    service: &mut Auth<Instant, Script>,
    request: Request<B>,
) -> Response<Empty<Bytes>> {
    let mut cx = Context::from_waker(Waker::noop());
    let ready = Service::<Request<B>>::poll_ready(service, &mut cx);
    assert!(matches!(ready, Poll::Ready(Ok(()))));
    let future = pin!(service.call(request));
    let Poll::Ready(Ok(response)) = future.poll(&mut cx) else {
        unreachable!("the answer is there at once");
    };
    response
}

/// How often a request with a good token allocates, once the layer has been used.
fn allocations<B: Send + 'static>(layer: &AuthLayer<Script>, make: impl Fn() -> Request<B>) -> u64 {
    let mut service = layer.layer(Instant(StatusCode::OK));
    answer(&mut service, make());
    let request = make();
    measure(|| drop(answer(&mut service, request))).count_total
}

#[test]
fn an_origin_that_came_with_the_token_costs_no_allocation_either() {
    let script = Script::with_lifetime(secs(HOUR));
    let origins = Origins::from(["https://login.example"]).and_those_of_tokens();
    let script = script.profile(|profile: Profile| profile.origins(origins));
    let builder = AuthLayer::builder(script).clock(SystemClock).memory_only();
    let builder = builder.initial(token(0, secs(HOUR)).with_origin(ORIGIN));
    let layer = builder.replay(false).build().unwrap();
    assert_eq!(allocations(&layer, || request(Empty::<Bytes>::new())), 0);
}

#[test]
fn the_counter_counts() {
    assert_eq!(measure(|| drop(Box::new(1_u8))).count_total, 1);
}

#[test]
fn without_replay_a_good_token_costs_no_allocation_wherever_it_goes() {
    let owned = String::from("x-some-token");
    for placement in [
        Placement::bearer(),
        Placement::header(HeaderName::from_static("x-token")),
        Placement::header(owned.parse().unwrap()),
        Placement::bearer().and_header(HeaderName::from_static("x-token")),
        Placement::bearer().and_fixed(HeaderName::from_static("x-api-key"), "key"),
    ] {
        let layer = layer(placement.clone(), false);
        assert_eq!(
            allocations(&layer, || request(Empty::<Bytes>::new())),
            0,
            "{placement:?}"
        );
        assert_eq!(
            allocations(&layer, || request(Full::<Bytes>::from("x"))),
            0,
            "{placement:?}"
        );
        assert_eq!(
            allocations(&layer, || request(String::from("x"))),
            0,
            "{placement:?}"
        );
        let boxed = || -> BoxBody<Bytes, Infallible> { Full::from("x").boxed() };
        assert_eq!(allocations(&layer, || request(boxed())), 0, "{placement:?}");
    }
}

#[test]
fn a_request_without_headers_pays_for_its_first_header_and_for_nothing_else() {
    let naked = || Request::get(ORIGIN).body(Empty::<Bytes>::new()).unwrap();
    let mut by_hand = naked();
    let value = HeaderValue::from_static("Bearer t");
    let floor = measure(|| {
        by_hand.headers_mut().insert("authorization", value);
        drop(by_hand);
    });
    let counted = allocations(&layer(Placement::bearer(), false), naked);
    assert_eq!(counted, floor.count_total);
}

#[test]
fn a_body_that_cannot_be_sent_twice_pays_nothing_for_replay() {
    let layer = layer(Placement::bearer(), true);
    assert_eq!(allocations(&layer, || request(())), 0, "of no known type");
    let long = || "x".repeat(64 * 1024 + 1);
    assert_eq!(allocations(&layer, || request(long())), 0, "over the cap");
    let boxed = || -> BoxBody<Bytes, Infallible> { Full::from(long()).boxed() };
    assert_eq!(allocations(&layer, || request(boxed())), 0, "over the cap");
}

#[test]
fn a_spare_of_a_bodiless_request_costs_three_allocations_at_most() {
    let layer = layer(Placement::bearer(), true);
    // The box that it waits in, and the two that a map of headers is made of. A header value that
    // was made at run time costs one more: `Bytes` counts its owners from the first clone on.
    assert!(allocations(&layer, || request(Empty::<Bytes>::new())) <= 3);
    assert!(allocations(&layer, || request(String::new())) <= 3);
    // A shared buffer is not copied.
    assert!(allocations(&layer, || request(Full::<Bytes>::from("shared"))) <= 3);
}

/// A bodiless request with so many headers of its own, made at run time or not.
fn bodiless(headers: usize, at_run_time: bool) -> Request<Empty<Bytes>> {
    const NAMES: [&str; 7] = ["x-0", "x-1", "x-2", "x-3", "x-4", "x-5", "x-6"];
    let mut request = Request::get(format!("{ORIGIN}/thing"));
    for name in &NAMES[..headers] {
        let value = match at_run_time {
            true => HeaderValue::try_from(format!("of {name}")).unwrap(),
            false => HeaderValue::from_static("value"),
        };
        request = request.header(HeaderName::from_static(name), value);
    }
    let mut request = request.body(Empty::new()).unwrap();
    request.extensions_mut().insert(7_u8);
    request
}

#[test]
fn with_replay_on_a_bodiless_request_costs_a_clone_of_its_head_and_the_box_that_waits() {
    let (on, off) = [true, false]
        .map(|it| layer(Placement::bearer(), it))
        .into();
    for (headers, at_run_time) in [1, 5, 7].map(|it| [(it, false), (it, true)]).concat() {
        // Not the one that is sent: the first clone of a header made at run time is the dearest.
        let request = bodiless(headers, at_run_time);
        let clone = measure(|| {
            let uri = (request.method().clone(), request.uri().clone());
            let rest = (request.headers().clone(), request.extensions().clone());
            drop((uri, request.version(), rest));
        });
        let clone = clone.count_total;
        let make = || bodiless(headers, at_run_time);
        let (on, off) = (allocations(&on, make), allocations(&off, make));
        println!(
            "{headers} headers, made at run time: {at_run_time}: {on} with replay and {off} \
             without, a clone of the head: {clone}"
        );
        assert_eq!(off, 0, "no clone of the head, and room for the token");
        assert!(on <= clone + 1, "{on}, and a clone costs {clone}");
    }
}

#[test]
fn tonics_and_axums_bodies_cost_no_more_than_a_box_of_http_body_util() {
    let layer = layer(Placement::bearer(), true);
    let full = || Full::new(Bytes::from_static(b"x")).map_err(BoxError::from);
    let boxed = allocations(&layer, || request(full().boxed_unsync()));
    let tonic = allocations(&layer, || request(tonic::body::Body::new(full())));
    let axum = allocations(&layer, || request(axum::body::Body::new(full())));
    println!("with replay, a boxed body: {boxed}, tonic's: {tonic}, axum's: {axum}");
    assert!(tonic <= boxed, "tonic's {tonic}, boxed {boxed}");
    assert!(axum <= boxed, "axum's {axum}, boxed {boxed}");
}

/// Answers requests of reqwest at once.
#[derive(Clone)]
struct Reqwest;

impl Service<reqwest::Request> for Reqwest {
    type Response = reqwest::Response;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: reqwest::Request) -> Self::Future {
        ready(Ok(Response::new(reqwest::Body::default()).into()))
    }
}

#[test]
fn around_reqwest_a_request_costs_a_box_and_with_replay_on_its_clone() {
    fn answer<S>(service: &mut S, request: reqwest::Request)
    where
        S: Service<reqwest::Request, Error = BoxError>,
    {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        let answered = pin!(service.call(request)).poll(&mut cx);
        assert!(matches!(answered, Poll::Ready(Ok(_))));
    }
    fn allocations<S>(mut service: S, make: fn() -> reqwest::Request) -> u64
    where
        S: Service<reqwest::Request, Error = BoxError>,
    {
        answer(&mut service, make());
        let request = make();
        measure(|| answer(&mut service, request)).count_total
    }
    fn bodiless() -> reqwest::Request {
        let mut request = reqwest::Request::new(http::Method::GET, ORIGIN.parse().unwrap());
        let accept = HeaderValue::from_static("*/*");
        request.headers_mut().insert("accept", accept);
        request
    }
    fn buffered() -> reqwest::Request {
        let mut request = bodiless();
        *request.body_mut() = Some("x".into());
        request
    }
    fn streamed() -> reqwest::Request {
        let mut request = bodiless();
        *request.body_mut() = Some(reqwest::Body::wrap(Full::new(Bytes::from_static(b"x"))));
        request
    }
    let (on, off) = [true, false]
        .map(|it| layer(Placement::bearer(), it))
        .into();
    let makes = [bodiless, buffered, streamed] as [fn() -> _; 3];
    for (make, name) in makes.into_iter().zip(["none", "a buffer", "a stream"]) {
        let bare = allocations(Reqwest, make);
        let [off, on] = [&off, &on].map(|layer| allocations(layer.layer(Reqwest), make));
        let (request, head) = (make(), bodiless());
        let clone = measure(|| drop(request.try_clone())).count_total;
        let head = measure(|| drop(head.try_clone())).count_total;
        println!(
            "reqwest, body: {name}: {off} without replay and {on} with, of which {bare} are the \
             response; a clone: {clone}, of the head: {head}"
        );
        assert_eq!(off, bare + 1, "{name}");
        // A stream has no clone. It costs its head's, and what a boxed body does.
        let most = if name == "a stream" { head + 3 } else { clone };
        assert!(on <= off + most, "{name}: {on}, without replay {off}");
    }
}

/// Answers at once, with what a response says that its body is.
#[derive(Clone)]
struct Says(&'static [(&'static str, &'static str)]);

impl Service<Request<Empty<Bytes>>> for Says {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
        for (name, value) in self.0 {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(*name, value);
        }
        ready(Ok(response))
    }
}

#[test]
fn a_response_that_is_not_looked_into_costs_nothing_on_top() {
    fn allocations<S>(mut service: S) -> u64
    where
        S: Service<Request<Empty<Bytes>>>,
    {
        let request = request(Empty::<Bytes>::new());
        let mut cx = Context::from_waker(Waker::noop());
        let counted = measure(|| {
            assert!(service.poll_ready(&mut cx).is_ready());
            let answered = pin!(service.call(request)).poll(&mut cx);
            assert!(matches!(answered, Poll::Ready(Ok(_))));
        });
        counted.count_total
    }
    const COMPRESSED: &[(&str, &str)] = &[
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    let on_top = |says: Says| {
        let peek = PeekLayer::new(|glimpse| glimpse.body().is_empty());
        allocations(peek.layer(says.clone())) - allocations(says)
    };
    assert_eq!(on_top(Says(&[])), 0);
    assert_eq!(on_top(Says(&[("content-type", "text/plain")])), 0);
    assert_eq!(on_top(Says(COMPRESSED)), 0);
    assert_ne!(on_top(Says(&COMPRESSED[..1])), 0, "one that is");
}

#[test]
fn a_spare_of_a_body_costs_what_keeping_it_takes_on_top() {
    let layer = layer(Placement::bearer(), true);
    // The copy.
    assert!(allocations(&layer, || request(String::from("x"))) <= 4);
    // The place that both sendings share, and the box that the first reads it through. What is
    // sent is kept by reference, in one list.
    let boxed = || -> BoxBody<Bytes, Infallible> { Full::from("x").boxed() };
    assert!(allocations(&layer, || request(boxed())) <= 5);
    let unsync = || -> UnsyncBoxBody<Bytes, BoxError> {
        Full::from("x")
            .map_err(|never| match never {})
            .boxed_unsync()
    };
    assert!(allocations(&layer, || request(unsync())) <= 5);
}

#[test]
fn a_bare_request_and_one_that_is_held_back_are_no_dearer() {
    let layer = layer(Placement::bearer(), true);
    let bare = || {
        let mut request = request(Empty::<Bytes>::new());
        request.extensions_mut().insert(Bare);
        request
    };
    assert_eq!(allocations(&layer, bare), 0);
}

/// Answers each call of gRPC at once, with a body that has begun.
#[derive(Clone)]
struct Grpc;

impl<B> Service<Request<B>> for Grpc {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let body = Full::new(Bytes::from_static(b"message"));
        let mut response = Response::new(tonic::body::Body::new(body));
        *response.version_mut() = http::Version::HTTP_2;
        let grpc = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", grpc);
        ready(Ok(response))
    }
}

#[test]
fn watching_a_call_of_grpc_to_its_end_costs_one_box() {
    fn allocations<S>(mut service: S) -> u64
    where
        S: Service<Request<Empty<Bytes>>, Response = Response<tonic::body::Body>>,
    {
        let request = request(Empty::<Bytes>::new());
        let mut cx = Context::from_waker(Waker::noop());
        let counted = measure(|| {
            assert!(service.poll_ready(&mut cx).is_ready());
            let future = pin!(service.call(request));
            assert!(matches!(future.poll(&mut cx), Poll::Ready(Ok(_))));
        });
        counted.count_total
    }
    let layer = layer(Placement::bearer(), false);
    assert_eq!(allocations(layer.layer(Grpc)), allocations(Grpc) + 1);
}

// === the clock ===

/// Counts how often it is read.
#[derive(Clone, Debug)]
struct Counting(ManualClock, Arc<AtomicUsize>);

impl Clock for Counting {
    fn now(&self) -> Moment {
        self.1.fetch_add(1, SeqCst);
        self.0.now()
    }

    fn sleep(&self, duration: std::time::Duration) -> Sleep {
        self.0.sleep(duration)
    }
}

fn counting() -> (ManualClock, Counting) {
    let manual = ManualClock::new();
    (manual.clone(), Counting(manual, Arc::default()))
}

/// How often the clock is read for a request that is answered at once.
fn reads(clock: &Counting, layer: &AuthLayer<Script>, status: StatusCode) -> usize {
    let before = clock.1.load(SeqCst);
    let mut service = layer.layer(Instant(status));
    answer(&mut service, request(()));
    clock.1.load(SeqCst) - before
}

#[tokio::test]
async fn a_request_with_a_good_token_reads_the_clock_once() {
    let (_, clock) = counting();
    let script = Script::with_lifetime(secs(HOUR));
    let builder = script.layer(&ManualClock::new()).clock(clock.clone());
    let layer = builder.initial(token(0, secs(HOUR))).build().unwrap();
    for _ in 0..3 {
        assert_eq!(reads(&clock, &layer, StatusCode::OK), 1);
    }
}

#[tokio::test]
async fn an_exchange_that_failed_long_before_the_token_is_due_leaves_the_hot_path_alone() {
    for refused in [true, false] {
        let (manual, clock) = counting();
        let script = Script::with_lifetime(secs(100 * HOUR));
        script.usually(|_| Err(ProviderError::transient("down")));
        let builder = script.layer(&manual).clock(clock.clone());
        let layer = builder.initial(token(0, secs(100 * HOUR))).build().unwrap();
        if refused {
            reads(&clock, &layer, StatusCode::UNAUTHORIZED);
            settle().await;
        } else {
            layer.handle().refresh().await.unwrap_err();
        }
        assert_eq!(script.exchanges(), 1);
        // The pause is over, and nothing is due for three days.
        manual.advance(secs(HOUR));
        for _ in 0..3 {
            assert_eq!(
                reads(&clock, &layer, StatusCode::OK),
                1,
                "refused: {refused}"
            );
        }
        settle().await;
        assert_eq!(script.exchanges(), 1);
    }
}

#[tokio::test]
async fn while_an_exchange_is_under_way_requests_read_the_clock_once() {
    let (manual, clock) = counting();
    let script = Script::gated(secs(HOUR));
    let builder = script.layer(&manual).clock(clock.clone());
    let layer = builder.initial(token(0, secs(HOUR))).build().unwrap();
    manual.advance(secs(HOUR * 4 / 5));
    reads(&clock, &layer, StatusCode::OK);
    settle().await;
    assert_eq!(script.exchanges(), 1, "due, and begun beside the request");
    for _ in 0..3 {
        assert_eq!(reads(&clock, &layer, StatusCode::OK), 1);
    }
}

#[tokio::test]
async fn in_the_pause_after_a_failure_requests_read_the_clock_once() {
    let (manual, clock) = counting();
    let script = Script::with_lifetime(secs(HOUR));
    script.usually(|_| Err(ProviderError::transient("down")));
    let builder = script.layer(&manual).clock(clock.clone());
    let layer = builder.initial(token(0, secs(HOUR))).build().unwrap();
    manual.advance(secs(HOUR * 4 / 5));
    reads(&clock, &layer, StatusCode::OK);
    settle().await;
    assert_eq!(script.exchanges(), 1);
    for _ in 0..3 {
        assert_eq!(reads(&clock, &layer, StatusCode::OK), 1);
    }
}

// === the size ===

#[test]
fn a_response_future_adds_at_most_forty_eight_bytes_to_the_inner_one() {
    fn sizes<S, B>() -> (usize, usize)
    where
        S: Service<Request<B>>,
    {
        (size_of::<ResponseFuture<S, B>>(), size_of::<S::Future>())
    }
    type Hyper = Client<HttpConnector, Full<Bytes>>;
    for (ours, inner) in [
        sizes::<Hyper, Full<Bytes>>(),
        sizes::<Instant, Empty<Bytes>>(),
        sizes::<tower::timeout::Timeout<Hyper>, Full<Bytes>>(),
        sizes::<tower::util::BoxCloneService<Request<String>, Response<String>, BoxError>, String>(
        ),
    ] {
        assert!(ours <= inner + 48, "{ours} bytes around {inner}");
    }
    // The typical stack: hyper-util's client with a buffer for a body.
    assert!(
        sizes::<Hyper, Full<Bytes>>().0 <= 64,
        "{:?}",
        sizes::<Hyper, Full<Bytes>>()
    );
}

// === many at once ===

/// How often ten thousand tasks on a session without a token exchange, and how many are served.
async fn stampede(works: bool) -> (usize, usize) {
    const TASKS: usize = 10_000;
    let script = Script::gated(secs(HOUR));
    if !works {
        script.usually(|_| Err(ProviderError::transient("down")));
    }
    let layer = script.layer(&ManualClock::new()).build().unwrap();
    let service = layer.layer(Instant(StatusCode::OK));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| tokio::spawn(service.clone().oneshot(request(()))))
        .collect();
    settle().await;
    script.open(1);
    let mut served = 0;
    for task in tasks {
        served += usize::from(task.await.unwrap().is_ok());
    }
    (script.exchanges(), served)
}

#[tokio::test]
async fn ten_thousand_callers_of_a_missing_token_share_one_exchange_and_what_comes_of_it() {
    assert_eq!(stampede(true).await, (1, 10_000));
    assert_eq!(stampede(false).await, (1, 0), "a failure is shared as well");
}

#[test]
fn a_request_that_waits_for_a_token_holds_less_than_300_bytes_beyond_itself() {
    const WAITERS: usize = 1_000;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let _entered = runtime.enter();
    let script = Script::gated(secs(HOUR));
    let layer = AuthLayer::builder(script).clock(SystemClock).memory_only();
    let mut service = layer.build().unwrap().layer(Instant(StatusCode::OK));
    let mut cx = Context::from_waker(Waker::noop());
    let requests: Vec<_> = (0..WAITERS).map(|_| request(())).collect();
    let mut waiting = Vec::with_capacity(WAITERS);
    // What is freed with the list of requests is what they are themselves.
    let held = measure(|| {
        for request in requests {
            let mut future = Box::pin(service.call(request));
            assert!(future.as_mut().poll(&mut cx).is_pending());
            waiting.push(future);
        }
    });
    let future = size_of::<ResponseFuture<Instant, ()>>();
    let held = usize::try_from(held.bytes_current).unwrap() / WAITERS - future;
    println!("a request that waits holds {held} bytes beyond itself and its future");
    assert!(held < 300, "{held}");
}

#[tokio::test]
async fn a_fixed_token_is_asked_for_once_and_for_all() {
    let clock = ManualClock::new();
    let provider = FixedToken::bearer("t").origins([ORIGIN]);
    let layer = AuthLayer::builder(provider)
        .clock(clock.clone())
        .build()
        .unwrap();
    for _ in 0..3 {
        let service = layer.layer(Instant(StatusCode::UNAUTHORIZED));
        service.oneshot(request(())).await.unwrap();
        clock.advance(secs(100 * HOUR));
    }
    assert_eq!(layer.handle().status().generation.number(), 1);
}
