//! When a refused token is worth an exchange.
//!
//! A token can die before its time, and then one exchange cures it. But an endpoint can also refuse
//! every token there is, and asking the vendor each time would help nobody and may get the client
//! throttled. So a refusal that an exchange did not cure quiets *its origin* for a while, and a
//! session makes no more than a few such exchanges in a short time.

use std::{collections::VecDeque, time::Duration};

use super::Generation;
use crate::{clock::Moment, provider::OriginIndex};

/// What is known about the refusals of one session.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    recent: VecDeque<Moment>,
    quiet: Vec<Quiet>,
    brought: Option<Brought>,
}

/// What the last exchange for a refusal brought.
#[derive(Debug)]
struct Brought {
    origin: OriginIndex,
    generation: Generation,
    at: Moment,
    /// It was taken or refused since: it says nothing about a refusal that is still to come.
    judged: bool,
}

/// An origin whose refusals were not cured. One entry an origin, so there are never more of them
/// than declared origins and peers without a name, which are bounded as well.
#[derive(Debug)]
struct Quiet {
    origin: OriginIndex,
    generation: Generation,
    pause: Duration,
    until: Moment,
}

// === impl Refusals ===

impl Refusals {
    /// Whether a refusal of `generation`, the current one, by `origin` is worth an exchange now.
    ///
    /// A refusal of what an exchange brought a little while ago is not: that is how an endpoint
    /// that refuses everything is told, where requests are not replayed, from a token that died.
    pub(super) fn worth_an_exchange(
        &mut self,
        origin: OriginIndex,
        generation: Generation,
        now: Moment,
    ) -> bool {
        let brought = self.brought.as_mut().filter(|brought| {
            brought.origin == origin && brought.generation == generation && !brought.judged
        });
        if let Some(brought) = brought {
            brought.judged = true;
            if !brought.at.after(QUIET_TO).reached(now) {
                self.not_cured(origin, generation, now);
            }
        }
        self.is_open(origin, generation, now)
    }

    fn is_open(&self, origin: OriginIndex, generation: Generation, now: Moment) -> bool {
        let quiet = self.quiet.iter().any(|quiet| {
            quiet.origin == origin && quiet.generation == generation && !quiet.until.reached(now)
        });
        let crowded = self.recent.len() >= EXCHANGES_AT_MOST
            && self
                .recent
                .front()
                .is_some_and(|first| !first.after(EXCHANGES_WITHIN).reached(now));
        !quiet && !crowded
    }

    /// Notes that an exchange begins for a refusal.
    pub(super) fn exchange_began(&mut self, now: Moment) {
        if self.recent.len() >= EXCHANGES_AT_MOST {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
    }

    /// Takes back that an exchange began for a refusal.
    pub(super) fn exchange_did_not_begin(&mut self) {
        self.recent.pop_back();
    }

    /// Notes that an exchange for the refusal of `refused` by `origin` brought `generation`.
    ///
    /// Other origins that are left alone with the refused one stay so with the new one: two that
    /// refuse everything would else give each other a reason, in turn and without end.
    pub(super) fn exchange_brought(
        &mut self,
        origin: OriginIndex,
        refused: Generation,
        generation: Generation,
        now: Moment,
    ) {
        for quiet in &mut self.quiet {
            let elsewhere = quiet.origin != origin && quiet.generation == refused;
            if elsewhere && !quiet.until.reached(now) {
                quiet.generation = generation;
            }
        }
        self.brought = Some(Brought {
            origin,
            generation,
            at: now,
            judged: false,
        });
    }

    /// Notes that `origin` refuses `generation`, which a request was sent again with. Only if it
    /// was an exchange for a refusal that brought it has a cure been tried: a request sent before
    /// a due exchange meets its refusal after it, and then is the first to find the token dead.
    pub(super) fn refused_again(
        &mut self,
        origin: OriginIndex,
        generation: Generation,
        now: Moment,
    ) {
        let brought = self.brought.as_ref();
        if brought.is_some_and(|brought| brought.generation == generation) {
            self.not_cured(origin, generation, now);
        }
    }

    /// Notes that `origin` refuses `generation` although an exchange has just tried to cure it:
    /// the new token was refused too, or it was the same one again.
    pub(super) fn not_cured(&mut self, origin: OriginIndex, generation: Generation, now: Moment) {
        let Some(quiet) = self.quiet.iter_mut().find(|quiet| quiet.origin == origin) else {
            self.quiet.push(Quiet {
                origin,
                generation,
                pause: QUIET_FROM,
                until: now.after(QUIET_FROM),
            });
            return;
        };
        // Requests that were under way together are refused together: they count once.
        if quiet.generation == generation && !quiet.until.reached(now) {
            return;
        }
        quiet.generation = generation;
        quiet.pause = quiet.pause.saturating_mul(2).min(QUIET_TO);
        quiet.until = now.after(quiet.pause);
    }

    /// Notes that `origin` took `generation`, which a request was sent again with.
    ///
    /// That ends a pause which began with an older one. A pause that is about this very generation
    /// stands: one endpoint takes what another refuses, and asking the vendor helps neither.
    pub(super) fn cured(&mut self, origin: OriginIndex, generation: Generation) {
        self.quiet
            .retain(|quiet| quiet.origin != origin || quiet.generation == generation);
        if let Some(brought) = &mut self.brought {
            brought.judged |= brought.origin == origin;
        }
    }
}

const EXCHANGES_AT_MOST: usize = 5;
const EXCHANGES_WITHIN: Duration = Duration::from_secs(30);
const QUIET_FROM: Duration = Duration::from_secs(30);
const QUIET_TO: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::new(Duration::from_secs(100), Duration::from_secs(100));
    const HERE: OriginIndex = OriginIndex::PEER;

