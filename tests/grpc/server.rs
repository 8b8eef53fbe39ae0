//! A server of notes over real sockets, and a gate in front of it that refuses tokens in all the
//! ways there are.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body::Frame;
use http_body_util::BodyExt;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{sync::Notify, task::JoinHandle};
use tokio_stream::{Stream, StreamExt};
use tonic::{
    Status, Streaming,
    body::Body,
    transport::{
        Certificate, ClientTlsConfig, Endpoint, Identity, ServerTlsConfig, server::TcpIncoming,
    },
};
use tower::{Service, ServiceExt};

use crate::notes::{Note, Notes, NotesServer};

/// What the gate does with a token that is not good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Refuse {
    /// Trailers-Only, and nothing was read.
    AtOnce,
    /// Trailers-Only, after the first message was read.
    AfterOneMessage,
    /// In the trailers, after the headers and a first message of the answer.
    Late,
    /// A gateway before gRPC: HTTP 401, text/html, a challenge.
    Gateway,
}

/// The four kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Unary,
    ClientStream,
    ServerStream,
    Bidirectional,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wire {
    Plain,
    Tls,
}

pub(crate) struct Server {
    pub(crate) log: Arc<Log>,
    pub(crate) uri: String,
    ca: Option<Certificate>,
    serving: JoinHandle<()>,
}

/// What happened at the server, and what is to happen.
pub(crate) struct Log {
    refuse: Refuse,
    /// The number of the first token that is good.
    good_from: AtomicUsize,
    /// How many calls the next token is refused after, whatever becomes of them.
    revoke_after: AtomicUsize,
    /// How many refusals are made of any token, good ones too.
    refuse_next: AtomicUsize,
    refused: AtomicUsize,
    calls: Mutex<Vec<Call>>,
    uris: Mutex<Vec<Uri>>,
    more: Notify,
}

/// A call that the gate let through.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) token: String,
    pub(crate) deadline: Option<String>,
    /// The messages that came, in order.
    pub(crate) came: Vec<String>,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Running,
    Finished,
    /// The caller went away.
    Cancelled,
}

/// A call with this text is never answered.
pub(crate) const FOR_EVER: &str = "for ever";

// === impl Kind ===

impl Kind {
    pub(crate) const ALL: [Self; 4] = [
        Self::Unary,
        Self::ClientStream,
        Self::ServerStream,
        Self::Bidirectional,
    ];
}

// === impl Server ===

