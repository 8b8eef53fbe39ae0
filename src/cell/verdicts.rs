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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        cell::{Floor, Look, Need},
        provider::Profile,
        test_util::ManualClock,
        token::Token,
    };

    const HERE: OriginIndex = OriginIndex::PEER;

    fn token(number: usize) -> Token {
        Token::new(format!("access-{number}")).with_lifetime(Duration::from_secs(3600))
    }

    /// A cell whose first token was refused, and exchanged for that.
    fn exchanged_for_a_refusal() -> Arc<Cell> {
        let profile = Profile::new("test").origins(["https://api.example.com"]);
        let cell = Arc::new(Cell::new(
            Arc::new(profile),
            Arc::new(ManualClock::new()),
            Arc::new(Floor::new()),
            Arc::default(),
            true,
            false,
        ));
        cell.adopt(token(0)).unwrap();
        match cell.look(Need::NewerThan(cell.load().generation, HERE)) {
            Look::Fly(ticket, _) => ticket.land(Ok(token(1))),
            other => panic!("{other:?}"),
        }
        cell
    }

    fn is_worth_an_exchange(cell: &Arc<Cell>) -> bool {
        let look = cell.look(Need::NewerThan(cell.load().generation, HERE));
        matches!(look, Look::Fly(..))
    }

    #[test]
    fn who_took_the_old_token_says_nothing_of_the_one_that_came_for_a_refusal() {
        let cell = exchanged_for_a_refusal();
        let newer = cell.load().generation;
        // Requests that were under way with it.
        cell.accepted(Generation::new(newer.number() - 1), HERE);
        assert!(cell.awaits_judgement(newer, HERE));
        assert!(!is_worth_an_exchange(&cell), "it may refuse everything");
    }

    #[test]
    fn a_token_that_is_refused_again_or_comes_again_quiets_its_origin_and_an_old_one_does_not() {
        let verdicts: [fn(&Cell, Generation, OriginIndex); 2] = [Cell::not_cured, Cell::same_again];
        for verdict in verdicts {
            let is_worth_one_after = |older: u64| {
                let cell = exchanged_for_a_refusal();
                let newer = cell.load().generation;
                cell.accepted(newer, HERE);
                verdict(&cell, Generation::new(newer.number() - older), HERE);
                is_worth_an_exchange(&cell)
            };
            assert!(!is_worth_one_after(0));
            assert!(is_worth_one_after(1));
        }
    }
}
