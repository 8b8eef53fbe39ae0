//! What a session that nobody calls has to do with its [keeper](super::keeper).

use std::sync::Arc;

use super::Cell;
use crate::{clock::Moment, provider::Reason};

// === impl Cell ===

impl Cell {
    /// When the keeper has to look at this session again.
    pub(crate) fn keep_alive_at(&self) -> Moment {
        let now = self.clock.now();
        let state = self.lock();
        let snapshot = Arc::clone(&self.snapshot.load());
        let keep_alive = snapshot.plan.keep_alive;
        if !self.keeps_idle_alive || state.board.is_flying() || state.shut_down {
            return Moment::NEVER;
        }
        if !keep_alive.reached(now) {
            return keep_alive;
        }
        let ask = self.ask(Reason::KeepAlive, &snapshot, now);
        self.forbids(&state, &ask, now).map_or(now, |(_, at)| at)
    }

    /// Whether this session needs a keeper to stay alive while it is idle.
    pub(crate) fn wants_keeper(&self) -> bool {
        self.keeps_idle_alive && self.snapshot.load().plan.keep_alive != Moment::NEVER
    }

    /// Notes whether a keeper watches over this session; without one, the next request looks for
    /// it.
    pub(crate) fn set_has_keeper(&self, has_keeper: bool) {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.has_keeper != has_keeper {
            state.has_keeper = has_keeper;
            let snapshot = Arc::clone(&self.snapshot.load());
            self.postpone(&snapshot, self.next_attempt(&state, &snapshot, now));
        }
    }
}
