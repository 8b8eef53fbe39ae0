//! The keeper's task: what it does while it runs, and what its end is to the sessions.

use super::Keeper;
use crate::{
    cell::{schedule, sync::lock},
    clock::Moment,
};

/// Held by the running task; its end is the keeper's.
pub(super) struct Running {
    keeper: Keeper,
    /// It has said itself that it ends: from then on another may be running.
    over: bool,
}

// === impl Running ===

impl Running {
    pub(super) fn new(keeper: Keeper) -> Self {
        Self {
            keeper,
            over: false,
        }
    }

    pub(super) async fn run(mut self) {
        while self.goes_on() {
            let next = self.look_after_all();
            let pause = next.remaining(self.keeper.clock.now());
            let pause = pause.min(schedule::LOOK_AT_LEAST_EVERY);
            self.keeper.pause(pause).await;
        }
    }

    /// Forgets sessions that are gone. Without any left, the keeper is no longer running: said
    /// under the same lock, so that a session that comes now starts it anew.
    pub(super) fn goes_on(&mut self) -> bool {
        let mut list = lock(&self.keeper.list);
        list.forget_dead();
        self.over = list.sessions.is_empty();
        list.running = !self.over;
        list.running
    }

    /// Looks after whoever needs it, and says when the next one will.
    fn look_after_all(&self) -> Moment {
        let now = self.keeper.clock.now();
        let mut next = Moment::NEVER;
        for session in self.keeper.live_sessions() {
            if session.cell().keep_alive_at().reached(now) {
                session.attend();
            }
            next = next.earliest(session.cell().keep_alive_at());
        }
        next
    }

    pub(super) fn tell_sessions(&self, has_keeper: bool) {
        for session in self.keeper.live_sessions() {
            session.cell().set_has_keeper(has_keeper);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        lock(&self.keeper.list).running = false;
        self.tell_sessions(false);
    }
}
