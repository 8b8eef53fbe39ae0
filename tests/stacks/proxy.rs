//! The reverse proxy of `examples/axum_proxy`, over real sockets: what of a user reaches the API,
//! what of the API reaches a user, and when.

#[path = "../../examples/axum_proxy/forward.rs"]
mod forward;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{from_fn, map_response},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header::*};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower_reauth::{AuthLayer, test_util::ManualClock};

use crate::{
    support::{Script, secs, token},
    web::{Stream, Web, Wire, reply, whole},
};

const DAY: u64 = 86_400;
/// Longer than anything here takes, and shorter than for ever.
const GUARD: Duration = Duration::from_secs(60);
/// A user's own, to be found wherever it went.
const OWN: &str = "the-users-own";
/// How the users come, and how the API is asked.
const WAYS: [(Wire, Wire); 4] = [
    (Wire::Http1, Wire::Http1),
    (Wire::Http1, Wire::Http2),
    (Wire::Http2, Wire::Http1),
    (Wire::Http2, Wire::Http2),
];

// === a proxy, the API behind it, and its users ===

pub(crate) type Http = Client<HttpConnector, Body>;

pub(crate) fn client(wire: Wire) -> Http {
    let mut client = Client::builder(TokioExecutor::new());
    client.http2_only(wire == Wire::Http2).build_http()
}

/// A proxy in front of `api` on a port of its own, `around` it what a proxy has before it passes
/// anything on.
pub(crate) fn start<P: tower_reauth::Provider>(
    (wire, api): (Wire, String),
    auth: &AuthLayer<P>,
    around: impl FnOnce(Router) -> Router,
) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = around(forward::proxy(auth, client(wire), api.parse().unwrap()));
    let listener = TcpListener::from_std(listener).unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    url
}

/// A request that reached the API.
#[derive(Debug)]
struct Came {
    uri: Uri,
    headers: HeaderMap,
    data: String,
    trailers: Option<HeaderMap>,
}

/// An API that answers by `answer`, the requests that reach it, and a proxy before it.
struct Stand {
    web: Web,
    proxy: String,
    script: Script,
    came: UnboundedReceiver<Came>,
}

impl Stand {
    async fn new(wire: Wire, answer: fn() -> http::Response<Stream>) -> Self {
        Self::guarded(wire, answer, |proxy| proxy).await
    }

    async fn guarded(
        wire: Wire,
        answer: fn() -> http::Response<Stream>,
        around: impl FnOnce(Router) -> Router,
    ) -> Self {
        let (log, came) = unbounded_channel();
        let web = Web::start(wire, move |request| {
            let log = log.clone();
            async move {
                log.send(read(request).await?).unwrap();
                Ok(answer())
            }
        });
        let web = web.await;
        let (script, auth) = session(web.url());
        let proxy = start((wire, web.url()), &auth, around);
        Self {
            web,
            proxy,
            script,
            came,
        }
    }

    /// The requests that have reached the API.
    fn came(&mut self) -> Vec<Came> {
        std::iter::from_fn(|| self.came.try_recv().ok()).collect()
    }
}

async fn read(request: http::Request<Incoming>) -> io::Result<Came> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?;
    let trailers = body.trailers().cloned();
    Ok(Came {
        uri: head.uri,
        headers: head.headers,
        data: String::from_utf8(body.to_bytes().into()).unwrap(),
        trailers,
    })
}

/// A session that begins with `access-0`.
fn session(origin: String) -> (Script, AuthLayer<Script>) {
    let script = Script::with_lifetime(secs(DAY)).profile(|it| it.origins([origin]));
    let layer = script.layer(&ManualClock::new());
    let layer = layer.initial(token(0, secs(DAY))).build().unwrap();
    (script, layer)
}

