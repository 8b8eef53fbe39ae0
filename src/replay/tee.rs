//! A body that is remembered while it is sent.
//!
//! The first sending reads the caller's body through a [`Tee`]. Each frame goes on at once, and a
//! reference to it is kept, until the response is there or what was kept is over the cap. The body
//! lives in a place that the [`Teed`] spare shares, so it can be taken from under a first sending
//! that is still busy with it:
//!
//! ```text
//! passing ──hold──▶ held ──take──▶ taken over     the first sending ends with an error
//!    │               └──release──▶ passing        and nothing is kept any more
//!    └──release / over the cap / failed ─▶ passing, and nothing is kept any more
//! ```
//!
//! *Held* lasts while a newer token is fetched: if there is none, the refusal is the answer, and
//! the first sending has to go on as if nobody had looked.

use std::{
    collections::VecDeque,
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::{
    Replay,
    boxed::{Abort, Boxed},
    resumed::Resumed,
};

/// The body of the first sending.
pub(super) struct Tee<B>(Arc<Shared<B>>);

/// The spare of a body that is being sent. Dropped, it lets go of what was kept.
pub(crate) struct Teed<B>(Arc<dyn Retake<B>>);

struct Shared<B> {
    state: Mutex<State<B>>,
    cap: usize,
}

struct State<B> {
    /// `None` once it was taken over.
    body: Option<B>,
    sent: VecDeque<Bytes>,
    sent_bytes: usize,
    trailers: Option<HeaderMap>,
    /// Whether `sent` is all that was sent.
    kept: Result<(), Replay>,
    /// The body has nothing more to give.
    ended: bool,
    held: bool,
    /// The first sending's task, while it waits.
    waiting: Option<Waker>,
}

/// What a spare asks of a body, whose type it then need not name.
trait Retake<B>: Send + Sync {
    fn hold(&self) -> Result<(), Replay>;
    fn release(&self);
    fn take(&self) -> B;
}

/// Tees `body`, which stays a body of its own type, and returns its spare.
pub(super) fn tee<B: Boxed>(body: &mut B, cap: usize) -> Teed<B> {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            body: Some(mem::replace(body, B::empty())),
            sent: VecDeque::new(),
            sent_bytes: 0,
            trailers: None,
            kept: Ok(()),
            ended: false,
            held: false,
            waiting: None,
        }),
        cap,
    });
    *body = B::tee(Tee(Arc::clone(&shared)));
    Teed(shared)
}

/// Why the first sending of a body was cut off.
#[derive(Debug)]
pub(super) struct Aborted;

// === impl Tee ===

impl<B: Boxed> Body for Tee<B> {
    type Data = Bytes;
    type Error = B::Within;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Within>>> {
        let mut state = self.0.lock();
        if state.held {
            state.park(cx);
            return Poll::Pending;
        }
        let Some(body) = &mut state.body else {
            return match (state.ended, B::Within::aborted()) {
                (true, _) => Poll::Ready(None),
                // Never a clean end: half a body must not look like a whole one.
                (false, Some(error)) => Poll::Ready(Some(Err(error))),
                // Not taken over without an error to tell it by.
                (false, None) => Poll::Pending,
            };
        };
        let polled = Pin::new(body).poll_frame(cx);
        match &polled {
            Poll::Pending => state.park(cx),
            Poll::Ready(Some(Ok(frame))) => state.keep(frame, self.0.cap),
            Poll::Ready(Some(Err(_))) => state.give_up(Replay::NotReplayable),
            Poll::Ready(None) => state.ended = true,
        }
        polled.map(|frame| frame.map(|frame| frame.map_err(B::within)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_ended()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.0.lock();
        state.body.as_ref().map_or_else(SizeHint::new, B::size_hint)
    }
}

// === impl Teed ===

impl<B> Teed<B> {
    /// Holds the first sending where it is, until this is dropped or taken.
    ///
    /// # Errors
    ///
    /// Why the body cannot be sent again.
    pub(super) fn hold(&self) -> Result<(), Replay> {
        self.0.hold()
    }

    /// Ends the first sending, and returns the whole body again.
    pub(super) fn take(self) -> B {
        self.0.take()
    }
}

impl<B> Drop for Teed<B> {
    fn drop(&mut self) {
        self.0.release();
    }
}

// === impl Shared ===

impl<B> Shared<B> {
    /// Whatever happened to an earlier holder: the one thing that can panic under the lock is the
    /// caller's own body, and the state is whole when it is polled.
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Boxed> Retake<B> for Shared<B> {
    fn hold(&self) -> Result<(), Replay> {
        let mut state = self.lock();
        state.kept?;
        if state.is_ended() {
            return Ok(());
        }
        if B::Within::aborted().is_none() {
            return Err(Replay::StillSending);
        }
        state.held = true;
        Ok(())
    }

    fn release(&self) {
        let mut state = self.lock();
        state.give_up(Replay::NotReplayable);
        let held = mem::take(&mut state.held);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting.filter(|_| held) {
            waiting.wake();
        }
    }

    fn take(&self) -> B {
        let mut state = self.lock();
        state.ended = state.is_ended();
        state.held = false;
        let body = state.body.take();
        let resumed = Resumed {
            sent: mem::take(&mut state.sent),
            trailers: state.trailers.take(),
            // A body that has ended need not bear to be polled again.
            rest: body.filter(|_| !state.ended),
        };
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        B::resumed(resumed)
    }
}

// === impl State ===

impl<B: Boxed> State<B> {
    fn is_ended(&self) -> bool {
        self.ended || self.body.as_ref().is_some_and(B::is_end_stream)
    }

    /// Keeps a reference to `frame`, if it and all before it fit.
    fn keep(&mut self, frame: &Frame<Bytes>, cap: usize) {
        // Nothing comes after trailers.
        self.ended |= frame.is_trailers();
        if self.kept.is_err() {
            return;
        }
        let Some(data) = frame.data_ref() else {
            self.trailers = frame.trailers_ref().cloned();
            return;
        };
        self.sent_bytes = self.sent_bytes.saturating_add(data.len());
        if self.sent_bytes > cap {
            self.give_up(Replay::OverCap);
        } else if !data.is_empty() {
            self.sent.push_back(data.clone());
        }
    }

    fn park(&mut self, cx: &Context<'_>) {
        // Once nothing is kept, nobody will take the body over.
        if self.kept.is_ok() {
            match &mut self.waiting {
                Some(waiting) => waiting.clone_from(cx.waker()),
                None => self.waiting = Some(cx.waker().clone()),
            }
        }
    }
}

impl<B> State<B> {
    /// Lets go of what was kept.
    fn give_up(&mut self, why: Replay) {
        self.kept = self.kept.and(Err(why));
        self.sent = VecDeque::new();
        self.trailers = None;
    }
}

// === impl Aborted ===

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was refused and is sent again: its first sending is cut off")
    }
}

impl std::error::Error for Aborted {}

#[cfg(test)]
mod tests;
