//! What servers say of a token that a request was sent again with.

use std::sync::atomic::Ordering::Relaxed;

use super::{Cell, Generation, Presented};
use crate::provider::OriginIndex;

// === impl Cell ===

impl Cell {
    /// Notes that a token, which a request was sent again with, was taken where it was `presented`.
    pub(crate) fn cured(&self, presented: Presented) {
        let mut state = self.lock();
        let (generation, origin) = (presented.generation(), presented.origin());
        state.refusals.cured(origin, generation);
        if self.awaits_judgement(presented) {
            self.unjudged.store(Presented::NONE.as_u64(), Relaxed);
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
