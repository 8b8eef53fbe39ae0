//! What lies between a process and a server, and breaks where a test likes.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and a test may panic"
)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::{JoinHandle, JoinSet},
};

/// What becomes of what goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Connections break, and new ones are closed at once.
    Cut,
    /// Everything takes this much longer, in each direction.
    Delay(Duration),
    /// What the process sends arrives, and no answer comes back until this is over.
    NoAnswers,
    /// The server's side says that it is done, in the middle of everything.
    HalfClose,
    /// The connection breaks in the place of the next answer, once.
    BreakAtAnswer,
    /// The connection breaks amid the next answer, once.
    BreakAmidAnswer,
    /// Nothing goes through until this is over, and nobody says so.
    Silence,
}

pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

struct State {
    upstream: SocketAddr,
    fault: Fault,
    /// Goes up when the connections that are up have to go.
    era: u64,
}

impl Proxy {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            upstream: SocketAddr::from(([127, 0, 0, 1], port)),
            fault: Fault::None,
            era: 0,
        }));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            accepting,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub fn set(&self, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.fault = fault;
        if fault == Fault::Cut {
            state.era += 1;
        }
    }

    /// Leads to another server from here on, and breaks what leads to the one before.
    pub async fn lead_to(&self, port: u16) {
        {
            let mut state = self.state.lock().unwrap();
            state.upstream.set_port(port);
            state.era += 1;
        }
        // Until they are broken.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (fault, upstream, era) = {
            let state = state.lock().unwrap();
            (state.fault, state.upstream, state.era)
        };
        if fault == Fault::Cut {
            continue;
        }
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(upstream).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = pump(from_client, to_server, &state, false) => {}
                () = pump(from_server, to_client, &state, true) => {}
                () = until_over(&state, era) => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn until_over(state: &Mutex<State>, era: u64) {
    while state.lock().unwrap().era == era {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &Mutex<State>,
    is_answer: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        let mut fault = state.lock().unwrap().fault;
        // What was sent meanwhile arrives in the end: a connection has no gaps.
        while fault == Fault::Silence || (fault == Fault::NoAnswers && is_answer) {
            tokio::time::sleep(Duration::from_millis(2)).await;
            fault = state.lock().unwrap().fault;
        }
        match fault {
            Fault::Delay(delay) => tokio::time::sleep(delay).await,
            Fault::BreakAtAnswer if is_answer => {
                state.lock().unwrap().fault = Fault::None;
                break;
            }
            Fault::BreakAmidAnswer if is_answer => {
                state.lock().unwrap().fault = Fault::None;
                to.write_all(&buffer[..n / 2]).await.ok();
                break;
            }
            Fault::HalfClose if is_answer => {
                to.shutdown().await.ok();
                // The other direction stays open.
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            break;
        }
    }
}
