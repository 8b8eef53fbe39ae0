//! The protocol of `store::stored` as a small state model, explored exhaustively.
//!
//! Three processes share one session. Each looks and adopts; or it takes the lease, reads, adopts,
//! writes its intent, asks the vendor, saves and releases, as `Turn` does. Between any two steps any
//! other may take as many of its own as it likes, which is what a pause is. Any of them may crash at
//! any point, and start again knowing nothing. Any message may be lost on its way to the vendor or
//! back, and any acknowledgement of the store may be. Leases and intents run out whenever they like.
//!
//! The vendor is strict: a refresh token spent twice is counted. What must hold in every state that
//! can be reached:
//!
//! - A token is spent a second time only under the rule: by somebody who found an open intent whose
//!   deadline had passed.
//! - A token is used only if it is saved, or is kept by who uses it, to be saved.
//! - The store's revision never goes back, and a newer revision is never written over.
//! - While anybody lives, or the store is whole, the newest token that arrived is not lost.
//!
//! And of the whole: the ways out of the rules that are meant to exist are reached, so that the
//! model is not empty of what it is about.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

use std::collections::{HashSet, VecDeque};

const HOLDERS: usize = 3;
/// Exchanges that the vendor grants in one run.
const ROTATIONS: u8 = 2;

/// How much goes wrong in one run.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    crashes: u8,
    losses: u8,
}

/// Where a process is in its turn. Named as in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum At {
    /// Not in a turn; it uses the token of this revision.
    Idle,
    /// `look`: `Desk::read` has answered, without a lease.
    Looked { revision: u8 },
    /// `take_lease` has answered.
    UnderLease,
    /// `Desk::read` has answered: the record was this one.
    Judged {
        revision: u8,
        open: Option<u8>,
        over: bool,
    },
    /// `writes_intent` has landed, under this number.
    Intended { revision: u8, intent: u8 },
    /// `ask`: the request is under way.
    Asked { revision: u8, intent: u8 },
    /// `conclude`: the reply is there, nothing is saved.
    Concluded { revision: u8 },
    /// `save` is done, or could not be done: `release_lease` is next.
    Saved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Holder {
    at: At,
    /// The newest revision that it knows; what `Seat::newest` holds.
    newest: Option<u8>,
    /// The store may lack it: `Seat::unsaved`, with the revision that was there.
    unsaved: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    revision: u8,
    intent: Option<u8>,
    /// The intent's deadline has passed.
    intent_over: bool,
    lease: Option<u8>,
    holders: [Holder; HOLDERS],
    intents: u8,
    /// The refresh token that the vendor takes: that of this revision.
    good: u8,
    /// Somebody went by the rule for a lost reply at this revision: then whoever was taken for dead
    /// may still come second.
    by_rule: [bool; 2 * ROTATIONS as usize],
    /// The vendor has ended the session.
    ended: bool,
    /// That may still happen.
    crashes: u8,
    losses: u8,
}

/// What a step did, for the invariants that are about steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Did {
    Nothing,
    /// Spent a token that had been spent; under the rule or not.
    SpentTwice {
        by_rule: bool,
    },
    /// Published a token of this revision.
    Published {
        saved: bool,
        kept: bool,
    },
    Crashed {
        lost: bool,
    },
    LandedLate,
    Superseded,
    TookBack,
    Healed,
}

/// A rule of the protocol that can be left out, to see that the model notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    Intent,
    CompareOnSave,
    SaveBeforePublish,
    WaitingForIntents,
}

// === impl At ===

impl At {
    fn without_intent(self) -> Self {
        match self {
            At::Judged {
                revision,
                open,
                over,
            } => At::Judged {
                revision,
                open: open.map(|_| 0),
                over,
            },
            At::Intended { revision, .. } => At::Intended {
                revision,
                intent: 0,
            },
            At::Asked { revision, .. } => At::Asked {
                revision,
                intent: 0,
            },
            other => other,
        }
    }
}

// === impl State ===

impl State {
    fn start(bounds: Bounds) -> Self {
        let holder = Holder {
            at: At::Idle,
            newest: Some(0),
            unsaved: None,
        };
        Self {
            revision: 0,
            intent: None,
            intent_over: false,
            lease: None,
            holders: [holder; HOLDERS],
            intents: 0,
            good: 0,
            by_rule: [false; 2 * ROTATIONS as usize],
            ended: false,
            crashes: bounds.crashes,
            losses: bounds.losses,
        }
    }

