//! What a replay leaves as it was: the stream's neighbours, trailers, lengths, expectations, and
//! the response.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_LENGTH};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{
        mpsc::{UnboundedSender, unbounded_channel},
        watch,
    },
    task::JoinHandle,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{
    Auth, AuthLayer, BoxError, attach::Bare, replay::Replay, test_util::ManualClock,
};

use crate::{
    support::{Script, secs, token},
    web::{self, Connection, HyperClient, Stream, Web, Wire, whole},
};

const DAY: u64 = 86_400;
/// Longer than anything here takes, and shorter than for ever.
const GUARD: Duration = Duration::from_secs(60);
const ALL: [Wire; 4] = [Wire::Http1, Wire::Http1Tls, Wire::Http2, Wire::Http2Tls];

// === a server that refuses `access-0` and writes down what comes ===

/// When a refused request gets its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Once there is something of the body. The rest is read all the same.
    Early,
    /// Once there is something of the body, and the rest is not read.
    EarlyAndDeaf,
    /// Once the body is there.
    Late,
}

/// One sending of a request.
#[derive(Clone, Debug, Default)]
struct Sending {
    connection: usize,
    headers: HeaderMap,
    data: String,
    trailers: Option<HeaderMap>,
    /// `None` while the body has not ended.
    end: Option<Result<(), String>>,
}

struct Recorder {
    web: Web,
    sendings: watch::Receiver<Vec<Sending>>,
}

impl Recorder {
    async fn start(wire: Wire, refusal: Refusal) -> Self {
        let (log, sendings) = watch::channel(Vec::new());
        let log = Arc::new(log);
        let answer = move |request| record(Arc::clone(&log), request, refusal);
        let web = Web::start(wire, answer).await;
        Self { web, sendings }
    }

    /// Waits until the sendings are as `wanted`.
    async fn wait(&self, wanted: impl FnMut(&Vec<Sending>) -> bool) -> Vec<Sending> {
        let mut sendings = self.sendings.clone();
        let waiting = sendings.wait_for(wanted);
        let waited = tokio::time::timeout(GUARD, waiting).await;
        let waited = waited.expect("what was wanted comes in time");
        waited.unwrap().clone()
    }

    /// The two sendings of a request that was refused, once both have ended.
    async fn both(&self) -> [Sending; 2] {
        let both_ended = |sendings: &Vec<Sending>| {
            let ended = sendings.iter().filter(|sending| sending.end.is_some());
            ended.count() == 2
        };
        self.wait(both_ended).await.try_into().unwrap()
    }

    /// A session that begins with `access-0`, around a client of hyper-util.
    fn client(&self) -> (Script, AuthLayer<Script>, HyperClient<Stream>) {
        let (script, layer) = session(self.web.url());
        (script, layer, self.web.hyper())
    }
}

fn session(origin: String) -> (Script, AuthLayer<Script>) {
    let script = Script::with_lifetime(secs(DAY)).profile(|it| it.origins([origin]));
    let layer = script.layer(&ManualClock::new());
    let layer = layer.initial(token(0, secs(DAY))).build().unwrap();
    (script, layer)
}

type Log = Arc<watch::Sender<Vec<Sending>>>;

async fn record(
    log: Log,
    request: Request<Incoming>,
    refusal: Refusal,
) -> io::Result<Response<Stream>> {
    let refused = web::token(&request) == "access-0";
    let Connection(connection) = *request.extensions().get().unwrap();
    let (head, mut body) = request.into_parts();
    let mut number = 0;
    log.send_modify(|sendings| {
        number = sendings.len();
        sendings.push(Sending {
            connection,
            headers: head.headers,
            ..Sending::default()
        });
    });
    if refused && refusal != Refusal::Late {
        note(&log, number, body.frame().await);
        match refusal {
            Refusal::EarlyAndDeaf => drop(body),
            _ => drop(tokio::spawn(read(log, number, body))),
        }
    } else {
        read(log, number, body).await;
    }
    Ok(elaborate(if refused { 401 } else { 200 }))
}

async fn read(log: Log, number: usize, mut body: Incoming) {
    while note(&log, number, body.frame().await) {}
}

