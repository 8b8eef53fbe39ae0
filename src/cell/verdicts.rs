//! What servers say of a token that a request was sent again with.

use std::sync::atomic::Ordering::Relaxed;

use super::{Cell, Generation, JUDGED};
use crate::provider::OriginIndex;

// === impl Cell ===

impl Cell {
    /// Notes that `origin` took `generation`, which a request was sent again with.
    pub(crate) fn cured(&self, generation: Generation, origin: OriginIndex) {
        let mut state = self.lock();
        state.refusals.cured(origin, generation);
        if self.awaits_judgement(generation, origin) {
            self.unjudged.store(JUDGED, Relaxed);
        }
    }

    /// Notes that `origin` refused `generation` as well, which a request was sent again with.
    pub(crate) fn not_cured(&self, generation: Generation, origin: OriginIndex) {
        let now = self.clock.now();
        let mut state = self.lock();
        if self.snapshot.load().generation == generation {
            state.refusals.refused_again(origin, generation, now);
        }
    }

    /// Notes that an exchange for a refusal gave `generation` again.
    pub(crate) fn same_again(&self, generation: Generation, origin: OriginIndex) {
        let now = self.clock.now();
        let mut state = self.lock();
        if self.snapshot.load().generation == generation {
            state.refusals.not_cured(origin, generation, now);
        }
    }
}
