//! A socket on loopback, and connections that may end badly.

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::body::SimBody;

/// Answers requests; an error ends the connection.
pub(super) trait Answer: Send + Sync + 'static {
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<SimBody>, Abrupt>> + Send;
}

/// How a connection ends without an answer, or within one.
#[derive(Debug)]
pub(super) enum Abrupt {
    Cut,
    /// These bytes go out first.
    Raw(Bytes),
}

/// A listening socket on the loopback. Dropping it closes it and all of its connections.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    accepting: AbortHandle,
}

// === impl Server ===

impl Server {
    pub(super) async fn start<A: Answer>(answer: Arc<A>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, answer)).abort_handle();
        Ok(Self { address, accepting })
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

// === impl Abrupt ===

impl fmt::Display for Abrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulator ends the connection")
    }
}

impl Error for Abrupt {}

/// Takes connections until it is aborted; the set goes with it, and every connection with the set.
async fn accept<A: Answer>(listener: TcpListener, answer: Arc<A>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(connections.spawn(serve(stream, answer.clone()))),
            // Out of file descriptors, most likely: others have to close theirs first.
            Err(_) => tokio::task::yield_now().await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve<A: Answer>(stream: TcpStream, answer: Arc<A>) {
    // Without it a body that is sent in two pieces waits for an acknowledgement in between.
    let _unimportant = stream.set_nodelay(true);
    let service = service_fn(|request| answer.clone().answer(request));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let Err(error) = (&mut connection).await else {
        return;
    };
    if let Some(Abrupt::Raw(bytes)) = error.source().and_then(|it| it.downcast_ref()) {
        write_raw(&connection.into_parts().io.into_inner(), bytes).await;
    }
}

async fn write_raw(stream: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() && stream.writable().await.is_ok() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
