//! What a proof of possession costs with each request, beside a bearer token.
//!
//! ```sh
//! cargo bench --all-features --bench dpop
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends, and what it finds it prints"
)]

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer, Service};
use tower_reauth::{
    Auth, AuthLayer, Token,
    clock::{Clock, SystemClock},
    oauth2::{OAuth2, dpop::DpopKey},
};

/// Answers at once.
#[derive(Clone)]
struct Instant;

impl Service<Request<Empty<Bytes>>> for Instant {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(Empty::new())))
    }
}

fn main() {
    let key = DpopKey::generate().unwrap();
    let provider = || OAuth2::refresh_token("https://id.example.com/token", "bench");
    let seed = Token::from_pair("access", "refresh").with_lifetime(Duration::from_secs(86_400));
    cost("bearer", provider(), seed.clone());
    cost("dpop", provider().dpop(), seed.with_dpop_key(&key));
}

fn cost(name: &str, provider: OAuth2, seed: Token) {
    let provider = provider.origins(["https://api.example.com"]);
    let builder = AuthLayer::builder(provider).initial(seed).memory_only();
    let mut service = builder.replay(false).build().unwrap().layer(Instant);
    call(&mut service);
    let allocations = measure(|| call(&mut service)).count_total;
    // The best of some rounds: others may be busy on this machine.
    let best = (0..ROUNDS).map(|_| {
        let began = SystemClock.now().monotonic();
        (0..CALLS).for_each(|_| call(&mut service));
        (SystemClock.now().monotonic() - began) / CALLS
    });
    println!(
        "{name:>8}: {:?} a call, {allocations} allocations",
        best.min().unwrap()
    );
}

fn call(service: &mut Auth<Instant, OAuth2>) {
    let mut cx = Context::from_waker(Waker::noop());
    let request = Request::get("https://api.example.com/orders/1");
    let request = request.body(Empty::new()).unwrap();
    let answer = pin!(service.call(request)).poll(&mut cx);
    assert!(matches!(answer, Poll::Ready(Ok(_))));
}

const ROUNDS: u32 = 20;
const CALLS: u32 = 1_000;