    fn generation(number: u64) -> Generation {
        Generation::new(number)
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_uncured_origin_is_quiet_for_thirty_seconds_and_then_twice_as_long_up_to_five_minutes() {
        let mut refusals = Refusals::default();
        let mut now = NOW;
        for (number, pause) in (1..).zip([30, 60, 120, 240, 300, 300]) {
            let current = generation(number);
            refusals.not_cured(HERE, current, now);
            assert!(
                !refusals.worth_an_exchange(HERE, current, now.after(secs(pause - 1))),
                "{pause}"
            );
            now = now.after(secs(pause));
            assert!(refusals.worth_an_exchange(HERE, current, now), "{pause}");
        }
    }

    #[test]
    fn refusals_that_were_under_way_together_count_once() {
        let mut refusals = Refusals::default();
        for _ in 0..100 {
            refusals.not_cured(HERE, generation(2), NOW);
        }
        assert!(refusals.worth_an_exchange(HERE, generation(2), NOW.after(secs(30))));
    }

    #[test]
    fn quiet_is_for_one_generation_until_it_is_cured() {
        let mut refusals = Refusals::default();
        refusals.not_cured(HERE, generation(2), NOW);
        assert!(refusals.worth_an_exchange(HERE, generation(3), NOW));
        refusals.cured(HERE, generation(2));
        assert!(!refusals.worth_an_exchange(HERE, generation(2), NOW));
        refusals.cured(HERE, generation(3));
        assert!(refusals.worth_an_exchange(HERE, generation(2), NOW));
    }

    #[test]
    fn what_an_exchange_just_brought_is_not_worth_another() {
        let mut refusals = Refusals::default();
        refusals.exchange_brought(HERE, generation(1), generation(2), NOW);
        assert!(!refusals.worth_an_exchange(HERE, generation(2), NOW.after(secs(1))));
        assert!(refusals.worth_an_exchange(HERE, generation(2), NOW.after(secs(31))));
        refusals.exchange_brought(HERE, generation(2), generation(3), NOW);
        assert!(
            refusals.worth_an_exchange(HERE, generation(3), NOW.after(secs(300))),
            "long ago"
        );
        refusals.exchange_brought(HERE, generation(3), generation(4), NOW);
        refusals.cured(HERE, generation(4));
        assert!(
            refusals.worth_an_exchange(HERE, generation(4), NOW.after(secs(1))),
            "it was good"
        );
    }

    #[test]
    fn five_exchanges_in_thirty_seconds_are_enough() {
        let mut refusals = Refusals::default();
        for second in 0..5 {
            let now = NOW.after(secs(second));
            assert!(refusals.worth_an_exchange(HERE, generation(second), now));
            refusals.exchange_began(now);
        }
        assert!(!refusals.worth_an_exchange(HERE, generation(9), NOW.after(secs(29))));
        assert!(refusals.worth_an_exchange(HERE, generation(9), NOW.after(secs(30))));
    }
}