    /// The same state with the processes in some order, and the intents numbered in it: which of
    /// them is which makes no difference.
    fn canonical(mut self) -> Self {
        let mut order = [0, 1, 2];
        order.sort_by_key(|who| {
            let holder = self.holders[*who];
            let leases = self.lease == Some(*who as u8);
            (
                holder.at.without_intent(),
                holder.newest,
                holder.unsaved,
                leases,
            )
        });
        self.holders = order.map(|who| self.holders[who]);
        let place = |old: u8| order.iter().position(|who| *who == usize::from(old));
        self.lease = self.lease.and_then(place).map(|who| who as u8);
        let mut names = Vec::new();
        let mut rename = |old: u8| {
            let known = names.iter().position(|name| *name == old);
            let index = known.unwrap_or_else(|| {
                names.push(old);
                names.len() - 1
            });
            index as u8 + 1
        };
        self.intent = self.intent.map(&mut rename);
        for holder in &mut self.holders {
            match &mut holder.at {
                At::Judged { open, .. } => *open = open.map(&mut rename),
                At::Intended { intent, .. } | At::Asked { intent, .. } => *intent = rename(*intent),
                _ => {}
            }
        }
        self.intents = names.len() as u8;
        self
    }

    /// Everything that may happen next.
    fn steps(&self, without: Without) -> Vec<(&'static str, Did, State)> {
        let mut steps = Vec::new();
        if self.lease.is_some() {
            let mut next = *self;
            next.lease = None;
            steps.push(("lease runs out", Did::Nothing, next));
        }
        if self.intent.is_some() && !self.intent_over {
            let mut next = *self;
            next.intent_over = true;
            steps.push(("intent runs out", Did::Nothing, next));
        }
        for who in 0..HOLDERS {
            self.steps_of(who, without, &mut steps);
        }
        steps
    }

