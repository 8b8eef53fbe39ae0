//! A server on loopback that speaks what a test wants: HTTP/1.1 or HTTP/2, in the clear or by TLS.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it, and fails where it fails"
)]

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, rustls::ClientConfig};

use crate::tls::Authority;

/// What goes over the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Http1,
    /// By prior knowledge.
    Http2,
    Http1Tls,
    Http2Tls,
}

/// A body that is read while it is made, and may fail.
pub type Stream = UnsyncBoxBody<Bytes, io::Error>;

pub type HyperClient<B> = Client<HttpsConnector<HttpConnector>, B>;

/// The connection that a request came by, counted from 0: an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection(pub usize);

pub struct Web {
    wire: Wire,
    url: String,
    authority: Authority,
    opened: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

type Reply = Pin<Box<dyn Future<Output = io::Result<Response<Stream>>> + Send>>;
type Answer = Arc<dyn Fn(Request<Incoming>) -> Reply + Send + Sync>;

impl Wire {
    pub fn version(self) -> Version {
        match self {
            Self::Http1 | Self::Http1Tls => Version::HTTP_11,
            Self::Http2 | Self::Http2Tls => Version::HTTP_2,
        }
    }

    /// As ALPN calls it.
    fn protocols(self) -> &'static [&'static str] {
        match self {
            Self::Http1Tls => &["http/1.1"],
            Self::Http2Tls => &["h2", "http/1.1"],
            Self::Http1 | Self::Http2 => &[],
        }
    }

    fn is_tls(self) -> bool {
        !self.protocols().is_empty()
    }
}

impl Web {
    /// A server that answers by `answer`; its error ends the connection, or the stream.
    pub async fn start<F>(
        wire: Wire,
        answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<Response<Stream>>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if wire.is_tls() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let authority = Authority::new();
        let tls = wire.is_tls().then(|| {
            let config = authority.server(wire.protocols());
            TlsAcceptor::from(Arc::new(config))
        });
        let opened = Arc::new(AtomicUsize::new(0));
        let answer: Answer = Arc::new(move |request| Box::pin(answer(request)));
        let accepting = tokio::spawn(accept(listener, tls, Arc::clone(&opened), answer));
        Self {
            wire,
            url,
            authority,
            opened,
            accepting,
        }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// How many connections were opened.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// TLS for a client that offers what this server speaks.
    pub fn client_tls(&self) -> ClientConfig {
        self.authority.client(self.wire.protocols())
    }

    /// hyper-util's client for this server.
    pub fn hyper<B>(&self) -> HyperClient<B>
    where
        B: http_body::Body<Data: Send> + Send,
    {
        // The connector says by itself what it offers.
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(self.authority.client(&[]))
            .https_or_http();
        let connector = match self.wire {
            Wire::Http1 | Wire::Http1Tls => builder.enable_http1().build(),
            Wire::Http2 | Wire::Http2Tls => builder.enable_all_versions().build(),
        };
        let mut client = Client::builder(TokioExecutor::new());
        client.http2_only(self.wire == Wire::Http2);
        client.build(connector)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    opened: Arc<AtomicUsize>,
    answer: Answer,
) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let number = Connection(opened.fetch_add(1, Ordering::SeqCst));
        let (tls, answer) = (tls.clone(), Arc::clone(&answer));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, number, answer).await,
                Some(tls) => {
                    let shaken = tls.accept(stream).await;
                    serve(shaken.unwrap(), number, answer).await;
                }
            }
        });
    }
}

async fn serve<S>(stream: S, number: Connection, answer: Answer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(number);
        answer(request)
    });
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http2().max_concurrent_streams(1_024);
    let served = http.serve_connection(TokioIo::new(stream), service);
    let _cut_off = served.await;
}

/// A whole body, boxed.
pub fn whole(text: impl Into<Bytes>) -> Stream {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub fn reply(status: u16, body: Stream) -> Response<Stream> {
    let mut reply = Response::new(body);
    *reply.status_mut() = status.try_into().unwrap();
    reply
}

/// The token that a request came with.
pub fn token<B>(request: &Request<B>) -> String {
    let header = request.headers().get("authorization");
    let header = header.map_or("", |value| value.to_str().unwrap());
    header.trim_start_matches("Bearer ").to_owned()
}
