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
        cell::{Floor, Look, Need, Ticket},
        test_util::ManualClock,
        token::Token,
    };

    const HERE: OriginIndex = OriginIndex::PEER;

    fn token(number: usize) -> Token {
        Token::new(format!("access-{number}")).with_lifetime(Duration::from_secs(3600))
    }

    fn cell(clock: &ManualClock) -> Cell {
        let cell = Cell::plain(clock, Arc::new(Floor::new()));
        cell.adopt(token(0)).unwrap();
        cell
    }

    /// The exchange for a refusal of the current token by `origin`, if it is worth one.
    fn exchange(cell: &Arc<Cell>, origin: OriginIndex) -> Option<Box<Ticket>> {
        match cell.look(Need::NewerThan(cell.load().generation, origin)) {
            Look::Fly(ticket, _) => Some(ticket),
            _ => None,
        }
    }

    /// A cell whose first token was refused, and exchanged for that.
    fn exchanged_for_a_refusal() -> Arc<Cell> {
        let cell = Arc::new(cell(&ManualClock::new()));
        exchange(&cell, HERE).unwrap().land(Ok(token(1)));
        cell
    }

    #[test]
    fn who_took_the_old_token_says_nothing_of_the_one_that_came_for_a_refusal() {
        let cell = exchanged_for_a_refusal();
        let newer = cell.load().generation;
        // Requests that were under way with it.
        cell.accepted(Presented::new(Generation::new(newer.number() - 1), HERE));
        assert!(cell.awaits_judgement(Presented::new(newer, HERE)));
        assert!(exchange(&cell, HERE).is_none(), "it may refuse everything");
    }

    #[test]
    fn a_token_that_is_refused_again_or_comes_again_quiets_its_origin_and_an_old_one_does_not() {
        let verdicts: [fn(&Cell, Generation, OriginIndex); 2] = [Cell::not_cured, Cell::same_again];
        for verdict in verdicts {
            let is_worth_one_after = |older: u64| {
                let cell = exchanged_for_a_refusal();
                let newer = cell.load().generation;
                cell.accepted(Presented::new(newer, HERE));
                verdict(&cell, Generation::new(newer.number() - older), HERE);
                exchange(&cell, HERE).is_some()
            };
            assert!(!is_worth_one_after(0));
            assert!(is_worth_one_after(1));
        }
    }

    #[test]
    fn the_pause_of_an_origin_that_got_the_same_token_again_counts_from_then() {
        let clock = ManualClock::new();
        let cell = Arc::new(cell(&clock));
        exchange(&cell, HERE).unwrap().land(Ok(token(0)));
        clock.advance(Duration::from_secs(29));
        assert!(exchange(&cell, HERE).is_none());
        clock.advance(Duration::from_secs(1));
        assert!(exchange(&cell, HERE).is_some());
    }

    #[test]
    fn an_origin_that_is_left_alone_stays_so_when_another_has_had_the_session_logged_in_to() {
        let there = OriginIndex::peer(1);
        let cell = Arc::new(cell(&ManualClock::new()).with_login(true));
        cell.same_again(cell.load().generation, there);
        let mut ticket = exchange(&cell, HERE).unwrap();
        ticket.ask.logs_in = true;
        ticket.land(Ok(token(1)));
        assert!(exchange(&cell, there).is_none());
    }
}