    fn steps_of(&self, who: usize, without: Without, steps: &mut Vec<(&'static str, Did, State)>) {
        let holder = self.holders[who];
        let mut add = |name, did, at: At, change: &dyn Fn(&mut State)| {
            let mut next = *self;
            next.holders[who].at = at;
            change(&mut next);
            steps.push((name, did, next));
        };
        if self.crashes > 0 {
            let knew = holder.unsaved.is_some() || matches!(holder.at, At::Concluded { .. });
            add("crash", Did::Crashed { lost: knew }, At::Idle, &|next| {
                next.crashes -= 1;
                next.holders[who].newest = None;
                next.holders[who].unsaved = None;
            });
        }
        match holder.at {
            At::Idle => {
                let looked = At::Looked {
                    revision: self.revision,
                };
                add("look", Did::Nothing, looked, &|_| {});
                // Settling: what is unsaved is saved, whoever has the lease.
                if let Some(stored) = holder.unsaved {
                    self.save(who, stored, without, At::Idle, steps);
                }
                if self.lease.is_none() && self.good < ROTATIONS && !self.ended {
                    let mut next = *self;
                    next.holders[who].at = At::UnderLease;
                    next.lease = Some(who as u8);
                    steps.push(("take_lease", Did::Nothing, next));
                }
            }
            At::Looked { revision } => self.looked(who, revision, without, steps),
            At::UnderLease => self.read(who, without, steps),
            At::Judged {
                revision,
                open,
                over,
            } => {
                let by_rule = open.is_some() && over;
                if without == Without::Intent {
                    let asked = At::Asked {
                        revision,
                        intent: 0,
                    };
                    add("ask", Did::Nothing, asked, &|_| {});
                    return;
                }
                if self.revision != revision || self.intent != open {
                    add(
                        "writes_intent: conflict",
                        Did::Nothing,
                        At::UnderLease,
                        &|_| {},
                    );
                    return;
                }
                let intent = self.intents + 1;
                let write = |next: &mut State| {
                    next.intents += 1;
                    next.intent = Some(intent);
                    next.intent_over = false;
                    if by_rule {
                        next.by_rule[usize::from(revision)] = true;
                    }
                };
                let intended = At::Intended { revision, intent };
                add("writes_intent", Did::Nothing, intended, &write);
            }
            At::Intended { revision, intent } => {
                let asked = At::Asked { revision, intent };
                // Too late already: it is taken back. What follows may be late all the same.
                if self.intent == Some(intent) && self.intent_over {
                    let back = |next: &mut State| next.intent = None;
                    add(
                        "writes_intent: took too long",
                        Did::TookBack,
                        At::Saved,
                        &back,
                    );
                } else {
                    add("ask", Did::Nothing, asked, &|_| {});
                }
            }
            At::Asked { revision, intent } => {
                self.answer(who, (revision, intent), steps);
            }
            At::Concluded { revision } => self.save(who, revision, without, At::Saved, steps),
            At::Saved => {
                let kept = holder.unsaved.is_some();
                let saved = holder.newest.is_some_and(|newest| newest <= self.revision);
                add(
                    "release_lease",
                    Did::Published { saved, kept },
                    At::Idle,
                    &|next| {
                        if next.lease == Some(who as u8) {
                            next.lease = None;
                        }
                    },
                );
            }
        }
    }

    /// What a look without a lease does: it adopts, or does nothing. What else there is to do goes on
    /// from `Idle`, with the lease.
    fn looked(
        &self,
        who: usize,
        revision: u8,
        without: Without,
        steps: &mut Vec<(&'static str, Did, State)>,
    ) {
        let holder = self.holders[who];
        let mut next = *self;
        next.holders[who].at = At::Idle;
        if holder.newest > Some(revision) {
            steps.push(("look: Meeting::Lost", Did::Nothing, next));
        } else {
            next.holders[who].newest = Some(revision);
            next.holders[who].unsaved = None;
            let saved = revision <= self.revision;
            let adopted = Did::Published { saved, kept: false };
            steps.push(("look: Verdict::Adopt", adopted, next));
        }
        // Meanwhile what is unsaved is saved.
        if let Some(stored) = holder.unsaved {
            self.save(who, stored, without, holder.at, steps);
        }
    }

    /// `Desk::read` and `Case::verdict`.
    fn read(&self, who: usize, without: Without, steps: &mut Vec<(&'static str, Did, State)>) {
        let holder = self.holders[who];
        let mut next = *self;
        if holder.newest > Some(self.revision) {
            // `Meeting::Lost`: it is written back.
            next.revision = holder.newest.unwrap();
            next.intent = None;
            next.holders[who].unsaved = None;
            steps.push(("heal", Did::Healed, next));
            return;
        }
        next.holders[who].newest = Some(self.revision);
        next.holders[who].unsaved = None;
        if holder.newest != Some(self.revision) {
            next.holders[who].at = At::Saved;
            steps.push(("Verdict::Adopt", Did::Nothing, next));
            // Or its access token is dead, and it goes on from there.
        }
        let waits = self.intent.is_some() && !self.intent_over;
        if waits && without != Without::WaitingForIntents {
            next.holders[who].at = At::Saved;
            steps.push(("Verdict::Wait", Did::Nothing, next));
            return;
        }
        next.holders[who].at = At::Judged {
            revision: self.revision,
            open: self.intent,
            over: self.intent_over,
        };
        steps.push(("Verdict::Spend", Did::Nothing, next));
    }

    /// The vendor, and the way there and back.
    fn answer(
        &self,
        who: usize,
        (revision, intent): (u8, u8),
        steps: &mut Vec<(&'static str, Did, State)>,
    ) {
        let twice = revision < self.good;
        let spent = match twice {
            true => Did::SpentTwice {
                by_rule: self.by_rule[usize::from(revision)],
            },
            false => Did::Nothing,
        };
        let mut processed = *self;
        match twice {
            true => processed.ended = true,
            false => processed.good = revision + 1,
        }
        // The reply comes, or the refusal does.
        let mut next = processed;
        next.holders[who].at = match twice {
            true => At::Saved,
            false => At::Concluded { revision },
        };
        if !twice {
            next.holders[who].newest = Some(revision + 1);
            next.holders[who].unsaved = Some(revision);
        }
        steps.push(("vendor answers", spent, next));
        if self.losses == 0 {
            return;
        }
        processed.losses -= 1;
        processed.holders[who].at = At::Saved;
        steps.push(("the reply is lost", spent, processed));
        // The request never left, and that is known: the intent is taken back.
        let mut next = *self;
        next.losses -= 1;
        next.holders[who].at = At::Saved;
        if next.revision == revision && next.intent == Some(intent) {
            next.intent = None;
        }
        steps.push(("take_note: nothing was sent", Did::TookBack, next));
        // The request is lost, and nobody knows: the intent stays.
        let mut next = *self;
        next.losses -= 1;
        next.holders[who].at = At::Saved;
        steps.push(("the request is lost", Did::Nothing, next));
    }

    /// `owed::save`.
    fn save(
        &self,
        who: usize,
        stored: u8,
        without: Without,
        then: At,
        steps: &mut Vec<(&'static str, Did, State)>,
    ) {
        let newest = self.holders[who].newest.unwrap();
        let mut landed = *self;
        landed.holders[who].at = then;
        landed.holders[who].unsaved = None;
        if self.revision == stored || (without == Without::CompareOnSave) {
            landed.revision = newest;
            let late = self.lease != Some(who as u8) || self.intent.is_none() || self.intent_over;
            landed.intent = None;
            let did = if late { Did::LandedLate } else { Did::Nothing };
            steps.push(("save", did, landed));
            // It landed, and nobody said so.
            if self.losses > 0 {
                let mut unheard = landed;
                unheard.losses -= 1;
                unheard.holders[who].unsaved = Some(stored);
                steps.push(("save without a word", Did::Nothing, unheard));
            }
        } else if self.revision >= newest {
            landed.holders[who].newest = Some(self.revision);
            steps.push(("save: superseded", Did::Superseded, landed));
        } else {
            landed.holders[who].unsaved = Some(self.revision);
            steps.push(("save: expect another", Did::Nothing, landed));
        }
        if self.losses > 0 {
            // The store cannot be reached: kept, and used all the same.
            let mut next = *self;
            next.losses -= 1;
            next.holders[who].at = then;
            if without == Without::SaveBeforePublish {
                next.holders[who].unsaved = None;
            }
            steps.push(("the save is lost", Did::Nothing, next));
        }
    }
}

/// What was seen on the way.
#[derive(Debug, Default)]
struct Seen {
    states: usize,
    steps: usize,
    spent_twice_by_rule: usize,
    landed_late: usize,
    superseded: usize,
    took_back: usize,
    lost_in_a_crash: usize,
}

/// Visits every state that can be reached. Gives the first way to one that must not be.
fn explore(without: Without, bounds: Bounds) -> Result<Seen, String> {
    let start = State::start(bounds);
    let mut known = HashSet::from([start]);
    let mut ahead = VecDeque::from([start]);
    let mut seen = Seen::default();
    while let Some(state) = ahead.pop_front() {
        seen.states += 1;
        for (name, did, next) in state.steps(without) {
            seen.steps += 1;
            let broken = |rule: &str| Err(format!("{rule}: {name}\n{state:?}\n{next:?}"));
            if next.revision < state.revision {
                return broken("the store's revision goes back");
            }
            match did {
                Did::SpentTwice { by_rule: false } => return broken("spent twice"),
                Did::SpentTwice { by_rule: true } => seen.spent_twice_by_rule += 1,
                Did::Published {
                    saved: false,
                    kept: false,
                } => {
                    return broken("used, and neither saved nor kept");
                }
                Did::LandedLate => seen.landed_late += 1,
                Did::Superseded => seen.superseded += 1,
                Did::TookBack => seen.took_back += 1,
                Did::Crashed { lost: true } => seen.lost_in_a_crash += 1,
                _ => {}
            }
            let next = next.canonical();
            if known.insert(next) {
                ahead.push_back(next);
            }
        }
    }
    Ok(seen)
}

/// `TOWER_REAUTH_LONG=1` lets more go wrong at once.
fn bounds() -> Bounds {
    let at_once = if std::env::var_os("TOWER_REAUTH_LONG").is_some() {
        2
    } else {
        1
    };
    Bounds {
        crashes: at_once,
        losses: at_once,
    }
}

#[test]
fn store_model_no_interleaving_crash_or_loss_spends_a_token_twice_outside_the_rule() {
    let seen = explore(Without::Nothing, bounds()).unwrap_or_else(|way| panic!("{way}"));
    println!("{seen:?}");
    assert!(seen.states > 10_000, "{seen:?}");
    for (reached, what) in [
        (seen.spent_twice_by_rule, "second spends inside the rule"),
        (seen.landed_late, "a paused winner lands"),
        (seen.superseded, "a save that comes too late"),
        (seen.took_back, "an intent taken back"),
        (seen.lost_in_a_crash, "a crash between reply and save"),
    ] {
        assert!(reached > 0, "never reached: {what}");
    }
}

/// Reading again under the lease is not among them: without it, the intent's compare-and-set keeps a
/// token from being spent twice, and replicas make exchanges that nobody needs. That is for the
/// tests of the protocol to see.
#[test]
fn store_model_each_rule_of_the_protocol_is_needed() {
    let few = Bounds {
        crashes: 1,
        losses: 1,
    };
    for (without, broken) in [
        (Without::Intent, "spent twice"),
        (Without::CompareOnSave, "goes back"),
        (Without::SaveBeforePublish, "neither saved nor kept"),
        (Without::WaitingForIntents, "spent twice"),
    ] {
        match explore(without, few) {
            Ok(seen) => panic!("{without:?} is not needed: {seen:?}"),
            Err(way) => assert!(way.contains(broken), "{without:?}: {way}"),
        }
    }
}
