//! What the cell should do, said as plainly as it can be. No threads, no wakers, no snapshots.
//!
//! Where chance decides, the model knows the earliest and the latest moment, and allows both
//! answers in between. What refusals do to each other is for `refusals.rs` and its tests; here it
//! is known when an origin's refusal must count, and when it must not.

use std::collections::VecDeque;

use super::times::{Band, Grant, Held, SECOND, Time};
use crate::provider::FailureKind;

/// What is seen of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Login,
    ShutDown,
    Throttled,
    Misconfigured,
    Unknown,
    Transient,
}

/// What is seen of a look, and by a keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Use(u64),
    Join,
    Fly,
    Fail(Failure),
    Nothing,
}

/// What is seen by who waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Landed,
    Superseded,
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Need,
    Asked,
    Refused,
}

#[derive(Debug)]
struct Flight {
    lineage: u32,
    why: Why,
    origin: usize,
    dead: Time,
    began: Time,
    sent: Option<Time>,
}

#[derive(Debug)]
struct Pause {
    usual: Band,
    in_need: Band,
    asked_for: Time,
    failure: Failure,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) now: Time,
    pub(super) generation: u64,
    pub(super) failure: Option<Failure>,
    /// None where chance has decided.
    pub(super) login: Option<bool>,
    pub(super) overdue: bool,
    pub(super) shut_down: bool,
    held: Held,
    lineage: u32,
    flight: Option<Flight>,
    owed: bool,
    failures: u32,
    pause: Option<Pause>,
    refused: Option<u32>,
    spent: Option<(u32, Time)>,
    floor: Time,
    begun_for_refusals: VecDeque<Time>,
    /// Origins that an exchange may not have cured.
    quieted: [bool; 2],
    brought: Option<(usize, u64, Time)>,
}

// === impl Model ===

impl Model {
    pub(super) fn new() -> Self {
        Self {
            now: 0,
            generation: 0,
            failure: None,
            login: Some(false),
            overdue: false,
            shut_down: false,
            held: Held {
                access: None,
                refresh: None,
                due: Band(0, 0),
                dead: 0,
            },
            lineage: 0,
            flight: None,
            owed: false,
            failures: 0,
            pause: None,
            refused: None,
            spent: None,
            floor: 0,
            begun_for_refusals: VecDeque::new(),
            quieted: [false; 2],
            brought: None,
        }
    }

    pub(super) fn is_usable(&self) -> bool {
        self.held.access.is_some() && self.now < self.held.dead
    }

    pub(super) fn is_flying(&self) -> bool {
        self.flight.is_some()
    }

    pub(super) fn lineage(&self) -> u32 {
        self.lineage
    }

    /// All that a look may find. `refused` is a generation and who refused it.
    pub(super) fn look(&mut self, asked: bool, refused: Option<(u64, usize)>) -> Vec<Seen> {
        let newer = refused.is_none_or(|(generation, _)| self.generation > generation);
        if !asked && newer && self.is_usable() {
            return vec![Seen::Use(self.generation)];
        }
        if self.is_flying() {
            return vec![Seen::Join];
        }
        if self.shut_down {
            return vec![Seen::Fail(Failure::ShutDown)];
        }
        let current = refused.filter(|(generation, _)| *generation == self.generation);
        let mut seen = Vec::new();
        if let Some((_, origin)) = current {
            match self.is_worth_an_exchange(origin) {
                Some(true) => {}
                Some(false) => return vec![Seen::Fail(Failure::Transient)],
                None => seen.push(Seen::Fail(Failure::Transient)),
            }
        }
        let why = match (asked, current) {
            (true, _) => Why::Asked,
            (_, Some(_)) => Why::Refused,
            _ => Why::Need,
        };
        seen.extend(
            self.forbids(why)
                .into_iter()
                .map(|forbidden| match forbidden {
                    Some(failure) => Seen::Fail(failure),
                    None => Seen::Fly,
                }),
        );
        seen
    }

    /// All that a keeper, or a request beside which an exchange may begin, may find.
    pub(super) fn attend(&self) -> Vec<Seen> {
        if self.is_flying() || self.shut_down {
            return vec![Seen::Nothing];
        }
        let mut seen = Vec::new();
        if self.held.due.is_over(self.now) != Some(true) {
            seen.push(Seen::Nothing);
        }
        if self.held.due.is_over(self.now) != Some(false) {
            seen.extend(
                self.forbids(Why::Need)
                    .into_iter()
                    .map(|forbidden| forbidden.map_or(Seen::Fly, |_| Seen::Nothing)),
            );
        }
        seen
    }