/// Writes a frame down, and returns whether there may be another.
fn note<E: std::fmt::Debug>(
    log: &Log,
    number: usize,
    frame: Option<Result<Frame<Bytes>, E>>,
) -> bool {
    let mut goes_on = true;
    log.send_modify(|sendings| {
        let sending = &mut sendings[number];
        match frame {
            None => sending.end = Some(Ok(())),
            Some(Err(error)) => sending.end = Some(Err(format!("{error:?}"))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => sending.data += std::str::from_utf8(&data).unwrap(),
                Err(frame) => sending.trailers = frame.into_trailers().ok(),
            },
        }
        goes_on = sending.end.is_none();
    });
    goes_on
}

/// A response with a body in two pieces, and trailers.
fn elaborate(status: u16) -> Response<Stream> {
    let frames = [
        Frame::data(Bytes::from_static(b"an answer ")),
        Frame::data(Bytes::from_static(b"in two pieces")),
        Frame::trailers(sum()),
    ];
    let frames = StreamBody::new(tokio_stream::iter(frames.map(Ok)));
    let mut response = web::reply(status, frames.boxed_unsync());
    response.headers_mut().extend(announced());
    response
}

fn sum() -> HeaderMap {
    HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("42"))])
}

/// HTTP/1.1 sends only trailers that were announced.
fn announced() -> HeaderMap {
    let trailer = (
        "trailer".parse().unwrap(),
        HeaderValue::from_static("x-sum"),
    );
    HeaderMap::from_iter([trailer])
}

// === requests ===

struct Body(UnboundedSender<io::Result<Frame<Bytes>>>);

impl Body {
    fn new() -> (Self, Stream) {
        let (sender, receiver) = unbounded_channel();
        let frames = StreamBody::new(UnboundedReceiverStream::new(receiver));
        (Self(sender), frames.boxed_unsync())
    }

    fn send(&self, data: &'static str) {
        let sent = self.0.send(Ok(Frame::data(data.into())));
        assert!(sent.is_ok(), "the body is gone");
    }

    fn end(self, trailers: Option<HeaderMap>) {
        if let Some(trailers) = trailers {
            let sent = self.0.send(Ok(Frame::trailers(trailers)));
            assert!(sent.is_ok(), "the body is gone");
        }
    }
}

fn post(url: &str, body: Stream) -> Request<Stream> {
    let mut request = Request::post(format!("{url}/upload")).body(body).unwrap();
    request.headers_mut().extend(announced());
    let trailers = HeaderValue::from_static("trailers");
    request.headers_mut().insert("te", trailers);
    request
}

type Answer = Result<Response<Incoming>, BoxError>;

/// Sends in a task of its own, so that the body can be made meanwhile.
fn send<S>(service: &Auth<S, Script>, request: Request<Stream>) -> JoinHandle<Answer>
where
    S: Service<Request<Stream>, Response = Response<Incoming>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    let sent = service.clone().oneshot(request);
    tokio::spawn(async move {
        let sent = tokio::time::timeout(GUARD, sent).await;
        sent.expect("an answer comes in time")
    })
}

async fn is_elaborate(answer: Answer, status: StatusCode, replay: Replay) {
    let answer = answer.unwrap();
    assert_eq!(answer.status(), status);
    assert_eq!(answer.extensions().get(), Some(&replay));
    let body = answer.into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), Some(&sum()));
    assert_eq!(body.to_bytes(), "an answer in two pieces");
}

// === streams and connections ===

