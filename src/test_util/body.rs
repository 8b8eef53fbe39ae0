//! The bodies of simulators' replies, honest or not.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::server::Abrupt;
use crate::clock::{Clock, Sleep};

/// The body of a simulator's reply, honest or not.
pub(super) enum SimBody {
    Whole(Bytes),
    /// Promises `promised` bytes and dies once `unsent` has left the socket.
    Cut {
        unsent: Bytes,
        promised: u64,
        flushed: bool,
    },
    Endless,
    Slow(SlowBytes),
}

pub(super) struct SlowBytes {
    rest: Bytes,
    pause: Duration,
    clock: Arc<dyn Clock>,
    sleep: Sleep,
}

// === impl SimBody ===

impl SimBody {
    /// Half of `whole`, and then a dead connection.
    pub(super) fn cut(whole: &Bytes) -> Self {
        SimBody::Cut {
            unsent: whole.slice(..whole.len() / 2),
            promised: u64::try_from(whole.len()).unwrap_or(u64::MAX),
            flushed: false,
        }
    }

    /// All of `rest`, with a pause before each byte.
    pub(super) fn slow(rest: Bytes, pause: Duration, clock: Arc<dyn Clock>) -> Self {
        let sleep = clock.sleep(pause);
        SimBody::Slow(SlowBytes {
            rest,
            pause,
            clock,
            sleep,
        })
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Abrupt;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abrupt>>> {
        match &mut *self {
            SimBody::Whole(rest) => Poll::Ready(data(std::mem::take(rest))),
            SimBody::Cut { unsent, .. } if !unsent.is_empty() => {
                Poll::Ready(data(std::mem::take(unsent)))
            }
            SimBody::Cut { flushed, .. } if !*flushed => {
                // Hyper drops what it has buffered when a body fails, and flushes when it waits.
                *flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            SimBody::Cut { .. } => Poll::Ready(Some(Err(Abrupt::Cut))),
            SimBody::Endless => Poll::Ready(data(Bytes::from_static(&SPACES))),
            SimBody::Slow(slow) => slow.poll_byte(cx).map(data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            SimBody::Whole(rest) => rest.is_empty(),
            SimBody::Slow(slow) => slow.rest.is_empty(),
            SimBody::Cut { .. } | SimBody::Endless => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let len = |bytes: &Bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match self {
            SimBody::Whole(rest) => SizeHint::with_exact(len(rest)),
            SimBody::Cut { promised, .. } => SizeHint::with_exact(*promised),
            SimBody::Slow(slow) => SizeHint::with_exact(len(&slow.rest)),
            SimBody::Endless => SizeHint::default(),
        }
    }
}

// === impl SlowBytes ===

impl SlowBytes {
    fn poll_byte(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if self.rest.is_empty() {
            return Poll::Ready(Bytes::new());
        }
        ready!(self.sleep.as_mut().poll(cx));
        self.sleep = self.clock.sleep(self.pause);
        Poll::Ready(self.rest.split_to(1))
    }
}

fn data(bytes: Bytes) -> Option<Result<Frame<Bytes>, Abrupt>> {
    (!bytes.is_empty()).then(|| Ok(Frame::data(bytes)))
}

static SPACES: [u8; 8 * 1024] = [b' '; 8 * 1024];
