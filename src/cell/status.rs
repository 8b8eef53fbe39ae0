//! What an application can see of its session.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Poll, Waker},
    time::{Duration, SystemTime},
};

use super::{
    Cell, Generation,
    flight::{Place, Waiters},
};
use crate::{error::Error, token::Token};

/// The state of a session at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The number of the current access token.
    pub generation: Generation,
    /// Whether the access token may be sent.
    pub usable: bool,
    /// Whether an exchange is under way.
    pub exchanging: bool,
    /// Whether that is a login by now, which may be waiting for a person.
    pub logging_in: bool,
    /// When the access token expires, where that is known.
    pub expires_at: Option<SystemTime>,
    /// When the refresh token expires, where that is known.
    pub refresh_expires_at: Option<SystemTime>,
    /// When the lasting credential that tokens are obtained with expires, such as an API token, where
    /// its provider asks for that: then somebody has to make a new one. See
    /// [`credential_expires_within`](Self::credential_expires_within).
    pub credential_expires_at: Option<SystemTime>,
    /// Why the last exchange failed; none after a success.
    pub failure: Option<Error>,
    /// Why somebody has to log in again. The access token may still be good for a while: see
    /// `usable` and `expires_at`.
    pub login_required: Option<Error>,
    /// An exchange left something that could not be written to the session's store yet: most often
    /// the new token, which is used meanwhile. It is tried again until it lands; if the process dies
    /// before, the session may be lost.
    pub unsaved: bool,
    /// Whether the session was shut down.
    pub shut_down: bool,
}

/// The latest state of a session, again and again.
///
/// A subscription made late sees the current state at once: nothing that matters is missed by not
/// having listened when it happened. It does not keep the session alive.
#[derive(Debug)]
pub struct Subscription {
    cell: Arc<Cell>,
    seen: Option<u64>,
}

/// Counts the changes of a session and knows who waits for the next one.
#[derive(Debug, Default)]
pub(super) struct Watch {
    version: u64,
    closed: bool,
    waiters: Waiters,
}

/// Waits for the next change.
struct Watching<'a> {
    cell: &'a Cell,
    place: Option<Place>,
}

// === impl Status ===

impl Status {
    /// Whether somebody has to log in again, now or when the access token expires.
    #[must_use]
    pub fn is_login_required(&self) -> bool {
        self.login_required.is_some()
    }

    /// Whether the lasting credential has expired at `now`, or will within `time`: what to warn of.
    /// False where nobody knows.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_reauth::handle::Status;
    ///
    /// fn warns(status: &Status) -> bool {
    ///     let two_weeks = Duration::from_secs(14 * 24 * 60 * 60);
    ///     status.credential_expires_within(two_weeks, SystemTime::now())
    /// }
    /// ```
    #[must_use]
    pub fn credential_expires_within(&self, time: Duration, now: SystemTime) -> bool {
        let left = |at: SystemTime| at.duration_since(now).unwrap_or_default();
        self.credential_expires_at
            .is_some_and(|at| left(at) <= time)
    }
}

// === impl Subscription ===

impl Subscription {
    pub(crate) fn new(cell: Arc<Cell>) -> Self {
        Self { cell, seen: None }
    }

    /// The state now.
    #[must_use]
    pub fn current(&self) -> Status {
        self.cell.status()
    }

    /// The state when it has changed since the last call; the first call answers at once. None
    /// when the last handle, layer and service of the session are gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call sees the same change.
    pub async fn changed(&mut self) -> Option<Status> {
        let version = self.cell.next_version(self.seen).await?;
        self.seen = Some(version);
        Some(self.cell.status())
    }
}

// === impl Watch ===

impl Watch {
    /// Notes a change; the wakers are for the caller to wake, without the lock.
    pub(super) fn changed(&mut self) -> Vec<Waker> {
        self.version += 1;
        self.waiters.take()
    }

    /// Lets everybody look again, at something that is no part of a [`Status`].
    pub(super) fn stirred(&mut self) -> Vec<Waker> {
        self.waiters.take()
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.waiters.places()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn close(&mut self) -> Vec<Waker> {
        self.closed = true;
        self.waiters.take()
    }
}

// === impl Cell ===

impl Cell {
    pub(crate) fn status(&self) -> Status {
        let now = self.clock.now();
        let state = self.lock();
        let snapshot = self.snapshot.load();
        Status {
            generation: snapshot.generation,
            usable: snapshot.is_usable(now),
            exchanging: state.board.is_flying(),
            logging_in: state.logging_in,
            expires_at: snapshot.expires.map(|expiry| expiry.at.wall()),
            refresh_expires_at: snapshot.refresh_expires.map(|expiry| expiry.at.wall()),
            credential_expires_at: snapshot.token.as_ref().and_then(Token::credential_expiry),
            failure: state.failure.clone(),
            login_required: state.login_required.clone(),
            unsaved: state.overdue,
            shut_down: state.shut_down,
        }
    }

    /// The version after `seen`. None once the session is closed and its last state was seen.
    async fn next_version(&self, seen: Option<u64>) -> Option<u64> {
        self.watch_until(|state| match seen {
            Some(seen) if state.watch.version == seen => state.watch.closed.then_some(None),
            _ => Some(Some(state.watch.version)),
        })
        .await
    }

    /// Waits until nothing is under way and nobody is paying. Says whether something is owed all
    /// the same.
    pub(crate) async fn left_owing(&self) -> bool {
        self.watch_until(|state| {
            let busy = state.board.is_flying() || state.settling;
            (!busy).then_some(state.owed)
        })
        .await
    }

    /// Waits until `look` finds something in the state, looking at every change.
    pub(super) async fn watch_until<T>(
        &self,
        mut look: impl FnMut(&super::State) -> Option<T>,
    ) -> T {
        let mut watching = Watching {
            cell: self,
            place: None,
        };
        poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(found) = look(&state) {
                return Poll::Ready(found);
            }
            let waiters = &mut state.watch.waiters;
            let old = waiters.register(&mut watching.place, cx.waker());
            drop(state);
            drop(old);
            Poll::Pending
        })
        .await
    }
}

// === impl Watching ===

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let waker = self.cell.lock().watch.waiters.release(&place);
            drop(waker);
        }
    }
}
