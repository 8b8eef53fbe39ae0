//! Commands, within a time limit, over a connection that comes back.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use redis::{Cmd, RedisError, Value};
use tokio::runtime::Handle;

use super::{
    address::Address,
    failure::{After, lost_connection, meaning},
    link::{Link, Shared},
    tls::Tls,
};
use crate::{
    clock::{Clock, SystemClock},
    store::StoreError,
};

/// A Redis, as this process reaches it.
pub(super) struct Client {
    pub(super) address: Address,
    pub(super) tls: Tls,
    pub(super) answers_within: Duration,
    /// How many replicas have to have a write before it counts.
    pub(super) replicas: usize,
    pub(super) line: Line,
}

/// The connection, once there is one.
#[derive(Default)]
pub(super) struct Line {
    current: Mutex<Option<Shared>>,
    /// One connects at a time, and all others use what it gets.
    connecting: tokio::sync::Mutex<()>,
}

/// What is to be sent.
enum Sending<'a> {
    Command(&'a Cmd),
    /// To be had by replicas, too.
    Durable(&'a Cmd),
}

// === impl Client ===

impl Client {
    /// Sends a command.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, StoreError> {
        self.limited(Sending::Command(command)).await
    }

    /// Sends a command that writes; by then as many replicas have it as have to.
    pub(super) async fn send_durably(&self, command: &Cmd) -> Result<Value, StoreError> {
        if self.replicas == 0 {
            return self.send(command).await;
        }
        self.limited(Sending::Durable(command)).await
    }

    /// Sends over the connection that there is. One that was lost meanwhile, as every one is when
    /// the server was restarted, is replaced once: nothing that is sent here harms if it is done
    /// twice.
    async fn send_over(&self, sending: &Sending<'_>, used: &Used) -> Result<Value, StoreError> {
        let unsent = StoreError::nothing_written;
        let (link, is_new) = self.link().await.map_err(unsent)?;
        used.note(&link);
        let result = self.transmit(&link, sending).await;
        let result = match result {
            Err(Trouble::Redis(error)) if !is_new && lost_connection(&error) => {
                self.line.discard(&link);
                let (link, _) = self.link().await?;
                used.note(&link);
                self.transmit(&link, sending).await
            }
            result => result,
        };
        result.map_err(|trouble| match trouble {
            Trouble::Redis(error) => {
                let (error, after) = meaning(&error);
                if after == After::Reconnect {
                    used.discard_at(&self.line);
                }
                error
            }
            Trouble::Store(error) => error,
        })
    }

    async fn transmit(&self, link: &Link, sending: &Sending<'_>) -> Result<Value, Trouble> {
        match sending {
            Sending::Command(command) => Ok(link.send(command).await?),
            Sending::Durable(command) => {
                // Half of it, so that the answer comes within the limit.
                let millis = (self.answers_within / 2).as_millis().max(1);
                let sent = link.send_and_wait(command, self.replicas, millis);
                let (value, replicas) = sent.await?;
                // What did not land has not to be anywhere.
                if value == Value::Int(1) && replicas < self.replicas {
                    return Err(Trouble::Store(StoreError::unavailable(
                        "Redis has it, and fewer replicas than have to: see whether they are \
                         connected, and `wait_for_replicas`",
                    )));
                }
                Ok(value)
            }
        }
    }

    /// The connection, and whether it was made for this.
    async fn link(&self) -> Result<(Shared, bool), StoreError> {
        if let Some(link) = self.line.up() {
            return Ok((link, false));
        }
        let _turn = self.line.connecting.lock().await;
        if let Some(link) = self.line.up() {
            return Ok((link, false));
        }
        let link = Link::open(&self.address, &self.tls).await;
        let link = Arc::new(link.map_err(|error| meaning(&error).0)?);
        *self.line.current() = Some(Arc::clone(&link));
        Ok((link, true))
    }

    /// Gives up when the time is over; then the connection, too: it may be one whose other side is
    /// gone without a word. The network's time is real, whatever clock the layer has.
    async fn limited(&self, sending: Sending<'_>) -> Result<Value, StoreError> {
        if Handle::try_current().is_err() {
            return Err(StoreError::misconfigured(
                "Redis can be asked from within a tokio runtime only",
            ));
        }
        let used = Used::default();
        let mut work = pin!(self.send_over(&sending, &used));
        let mut limit = SystemClock.sleep(self.answers_within);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            // To connect is one thing and to be answered another: else a server that takes more than
            // half of the time for each could never be used.
            if used.begins_anew() {
                limit = SystemClock.sleep(self.answers_within);
            }
            limit.as_mut().poll(cx).map(|()| {
                used.discard_at(&self.line);
                Err(StoreError::unavailable(
                    "Redis does not answer within the time that it is given",
                ))
            })
        })
        .await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.address)
            .field("tls", &self.tls)
            .field("answers_within", &self.answers_within)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

// === impl Line ===

impl Line {
    fn current(&self) -> MutexGuard<'_, Option<Shared>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, if it is worth anything.
    fn up(&self) -> Option<Shared> {
        self.current().as_ref().filter(|link| link.is_up()).cloned()
    }

    /// Has the next command connect anew, unless somebody has by now.
    fn discard(&self, link: &Shared) {
        let mut current = self.current();
        if current.as_ref().is_some_and(|it| Arc::ptr_eq(it, link)) {
            *current = None;
        }
    }
}

/// The connection that a command went over last.
#[derive(Default)]
struct Used {
    link: Mutex<Option<Shared>>,
    is_new: AtomicBool,
}

// === impl Used ===

impl Used {
    fn note(&self, link: &Shared) {
        *self.last() = Some(Arc::clone(link));
        self.is_new.store(true, Relaxed);
    }

    /// Whether the command has got a connection since this was asked last.
    fn begins_anew(&self) -> bool {
        self.is_new.swap(false, Relaxed)
    }

    fn discard_at(&self, line: &Line) {
        if let Some(link) = self.last().as_ref() {
            line.discard(link);
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Shared>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a command brought nothing.
enum Trouble {
    Redis(RedisError),
    Store(StoreError),
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        Trouble::Redis(error)
    }
}