impl Server {
    /// A server for which `access-1` and later are good.
    pub(crate) async fn start(wire: Wire, refuse: Refuse) -> Self {
        let log = Arc::new(Log {
            refuse,
            good_from: AtomicUsize::new(1),
            revoke_after: AtomicUsize::new(usize::MAX),
            refuse_next: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            calls: Mutex::default(),
            uris: Mutex::default(),
            more: Notify::new(),
        });
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let port = incoming.local_addr().unwrap().port();
        let mut builder = tonic::transport::Server::builder();
        let (mut scheme, mut ca) = ("http", None);
        if wire == Wire::Tls {
            let (certificate, identity) = certify();
            let tls = ServerTlsConfig::new().identity(identity);
            builder = builder.tls_config(tls).unwrap();
            (scheme, ca) = ("https", Some(certificate));
        }
        let (gate_log, notes) = (Arc::clone(&log), NotesServer::new(Desk(Arc::clone(&log))));
        let router = builder
            .layer(tower::layer::layer_fn(move |inner| Gate {
                inner,
                log: Arc::clone(&gate_log),
            }))
            .add_service(notes);
        let serving = tokio::spawn(async move {
            router.serve_with_incoming(incoming).await.unwrap();
        });
        Self {
            log,
            uri: format!("{scheme}://localhost:{port}"),
            ca,
            serving,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let endpoint = Endpoint::from_shared(self.uri.clone()).unwrap();
        let endpoint = endpoint.connect_timeout(Duration::from_secs(10));
        match &self.ca {
            None => endpoint,
            Some(ca) => {
                let tls = ClientTlsConfig::new().ca_certificate(ca.clone());
                endpoint.tls_config(tls).unwrap()
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A certification authority, and what it says of `localhost`.
fn certify() -> (Certificate, Identity) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let identity = Identity::from_pem(leaf.pem(), key.serialize_pem());
    (Certificate::from_pem(authority.pem()), identity)
}

// === impl Log ===

impl Log {
    /// From here on only tokens from `access-number` on are good.
    pub(crate) fn good_from(&self, number: usize) {
        self.good_from.store(number, SeqCst);
    }

    /// Takes back `access-1` when this many calls have come to the gate.
    pub(crate) fn revoke_after(&self, calls: usize) {
        self.revoke_after.store(calls, SeqCst);
    }

    /// Refuses this many calls, whatever their tokens.
    pub(crate) fn refuse_next(&self, calls: usize) {
        self.refuse_next.store(calls, SeqCst);
    }

    /// How many calls were refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(SeqCst)
    }

    /// The addresses that calls had when they came.
    pub(crate) fn uris(&self) -> Vec<Uri> {
        self.uris.lock().unwrap().clone()
    }

    /// The calls that came through the gate with `access-number`.
    pub(crate) fn calls(&self, number: usize) -> Vec<Call> {
        let token = format!("Bearer access-{number}");
        let calls = self.calls.lock().unwrap();
        let calls = calls.iter().filter(|call| call.token == token);
        calls.cloned().collect()
    }

    /// Waits until the calls with `access-number` are as `wanted`.
    pub(crate) async fn wait(&self, number: usize, wanted: impl Fn(&[Call]) -> bool) -> Vec<Call> {
        loop {
            let more = self.more.notified();
            let calls = self.calls(number);
            if wanted(&calls) {
                return calls;
            }
            let more = tokio::time::timeout(Duration::from_secs(10), more).await;
            assert!(more.is_ok(), "only this came: {calls:?}");
        }
    }

    /// Waits until this many calls were refused.
    pub(crate) async fn wait_refused(&self, calls: usize) {
        loop {
            let more = self.more.notified();
            if self.refused() >= calls {
                return;
            }
            let more = tokio::time::timeout(Duration::from_secs(10), more).await;
            more.expect("the refusals come within ten seconds");
        }
    }

    fn is_good(&self, headers: &HeaderMap) -> bool {
        if self.revoke_after.fetch_sub(1, SeqCst) == 1 {
            self.good_from.fetch_add(1, SeqCst);
        }
        let left = |left: usize| left.checked_sub(1);
        if self.refuse_next.fetch_update(SeqCst, SeqCst, left).is_ok() {
            return false;
        }
        let token = headers.get("authorization");
        let number = token.and_then(|token| token.to_str().ok()?.strip_prefix("Bearer access-"));
        let number = number.and_then(|number| number.parse::<usize>().ok());
        number.is_some_and(|number| number >= self.good_from.load(SeqCst))
    }

    fn note_refusal(&self) {
        self.refused.fetch_add(1, SeqCst);
        self.more.notify_waiters();
    }
}

// === the gate ===

#[derive(Clone)]
struct Gate<S> {
    inner: S,
    log: Arc<Log>,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let Self { inner, log } = self.clone();
        log.uris.lock().unwrap().push(request.uri().clone());
        Box::pin(async move {
            if log.is_good(request.headers()) {
                return inner.oneshot(request).await;
            }
            let refusal = match log.refuse {
                Refuse::AtOnce => unauthenticated().into_http(),
                Refuse::AfterOneMessage => {
                    let _first = request.body_mut().frame().await;
                    unauthenticated().into_http()
                }
                Refuse::Late => {
                    let response = inner.oneshot(request).await?;
                    let late = |body| Late {
                        body: Some(body),
                        said: false,
                    };
                    response.map(|body| Body::new(late(body)))
                }
                Refuse::Gateway => gateway(),
            };
            log.note_refusal();
            Ok(refusal)
        })
    }
}

fn unauthenticated() -> Status {
    Status::unauthenticated("this token is not good")
}

/// As nginx says it.
fn gateway() -> Response<Body> {
    let page = "<html><head><title>401 Authorization Required</title></head></html>";
    Response::builder()
        .status(401)
        .header("content-type", "text/html")
        .header("www-authenticate", "Bearer realm=\"gateway\"")
        .body(Body::new(http_body_util::Full::from(page)))
        .unwrap()
}

/// The first message of an answer, and then a refusal.
struct Late {
    body: Option<Body>,
    said: bool,
}

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let said = self.said;
        if let (Some(body), false) = (&mut self.body, said) {
            let frame = ready!(Pin::new(body).poll_frame(cx));
            assert!(matches!(&frame, Some(Ok(frame)) if frame.is_data()));
            self.said = true;
            return Poll::Ready(frame);
        }
        if self.body.take().is_none() {
            return Poll::Ready(None);
        }
        let mut trailers = HeaderMap::new();
        unauthenticated().add_header(&mut trailers).unwrap();
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

// === the service behind it ===

/// A call that is being served. Dropped before it has finished, its caller has gone away.
struct Running {
    log: Arc<Log>,
    number: usize,
}

impl Running {
    fn new<T>(log: &Arc<Log>, kind: Kind, request: &tonic::Request<T>) -> Self {
        let header = |name| {
            let value = request.metadata().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let mut calls = log.calls.lock().unwrap();
        calls.push(Call {
            kind,
            token: header("authorization").unwrap_or_default(),
            deadline: header("grpc-timeout"),
            came: Vec::new(),
            end: End::Running,
        });
        log.more.notify_waiters();
        Self {
            log: Arc::clone(log),
            number: calls.len() - 1,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Call)) {
        change(&mut self.log.calls.lock().unwrap()[self.number]);
        self.log.more.notify_waiters();
    }

    fn came(&self, note: &Note) {
        self.change(|call| call.came.push(note.text.clone()));
    }

    fn finish(&self) {
        self.change(|call| call.end = End::Finished);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.change(|call| {
            if call.end == End::Running {
                call.end = End::Cancelled;
            }
        });
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;

/// Answers that finish their call when they have come to their end.
struct Finishing(Answers, Arc<Running>);

impl Stream for Finishing {
    type Item = Result<Note, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.0.as_mut().poll_next(cx));
        if next.is_none() {
            self.1.finish();
        }
        Poll::Ready(next)
    }
}

/// What serves the calls.
struct Desk(Arc<Log>);

#[tonic::async_trait]
impl Notes for Desk {
    /// Answers with the same.
    async fn keep(&self, request: tonic::Request<Note>) -> Result<tonic::Response<Note>, Status> {
        let running = Running::new(&self.0, Kind::Unary, &request);
        let note = request.into_inner();
        running.came(&note);
        if note.text == FOR_EVER {
            std::future::pending::<()>().await;
        }
        running.finish();
        Ok(tonic::Response::new(note))
    }

    /// Answers with all of them, when they have ended.
    async fn collect(
        &self,
        request: tonic::Request<Streaming<Note>>,
    ) -> Result<tonic::Response<Note>, Status> {
        let running = Running::new(&self.0, Kind::ClientStream, &request);
        let mut notes = request.into_inner();
        let mut all = Vec::new();
        while let Some(note) = notes.message().await? {
            running.came(&note);
            all.push(note.text);
        }
        running.finish();
        Ok(tonic::Response::new(Note::new(all.join(","))))
    }

    type ListStream = Answers;

    /// Answers three times with the same; if it is for ever, does not end then.
    async fn list(
        &self,
        request: tonic::Request<Note>,
    ) -> Result<tonic::Response<Answers>, Status> {
        let running = Running::new(&self.0, Kind::ServerStream, &request);
        let note = request.into_inner();
        running.came(&note);
        let answers = tokio_stream::iter(vec![note.clone(); 3]).map(Ok);
        let answers: Answers = match note.text == FOR_EVER {
            true => Box::pin(answers.chain(tokio_stream::pending())),
            false => Box::pin(answers),
        };
        let answers = Finishing(answers, Arc::new(running));
        Ok(tonic::Response::new(Box::pin(answers)))
    }

    type ConverseStream = Answers;

    /// Answers each with the same, as it comes.
    async fn converse(
        &self,
        request: tonic::Request<Streaming<Note>>,
    ) -> Result<tonic::Response<Answers>, Status> {
        let running = Arc::new(Running::new(&self.0, Kind::Bidirectional, &request));
        let coming = Arc::clone(&running);
        let answers = request.into_inner().map(move |note| {
            let note = note?;
            coming.came(&note);
            Ok(note)
        });
        let answers = Finishing(Box::pin(answers), running);
        Ok(tonic::Response::new(Box::pin(answers)))
    }
}
