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
//! A request reads one [`Snapshot`] and compares one deadline, its *attention* (or none, where it needs
//! a proof of its own). Only when that is reached does anybody take the lock. All writes of the snapshot
//! happen under the lock, so a reader sees a whole snapshot and a writer never overwrites a newer one.
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
//! of a layer share, always taken in this order) and one swapped pointer to be model-checked. The
//! [`keeper`]'s list has a lock of its own, taken before a cell's and never after it.
//!
//! # Where is what
//!
//! - What a request reads: `snapshot`. What a caller finds: `look`; how long it waits: `patient`.
//! - The flight: `flight` (who flies, who waits), `ticket` (its end), `landing` (what it brought),
//!   `salvage` (what is left of a failure), `login`, and `revocation`, which takes its place.
//! - When there is one: `schedule` (by time), `ledger` (after failures), `refusals` and `verdicts`.
//! - Tokens that are handed over: `adoption`. What is owed to a store: `debt`.
//! - A session and those beside it: `session`, `family`; while nobody calls: `keeper`, `idle`.
//! - What an application sees: `status`.

mod adoption;
mod debt;
mod family;
mod flight;
mod idle;
pub(crate) mod keeper;
mod landing;
mod ledger;
mod login;
mod look;
mod patient;
mod refusals;
mod revocation;
mod salvage;
pub(crate) mod schedule;
mod session;
mod snapshot;
mod status;
pub(crate) mod sync;
mod ticket;
mod verdicts;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
    time::Duration,
};

use self::{
    flight::Board,
    ledger::{Ledger, Rules},
    refusals::Refusals,
    status::Watch,
    sync::{AtomicU64, Mutex, MutexGuard, Swap},
};
use crate::{
    clock::{Clock, Moment, Sleep, SystemClock},
    error::Error,
    observe::{Event, Observers},
    provider::Profile,
};

pub(crate) use self::{
    family::{Family, FamilyParts, Home, SeedKeeper},
    flight::{Ending, Join},
    ledger::Floor,
    look::{Look, Need},
    patient::Patient,
    revocation::overtaken_by_a_login,
    session::Session,
    snapshot::{Presented, Snapshot},
    ticket::Ticket,
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
    is_system_clock: bool,
    floor: Arc<Floor>,
    observers: Arc<Observers>,
    keeps_idle_alive: bool,
    /// What the last exchange for a refusal brought, and to whom, until that origin takes it. A
    /// hint, so that accepted requests need no lock; what counts is in the [`Refusals`].
    unjudged: AtomicU64,
    /// A store may hold a newer token than this process knows.
    has_store: bool,
    /// The provider can log in where nothing else helps.
    logs_in: bool,
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
    /// A payment has failed, and none has succeeded since.
    overdue: bool,
    /// A keeper watches over this session while it is idle.
    has_keeper: bool,
    shut_down: bool,
    /// The flight is a login by now.
    logging_in: bool,
    /// The application waits for the flight to end, to revoke the session: it need not log in.
    unwanted: bool,
    /// The application has ended the session: nobody logs in but itself.
    revoked: bool,
    /// The lineage that it ended last.
    ended: Option<u64>,
}

// === impl Cell ===

impl Cell {
    pub(crate) fn new(
        profile: Arc<Profile>,
        clock: Arc<dyn Clock>,
        floor: Arc<Floor>,
        observers: Arc<Observers>,
        keeps_idle_alive: bool,
        has_store: bool,
    ) -> Self {
        Self {
            snapshot: Swap::new(Snapshot::empty()),
            state: Mutex::new(State::default()),
            profile,
            is_system_clock: clock.is_system(),
            clock,
            floor,
            observers,
            keeps_idle_alive,
            unjudged: AtomicU64::new(Presented::NONE.as_u64()),
            has_store,
            logs_in: false,
        }
    }

    /// The current snapshot, without a lock.
    #[inline]
    pub(crate) fn load(&self) -> impl std::ops::Deref<Target = Arc<Snapshot>> + use<> {
        self.snapshot.load()
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// What time it is, as cheaply as may be, and a few milliseconds late.
    #[inline]
    pub(crate) fn coarse(&self) -> Moment {
        match self.is_system_clock {
            true => SystemClock.coarse(),
            false => self.clock.coarse(),
        }
    }

    /// Waits, by the clock that this session goes by.
    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        self.clock.sleep(duration)
    }

    /// Notes that a token was taken where it was `presented`. Costs a look at one number, unless that
    /// token is what an exchange for a refusal there brought and nobody has said yet whether it is good.
    #[inline]
    pub(crate) fn accepted(&self, presented: Presented) {
        if self.awaits_judgement(presented) {
            self.cured(presented);
        }
    }

    /// Whether nobody has said yet what a token is worth that an exchange has brought for a refusal
    /// where it was `presented`.
    #[inline]
    pub(crate) fn awaits_judgement(&self, presented: Presented) -> bool {
        self.unjudged.load(Relaxed) == presented.as_u64()
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
        let mut state = self.lock();
        let waits_for_a_login = state.login_required.is_some();
        let wakers = state.watch.close();
        drop(state);
        self.tell_of_login(waits_for_a_login, None);
        wake(wakers);
    }

    /// Tells whether a session `waited_for` a login and now does not, or the other way round.
    fn tell_of_login(&self, waited_for: bool, required: Option<&Error>) {
        match required {
            Some(error) if !waited_for => self.observers.tell(Event::LoginRequired { error }),
            None if waited_for => self.observers.tell(Event::LoginNoLongerRequired),
            _ => {}
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            rotation: self.profile.rotation,
            lost_reply: self.profile.lost_reply_rule(),
            looks_again: self.has_store,
            logs_in: self.logs_in,
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

/// Wakes, which may run foreign code: never under the lock.
fn wake(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

#[cfg(all(test, tower_reauth_loom))]
mod loom_tests;
#[cfg(all(test, not(tower_reauth_loom)))]
mod model_tests;
#[cfg(test)]
mod tests;
