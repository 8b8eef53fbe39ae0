//! The built-in client against servers made of raw sockets.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::{CANARY, client, failure, post};
use crate::{
    provider::{FailureKind, TokenClient},
    token_client::HttpTokenClient,
};

const MIB: usize = 1024 * 1024;
const SHORT: Duration = Duration::from_millis(500);

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

// === impl Server ===

impl Server {
    /// Hands every connection to `handle`, in a task of its own.
    async fn start<F, Fut>(handle: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, SeqCst);
                tokio::spawn(handle(socket));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Reads one request a connection, writes `reply`, and closes.
    async fn replying(reply: impl Into<Vec<u8>>) -> Self {
        let reply = Arc::new(reply.into());
        Self::start(move |mut socket| {
            let reply = Arc::clone(&reply);
            async move {
                read_request(&mut socket).await;
                // The client may have had enough before the end.
                let _ = socket.write_all(&reply).await;
            }
        })
        .await
    }

    fn http(&self) -> String {
        format!("http://{}/token", self.address)
    }

    fn https(&self) -> String {
        format!("https://{}/token", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

/// Reads a request with a body of the length of that of [`post`].
async fn read_request(socket: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(CANARY.as_bytes()) {
        if socket.read_buf(&mut text).await.expect("a request") == 0 {
            break;
        }
    }
    String::from_utf8(text).expect("text")
}

fn builtin() -> TokenClient {
    client(HttpTokenClient::builtin())
}

fn impatient() -> TokenClient {
    client(HttpTokenClient::builtin().timeout(SHORT))
}

fn announced(length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

// === nothing was sent ===

#[tokio::test]
async fn a_refused_connection_is_transient() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    assert_eq!(
        failure(builtin().send(post(&url)).await),
        FailureKind::Transient
    );
    let mut in_the_head = post(&url).map(|_| Bytes::new());
    let basic = HeaderValue::from_static("Basic canary-4711");
    in_the_head.headers_mut().insert("authorization", basic);
    assert_eq!(
        failure(builtin().send(in_the_head).await),
        FailureKind::Transient
    );
}

#[tokio::test]
async fn a_failed_tls_handshake_is_transient_and_shows_the_server_nothing() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let server = Server::start(move |mut socket| {
        let sender = sender.clone();
        async move {
            let mut hello = vec![0; 4096];
            let length = socket.read(&mut hello).await.expect("a hello");
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            hello.truncate(length);
            let _ = socket.read_to_end(&mut hello).await;
            let _ = sender.send(hello);
        }
    })
    .await;
    let mut request = post(server.https());
    let basic = HeaderValue::from_static("Basic canary-4711");
    request.headers_mut().insert("authorization", basic);
    assert_eq!(
        failure(builtin().send(request).await),
        FailureKind::Transient
    );
    assert_eq!(server.connections(), 1);
    let seen = seen.recv().await.expect("a connection");
    assert_eq!(seen[..2], [22, 3], "a TLS hello");
    assert!(!String::from_utf8_lossy(&seen).contains(CANARY));
}

#[tokio::test]
async fn a_connection_that_does_not_come_up_in_time_is_transient() {
    let server = Server::start(|_socket| std::future::pending()).await;
    let result = impatient().send(post(server.https())).await;
    assert_eq!(failure(result), FailureKind::Transient);
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_less_time_than_a_reply_so_that_the_two_are_told_apart() {
    // The kernel takes the connection; nobody says a word of TLS on it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}/", listener.local_addr().expect("an address"));
    let in_the_head = post(url).map(|_| Bytes::new());
    assert_eq!(
        failure(builtin().send(in_the_head).await),
        FailureKind::Transient
    );
}

// === it may have been sent ===

#[tokio::test]
async fn a_server_that_closes_after_reading_leaves_the_outcome_unknown() {
    let server = Server::replying("").await;
    let result = builtin().send(post(server.http())).await;
    assert_eq!(failure(result), FailureKind::UnknownOutcome);
    assert_eq!(server.connections(), 1, "no silent second try");
}

#[tokio::test]
async fn a_reply_that_does_not_come_in_time_leaves_the_outcome_unknown() {
    let server = Server::start(|mut socket| async move {
        read_request(&mut socket).await;
        std::future::pending().await
    })
    .await;
    let result = impatient().send(post(server.http())).await;
    assert_eq!(failure(result), FailureKind::UnknownOutcome);
}

#[tokio::test]
async fn a_reply_that_is_not_http_leaves_the_outcome_unknown() {
    let server = Server::replying("canary-4711 220 smtp ready\r\n\r\n").await;
    let result = builtin().send(post(server.http())).await;
    assert_eq!(failure(result), FailureKind::UnknownOutcome);
}

// === what arrives ===

#[tokio::test]
async fn a_reply_arrives_whole() {
    let server = Server::replying(announced(2, b"{}")).await;
    let reply = builtin().send(post(server.http())).await.expect("a reply");
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!((reply.body(), reply.is_complete()), (&b"{}"[..], true));
}

#[tokio::test]
async fn a_cut_body_is_an_incomplete_reply_with_what_arrived() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec();
    for cut in [announced(100, b"half"), chunked] {
        let server = Server::replying(cut).await;
        let reply = builtin().send(post(server.http())).await.expect("a head");
        assert_eq!((reply.body(), reply.is_complete()), (&b"half"[..], false));
        assert_eq!(failure(reply.success()), FailureKind::UnknownOutcome);
    }
}

#[tokio::test]
async fn a_mebibyte_is_complete_and_one_byte_more_is_not() {
    for (size, complete) in [(MIB, true), (MIB + 1, false)] {
        let server = Server::replying(announced(size, &vec![b'x'; size])).await;
        let reply = builtin().send(post(server.http())).await.expect("a reply");
        assert_eq!((reply.body().len(), reply.is_complete()), (MIB, complete));
    }
}

#[tokio::test]
async fn an_endless_body_ends_at_the_size_limit() {
    let server = Server::start(|mut socket| async move {
        read_request(&mut socket).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while socket.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let reply = builtin().send(post(server.http())).await.expect("a reply");
    assert_eq!((reply.body().len(), reply.is_complete()), (MIB, false));
}

#[tokio::test]
async fn slow_bytes_end_at_the_time_limit() {
    let server = Server::start(|mut socket| async move {
        read_request(&mut socket).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while socket.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let sending = impatient();
    let reply = sending.send(post(server.http())).await.expect("a head");
    assert!(!reply.is_complete());
    assert!((1..20).contains(&reply.body().len()), "{reply:?}");
}

// === once, and nowhere else ===

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Server::replying(announced(0, b"")).await;
    for status in ["301 Moved", "302 Found", "303 See", "307 Keep", "308 Keep"] {
        let head = format!(
            "HTTP/1.1 {status}\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            other.http()
        );
        let server = Server::replying(head).await;
        let reply = builtin().send(post(server.http())).await.expect("a reply");
        assert!(reply.status().is_redirection());
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn every_request_has_a_connection_of_its_own() {
    let server = Server::start(|mut socket| async move {
        // It would take more requests on the same connection.
        while !read_request(&mut socket).await.is_empty() {
            let _ = socket.write_all(&announced(2, b"{}")).await;
        }
    })
    .await;
    let client = builtin();
    for sent in 1..=3 {
        client.send(post(server.http())).await.expect("a reply");
        assert_eq!(server.connections(), sent);
    }
}

#[tokio::test]
async fn a_hyper_client_of_the_users_own_will_do() {
    let hyper = Client::builder(TokioExecutor::new()).build_http();
    let client = client(hyper.into());
    let server = Server::replying(announced(2, b"{}")).await;
    let reply = client.send(post(server.http())).await.expect("a reply");
    assert!(reply.is_complete());
}

#[test]
fn a_client_built_outside_any_runtime_works_in_one_after_another() {
    let client = builtin();
    for _ in 0..2 {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let reply = runtime.block_on(async {
            let server = Server::replying(announced(2, b"{}")).await;
            client.send(post(server.http())).await
        });
        assert!(reply.expect("a reply").is_complete());
    }
}
