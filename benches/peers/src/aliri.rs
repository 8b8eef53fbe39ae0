//! `TokenWatcher` of aliri_tokens.

use std::task::{Context, Poll};

use aliri_clock::DurationSecs;
use aliri_tokens::{
    TokenWatcher, backoff::ErrorBackoffConfig, jitter::NullJitter, sources::ConstTokenSource,
};
use bytes::{BufMut, BytesMut};
use http::{HeaderValue, Request, header::AUTHORIZATION};
use tokio::runtime::Builder;
use tower::Service;

use crate::call::{
    clients::{Answer, Answering, Bare, Body, TOKEN},
    contenders::repeat,
    cost::Contender,
};

pub const PEER: Contender = Contender {
    key: "aliri",
    name: "aliri_tokens, `TokenWatcher`",
    run,
};

fn run(calls: usize) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let source = ConstTokenSource::new(TOKEN).with_token_valid_for(DurationSecs(3_600));
    let watcher = runtime
        .block_on(TokenWatcher::spawn_from_token_source(
            source,
            NullJitter,
            ErrorBackoffConfig::default(),
        ))
        .unwrap();
    repeat(Watched(watcher), calls);
}

/// Makes the header for each request, as the middleware in aliri_reqwest does. Its predicate is left
/// out, and so is the boxed future, which reqwest's middlewares have.
struct Watched(TokenWatcher);

impl Service<Request<Body>> for Watched {
    type Response = Answer;
    type Error = std::convert::Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Bare.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Answering {
        request.headers_mut().insert(AUTHORIZATION, self.header());
        Bare.call(request)
    }
}

impl Watched {
    fn header(&self) -> HeaderValue {
        let token = self.0.token();
        let token = token.access_token().as_str();
        let mut text = BytesMut::with_capacity(token.len() + 7);
        text.put_slice(b"Bearer ");
        text.put_slice(token.as_bytes());
        let mut header = HeaderValue::from_maybe_shared(text).unwrap();
        header.set_sensitive(true);
        header
    }
}
