//! What the vendors stand on: a socket, an issuer's book, and a client that calls an API.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Router, body::to_bytes, extract::Request as Incoming, response::Response as Outgoing};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{net::TcpListener, task::AbortHandle};
use tower::{Service, ServiceExt};
use tower_reauth::{BoxError, Error, clock::Clock, replay::Replay, test_util::ManualClock};

/// A request, read to its end.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A socket on loopback that is answered in JSON, until it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    accepting: AbortHandle,
}

/// An answer's status and body.
pub(crate) type Reply = (u16, Value);

/// Who was given which token, as an issuer knows it.
pub(crate) struct Book {
    pub(crate) clock: ManualClock,
    /// Tokens with the Unix time in seconds that each expires at.
    good: Mutex<HashMap<String, u64>>,
    spent: Mutex<HashSet<String>>,
    pub(crate) exchanges: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    pub(crate) ended: Mutex<bool>,
}

/// What a caller got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) replay: Option<Replay>,
    pub(crate) error: Option<Error>,
}

// === impl Server ===

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = Arc::new(answer);
        let answering = move |request: Incoming| {
            let answer = Arc::clone(&answer);
            async move {
                let (status, body) = answer(&read(request).await);
                let reply = Outgoing::builder().status(status);
                let reply = reply.header(CONTENT_TYPE, "application/json");
                reply
                    .body(axum::body::Body::from(body.to_string()))
                    .unwrap()
            }
        };
        let serving = axum::serve(listener, Router::new().fallback(answering)).into_future();
        let accepting = tokio::spawn(serving).abort_handle();
        Self { url, accepting }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn read(request: Incoming) -> Asked {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap();
    Asked {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: String::from_utf8(body.into()).unwrap(),
    }
}

// === impl Asked ===

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        let header = self.headers.get(name);
        header.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn bearer(&self) -> &str {
        self.header("authorization")
            .strip_prefix("Bearer ")
            .unwrap_or_default()
    }

    /// A parameter of the form in the body, which is there once.
    pub(crate) fn form(&self, name: &str) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/x-www-form-urlencoded"
        );
        parameter(&self.body, name)
    }

    /// A parameter of the query.
    pub(crate) fn query(&self, name: &str) -> String {
        parameter(&self.query, name)
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_str(&self.body).unwrap()
    }
}

fn parameter(text: &str, name: &str) -> String {
    let pairs = form_urlencoded::parse(text.as_bytes());
    let mut values = pairs
        .filter(|(it, _)| it == name)
        .map(|(_, value)| value.into_owned());
    let value = values.next().unwrap_or_default();
    assert!(values.next().is_none(), "{name} is there twice");
    value
}

// === impl Book ===

impl Book {
    pub(crate) fn new(clock: &ManualClock) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            good: Mutex::default(),
            spent: Mutex::default(),
            exchanges: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            ended: Mutex::new(false),
        })
    }

    /// The Unix time in seconds.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().unix().as_secs()
    }

    /// A new name for a token, and one exchange more.
    pub(crate) fn number(&self) -> usize {
        self.exchanges.fetch_add(1, SeqCst) + 1
    }

    pub(crate) fn issue(&self, token: impl Into<String>, lifetime: Duration) {
        let expires = self.now() + lifetime.as_secs();
        self.good.lock().unwrap().insert(token.into(), expires);
    }

    /// How long a token lives yet; none where it is not good.
    pub(crate) fn left(&self, token: &str) -> Option<u64> {
        let expires = *self.good.lock().unwrap().get(token)?;
        expires.checked_sub(self.now()).filter(|left| *left > 0)
    }

    /// Whether an API takes `token`. One that it does not is counted.
    pub(crate) fn takes(&self, token: &str) -> bool {
        let takes = self.left(token).is_some();
        self.refused.fetch_add(usize::from(!takes), SeqCst);
        takes
    }

    /// Spends a token of which each is good once. The first one is `first`, and each next is issued.
    pub(crate) fn spend(&self, token: &str) -> bool {
        let ended = *self.ended.lock().unwrap();
        !ended && self.left(token).is_some() && self.spent.lock().unwrap().insert(token.into())
    }

    /// Revokes what it has issued.
    pub(crate) fn revoke(&self, belongs: impl Fn(&str) -> bool) {
        self.good.lock().unwrap().retain(|token, _| !belongs(token));
    }

    pub(crate) fn exchanges(&self) -> usize {
        self.exchanges.load(SeqCst)
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused.load(SeqCst)
    }
}

/// A clock, and a book that goes by it.
pub(crate) fn stage() -> (ManualClock, Arc<Book>) {
    let clock = ManualClock::new();
    let book = Book::new(&clock);
    (clock, book)
}

pub(crate) fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A call of an API, read to its end.
pub(crate) async fn get<S, B>(service: &S, url: &str) -> Result<Got, Error>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = BoxError> + Clone,
    B: Body<Data: Send, Error: std::fmt::Debug>,
{
    let request = Request::get(url).body(Empty::new()).unwrap();
    let sent = service.clone().oneshot(request).await;
    let response = sent.map_err(|error| Error::find(&*error).expect("ours").clone())?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Ok(Got {
        status: head.status,
        body: serde_json::from_slice(&body).unwrap(),
        replay: head.extensions.get().copied(),
        error: head.extensions.get().cloned(),
    })
}

/// Waits until what goes on beside requests has come to an end.
pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it does not come to that");
}