    /// The look, or the keeper, has begun a flight.
    pub(super) fn begin(&mut self, why: Why, origin: usize) {
        if why == Why::Refused {
            self.begun_for_refusals.push_back(self.now);
            if self.begun_for_refusals.len() > 5 {
                self.begun_for_refusals.pop_front();
            }
        }
        self.flight = Some(Flight {
            lineage: self.lineage,
            why,
            origin,
            dead: if why == Why::Refused {
                0
            } else {
                self.held.dead
            },
            began: self.now,
            sent: None,
        });
    }

    pub(super) fn why(&self, asked: bool, refused: Option<(u64, usize)>) -> (Why, usize) {
        match refused {
            _ if asked => (Why::Asked, 0),
            Some((generation, origin)) if generation == self.generation => (Why::Refused, origin),
            _ => (Why::Need, 0),
        }
    }

    pub(super) fn send(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.sent = Some(self.now);
        }
    }

    pub(super) fn land(&mut self, grant: Grant) -> End {
        self.end(true, |model, flight| {
            let asked_at = flight.sent.unwrap_or(flight.began);
            let refresh = grant.refresh.or(model.held.refresh);
            let held = Held::new(Grant { refresh, ..grant }, asked_at, model.now);
            let was_usable = model.is_usable();
            let failures = std::mem::take(&mut model.failures);
            model.forget_failures();
            let dead = model.now >= held.dead;
            if dead && was_usable {
                model.held.refresh = refresh;
            } else {
                if held.access != model.held.access {
                    model.generation += 1;
                }
                model.held = held;
            }
            model.login = Some(false);
            if dead {
                model.failures = failures;
                let dead = if was_usable { flight.dead } else { 0 };
                model.pause_after(FailureKind::Transient, None, dead);
                return End::Failed(Failure::Transient);
            }
            End::Landed
        })
    }

    pub(super) fn fail(&mut self, kind: FailureKind, delay: Option<Time>) -> End {
        self.end(true, |model, flight| {
            let failure = Failure::of(kind);
            if kind == FailureKind::UnknownOutcome {
                model.lost(flight);
            }
            if kind == FailureKind::Refused && model.held.refresh.is_some() {
                model.refused = model.held.refresh;
            }
            if kind == FailureKind::Throttled {
                let pause = delay.unwrap_or(10 * SECOND).min(3_600 * SECOND);
                model.floor = model.floor.max(model.now + pause);
            }
            model.pause_after(kind, delay, flight.dead);
            End::Failed(failure)
        })
    }

    pub(super) fn die(&mut self) -> End {
        self.end(false, |model, flight| {
            if flight.sent.is_some() {
                model.lost(flight);
            }
            End::Failed(Failure::Unknown)
        })
    }

    pub(super) fn abandon(&mut self) -> End {
        self.end(false, |model, flight| {
            if flight.why == Why::Refused {
                model.begun_for_refusals.pop_back();
            }
            End::Superseded
        })
    }

    fn end(&mut self, answered: bool, end: impl FnOnce(&mut Self, &Flight) -> End) -> End {
        let flight = self.flight.take().expect("one is under way");
        self.owed |= answered || flight.sent.is_some();
        let (before, brought) = (self.generation, flight.why == Why::Refused);
        let ending = match flight.lineage == self.lineage {
            true => end(self, &flight),
            false => End::Superseded,
        };
        match ending {
            End::Landed => self.failure = None,
            End::Failed(failure) => self.failure = Some(failure),
            End::Superseded => {}
        }
        if ending == End::Landed && brought && self.generation > before {
            self.brought = Some((flight.origin, self.generation, self.now));
        }
        let forbidden = self.forbids(Why::Need);
        match forbidden.contains(&Some(Failure::Login)) {
            true if forbidden.len() == 1 => self.login = Some(true),
            true => self.login = None,
            false => {}
        }
        ending
    }

    /// A new login.
    pub(super) fn replace(&mut self, grant: Grant) {
        self.lineage += 1;
        if grant.access.is_some() && grant.access != self.held.access {
            self.generation += 1;
        }
        self.held = Held::new(grant, self.now, self.now);
        self.failures = 0;
        self.forget_failures();
        self.failure = None;
        self.login = Some(false);
        self.begun_for_refusals.clear();
        self.quieted = [false; 2];
        self.brought = None;
    }

    /// The current token was taken.
    pub(super) fn accepted(&mut self, origin: usize) {
        self.brought = self
            .brought
            .filter(|(by, generation, _)| (*by, *generation) != (origin, self.generation));
    }

    /// Says whether there was something to pay.
    pub(super) fn settle(&mut self, works: bool) -> bool {
        let owed = self.owed;
        if owed {
            self.overdue = !works;
            self.owed = !works;
        }
        owed
    }

    fn forget_failures(&mut self) {
        self.pause = None;
        self.refused = None;
        self.spent = None;
    }

    /// None where it depends on what is known of that origin's earlier refusals.
    fn is_worth_an_exchange(&mut self, origin: usize) -> Option<bool> {
        if let Some((by, generation, at)) = self.brought
            && (by, generation) == (origin, self.generation)
        {
            self.brought = None;
            if self.now < at + 300 * SECOND {
                self.quieted[origin] = true;
                return Some(false);
            }
        }
        let recent = &self.begun_for_refusals;
        if recent.len() == 5 && self.now < recent[0] + 30 * SECOND {
            return Some(false);
        }
        (!self.quieted[origin]).then_some(true)
    }

    /// All that may forbid an exchange now; none is that nothing does.
    fn forbids(&self, why: Why) -> Vec<Option<Failure>> {
        let refresh = self.held.refresh;
        if refresh.is_some() && self.refused == refresh {
            return vec![Some(Failure::Login)];
        }
        let dead = if why == Why::Refused {
            0
        } else {
            self.held.dead
        };
        if let (Some(refresh), Some((spent, deadline))) = (refresh, self.spent)
            && refresh == spent
            && self.now < dead.max(deadline)
        {
            return vec![Some(Failure::Unknown)];
        }
        let floor = (self.now < self.floor).then_some(Failure::Throttled);
        let Some(pause) = &self.pause else {
            return vec![floor];
        };
        let band = match why {
            Why::Asked => Band(pause.asked_for, pause.asked_for),
            Why::Refused => pause.in_need,
            Why::Need => pause.usual,
        };
        match band.is_over(self.now) {
            Some(true) => vec![floor],
            Some(false) => vec![Some(pause.failure)],
            None => vec![floor, Some(pause.failure)],
        }
    }

    fn lost(&mut self, flight: &Flight) {
        if let Some(refresh) = self.held.refresh {
            let sent = flight.sent.unwrap_or(flight.began);
            self.spent = Some((refresh, sent + 10 * SECOND));
        }
    }

    fn pause_after(&mut self, kind: FailureKind, delay: Option<Time>, dead: Time) {
        let (usual, in_need) = match kind {
            FailureKind::Refused | FailureKind::Misconfigured => {
                let probe = Band(300 * SECOND, 900 * SECOND);
                (probe, probe)
            }
            _ if self.now >= dead => {
                self.failures += 1;
                let pause = Band::without_token(self.failures);
                (pause, pause)
            }
            _ => {
                let quarter = (dead - self.now) / 4;
                let at_most = |time: Time| time.min(quarter).max(20);
                let usual = Band(at_most(300 * SECOND), at_most(600 * SECOND));
                let hurried = Band::without_token(self.failures);
                (usual, Band(hurried.0.min(usual.0), hurried.1.min(usual.1)))
            }
        };
        let delay = delay.map(|delay| delay.min(3_600 * SECOND));
        let at_least = delay.unwrap_or(0);
        self.pause = Some(Pause {
            usual: usual.at_least(at_least).from(self.now),
            in_need: in_need.at_least(at_least).from(self.now),
            asked_for: delay.map_or(0, |delay| self.now + delay),
            failure: Failure::of(kind),
        });
    }
}

// === impl Failure ===

impl Failure {
    pub(super) fn of(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Transient => Self::Transient,
            FailureKind::Throttled => Self::Throttled,
            FailureKind::Refused => Self::Login,
            FailureKind::Misconfigured => Self::Misconfigured,
            FailureKind::UnknownOutcome => Self::Unknown,
        }
    }
}
