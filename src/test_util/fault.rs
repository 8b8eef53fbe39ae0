//! What goes wrong with a token request, and when. What it does to a reply is in `spoiling.rs`.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::HeaderMap;

/// What goes wrong with one token request.
///
/// *Processed* means that the simulator did what the request asked: the refresh token is spent, and
/// the counters show the exchange. *Not processed* means that the vendor knows nothing of it. All
/// waiting goes by the simulator's clock, so a [`ManualClock`](super::ManualClock) can hold a
/// request for as long as a test likes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Waits, then behaves as usual.
    Delay(Duration),
    /// Waits, then does the other fault.
    Delayed(Duration, Box<Fault>),
    /// Not processed: the connection is closed without an answer.
    CutBefore,
    /// Processed, but the connection is closed without an answer.
    CutAfter,
    /// Processed, but the connection dies after half of the body.
    CutBody,
    /// Not processed: 429 in the vendor's form, with or without `Retry-After`.
    Throttle(RetryAfter),
    /// Not processed: this status, body and content type.
    Status(u16, String, &'static str),
    /// Processed, then answered with this status, body and content type.
    StatusAfter(u16, String, &'static str),
    /// Not processed: this very reply. A status outside 100 to 999 becomes 500.
    Reply {
        /// The status code.
        status: u16,
        /// All headers of the reply, beside those that frame its body.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
    },
    /// Not processed: these bytes are written in place of an HTTP answer, then the connection is
    /// closed.
    Raw(Bytes),
    /// Not processed: 200, and a body of spaces that never ends.
    EndlessBody,
    /// Not processed: 200, and a body of this many spaces.
    OversizedBody(usize),
    /// Processed, and answered with this pause before each byte of the body.
    SlowBody(Duration),
}

/// The `Retry-After` header of a throttled reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// An HTTP date, which has whole seconds.
    Date(SystemTime),
    /// No header at all.
    None,
}

/// The faults that a simulator has in store for its token endpoint.
///
/// Each token request takes one fault: the oldest of those queued by [`next`](Self::next) and
/// [`times`](Self::times), else the one set by [`until_cleared`](Self::until_cleared), else none.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    queued: VecDeque<Fault>,
    standing: Option<Fault>,
}

// === impl Fault ===

impl Fault {
    /// This fault, after a wait.
    #[must_use]
    pub fn delayed(self, by: Duration) -> Self {
        Fault::Delayed(by, Box::new(self))
    }

    /// The time to wait, and what to do then. Nested delays add up.
    pub(super) fn into_parts(self) -> (Duration, Option<Fault>) {
        match self {
            Fault::Delay(delay) => (delay, None),
            Fault::Delayed(delay, then) => {
                let (more, fault) = then.into_parts();
                (delay.saturating_add(more), fault)
            }
            fault => (Duration::ZERO, Some(fault)),
        }
    }
}

// === impl RetryAfter ===

impl RetryAfter {
    pub(super) fn header(self) -> Option<String> {
        match self {
            RetryAfter::Seconds(seconds) => Some(seconds.to_string()),
            RetryAfter::Date(date) => Some(httpdate::fmt_http_date(date)),
            RetryAfter::None => None,
        }
    }
}

// === impl Faults ===

impl Faults {
    /// The next token request without a fault gets this one.
    pub fn next(&self, fault: Fault) {
        self.times(1, fault);
    }

    /// The next `n` token requests without a fault get this one.
    pub fn times(&self, n: usize, fault: Fault) {
        let mut plan = self.lock();
        plan.queued.extend(std::iter::repeat_n(fault, n));
    }

    /// Every token request gets this fault once the queue is empty, until [`clear`](Self::clear).
    pub fn until_cleared(&self, fault: Fault) {
        self.lock().standing = Some(fault);
    }

    /// Forgets all faults. Requests that are already suffering one are not saved.
    pub fn clear(&self) {
        *self.lock() = Plan::default();
    }

    pub(super) fn take(&self) -> Option<Fault> {
        let mut plan = self.lock();
        plan.queued.pop_front().or_else(|| plan.standing.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
