//! A line between a client and a simulator, to be cut where a test likes.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it, and fails where it fails"
)]

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional},
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Forwards connections to a simulator. What it spoils, the simulator has processed.
pub struct Line {
    address: SocketAddr,
    upstream: SocketAddr,
    /// Bound and never listening: keeps the port while the line is down.
    _port: TcpSocket,
    spoil: Arc<Mutex<Option<Spoil>>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

/// The body that goes on in place of another, and the length that is promised for it.
type Spoil = Box<dyn FnOnce(String) -> (String, usize) + Send>;

impl Line {
    /// A line to the simulator at `base_url`, up.
    pub async fn to(base_url: &str) -> io::Result<Self> {
        let upstream = base_url.trim_start_matches("http://");
        let upstream: SocketAddr = upstream.parse().map_err(io::Error::other)?;
        let port = socket()?;
        port.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let line = Self {
            address: port.local_addr()?,
            upstream,
            _port: port,
            spoil: Arc::default(),
            accepting: Mutex::default(),
        };
        line.up()?;
        Ok(line)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From here on connections are refused, and those that are up are cut.
    pub async fn down(&self) {
        let accepting = self.accepting.lock().unwrap().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            let _cancelled = accepting.await;
        }
    }

    pub fn up(&self) -> io::Result<()> {
        let socket = socket()?;
        socket.bind(self.address)?;
        let accepting = accept(socket.listen(64)?, self.upstream, Arc::clone(&self.spoil));
        *self.accepting.lock().unwrap() = Some(tokio::spawn(accepting));
        Ok(())
    }

    /// Lets `keep` bytes of the next reply's body through, then cuts the connection.
    pub fn cut_next(&self, keep: impl FnOnce(&str) -> usize + Send + 'static) {
        *self.spoil.lock().unwrap() = Some(Box::new(|mut body: String| {
            let promised = body.len();
            body.truncate(keep(&body));
            (body, promised)
        }));
    }

    /// Changes the body of the next reply.
    pub fn rewrite_next(&self, rewrite: impl FnOnce(String) -> String + Send + 'static) {
        *self.spoil.lock().unwrap() = Some(Box::new(|body| {
            let body = rewrite(body);
            let promised = body.len();
            (body, promised)
        }));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
    }
}

fn socket() -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(true)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, upstream: SocketAddr, spoil: Arc<Mutex<Option<Spoil>>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let spoil = spoil.lock().unwrap().take();
        connections.spawn(relay(client, upstream, spoil));
        while connections.try_join_next().is_some() {}
    }
}

async fn relay(
    mut client: TcpStream,
    upstream: SocketAddr,
    spoil: Option<Spoil>,
) -> io::Result<()> {
    let mut vendor = TcpStream::connect(upstream).await?;
    let Some(spoil) = spoil else {
        copy_bidirectional(&mut client, &mut vendor).await?;
        return Ok(());
    };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_vendor, mut to_vendor) = vendor.split();
    let asking = async {
        copy(&mut from_client, &mut to_vendor).await?;
        pending().await
    };
    let (head, body) = tokio::select! {
        never = asking => never,
        reply = read_reply(&mut from_vendor) => reply,
    }?;
    let (body, promised) = spoil(body);
    let is_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
    for line in head.lines().filter(|line| !is_length(line)) {
        to_client
            .write_all(format!("{line}\r\n").as_bytes())
            .await?;
    }
    let rest = format!("content-length: {promised}\r\n\r\n{body}");
    to_client.write_all(rest.as_bytes()).await?;
    to_client.shutdown().await
}

/// The head and the body of a reply that says how long it is.
async fn read_reply(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<(String, String)> {
    let mut read = String::new();
    loop {
        if let Some((head, body)) = read.split_once("\r\n\r\n") {
            let lengths = head.lines().filter_map(|line| line.split_once(':'));
            let mut length =
                lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let length = length
                .next()
                .and_then(|(_, length)| length.trim().parse().ok());
            if length == Some(body.len()) {
                return Ok((head.to_owned(), body.to_owned()));
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => read.push_str(&String::from_utf8_lossy(&buffer[..n])),
        }
    }
}
