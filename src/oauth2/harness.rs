//! What the tests of all adapters share: a transport that plays one reply and notes the request.

use std::{
    error::Error as _,
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::HeaderName};
use zeroize::Zeroizing;

use crate::{
    Token,
    clock::{Clock, Moment, Sleep},
    provider::{
        Exchange, ExchangeParts, Provider, ProviderError, Reason, SendFuture, TokenClient,
        TokenReply, Transport,
    },
};

/// A reply, as it will be played.
#[derive(Clone, Debug)]
pub(crate) struct Canned {
    pub(crate) status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
    complete: bool,
}

/// What came of one exchange.
#[derive(Debug)]
pub(crate) struct Outcome<T = Token> {
    pub(crate) result: Result<T, ProviderError>,
    pub(crate) request: Option<Request<Bytes>>,
}

/// Part of every secret in these tests, and of every vendor's text: nothing may show it.
pub(crate) const CANARY: &str = "canary";

pub(crate) const SENT_AT: Moment =
    Moment::new(Duration::from_secs(100), Duration::from_secs(1_767_225_600));

/// Plays `canned` to `provider`, which refreshes a session that `last` is the last token of.
pub(crate) fn exchange(provider: &impl Provider, last: Option<Token>, canned: &Canned) -> Outcome {
    play(provider, last, canned, |exchange| provider.obtain(exchange))
}

/// Plays `canned` to `provider`, which has the session revoked that `last` is the last token of.
pub(crate) fn revoke(
    provider: &impl Provider,
    last: Option<Token>,
    canned: &Canned,
) -> Outcome<()> {
    play(provider, last, canned, |exchange| provider.revoke(exchange))
}

fn play<T: fmt::Debug, F: Future<Output = Result<T, ProviderError>>>(
    provider: &impl Provider,
    last: Option<Token>,
    canned: &Canned,
    ask: impl FnOnce(Exchange) -> F,
) -> Outcome<T> {
    let player = Arc::new(Player {
        canned: canned.clone(),
        request: Mutex::default(),
    });
    let clock: Arc<dyn Clock> = Arc::new(Stopped);
    let exchange = Exchange::new(ExchangeParts {
        last,
        refused: None,
        reason: Reason::Due,
        deadline: SENT_AT.after(Duration::from_secs(10)),
        session: provider.profile().session(),
        client: TokenClient::new(player.clone(), clock),
        wanted: None,
    });
    let result = at_once(ask(exchange));
    if let Err(error) = &result {
        assert_shows_no_secret(error);
    }
    assert!(!format!("{result:?}{result:#?}").contains(CANARY));
    let request = player
        .request
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    Outcome { result, request }
}

pub(crate) fn assert_shows_no_secret(error: &ProviderError) {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        shown.push_str(&format!("{cause} {cause:?}"));
        source = cause.source();
    }
    assert!(!shown.to_lowercase().contains(CANARY), "{shown}");
}

/// The texts of what an error saved: access token, refresh token.
pub(crate) fn saved(error: &ProviderError) -> (Option<&str>, Option<&str>) {
    error.salvaged().map_or((None, None), texts)
}

pub(crate) fn texts(token: &Token) -> (Option<&str>, Option<&str>) {
    let access = token.access_token().map(|secret| secret.expose());
    (access, token.refresh_token().map(|secret| secret.expose()))
}

// === impl Canned ===

impl Canned {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            complete: true,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        ));
        self
    }

    /// The connection breaks after the body.
    pub(crate) fn broken_off(mut self) -> Self {
        self.complete = false;
        self
    }

    pub(crate) fn reply(&self) -> TokenReply {
        self.reply_at(SENT_AT)
    }

    pub(crate) fn reply_at(&self, at: Moment) -> TokenReply {
        let mut response = Response::new(());
        *response.status_mut() = self.status.try_into().expect("a status");
        response.headers_mut().extend(self.headers.iter().cloned());
        let (head, ()) = response.into_parts();
        let body = Zeroizing::new(self.body.clone());
        TokenReply::new(head, body, self.complete, (at, at))
    }
}

// === impl Outcome ===

impl Outcome {
    #[track_caller]
    pub(crate) fn token(self) -> Token {
        self.result.expect("a token")
    }
}

impl<T: fmt::Debug> Outcome<T> {
    #[track_caller]
    pub(crate) fn error(self) -> ProviderError {
        self.result.expect_err("an error")
    }

    #[track_caller]
    pub(crate) fn request(self) -> Request<Bytes> {
        self.request.expect("a request")
    }
}

struct Player {
    canned: Canned,
    request: Mutex<Option<Request<Bytes>>>,
}

#[derive(Debug)]
struct Stopped;

// === impl Player ===

impl Transport for Player {
    fn send(&self, request: Request<Bytes>, _clock: &Arc<dyn Clock>) -> SendFuture {
        let mut sent = self.request.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            sent.replace(request).is_none(),
            "one request for each exchange"
        );
        let reply = self.canned.reply();
        Box::pin(async move { Ok(reply) })
    }
}

// === impl Stopped ===

impl Clock for Stopped {
    fn now(&self) -> Moment {
        SENT_AT
    }

    fn sleep(&self, _duration: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

/// The adapters wait for nothing but the transport, and this one does not let them wait.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("an exchange waits for something else than its reply"),
    }
}
