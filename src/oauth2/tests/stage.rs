//! A transport that plays replies in order, and a clock that a wait moves.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;

use super::super::harness::{Canned, SENT_AT, assert_shows_no_secret, at_once};
use crate::{
    Provider, Token,
    clock::{Clock, Moment, Sleep},
    oauth2::OAuth2,
    provider::{
        Exchange, ExchangeParts, ProviderError, Reason, SendFuture, TokenClient, TokenReply,
        Transport,
    },
};

#[derive(Clone)]
pub(super) struct Stage(Arc<Inner>);

struct Inner {
    replies: Mutex<VecDeque<Canned>>,
    requests: Mutex<Vec<Request<Bytes>>>,
    clock: Arc<Hasty>,
}

/// Never answers.
pub(super) struct Silent;

/// Nobody waits for it: it goes ahead.
#[derive(Debug)]
struct Hasty {
    now: Mutex<Moment>,
    waited: Mutex<Vec<Duration>>,
}

// === impl Stage ===

impl Stage {
    pub(super) fn new(replies: impl IntoIterator<Item = Canned>) -> Self {
        Self(Arc::new(Inner {
            replies: Mutex::new(replies.into_iter().collect()),
            requests: Mutex::default(),
            clock: Arc::new(Hasty {
                now: Mutex::new(SENT_AT),
                waited: Mutex::default(),
            }),
        }))
    }

    pub(super) fn client(&self) -> TokenClient {
        TokenClient::new(Arc::new(self.clone()), self.0.clock.clone())
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// More replies, for what comes next.
    pub(super) fn next(&self, replies: impl IntoIterator<Item = Canned>) {
        self.0.replies.lock().expect("a stage").extend(replies);
    }

    pub(super) fn advance(&self, by: Duration) {
        let mut now = self.0.clock.now.lock().expect("a clock");
        *now = now.after(by);
    }

    /// One exchange of a session that has a refresh token.
    pub(super) fn exchange(
        &self,
        provider: &OAuth2,
        reason: Reason,
    ) -> Result<Token, ProviderError> {
        let client = self.client();
        let exchange = Exchange::new(ExchangeParts {
            wanted: None,
            last: Some(Token::from_refresh_token("canary/old")),
            refused: None,
            reason,
            deadline: client.now().after(Duration::from_secs(10)),
            session: Provider::profile(provider).session(),
            client,
        });
        self.checked(at_once(provider.obtain(exchange)))
    }

    pub(super) fn run<T>(
        &self,
        future: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        self.checked(at_once(future))
    }

    fn checked<T>(&self, result: Result<T, ProviderError>) -> Result<T, ProviderError> {
        if let Err(error) = &result {
            assert_shows_no_secret(error);
        }
        result
    }

    /// The addresses that were asked, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        let requests = self.0.requests.lock().expect("a stage");
        requests
            .iter()
            .map(|request| request.uri().to_string())
            .collect()
    }

    /// The forms that were sent, in order.
    pub(super) fn forms(&self) -> Vec<String> {
        let requests = self.0.requests.lock().expect("a stage");
        let forms = requests.iter().map(|request| request.body().to_vec());
        forms
            .map(|form| String::from_utf8(form).expect("a form"))
            .collect()
    }

    pub(super) fn waited(&self) -> Vec<Duration> {
        self.0.clock.waited.lock().expect("a clock").clone()
    }
}

impl Transport for Stage {
    fn send(&self, request: Request<Bytes>, clock: &Arc<dyn Clock>) -> SendFuture {
        self.0.requests.lock().expect("a stage").push(request);
        let canned = self.0.replies.lock().expect("a stage").pop_front();
        let canned = canned.expect("no reply is left for a request that nobody expects");
        let reply = canned.reply_at(clock.now());
        Box::pin(async move { Ok::<TokenReply, _>(reply) })
    }
}

impl Transport for Silent {
    fn send(&self, _: Request<Bytes>, _: &Arc<dyn Clock>) -> SendFuture {
        Box::pin(std::future::pending())
    }
}

// === impl Hasty ===

impl Clock for Hasty {
    fn now(&self) -> Moment {
        *self.now.lock().expect("a clock")
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut now = self.now.lock().expect("a clock");
        *now = now.after(duration);
        self.waited.lock().expect("a clock").push(duration);
        Box::pin(std::future::ready(()))
    }
}
