//! The one exchange under way: who flies it, who waits for it, how it ended.
//!
//! # States
//!
//! A [`Board`] is part of the cell's locked state. It is either *idle* or has one flight *under
//! way*, known by its number.
//!
//! - idle → under way: [`Board::begin`], by the caller that found a token missing and nobody at it.
//! - under way → idle: [`Board::end`], once for each flight, by its ticket: when the exchange lands
//!   or fails, or when the ticket is dropped because the task that held it died.
//!
//! # Waiting and cancellation
//!
//! A [`Join`] leaves its waker at a place. A flight's end takes all places at once, so a place is
//! good for one round only, and knows for which. Dropping a `Join` frees its place and changes
//! nothing else: nobody who waits owns the exchange. Wakers may be anybody's code, so none is
//! woken or dropped under the lock.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{Cell, State};
use crate::error::Error;

/// How a flight ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// A token was published.
    Landed,
    /// The session got another token meanwhile, from a login, and this one's was not used; or the
    /// flight never began. Look again.
    Superseded,
    /// No token. Everybody who waited gets this error.
    Failed(Error),
}

/// Who flies, who waits, how the last flight ended.
#[derive(Debug, Default)]
pub(super) struct Board {
    begun: u64,
    flying: bool,
    last: Option<Ending>,
    waiters: Waiters,
}

/// Wakers at reusable places.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    round: u64,
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// A place among the waiters, until all of them are taken.
#[derive(Debug)]
pub(super) struct Place {
    round: u64,
    index: usize,
}

/// Waits for one flight to end.
#[derive(Debug)]
pub(crate) struct Join {
    cell: Arc<Cell>,
    flight: u64,
    lineage: u64,
    place: Option<Place>,
}

// === impl Board ===

impl Board {
    pub(super) fn is_flying(&self) -> bool {
        self.flying
    }

    /// Begins the next flight; the caller has seen that none is under way.
    pub(super) fn begin(&mut self) -> u64 {
        debug_assert!(!self.flying, "one flight at a time");
        self.begun += 1;
        self.flying = true;
        self.begun
    }

    /// The number of the flight that is under way, or was last.
    pub(super) fn flight(&self) -> u64 {
        self.begun
    }

    /// Ends the flight; the wakers are for the caller to wake, without the lock.
    pub(super) fn end(&mut self, ending: Ending) -> Vec<Waker> {
        self.flying = false;
        self.last = Some(ending);
        self.waiters.take()
    }

    /// Lets all who wait look again.
    pub(super) fn stir(&mut self) -> Vec<Waker> {
        self.waiters.take()
    }

    /// How `flight` ended. Of an older flight than the last it is only known that it has ended:
    /// whoever asks so late looks at the cell again in any case.
    fn ending_of(&self, flight: u64) -> Option<Ending> {
        if self.flying && self.begun == flight {
            return None;
        }
        match &self.last {
            Some(ending) if self.begun == flight => Some(ending.clone()),
            _ => Some(Ending::Superseded),
        }
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.waiters.places()
    }
}

// === impl Waiters ===

impl Waiters {
    /// Leaves `waker` at `place`, or at a new one. Gives the waker that was there, to be dropped
    /// without the lock.
    pub(super) fn register(&mut self, place: &mut Option<Place>, waker: &Waker) -> Option<Waker> {
        let round = self.round;
        let index = match place {
            Some(place) if place.round == round => place.index,
            _ => {
                let index = self.free.pop().unwrap_or(self.slots.len());
                if index == self.slots.len() {
                    self.slots.push(None);
                }
                *place = Some(Place { round, index });
                index
            }
        };
        match self.slots.get_mut(index)? {
            Some(known) if known.will_wake(waker) => None,
            slot => slot.replace(waker.clone()),
        }
    }

    /// Frees `place`. Gives the waker that was there, to be dropped without the lock.
    pub(super) fn release(&mut self, place: &Place) -> Option<Waker> {
        if place.round != self.round {
            return None;
        }
        self.free.push(place.index);
        self.slots.get_mut(place.index)?.take()
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.slots.len()
    }

    /// Takes all places.
    pub(super) fn take(&mut self) -> Vec<Waker> {
        self.round += 1;
        self.free.clear();
        std::mem::take(&mut self.slots)
            .into_iter()
            .flatten()
            .collect()
    }
}

// === impl Join ===

impl Join {
    pub(super) fn new(cell: &Arc<Cell>, state: &State) -> Self {
        Self {
            cell: Arc::clone(cell),
            flight: state.board.flight(),
            lineage: state.lineage,
            place: None,
        }
    }
}

impl Future for Join {
    type Output = Ending;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ending> {
        let this = self.get_mut();
        let mut state = this.cell.lock();
        if state.lineage != this.lineage {
            // A login came meanwhile, and its token may do.
            return Poll::Ready(Ending::Superseded);
        }
        if let Some(ending) = state.board.ending_of(this.flight) {
            return Poll::Ready(ending);
        }
        let old = state.board.waiters.register(&mut this.place, cx.waker());
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Join {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let waker = self.cell.lock().board.waiters.release(&place);
            drop(waker);
        }
    }
}
