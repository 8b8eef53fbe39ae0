//! Bodies that are still being made while they are sent, over real sockets: sent again from the
//! start where their request is refused, and never held back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{
    BodyExt, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use support::{Script, secs, token};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{
        Notify,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
};
use tower::{BoxError, Layer, ServiceExt};
use tower_reauth::{
    layer::AuthLayerBuilder, provider::ProviderError, replay::Replay, test_util::ManualClock,
};

const DAY: u64 = 86_400;
/// How a chunked body ends, if it ends as it should.
const CLEAN_END: &str = "0\r\n\r\n";

// === a server that refuses `access-0` as soon as a body has begun ===

struct Server {
    url: String,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    /// All that came, by connection, and whether the connection has ended.
    came: Mutex<Vec<(String, bool)>>,
    more: Notify,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Log::default());
        let server = Self {
            url,
            log: Arc::clone(&log),
        };
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                log.came.lock().unwrap().push((String::new(), false));
                tokio::spawn(Arc::clone(&log).serve(stream, number));
            }
        });
        server
    }

    /// Waits until what came over a connection is as `wanted`.
    async fn wait(&self, number: usize, wanted: impl Fn(&str, bool) -> bool) -> String {
        loop {
            let more = self.log.more.notified();
            if let Some((came, ended)) = self.log.came.lock().unwrap().get(number)
                && wanted(came, *ended)
            {
                return came.clone();
            }
            let more = tokio::time::timeout(secs(10), more).await;
            more.expect("what was wanted comes within ten seconds");
        }
    }
}

impl Log {
    async fn serve(self: Arc<Self>, mut stream: TcpStream, number: usize) {
        let mut answered = 0;
        let mut buffer = vec![0; 1024];
        loop {
            let count = stream.read(&mut buffer).await.unwrap_or(0);
            let answer = {
                let mut came = self.came.lock().unwrap();
                let (text, ended) = &mut came[number];
                text.push_str(&String::from_utf8_lossy(&buffer[..count]));
                *ended = count == 0;
                let answer = answer(&text[answered..]);
                if answer.is_some() {
                    answered = text.len();
                }
                answer
            };
            self.more.notify_waiters();
            if count == 0 {
                return;
            }
            if let Some(answer) = answer {
                let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    }
}

/// The answer to what came since the last, if it is time for one.
fn answer(came: &str) -> Option<&'static str> {
    if !came.starts_with("POST") {
        return None; // The rest of a body whose request has its answer.
    }
    let whole = came.ends_with(CLEAN_END)
        || came.contains("content-length: 5\r\n") && came.ends_with("12345");
    if came.contains("Bearer access-0") {
        return (came.contains("first") || whole).then_some("401 Unauthorized");
    }
    whole.then_some("200 OK")
}

// === bodies and layers ===

type Sent<E> = Result<Frame<Bytes>, E>;

struct Channel<E>(UnboundedReceiver<Sent<E>>);

impl<E> Body for Channel<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Sent<E>>> {
        self.0.poll_recv(cx)
    }
}

struct Sender<E>(UnboundedSender<Sent<E>>);

impl<E> Sender<E> {
    fn data(&self, data: &'static str) {
        assert!(
            self.0.send(Ok(Frame::data(data.into()))).is_ok(),
            "the body is gone"
        );
    }
}

fn channel<E: Send + Sync + 'static>() -> (Sender<E>, BoxBody<Bytes, E>) {
    let (sender, receiver) = unbounded_channel();
    // A receiver is `Sync`, and so the box may ask for it.
    (Sender(sender), BoxBody::new(Channel(receiver)))
}

fn script(server: &Server) -> Script {
    let url = server.url.clone();
    Script::with_lifetime(secs(DAY)).profile(|profile| profile.origins([url]))
}

fn layer(script: &Script) -> AuthLayerBuilder<Script> {
    let layer = script.layer(&ManualClock::new());
    layer.initial(token(0, secs(DAY)))
}

/// Sends `body` by hyper's client, in a task of its own.
fn send<B>(
    server: &Server,
    layer: AuthLayerBuilder<Script>,
    body: B,
) -> tokio::task::JoinHandle<Result<(StatusCode, Option<Replay>), BoxError>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let client: Client<HttpConnector, B> = Client::builder(TokioExecutor::new()).build_http();
    let service = layer.build().unwrap().layer(client);
    let request = Request::post(format!("{}/upload", server.url))
        .body(body)
        .unwrap();
    tokio::spawn(async move {
        let response = tokio::time::timeout(secs(10), service.oneshot(request)).await;
        let response: Response<_> = response.expect("an answer comes within ten seconds")?;
        Ok((response.status(), response.extensions().get().copied()))
    })
}

