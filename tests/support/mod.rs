//! What the tests share: a vendor that is a script, and an API that is a closure.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each test binary uses a part of it, and a test may panic and print"
)]

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::{runtime::Runtime, sync::Semaphore};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Auth, AuthLayer, Error, Provider, Token,
    layer::AuthLayerBuilder,
    provider::{Exchange, Profile, ProviderError, Reason, SessionParts},
    test_util::ManualClock,
};

/// A vendor that answers as told, and counts.
#[derive(Clone)]
pub struct Script(Arc<Inner>);

struct Inner {
    profile: Mutex<Profile>,
    answers: Mutex<VecDeque<Answer>>,
    usual: Mutex<Answer>,
    gate: Semaphore,
    gated: bool,
    asked: Mutex<Vec<Asked>>,
    /// The access tokens that were revoked.
    revoked: Mutex<Vec<String>>,
    revocations_fail: AtomicUsize,
    revocations_panic: AtomicBool,
    /// How the next revocation fails.
    revocation_error: Mutex<Option<ProviderError>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

pub type Answer = Arc<dyn Fn(usize) -> Result<Token, ProviderError> + Send + Sync>;

/// What one exchange was asked with.
#[derive(Clone, Debug)]
pub struct Asked {
    pub reason: Reason,
    pub access: Option<String>,
    pub refresh: Option<String>,
    pub refused: Option<String>,
}

impl Script {
    /// Tokens `access-1`, `access-2`, … that live as long as `lifetime`, given at once.
    pub fn with_lifetime(lifetime: Duration) -> Self {
        Self::new(false, token_every_time(lifetime))
    }

    /// The same, each answer held back until [`open`](Self::open) lets it go.
    pub fn gated(lifetime: Duration) -> Self {
        Self::new(true, token_every_time(lifetime))
    }

    fn new(gated: bool, usual: Answer) -> Self {
        Self(Arc::new(Inner {
            profile: Mutex::new(Profile::new("script").origins([ORIGIN])),
            answers: Mutex::default(),
            usual: Mutex::new(usual),
            gate: Semaphore::new(0),
            gated,
            asked: Mutex::default(),
            revoked: Mutex::default(),
            revocations_fail: AtomicUsize::new(0),
            revocations_panic: AtomicBool::new(false),
            revocation_error: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
        }))
    }

    pub fn profile(self, change: impl FnOnce(Profile) -> Profile) -> Self {
        {
            let mut profile = self.0.profile.lock().unwrap();
            *profile = change(profile.clone());
        }
        self
    }

    /// Answers the next exchange with this, before going back to the usual answer.
    pub fn next(
        &self,
        answer: impl Fn(usize) -> Result<Token, ProviderError> + Send + Sync + 'static,
    ) {
        self.0.answers.lock().unwrap().push_back(Arc::new(answer));
    }

    /// Answers all further exchanges with this.
    pub fn usually(
        &self,
        answer: impl Fn(usize) -> Result<Token, ProviderError> + Send + Sync + 'static,
    ) {
        *self.0.usual.lock().unwrap() = Arc::new(answer);
    }

    /// Lets `n` gated answers go.
    pub fn open(&self, n: usize) {
        self.0.gate.add_permits(n);
    }

    /// How many exchanges were begun.
    pub fn exchanges(&self) -> usize {
        self.0.asked.lock().unwrap().len()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.0.asked.lock().unwrap().clone()
    }

    /// The refresh tokens that were sent, one for each exchange.
    pub fn spent(&self) -> Vec<Option<String>> {
        self.asked()
            .into_iter()
            .map(|asked| asked.refresh)
            .collect()
    }

    /// The access tokens that were revoked, or were to be.
    pub fn revoked(&self) -> Vec<String> {
        self.0.revoked.lock().unwrap().clone()
    }

    /// The next `n` revocations fail.
    pub fn fail_revocations(&self, n: usize) {
        self.0.revocations_fail.store(n, Ordering::SeqCst);
    }

    /// The next revocation fails in this way.
    pub fn refuse_revocations_with(&self, error: ProviderError) {
        *self.0.revocation_error.lock().unwrap() = Some(error);
    }

    pub fn panic_at_revocations(&self) {
        self.0.revocations_panic.store(true, Ordering::SeqCst);
    }

    /// How many hold on to this vendor, this handle of the test's included.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    pub fn most_in_flight(&self) -> usize {
        self.0.most_in_flight.load(Ordering::SeqCst)
    }

    /// A builder for a layer over this vendor, on `clock`, that lives in memory.
    pub fn layer(&self, clock: &ManualClock) -> AuthLayerBuilder<Script> {
        AuthLayer::builder(self.clone())
            .clock(clock.clone())
            .memory_only()
    }

    /// A layer over this vendor, on `clock`, that starts from `refresh-0`.
    pub fn seeded(&self, clock: &ManualClock) -> AuthLayer<Script> {
        let seed = Token::from_refresh_token("refresh-0");
        self.layer(clock).initial(seed).build().unwrap()
    }

    /// A service over this vendor, on `clock`, around `inner`.
    pub fn service<S: Clone>(&self, clock: &ManualClock, inner: &S) -> Auth<S, Script> {
        self.layer(clock).build().unwrap().layer(inner.clone())
    }
}

