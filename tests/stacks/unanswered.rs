//! Requests that end without an answer are not the layer's to send again.

use std::{
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::Request;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, ServiceExt};
use tower_reauth::{BoxError, Error, test_util::ManualClock};

use crate::{
    support::{Script, secs, token},
    web::{Stream, whole},
};

const DAY: u64 = 86_400;

/// A server whose connections end as `end` likes, and how many requests it was sent.
async fn server<F>(
    end: impl Fn(TcpStream, Arc<AtomicUsize>) -> F + Send + 'static,
) -> (String, Arc<AtomicUsize>)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests: Arc<AtomicUsize> = Arc::default();
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(end(stream, Arc::clone(&counted)));
        }
    });
    (url, requests)
}

/// Sends one request, and returns its error and how many exchanges there were.
async fn error_of(url: &str, http2: bool) -> (BoxError, usize) {
    let origin = url.to_owned();
    let script = Script::with_lifetime(secs(DAY)).profile(|it| it.origins([origin]));
    let layer = script.layer(&ManualClock::new());
    let layer = layer.initial(token(0, secs(DAY))).build().unwrap();
    let mut client = Client::builder(TokioExecutor::new());
    client.http2_only(http2);
    let client: Client<_, Stream> = client.build_http();
    let request = Request::post(url).body(whole("a body that could be sent again"));
    let sent = layer.layer(client).oneshot(request.unwrap());
    let sent = tokio::time::timeout(Duration::from_secs(60), sent).await;
    let error = sent.expect("it ends in time").unwrap_err();
    (error, script.exchanges())
}

/// What the HTTP library says about a failed request.
fn said(error: &BoxError) -> String {
    assert!(Error::find(&**error).is_none(), "not the layer's: {error}");
    let error = error.downcast_ref::<hyper_util::client::legacy::Error>();
    let cause = error.unwrap().source().unwrap();
    format!("{cause:?}")
}

#[tokio::test]
async fn a_reset_connection_is_the_callers_and_the_request_was_sent_once() {
    let reset = |stream: TcpStream, requests: Arc<AtomicUsize>| async move {
        // Closing with something unread resets.
        let read = stream.readable().await;
        requests.fetch_add(1, SeqCst);
        read
    };
    let (url, requests) = server(reset).await;
    let (error, exchanges) = error_of(&url, false).await;
    let said = said(&error);
    assert!(
        said.contains("ConnectionReset") || said.contains("IncompleteMessage"),
        "{said}"
    );
    assert_eq!((requests.load(SeqCst), exchanges), (1, 0));
}

#[tokio::test]
async fn a_connection_that_ends_amid_the_head_of_a_response_is_the_callers() {
    let half = |mut stream: TcpStream, requests: Arc<AtomicUsize>| async move {
        let mut request = vec![0; 64 * 1024];
        let _came = stream.read(&mut request).await?;
        requests.fetch_add(1, SeqCst);
        stream.write_all(b"HTTP/1.1 401 Unauth").await
    };
    let (url, requests) = server(half).await;
    let (error, exchanges) = error_of(&url, false).await;
    assert!(!said(&error).is_empty());
    assert_eq!((requests.load(SeqCst), exchanges), (1, 0));
}

#[tokio::test]
async fn a_refused_stream_is_the_callers_and_the_request_was_sent_once() {
    let (url, requests) = server(refuse_streams).await;
    let (error, exchanges) = error_of(&url, true).await;
    let said = said(&error);
    assert!(said.contains("REFUSED_STREAM"), "{said}");
    assert_eq!((requests.load(SeqCst), exchanges), (1, 0));
}

/// Speaks as much HTTP/2 as it takes to refuse every stream (RFC 9113, sections 4.1 and 6.4).
async fn refuse_streams(mut stream: TcpStream, requests: Arc<AtomicUsize>) -> std::io::Result<()> {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    stream
        .write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])
        .await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [a, b, c, kind, _flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        if kind == HEADERS {
            requests.fetch_add(1, SeqCst);
            let mut refusal = vec![0, 0, 4, RST_STREAM, 0];
            refusal.extend(id);
            refusal.extend(REFUSED_STREAM);
            stream.write_all(&refusal).await?;
        }
    }
}
