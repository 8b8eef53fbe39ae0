//! The place where one session's token lives.
//!
//! # The picture
//!
//! ```text
//!   request ──load──▶ Snapshot (ArcSwap)             nothing due: that was all
//!      │
//!      └─attention reached──▶ State (Mutex) ──▶ use it / join the flight / begin one / fail
//!                                                  │
//!                            Ticket ◀──────────────┘   given to one task, which lands it
//! ```
//!
//! A request reads one [`Snapshot`] and compares one deadline, its *attention*. Only when that is
//! reached does anybody take the lock. All writes of the snapshot happen under the lock, so a
//! reader sees a whole snapshot and a writer never overwrites a newer one.
//!
//! # Collision
//!
//! Who finds no usable token looks under the lock: at the snapshot *again*, since another flight
//! may have landed in between; then at the [`Board`](flight): is one under way, join it; then at
//! the [`Ledger`](ledger): does an earlier failure forbid a new one, fail with that failure; and
//! only then begins a flight. A second look after joining settles what happened meanwhile. So there
//! is one exchange for any number of callers, and its failure is everybody's.
//!
//! # Cancellation
//!
//! The flight belongs to a [`Ticket`], which its task holds. Landing consumes it. If the task is
//! dropped instead, because its runtime is shut down or its provider panics, the ticket's `Drop`
//! ends the flight: waiters get a typed error, the refresh token is noted as possibly spent, and
//! the next caller may begin anew. Dropping a waiter frees its waker and nothing else.
//!
//! # What it knows
//!
//! No HTTP, no tokio, no provider: time comes from a [`Clock`], the exchange from whoever holds the
//! ticket. That leaves two locks (this cell's, and the [`Floor`](ledger::Floor) that the sessions
//! of a layer share, always taken in this order) and one swapped pointer to be model-checked.

mod debt;
mod flight;
pub(crate) mod keeper;
mod landing;
mod ledger;
mod refusals;
pub(crate) mod schedule;
mod session;
mod snapshot;
mod status;
pub(crate) mod sync;

use std::{sync::Arc, task::Waker};

use self::{
    flight::Board,
    ledger::{Ask, Ledger, Rules},
    refusals::Refusals,
    status::Watch,
    sync::{Mutex, MutexGuard, Swap},
};
use crate::{
    clock::{Clock, Moment},
    error::Error,
    provider::{OriginIndex, Profile, ProviderError, Reason},
    token::Token,
};

pub(crate) use self::{
    flight::{Ending, Join},
    landing::Ticket,
    ledger::Floor,
    session::{Family, FamilyParts, Session},
    snapshot::Snapshot,
};
pub use self::{
    snapshot::Generation,
    status::{Status, Subscription},
};

/// One session's token: a snapshot to read, and the state behind it.
pub(crate) struct Cell {
    snapshot: Swap<Snapshot>,
    state: Mutex<State>,
    profile: Arc<Profile>,
    clock: Arc<dyn Clock>,
    floor: Arc<Floor>,
    keeps_idle_alive: bool,
}

#[derive(Debug, Default)]
struct State {
    /// Counts the logins: a flight that began under an earlier one does not land.
    lineage: u64,
    board: Board,
    ledger: Ledger,
    refusals: Refusals,
    watch: Watch,
    failure: Option<Error>,
    login_required: Option<Error>,
    /// A task is paying what exchanges left owing.
    settling: bool,
    /// There is something to pay.
    owed: bool,
    /// A keeper watches over this session while it is idle.
    kept: bool,
    shut_down: bool,
}

/// What a caller needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// Any token that may be sent.
    Usable,
    /// A newer token than the one of this generation, which this origin refused.
    NewerThan(Generation, OriginIndex),
    /// An exchange, whatever there is: the application asked for it.
    Asked,
}

/// What a caller finds.
#[derive(Debug)]
pub(crate) enum Look {
    /// This will do.
    Use(Arc<Snapshot>),
    /// An exchange is under way.
    Join(Join),
    /// An exchange has to begin: the caller gives the ticket to a task, then joins.
    Fly(Box<Ticket>, Join),
    /// There is no token, and no exchange now.
    Fail(Error),
}

// === impl Cell ===

impl Cell {
    pub(crate) fn new(
        profile: Arc<Profile>,
        clock: Arc<dyn Clock>,
        floor: Arc<Floor>,
        keeps_idle_alive: bool,
    ) -> Self {
        Self {
            snapshot: Swap::new(Snapshot::empty()),
            state: Mutex::new(State::default()),
            profile,
            clock,
            floor,
            keeps_idle_alive,
        }
    }

