//! What a simulator has seen so far.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a simulator has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Requests to the token endpoint, and to those where sessions begin and end, that arrived, faults
    /// and all.
    pub token_requests: u64,
    /// Token requests that were processed and granted, whether or not the answer arrived.
    pub exchanges: u64,
    /// Logins that were granted, whether or not the answer arrived.
    pub logins: u64,
    /// Sessions that were ended because a client asked for it, whether or not the answer arrived.
    pub revocations: u64,
    /// The largest number of token requests that were under way at the same time.
    pub in_flight_max: u64,
    /// Exchanges that spent the refresh token and issued another.
    pub rotations: u64,
    /// Times that a refresh token, a code or a passcode was presented after it had been spent.
    pub spent_twice: u64,
    /// Sessions that ended because one of their refresh tokens was spent twice.
    pub families_killed: u64,
    /// Requests to anything else.
    pub api_requests: u64,
    /// API requests with a good token that were answered with 2xx.
    pub api_answered: u64,
    /// API requests that were refused for want of a good token.
    pub api_refused: u64,
    /// API requests that were answered with 2xx, but as if nobody had logged in.
    pub api_anonymous: u64,
    /// Token requests that broke the vendor's documented format.
    pub malformed: u64,
}

/// Counts, behind a lock.
#[derive(Debug, Default)]
pub(super) struct Tally {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    counters: Counters,
    in_flight: u64,
    last_malformed: Option<String>,
}

/// One token request under way.
pub(super) struct InFlight(Arc<Tally>);

// === impl Tally ===

impl Tally {
    pub(super) fn counters(&self) -> Counters {
        self.lock().counters
    }

    pub(super) fn last_malformed(&self) -> Option<String> {
        self.lock().last_malformed.clone()
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Counters)) {
        count(&mut self.lock().counters);
    }

    pub(super) fn malformed(&self, complaint: String) {
        let mut book = self.lock();
        book.counters.malformed += 1;
        book.last_malformed = Some(complaint);
    }

    pub(super) fn token_request(self: &Arc<Self>) -> InFlight {
        let mut book = self.lock();
        book.in_flight += 1;
        book.counters.token_requests += 1;
        book.counters.in_flight_max = book.counters.in_flight_max.max(book.in_flight);
        InFlight(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl InFlight ===

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}
