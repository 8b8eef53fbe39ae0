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
//! A [`Join`] leaves its waker in a slot. A flight's end takes all slots at once, so a slot is good
//! for one flight only; a `Join` knows the number of the flight that it waits for and touches its
//! slot only while that flight is under way. Dropping a `Join` frees its slot and changes nothing
//! else: nobody who waits owns the exchange.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::Cell;
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

/// Wakers in reusable slots.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// Waits for one flight to end.
#[derive(Debug)]
pub(crate) struct Join {
    cell: Arc<Cell>,
    flight: u64,
    slot: Option<usize>,
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

    fn is_under_way(&self, flight: u64) -> bool {
        self.flying && self.begun == flight
    }
}

// === impl Waiters ===

impl Waiters {
    /// Leaves `waker` in `slot`, or in a new slot.
    pub(super) fn register(&mut self, slot: &mut Option<usize>, waker: &Waker) {
        let index = match *slot {
            Some(index) => index,
            None => {
                let index = self.free.pop().unwrap_or(self.slots.len());
                if index == self.slots.len() {
                    self.slots.push(None);
                }
                *slot = Some(index);
                index
            }
        };
        if let Some(place) = self.slots.get_mut(index) {
            match place {
                Some(known) => known.clone_from(waker),
                None => *place = Some(waker.clone()),
            }
        }
    }

    pub(super) fn release(&mut self, index: usize) {
        if let Some(place) = self.slots.get_mut(index) {
            *place = None;
            self.free.push(index);
        }
    }

    /// Empties all slots.
    pub(super) fn take(&mut self) -> Vec<Waker> {
        self.free.clear();
        std::mem::take(&mut self.slots)
            .into_iter()
            .flatten()
            .collect()
    }
}

// === impl Join ===

impl Join {
    pub(super) fn new(cell: Arc<Cell>, flight: u64) -> Self {
        Self {
            cell,
            flight,
            slot: None,
        }
    }
}

impl Future for Join {
    type Output = Ending;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ending> {
        let this = self.get_mut();
        let mut state = this.cell.lock();
        if let Some(ending) = state.board.ending_of(this.flight) {
            // The end took the slots; ours is nobody's, or somebody else's, now.
            this.slot = None;
            return Poll::Ready(ending);
        }
        state.board.waiters.register(&mut this.slot, cx.waker());
        Poll::Pending
    }
}

impl Drop for Join {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let mut state = self.cell.lock();
            if state.board.is_under_way(self.flight) {
                state.board.waiters.release(slot);
            }
        }
    }
}