#[tokio::test]
async fn a_refusal_amid_an_upload_resets_its_stream_and_the_replay_has_one_of_its_own() {
    for wire in [Wire::Http2, Wire::Http2Tls] {
        let server = Recorder::start(wire, Refusal::Early).await;
        let (script, layer, client) = server.client();
        let service = layer.layer(client);
        // A neighbour on the same connection, which has no token to be refused.
        let (neighbours, body) = Body::new();
        let mut neighbour = post(&server.web.url(), body);
        neighbour.extensions_mut().insert(Bare);
        let neighbour = send(&service, neighbour);
        neighbours.send("not ");
        server
            .wait(|sendings| sendings.iter().any(|it| it.data == "not "))
            .await;

        let (sender, body) = Body::new();
        let answer = send(&service, post(&server.web.url(), body));
        sender.send("first,");
        // The replay begins before the body has ended.
        server
            .wait(|it| it.len() == 3 && it[2].data == "first,")
            .await;
        sender.send("second");
        sender.end(None);
        is_elaborate(answer.await.unwrap(), StatusCode::OK, Replay::Replayed).await;
        neighbours.send("disturbed");
        neighbours.end(None);
        assert_eq!(neighbour.await.unwrap().unwrap().status(), StatusCode::OK);

        let all_ended = |it: &Vec<Sending>| it.iter().all(|sending| sending.end.is_some());
        let [neighbour, first, second] = server.wait(all_ended).await.try_into().unwrap();
        let reset = first.end.unwrap().unwrap_err();
        assert!(reset.contains("Reset"), "{reset}");
        assert_eq!(first.data, "first,");
        assert_eq!(
            (second.end, second.data),
            (Some(Ok(())), "first,second".into())
        );
        assert_eq!(
            (neighbour.end, neighbour.data),
            (Some(Ok(())), "not disturbed".into())
        );
        assert_eq!((first.connection, second.connection), (0, 0), "{wire:?}");
        assert_eq!(server.web.opened(), 1, "{wire:?}");
        assert_eq!(script.exchanges(), 1);
    }
}

#[tokio::test]
async fn over_http1_a_refusal_amid_an_upload_costs_the_connection_and_nothing_else() {
    for wire in [Wire::Http1, Wire::Http1Tls] {
        let server = Recorder::start(wire, Refusal::Early).await;
        let (script, layer, client) = server.client();
        let (sender, body) = Body::new();
        let answer = send(&layer.layer(client), post(&server.web.url(), body));
        sender.send("first,");
        server
            .wait(|it| it.len() == 2 && it[1].data == "first,")
            .await;
        sender.send("second");
        sender.end(None);
        is_elaborate(answer.await.unwrap(), StatusCode::OK, Replay::Replayed).await;
        let [first, second] = server.both().await;
        assert!(first.end.unwrap().is_err(), "a half looks like a whole");
        assert_eq!(
            (second.end, second.data),
            (Some(Ok(())), "first,second".into())
        );
        assert_ne!(first.connection, second.connection);
        assert_eq!(script.exchanges(), 1);
    }
}

#[tokio::test]
async fn an_upload_that_its_refuser_stops_reading_is_sent_again_whole() {
    for wire in ALL {
        let server = Recorder::start(wire, Refusal::EarlyAndDeaf).await;
        let (script, layer, client) = server.client();
        let (sender, body) = Body::new();
        let answer = send(&layer.layer(client), post(&server.web.url(), body));
        sender.send("first,");
        server
            .wait(|it| it.len() == 2 && it[1].data == "first,")
            .await;
        sender.send("second");
        sender.end(Some(sum()));
        is_elaborate(answer.await.unwrap(), StatusCode::OK, Replay::Replayed).await;
        let sendings = server.wait(|it| it[1].end.is_some()).await;
        assert_eq!(sendings[1].end, Some(Ok(())), "{wire:?}");
        assert_eq!(sendings[1].data, "first,second", "{wire:?}");
        assert_eq!(sendings[1].trailers, Some(sum()), "{wire:?}");
        let is_http2 = matches!(wire, Wire::Http2 | Wire::Http2Tls);
        assert_eq!(server.web.opened(), 2 - usize::from(is_http2), "{wire:?}");
        assert_eq!(script.exchanges(), 1);
    }
}