    /// The current snapshot, without a lock.
    pub(crate) fn load(&self) -> impl std::ops::Deref<Target = Arc<Snapshot>> {
        self.snapshot.load()
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Looks for what `need` asks for, and begins a flight where nothing else is left.
    pub(crate) fn look(self: &Arc<Self>, need: Need) -> Look {
        let now = self.clock.now();
        let mut state = self.lock();
        let snapshot = Arc::clone(&self.snapshot.load());
        if need.is_met_by(&snapshot, now) {
            return Look::Use(snapshot);
        }
        if state.board.is_flying() {
            return Look::Join(Join::new(Arc::clone(self), state.board.flight()));
        }
        if state.shut_down {
            return Look::Fail(Error::shut_down());
        }
        if let Need::NewerThan(generation, origin) = need {
            let current = snapshot.generation == generation;
            if current && !state.refusals.worth_an_exchange(origin, generation, now) {
                return Look::Fail(Error::exchange(ProviderError::transient(
                    "the server refuses tokens that were just issued",
                )));
            }
        }
        let mut ask = self.ask(need.reason(&snapshot, now), &snapshot, now);
        if let (Need::NewerThan(_, origin), Reason::Refused) = (need, ask.reason) {
            ask.refused_by = Some(origin);
        }
        if let Some((error, at)) = self.forbids(&state, &ask, now) {
            return Look::Fail(error.retry_at(at, now));
        }
        let ticket = self.begin(&mut state, &snapshot, ask, now);
        Look::Fly(
            Box::new(ticket),
            Join::new(Arc::clone(self), state.board.flight()),
        )
    }

    /// Begins a flight beside the requests, if one is due and nothing forbids it. Never waits.
    pub(crate) fn attend(self: &Arc<Self>) -> Option<Ticket> {
        let now = self.clock.now();
        let mut state = self.lock();
        let snapshot = Arc::clone(&self.snapshot.load());
        if state.board.is_flying() || !snapshot.attention.reached(now) {
            return None;
        }
        let plan = snapshot.plan;
        let reason = match () {
            () if state.shut_down => {
                self.postpone(&snapshot, Moment::NEVER);
                return None;
            }
            // First, since the access token of an idle session has long been dead by then.
            () if plan.keep_alive.reached(now) => Reason::KeepAlive,
            () if plan.due.reached(now) => Need::Usable.reason(&snapshot, now),
            // Only a keeper was missing.
            () => return None,
        };
        let ask = self.ask(reason, &snapshot, now);
        if let Some((_, at)) = self.forbids(&state, &ask, now) {
            self.postpone(&snapshot, at);
            return None;
        }
        Some(self.begin(&mut state, &snapshot, ask, now))
    }

    /// Notes that `origin` took `generation`, which a request was sent again with.
    pub(crate) fn cured(&self, generation: Generation, origin: OriginIndex) {
        self.lock().refusals.cured(origin, generation);
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
    pub(crate) fn set_kept(&self, kept: bool) {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.kept != kept {
            state.kept = kept;
            let snapshot = Arc::clone(&self.snapshot.load());
            if !state.board.is_flying() {
                self.postpone(&snapshot, self.next_attempt(&state, &snapshot, now));
            }
        }
    }

    /// Begins no more exchanges. The token that is there may be used until it dies.
    pub(crate) fn shut_down(&self) {
        let mut state = self.lock();
        state.shut_down = true;
        let wakers = state.watch.changed();
        drop(state);
        wake(wakers);
    }

    /// Tells subscribers that the last handle is gone.
    pub(crate) fn close(&self) {
        let wakers = self.lock().watch.close();
        wake(wakers);
    }

    fn begin(
        self: &Arc<Self>,
        state: &mut State,
        snapshot: &Snapshot,
        ask: Ask,
        now: Moment,
    ) -> Ticket {
        if ask.reason == Reason::Refused {
            state.refusals.exchange_began(now);
        }
        state.board.begin();
        self.postpone(snapshot, Moment::NEVER);
        Ticket::new(Arc::clone(self), state.lineage, snapshot.token.clone(), ask)
    }

    fn ask(&self, reason: Reason, snapshot: &Snapshot, now: Moment) -> Ask {
        Ask {
            reason,
            refused_by: None,
            refresh: snapshot
                .token
                .as_ref()
                .and_then(Token::refresh_token)
                .cloned(),
            access_dead: match reason {
                Reason::Refused => Moment::PAST,
                _ => snapshot.plan.dead,
            },
            began_at: now,
            sent_at: None,
        }
    }

    fn forbids(&self, state: &State, ask: &Ask, now: Moment) -> Option<(Error, Moment)> {
        let own = state.ledger.forbids(ask, self.rules(), now);
        ledger::later(own, self.floor.forbids(now))
    }

    /// When somebody has to look after `snapshot` again, as things stand.
    fn next_attempt(&self, state: &State, snapshot: &Snapshot, now: Moment) -> Moment {
        let keeperless = !state.kept && snapshot.plan.keep_alive != Moment::NEVER;
        if keeperless && self.keeps_idle_alive {
            return Moment::PAST;
        }
        let ask = self.ask(Reason::Due, snapshot, now);
        let planned = snapshot.plan.attention();
        match self.forbids(state, &ask, now) {
            Some((_, at)) => at.latest(planned),
            None => planned,
        }
    }

    /// Puts off the next look at `snapshot`, the current one. Under the lock.
    fn postpone(&self, snapshot: &Snapshot, attention: Moment) {
        self.snapshot.store(snapshot.attended_from(attention));
    }

    fn rules(&self) -> Rules {
        Rules {
            rotation: self.profile.rotation,
            lost_reply: self.profile.lost_reply_rule(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        sync::lock(&self.state)
    }
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cell")
            .field("snapshot", &**self.snapshot.load())
            .finish_non_exhaustive()
    }
}

// === impl Need ===

impl Need {
    pub(crate) fn is_met_by(self, snapshot: &Snapshot, now: Moment) -> bool {
        match self {
            Need::Usable => snapshot.is_usable(now),
            Need::NewerThan(generation, _) => {
                snapshot.generation > generation && snapshot.is_usable(now)
            }
            Need::Asked => false,
        }
    }

    fn reason(self, snapshot: &Snapshot, now: Moment) -> Reason {
        match self {
            Need::Asked => Reason::Asked,
            Need::NewerThan(generation, _) if generation == snapshot.generation => Reason::Refused,
            _ if snapshot.generation == Generation::new(0) => Reason::First,
            _ if !snapshot.is_usable(now) => Reason::Expired,
            _ => Reason::Due,
        }
    }
}

/// Wakes, which may run foreign code: never under the lock.
fn wake(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

#[cfg(all(test, tower_reauth_loom))]
mod loom_tests;
#[cfg(test)]
mod tests;