impl Provider for Script {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let inner = &*self.0;
        let secret =
            |secret: Option<&tower_reauth::token::Secret>| secret.map(|s| s.expose().to_owned());
        let number = {
            let mut asked = inner.asked.lock().unwrap();
            asked.push(Asked {
                reason: exchange.reason(),
                access: secret(exchange.last().and_then(Token::access_token)),
                refresh: secret(exchange.last().and_then(Token::refresh_token)),
                refused: secret(exchange.refused()),
            });
            asked.len()
        };
        let _flying = Flying::new(inner);
        inner.pass().await;
        let scripted = inner.answers.lock().unwrap().pop_front();
        let answer = scripted.unwrap_or_else(|| inner.usual.lock().unwrap().clone());
        answer(number)
    }

    fn profile(&self) -> Profile {
        self.0.profile.lock().unwrap().clone()
    }

    async fn revoke(&self, exchange: Exchange) -> Result<(), ProviderError> {
        let access = exchange.last().and_then(Token::access_token);
        let access = access.map_or("", |access| access.expose()).to_owned();
        self.0.revoked.lock().unwrap().push(access);
        let _flying = Flying::new(&self.0);
        self.0.pass().await;
        assert!(!self.0.revocations_panic.load(Ordering::SeqCst), "told to");
        if let Some(error) = self.0.revocation_error.lock().unwrap().take() {
            return Err(error);
        }
        let fails = |n: usize| n.checked_sub(1);
        let failing = &self.0.revocations_fail;
        match failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails) {
            Ok(_) => Err(ProviderError::transient("not now")),
            Err(_) => Ok(()),
        }
    }
}

impl Inner {
    async fn pass(&self) {
        if self.gated {
            self.gate
                .acquire()
                .await
                .expect("the gate is never closed")
                .forget();
        }
    }
}

struct Flying<'a>(&'a Inner);

impl<'a> Flying<'a> {
    fn new(inner: &'a Inner) -> Self {
        let now = inner.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        inner.most_in_flight.fetch_max(now, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for Flying<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `access-N` with refresh token `refresh-N`, living as long as `lifetime`.
pub fn token_every_time(lifetime: Duration) -> Answer {
    Arc::new(move |number| Ok(token(number, lifetime)))
}

pub fn token(number: usize, lifetime: Duration) -> Token {
    Token::new(format!("access-{number}"))
        .with_refresh_token(format!("refresh-{number}"))
        .with_lifetime(lifetime)
}

/// An inner service that answers each request by a closure over its `authorization` header.
#[derive(Clone)]
pub struct Api {
    answer: Arc<dyn Fn(&str) -> StatusCode + Send + Sync>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Api {
    pub fn new(answer: impl Fn(&str) -> StatusCode + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            seen: Arc::default(),
        }
    }

    pub fn accepting_all() -> Self {
        Self::new(|_| StatusCode::OK)
    }

    /// The `authorization` headers that arrived, in order.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl<B> tower::Service<Request<B>> for Api {
    type Response = Response<Empty<Bytes>>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let header = request.headers().get("authorization");
        let header = header
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
            .to_owned();
        let mut response = Response::new(Empty::new());
        *response.status_mut() = (self.answer)(&header);
        self.seen.lock().unwrap().push(header);
        std::future::ready(Ok(response))
    }
}

/// A bodiless request to the declared origin.
pub fn get() -> Request<Empty<Bytes>> {
    Request::get(format!("{ORIGIN}/thing"))
        .body(Empty::new())
        .unwrap()
}

/// Polls once.
pub async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Lets spawned tasks run until they wait for something. Deterministic on the current-thread
/// runtime: nothing here waits for time or for sockets.
pub async fn settle() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

/// Polls once, on no runtime at all.
pub fn poll_bare<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A runtime to be shut down by dropping it. It has no timer and no sockets: a test that runs on
/// it needs neither.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime needs only memory")
}

/// The crate's error behind the one of a service.
pub fn ours(error: &tower_reauth::BoxError) -> &Error {
    Error::find(&**error).expect("the layer's own error")
}

/// What a request came back with: its status, or the layer's error.
pub async fn send<S>(service: &S) -> Result<StatusCode, Error>
where
    S: tower::Service<
            Request<Empty<Bytes>>,
            Response = Response<Empty<Bytes>>,
            Error = tower_reauth::BoxError,
        > + Clone,
{
    match service.clone().oneshot(get()).await {
        Ok(response) => Ok(response.status()),
        Err(error) => Err(ours(&error).clone()),
    }
}

/// A number to seed a random test with, on the terminal so that a failure can be repeated:
/// `TEST_SEED=… cargo nextest run …`.
pub fn seed() -> u64 {
    let given = std::env::var("TEST_SEED").ok();
    let seed = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("TEST_SEED={seed}");
    seed
}

/// A few turns: enough for a flight that waits for nothing.
pub async fn a_few_turns() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// A session of `vendor`, of which there is nothing else to say.
pub fn parts(vendor: &str) -> SessionParts {
    SessionParts {
        namespace: String::new(),
        vendor: vendor.to_owned(),
        base_url: String::new(),
        client: String::new(),
        account: String::new(),
        scope: String::new(),
        resource: Vec::new(),
        audience: Vec::new(),
        binding: String::new(),
        session_key: String::new(),
    }
}

pub const ORIGIN: &str = "https://api.example.com";

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