#[tokio::test]
async fn a_hundred_uploads_that_are_cut_off_at_once_keep_their_connection() {
    const UPLOADS: usize = 128;
    for refusal in [Refusal::Early, Refusal::EarlyAndDeaf] {
        let server = Recorder::start(Wire::Http2, refusal).await;
        let (script, layer, client) = server.client();
        let service = layer.layer(client);
        let mut warm = post(&server.web.url(), whole(""));
        warm.extensions_mut().insert(Bare);
        let warm = send(&service, warm).await.unwrap().unwrap();
        assert_eq!(warm.status(), StatusCode::OK);
        let uploads = (0..UPLOADS).map(|_| {
            let (sender, body) = Body::new();
            sender.send("first,");
            (sender, send(&service, post(&server.web.url(), body)))
        });
        let uploads: Vec<_> = uploads.collect();
        let all_again = |it: &Vec<Sending>| {
            let begun = it.iter().filter(|sending| sending.data == "first,");
            begun.count() == 2 * UPLOADS
        };
        server.wait(all_again).await;
        let answers = uploads.into_iter().map(|(sender, answer)| {
            sender.send("second");
            sender.end(None);
            answer
        });
        for answer in answers.collect::<Vec<_>>() {
            is_elaborate(answer.await.unwrap(), StatusCode::OK, Replay::Replayed).await;
        }
        let sendings = server.wait(|_| true).await;
        let whole = sendings.iter().filter(|it| it.data == "first,second");
        assert_eq!(whole.count(), UPLOADS);
        assert_eq!(
            (server.web.opened(), script.exchanges()),
            (1, 1),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_after_the_upload_keeps_the_connection() {
    for wire in ALL {
        let server = Recorder::start(wire, Refusal::Late).await;
        let (script, layer, client) = server.client();
        let answer = send(
            &layer.layer(client),
            post(&server.web.url(), whole("all of it")),
        );
        is_elaborate(answer.await.unwrap(), StatusCode::OK, Replay::Replayed).await;
        let [first, second] = server.both().await;
        assert_eq!((first.end, second.end), (Some(Ok(())), Some(Ok(()))));
        assert_eq!((&*first.data, &*second.data), ("all of it", "all of it"));
        // HTTP/1.1 may not have read the refusal to its end, which nobody wants: a new one then.
        if matches!(wire, Wire::Http2 | Wire::Http2Tls) {
            assert_eq!(server.web.opened(), 1, "{wire:?}");
        }
        assert_eq!(script.exchanges(), 1);
    }
}

// === trailers and lengths ===

#[tokio::test]
async fn trailers_of_a_request_are_kept_by_its_replay() {
    for wire in ALL {
        for refusal in [Refusal::Early, Refusal::Late] {
            let server = Recorder::start(wire, refusal).await;
            let (_, layer, client) = server.client();
            let (sender, body) = Body::new();
            let answer = send(&layer.layer(client), post(&server.web.url(), body));
            sender.send("some data");
            if refusal == Refusal::Early {
                server
                    .wait(|it| it.len() == 2 && it[1].data == "some data")
                    .await;
            }
            sender.end(Some(sum()));
            is_elaborate(answer.await.unwrap(), StatusCode::OK, Replay::Replayed).await;
            let [first, second] = server.both().await;
            let late = refusal == Refusal::Late;
            assert_eq!(first.trailers.is_some(), late, "{wire:?} {refusal:?}");
            assert_eq!(second.data, "some data");
            assert_eq!(second.trailers, Some(sum()), "{wire:?} {refusal:?}");
        }
    }
}

#[tokio::test]
async fn what_both_sendings_say_about_their_length_is_right() {
    for wire in ALL {
        for (told_by_caller, known_to_body) in [(false, false), (false, true), (true, false)] {
            let server = Recorder::start(wire, Refusal::Late).await;
            let (_, layer, client) = server.client();
            let (sender, body) = Body::new();
            sender.send("twelve");
            sender.send(" bytes");
            sender.end(None);
            let body = if known_to_body {
                whole("twelve bytes")
            } else {
                body
            };
            let mut request = post(&server.web.url(), body);
            if told_by_caller {
                let length = HeaderValue::from_static("12");
                request.headers_mut().insert(CONTENT_LENGTH, length);
            }
            let answer = send(&layer.layer(client), request).await.unwrap();
            is_elaborate(answer, StatusCode::OK, Replay::Replayed).await;
            // By the second sending the length is known.
            let lengths = [
                (told_by_caller || known_to_body).then_some("12"),
                Some("12"),
            ];
            for (sending, length) in server.both().await.into_iter().zip(lengths) {
                let case = format!("{wire:?}, {told_by_caller}, {known_to_body}, {length:?}");
                assert_eq!(sending.data, "twelve bytes", "{case}");
                let all = sending.headers.get_all(CONTENT_LENGTH).iter();
                let all: Vec<_> = all.map(|value| value.to_str().unwrap()).collect();
                assert_eq!(all, Vec::from_iter(length), "{case}");
                let is_chunked = sending.headers.contains_key("transfer-encoding");
                let is_http1 = matches!(wire, Wire::Http1 | Wire::Http1Tls);
                assert_eq!(is_chunked, is_http1 && length.is_none(), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn the_replay_of_an_upload_of_a_promised_length_has_all_of_it() {
    for wire in ALL {
        let server = Recorder::start(wire, Refusal::Early).await;
        let (_, layer, client) = server.client();
        let (sender, body) = Body::new();
        let mut request = post(&server.web.url(), body);
        let length = HeaderValue::from_static("12");
        request.headers_mut().insert(CONTENT_LENGTH, length.clone());
        let answer = send(&layer.layer(client), request);
        sender.send("twelve");
        server
            .wait(|it| it.len() == 2 && it[1].data == "twelve")
            .await;
        sender.send(" bytes");
        sender.end(None);
        is_elaborate(answer.await.unwrap(), StatusCode::OK, Replay::Replayed).await;
        let [first, second] = server.both().await;
        assert!(first.end.unwrap().is_err(), "{wire:?}");
        assert_eq!(
            (second.end, second.data),
            (Some(Ok(())), "twelve bytes".into())
        );
        assert_eq!(first.headers.get(CONTENT_LENGTH), Some(&length));
        assert_eq!(second.headers.get(CONTENT_LENGTH), Some(&length));
    }
}

// === responses ===

#[tokio::test]
async fn a_refusal_that_is_the_answer_keeps_its_body_and_its_trailers() {
    for wire in ALL {
        let server = Recorder::start(wire, Refusal::Late).await;
        let (script, _, client) = server.client();
        let once = script.layer(&ManualClock::new());
        let once = once.initial(token(0, secs(DAY))).replay(false).build();
        let answer = send(
            &once.unwrap().layer(client),
            post(&server.web.url(), whole("once")),
        );
        let (status, why) = (StatusCode::UNAUTHORIZED, Replay::SwitchedOff);
        is_elaborate(answer.await.unwrap(), status, why).await;
    }
}

// === expectations ===

/// The head of a request, read to its end and not further.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn an_expectation_is_on_both_sendings_and_the_body_that_is_read_is_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut refused, _) = listener.accept().await.unwrap();
        let first = head(&mut refused).await;
        // Of the body nothing is read, as befits one that was not asked for.
        let refusal = b"HTTP/1.1 401 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        refused.write_all(refusal).await.unwrap();
        let (mut taken, _) = listener.accept().await.unwrap();
        let second = head(&mut taken).await;
        taken
            .write_all(b"HTTP/1.1 100 Go on\r\n\r\n")
            .await
            .unwrap();
        let mut body = vec![0; "all of it".len()];
        taken.read_exact(&mut body).await.unwrap();
        let taking = b"HTTP/1.1 200 Fine\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        taken.write_all(taking).await.unwrap();
        let mut rest = Vec::new();
        taken.read_to_end(&mut rest).await.unwrap();
        drop(refused);
        (first, second, body, rest)
    });
    let (script, layer) = session(url.clone());
    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = layer.layer(client);
    let mut request = post(&url, whole("all of it"));
    let expected = HeaderValue::from_static("100-continue");
    request.headers_mut().insert("expect", expected);
    let answer = send(&service, request).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.extensions().get(), Some(&Replay::Replayed));
    let (first, second, body, rest) = server.await.unwrap();
    assert_eq!(first.replace("access-0", "access-1"), second);
    assert!(second.contains("expect: 100-continue\r\n"), "{second}");
    assert!(second.contains("content-length: 9\r\n"), "{second}");
    assert_eq!((&*body, &*rest), (&b"all of it"[..], &b""[..]));
    assert_eq!(script.exchanges(), 1);
}
