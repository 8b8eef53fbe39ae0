//! What exchanges left owing, such as a record that could not be saved.
//!
//! Every exchange that began may leave something. One task at a time pays. While it holds a
//! [`Debt`], the cell counts as busy; a flight that ends meanwhile adds to the debt and leaves it to
//! that task. If the task dies, the debt stays, and the next flight's task pays it, or whoever shuts
//! the session down.

use super::{Cell, wake};
use crate::{observe::Event, provider::ProviderError};

/// The right, and the duty, to pay.
#[derive(Debug)]
pub(super) struct Debt<'a> {
    cell: &'a Cell,
    /// Nothing was left to pay. From then on somebody else may be paying the next debt.
    paid: bool,
}

// === impl Cell ===

impl Cell {
    /// Takes on the debt, unless somebody else has.
    pub(super) fn begin_settling(&self) -> Option<Debt<'_>> {
        let mut state = self.lock();
        if state.settling || !state.owed {
            return None;
        }
        state.settling = true;
        Some(Debt {
            cell: self,
            paid: false,
        })
    }
}

// === impl Debt ===

impl Debt<'_> {
    /// Whether there is something to pay; it counts as paid from here on. The last answer, no,
    /// ends the settling in the same step, so that a landing in between finds a payer.
    pub(super) fn is_owed(&mut self) -> bool {
        let mut state = self.cell.lock();
        let owed = std::mem::take(&mut state.owed);
        let mut watchers = None;
        if !owed {
            state.settling = false;
            self.paid = true;
            if std::mem::take(&mut state.overdue) {
                watchers = Some(state.watch.changed());
            }
        }
        drop(state);
        if let Some(watchers) = watchers {
            self.cell.observers.tell(Event::Saved);
            wake(watchers);
        }
        owed
    }

    /// Notes that the last payment failed.
    pub(super) fn still_owed(&self, error: &ProviderError) {
        let mut state = self.cell.lock();
        state.owed = true;
        let known = std::mem::replace(&mut state.overdue, true);
        let watchers = (!known).then(|| state.watch.changed());
        drop(state);
        if let Some(watchers) = watchers {
            self.cell.observers.tell(Event::Unsaved { error });
            wake(watchers);
        }
    }
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        let mut state = self.cell.lock();
        if !self.paid {
            // The task died between taking the debt and paying it.
            state.settling = false;
            state.owed = true;
        }
        let wakers = state.watch.stirred();
        drop(state);
        wake(wakers);
    }
}