/// `name: value` of each header, sorted.
fn lines(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.iter();
    let lines = lines.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

async fn in_time<F: Future>(future: F) -> F::Output {
    let done = tokio::time::timeout(GUARD, future).await;
    done.expect("it comes in time")
}

/// Sends what is written there over a connection of its own, and reads until it is closed.
async fn send_raw(url: &str, request: String) -> String {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

// === what reaches the API ===

#[tokio::test]
async fn of_a_users_credentials_and_of_its_connection_nothing_reaches_the_api() {
    for wire in [Wire::Http1, Wire::Http2] {
        let mut stand = Stand::new(wire, || reply(200, whole("fine"))).await;
        let host = stand.proxy.trim_start_matches("http://");
        let head = [
            &format!("POST http://{OWN}:{OWN}@{host}/orders?page=2 HTTP/1.1"),
            &format!("host: {host}"),
            "authorization: Basic the-users-own",
            "authorization: Bearer the-users-own",
            "proxy-authorization: Basic the-users-own",
            "cookie: session=the-users-own",
            "cookie: other=the-users-own",
            "x-api-key: the-users-own",
            "x-forwarded-access-token: the-users-own",
            "connection: close, upgrade, X-Hop, TE",
            "connection: accept-language",
            "accept-language: hop",
            "x-hop: hop",
            "te: trailers, deflate",
            "keep-alive: timeout=5, hop",
            "proxy-connection: hop",
            "upgrade: hop",
            "transfer-encoding: gzip, chunked",
            "trailer: x-api-key",
            "accept: text/plain",
            "accept: text/html",
            "content-type: text/plain",
            "\r\n9\r\nthe order\r\n0\r\nx-api-key: the-users-own\r\n\r\n",
        ];
        let answer = send_raw(&stand.proxy, head.join("\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let [came] = stand.came().try_into().unwrap();
        assert!(!format!("{came:?}").contains(OWN), "{came:?}");
        assert!(!format!("{came:?}").contains("hop"), "{came:?}");
        assert_eq!(came.uri.path_and_query().unwrap(), "/orders?page=2");
        assert_eq!(came.data, "the order");
        assert_eq!(came.trailers.unwrap_or_default(), HeaderMap::new());
        // What there is, and nothing that this test did not think of.
        let mut expected = vec![
            "accept: text/html".to_owned(),
            "accept: text/plain".to_owned(),
            "authorization: Bearer access-0".to_owned(),
            "content-type: text/plain".to_owned(),
            "via: 1.1 proxy".to_owned(),
        ];
        if wire == Wire::Http1 {
            // Of the proxy's own connection.
            let api = stand.web.url();
            expected.insert(4, format!("host: {}", api.trim_start_matches("http://")));
            expected.insert(5, "transfer-encoding: chunked".to_owned());
        }
        assert_eq!(lines(&came.headers), expected, "{wire:?}");
    }
}

#[tokio::test]
async fn a_trace_would_show_a_user_the_proxys_token_and_is_not_passed_on() {
    let mut stand = Stand::new(Wire::Http1, || reply(200, whole("fine"))).await;
    for request in ["TRACE /", "CONNECT 127.0.0.1:80"] {
        let request = format!("{request} HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\r\n");
        let answer = send_raw(&stand.proxy, request).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    }
    assert!(stand.came().is_empty());
}

#[tokio::test]
async fn a_body_is_as_long_as_the_user_says_and_none_stays_none() {
    let asked = [("", None), ("content-length: 5\r\n", Some("5"))];
    for (length, told) in asked {
        let mut stand = Stand::new(Wire::Http1, || reply(200, whole("fine"))).await;
        let body = if told.is_some() { "order" } else { "" };
        let head = "PUT / HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n";
        send_raw(&stand.proxy, format!("{head}{length}\r\n{body}")).await;
        let [came] = stand.came().try_into().unwrap();
        assert_eq!(came.data, body);
        assert!(!came.headers.contains_key(TRANSFER_ENCODING), "{came:?}");
        let said = came.headers.get(CONTENT_LENGTH);
        let said = said.map(|it| it.to_str().unwrap()).filter(|it| *it != "0");
        assert_eq!(said, told, "{came:?}");
    }
}

// === what reaches a user ===

/// An answer with everything that is meant for the proxy only.
fn talkative() -> http::Response<Stream> {
    let trailers = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static("the-apis-own"))]);
    let frames = [Frame::data(Bytes::from("fine")), Frame::trailers(trailers)];
    let frames = StreamBody::new(tokio_stream::iter(frames.map(Ok)));
    let mut answer = reply(403, frames.boxed_unsync());
    for (name, value) in [
        ("set-cookie", "session=the-apis-own"),
        ("www-authenticate", "Bearer realm=the-apis-own"),
        ("proxy-authenticate", "Basic realm=the-apis-own"),
        ("authentication-info", "the-apis-own"),
        ("proxy-authentication-info", "the-apis-own"),
        ("strict-transport-security", "the-apis-own"),
        ("clear-site-data", "the-apis-own"),
        ("location", "http://the-apis-own/"),
        ("trailer", "set-cookie"),
        ("connection", "X-Hop, keep-alive"),
        ("connection", "vary, upgrade"),
        ("x-hop", "hop"),
        ("vary", "accept"),
        ("keep-alive", "timeout=5, hop"),
        ("upgrade", "hop"),
        ("content-type", "text/plain"),
        ("cache-control", "private"),
        ("cache-control", "max-age=5"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ] {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_static(value);
        answer.headers_mut().append(name, value);
    }
    answer
}

#[tokio::test]
async fn of_the_apis_cookies_challenges_and_connection_nothing_reaches_a_user() {
    for (users, wire) in WAYS {
        let stand = Stand::new(wire, talkative).await;
        let request = Request::get(&stand.proxy).header(TE, "trailers");
        let request = request.body(Body::empty()).unwrap();
        let answer = in_time(client(users).request(request)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(answer.version(), users.version());
        let (head, body) = answer.into_parts();
        let mut expected = vec![
            "cache-control: max-age=5",
            "cache-control: private",
            "content-type: text/plain",
            "date: Sun, 06 Nov 1994 08:49:37 GMT",
        ];
        if users == Wire::Http1 {
            expected.push("transfer-encoding: chunked");
        }
        if wire == Wire::Http2 {
            // There `connection` is none, and names nothing.
            expected.push("vary: accept");
        }
        assert_eq!(lines(&head.headers), expected, "{users:?}, {wire:?}");
        let body = body.collect().await.unwrap();
        assert_eq!(
            body.trailers().cloned().unwrap_or_default(),
            HeaderMap::new()
        );
        assert_eq!(body.to_bytes(), "fine");
    }
}

// === when it does ===

#[tokio::test]
async fn an_upload_and_its_answer_pass_while_they_are_made() {
    type Pieces = UnboundedReceiver<Bytes>;

    fn streamed(pieces: Pieces) -> Stream {
        let pieces = tokio_stream::StreamExt::map(UnboundedReceiverStream::new(pieces), |it| {
            Ok(Frame::data(it))
        });
        StreamBody::new(pieces).boxed_unsync()
    }

    async fn next<B>(body: &mut B) -> Option<Bytes>
    where
        B: http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
    {
        // HTTP/2 may end with a frame of nothing.
        loop {
            let frame = in_time(body.frame()).await?;
            let data = frame.unwrap().into_data().unwrap();
            if !data.is_empty() {
                return Some(data);
            }
        }
    }

    for (users, wire) in WAYS {
        let case = format!("{users:?}, {wire:?}");
        let (answer, pieces) = unbounded_channel();
        let pieces = Arc::new(Mutex::new(Some(pieces)));
        let (uploads, mut came): (UnboundedSender<Incoming>, _) = unbounded_channel();
        let web = Web::start(wire, move |request| {
            let (uploads, pieces) = (uploads.clone(), Arc::clone(&pieces));
            async move {
                uploads.send(request.into_body()).unwrap();
                Ok(reply(200, streamed(pieces.lock().await.take().unwrap())))
            }
        });
        let web = web.await;
        let (_script, auth) = session(web.url());
        let proxy = start((wire, web.url()), &auth, |proxy| proxy);

        let (upload, pieces) = unbounded_channel();
        let request = Request::post(proxy).body(Body::new(streamed(pieces)));
        upload.send("the first".into()).unwrap();
        let sent = tokio::spawn(client(users).request(request.unwrap()));
        let mut at_api = in_time(came.recv()).await.unwrap();
        assert_eq!(next(&mut at_api).await.unwrap(), "the first", "{case}");
        answer.send("begun".into()).unwrap();
        let mut at_user = in_time(sent).await.unwrap().unwrap().into_body();
        assert_eq!(next(&mut at_user).await.unwrap(), "begun", "{case}");
        // Only now is the last of either made.
        upload.send("the last".into()).unwrap();
        drop(upload);
        assert_eq!(next(&mut at_api).await.unwrap(), "the last", "{case}");
        assert_eq!(next(&mut at_api).await, None, "{case}");
        answer.send("done".into()).unwrap();
        drop(answer);
        assert_eq!(next(&mut at_user).await.unwrap(), "done", "{case}");
        assert_eq!(next(&mut at_user).await, None, "{case}");
    }
}

// === whose refusal it is ===

/// A proxy's own door, which wants a credential of its own.
fn guarded(proxy: Router) -> Router {
    proxy.layer(from_fn(
        async |request: Request, next: axum::middleware::Next| match request
            .headers()
            .get(AUTHORIZATION)
        {
            Some(shown) if shown == OWN => next.run(request).await,
            _ => (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Proxys")]).into_response(),
        },
    ))
}

fn refusal(status: u16) -> http::Response<Stream> {
    let mut refusal = reply(status, whole("token access-1 is refused"));
    for name in [WWW_AUTHENTICATE, PROXY_AUTHENTICATE] {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        refusal.headers_mut().insert(name, challenge);
    }
    refusal
}

#[tokio::test]
async fn a_401_is_about_a_users_own_credential_and_a_refusal_of_the_proxys_token_is_a_502() {
    let mut stand = Stand::guarded(Wire::Http1, || refusal(401), guarded).await;
    let ask = async |url: &str, own: &str| {
        let request = Request::post(url).header(AUTHORIZATION, own);
        let request = request.body(Body::from("order")).unwrap();
        let answer = in_time(client(Wire::Http1).request(request)).await;
        let (head, body) = answer.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let challenge = head.headers.get(WWW_AUTHENTICATE).cloned();
        (head.status, challenge, body)
    };
    let (status, challenge, _) = ask(&stand.proxy, "not good enough").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(challenge.unwrap(), "Proxys");
    assert!(stand.came().is_empty());

    let ours = (StatusCode::BAD_GATEWAY, None, Bytes::new());
    assert_eq!(ask(&stand.proxy, OWN).await, ours);
    let shown = stand.came();
    let shown = shown.iter().map(|came| came.headers[AUTHORIZATION].clone());
    assert!(shown.eq(["Bearer access-0", "Bearer access-1"]), "replayed");
    assert_eq!(stand.script.exchanges(), 1);

    let stand = Stand::new(Wire::Http1, || refusal(407)).await;
    assert_eq!(ask(&stand.proxy, OWN).await, ours);
}

/// Tells users what became of a refused request, which is on no wire otherwise.
pub(crate) fn telling(proxy: Router) -> Router {
    proxy.layer(map_response(async |mut answer: Response| {
        if answer.extensions().get() == Some(&tower_reauth::replay::Replay::Replayed) {
            let replayed = HeaderValue::from_static("yes");
            answer.headers_mut().insert("x-replayed", replayed);
        }
        answer
    }))
}