fn body_of(came: &str) -> &str {
    came.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn a_refusal_while_the_body_is_being_sent_cuts_it_off_and_sends_all_of_it_again() {
    let server = Server::start().await;
    let script = script(&server);
    let (sender, body) = channel::<BoxError>();
    let response = send(&server, layer(&script), body);
    sender.data("first,");
    // The refusal makes an exchange, and the second sending begins before the body has ended.
    server.wait(1, |came, _| came.contains("first,")).await;
    sender.data("second");
    drop(sender);
    let response = response.await.unwrap().unwrap();
    assert_eq!(response, (StatusCode::OK, Some(Replay::Replayed)));

    let cut_off = server.wait(0, |_, ended| ended).await;
    assert!(cut_off.contains("first,"));
    assert!(
        !cut_off.contains(CLEAN_END),
        "a half looks like a whole: {cut_off}"
    );
    assert!(!cut_off.contains("second"), "{cut_off}");
    let again = server.wait(1, |came, _| came.ends_with(CLEAN_END)).await;
    assert_eq!(body_of(&again), "6\r\nfirst,\r\n6\r\nsecond\r\n0\r\n\r\n");
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_body_is_sent_as_it_is_made() {
    let server = Server::start().await;
    let script = script(&server);
    let (sender, body) = channel::<std::io::Error>();
    let layer = layer(&script).initial(token(7, secs(DAY)));
    let response = send(&server, layer, body);
    for piece in ["one", "two", "three"] {
        sender.data(piece);
        server.wait(0, |came, _| came.contains(piece)).await;
    }
    drop(sender);
    assert_eq!(response.await.unwrap().unwrap(), (StatusCode::OK, None));
}

#[tokio::test]
async fn without_a_newer_token_the_sending_goes_on_to_its_end() {
    let server = Server::start().await;
    let script = script(&server);
    script.usually(|_| Err(ProviderError::transient("down")));
    let (sender, body) = channel::<BoxError>();
    let response = send(&server, layer(&script), body);
    sender.data("first,");
    let response = response.await.unwrap().unwrap();
    assert_eq!(
        response,
        (StatusCode::UNAUTHORIZED, Some(Replay::NoNewerToken))
    );
    sender.data("second");
    drop(sender);
    let came = server.wait(0, |came, _| came.ends_with(CLEAN_END)).await;
    assert_eq!(body_of(&came), "6\r\nfirst,\r\n6\r\nsecond\r\n0\r\n\r\n");
}

#[tokio::test]
async fn over_the_cap_a_body_is_sent_once_and_the_next_request_gets_a_newer_token() {
    let server = Server::start().await;
    let script = script(&server);
    let (sender, body) = channel::<BoxError>();
    let response = send(&server, layer(&script).replay_cap(8), body);
    sender.data("too long:");
    sender.data("first");
    let response = response.await.unwrap().unwrap();
    assert_eq!(response, (StatusCode::UNAUTHORIZED, Some(Replay::OverCap)));
    drop(sender);
    let came = server.wait(0, |came, _| came.ends_with(CLEAN_END)).await;
    assert_eq!(body_of(&came), "9\r\ntoo long:\r\n5\r\nfirst\r\n0\r\n\r\n");
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_body_that_cannot_be_cut_off_honestly_is_sent_to_its_end() {
    let server = Server::start().await;
    let script = script(&server);
    let (sender, body) = channel::<Infallible>();
    let response = send(&server, layer(&script), body);
    sender.data("first,");
    let response = response.await.unwrap().unwrap();
    assert_eq!(
        response,
        (StatusCode::UNAUTHORIZED, Some(Replay::StillSending))
    );
    sender.data("second");
    drop(sender);
    let came = server.wait(0, |came, _| came.ends_with(CLEAN_END)).await;
    assert_eq!(body_of(&came), "6\r\nfirst,\r\n6\r\nsecond\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_body_of_a_known_length_keeps_it() {
    async fn both<B>(make: impl FnOnce(Full<Bytes>) -> B)
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let server = Server::start().await;
        let body = make(Full::from("12345"));
        let response = send(&server, layer(&script(&server)), body).await.unwrap();
        assert_eq!(response.unwrap(), (StatusCode::OK, Some(Replay::Replayed)));
        // One connection: the first sending came to its end.
        let came = server
            .wait(0, |came, _| came.matches("12345").count() == 2)
            .await;
        assert_eq!(came.matches("content-length: 5\r\n").count(), 2, "{came}");
        assert!(!came.contains("transfer-encoding"), "{came}");
    }
    both(|full| full).await;
    both(|_| String::from("12345")).await;
    both(|full| -> BoxBody<_, Infallible> { full.boxed() }).await;
    both(|full| -> UnsyncBoxBody<_, BoxError> { full.map_err(|n| match n {}).boxed_unsync() })
        .await;
    both(|full| -> BoxBody<_, std::io::Error> { full.map_err(|n| match n {}).boxed() }).await;
}

#[tokio::test]
async fn a_registered_body_is_sent_again() {
    /// Nobody knows it.
    struct Own(Full<Bytes>);
    impl Body for Own {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Sent<Infallible>>> {
            Pin::new(&mut self.0).poll_frame(cx)
        }

        fn size_hint(&self) -> http_body::SizeHint {
            self.0.size_hint()
        }
    }
    let server = Server::start().await;
    let layer_ = layer(&script(&server));
    let layer_ = layer_.replay_body(|own: &Own| Some(Own(own.0.clone())));
    let response = send(&server, layer_, Own("12345".into())).await.unwrap();
    assert_eq!(response.unwrap(), (StatusCode::OK, Some(Replay::Replayed)));

    let server = Server::start().await;
    let layer = layer(&script(&server));
    let response = send(&server, layer, Own("12345".into())).await.unwrap();
    let refused = (StatusCode::UNAUTHORIZED, Some(Replay::NotReplayable));
    assert_eq!(response.unwrap(), refused);
}
