//! One exchange, from the first look to the release of the lease.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    Stored,
    desk::Sight,
    judge::{Case, Verdict},
    owed,
    seat::{Known, Meeting, Seat},
    unreachable_store,
};
use crate::{
    cell::schedule,
    clock::Moment,
    observe::Event,
    provider::{Exchange, Provider, ProviderError, Rotation},
    store::{Expected, Record, StoreError, Written, unix::UnixMillis},
    token::Token,
};

/// One call of `obtain`.
pub(super) struct Turn<'a, P> {
    pub(super) stored: &'a Stored<P>,
    pub(super) seat: &'a Arc<Seat>,
    pub(super) exchange: Exchange,
    /// How long the exchange itself may take; waiting for others is no part of it.
    pub(super) allowed: Duration,
}

/// How far a turn has come.
pub(super) enum Step<T = Token> {
    Done(T),
    /// Somebody else is at it: look again later.
    Wait,
    /// The record has changed under our hands.
    Again,
}

/// Why a turn cannot go on.
pub(super) enum Trouble {
    Provider(ProviderError),
    Store(StoreError),
}

// === impl Turn ===

impl<'a, P: Provider> Turn<'a, P> {
    pub(super) fn new(stored: &'a Stored<P>, seat: &'a Arc<Seat>, exchange: Exchange) -> Self {
        let left = exchange.deadline().remaining(stored.desk.now());
        let allowed = left.min(schedule::EXCHANGE);
        seat.known().turn_begins();
        Self {
            stored,
            seat,
            exchange,
            allowed,
        }
    }

    pub(super) async fn run(&self) -> Result<Token, ProviderError> {
        match self.to_the_end(|| self.step()).await {
            Ok(token) => Ok(token),
            Err(Trouble::Provider(error)) => Err(error),
            Err(Trouble::Store(error)) => self.without_store(error).await,
        }
    }

    /// Takes one step after the other, until one is the last.
    pub(super) async fn to_the_end<T, F>(&self, step: impl Fn() -> F + Send) -> Result<T, Trouble>
    where
        F: Future<Output = Result<Step<T>, Trouble>> + Send,
    {
        let give_up = self.now().after(WAIT_AT_MOST);
        let mut poll = POLL;
        for _ in 0..ROUNDS_AT_MOST {
            match step().await? {
                Step::Done(end) => return Ok(end),
                Step::Again => {}
                Step::Wait => {
                    if give_up.reached(self.now()) {
                        break;
                    }
                    let pause = poll.mul_f64(0.5 + fastrand::f64());
                    self.stored.desk.sleep(pause).await;
                    poll = (poll * 2).min(POLL_AT_MOST);
                }
            }
        }
        Err(Trouble::Provider(ProviderError::transient(
            "another process holds the session, and does not come to an end",
        )))
    }

    async fn step(&self) -> Result<Step, Trouble> {
        if let Some(step) = self.look().await? {
            return Ok(step);
        }
        let desk = &self.stored.desk;
        if !desk.take_lease(&self.seat.key).await? {
            return Ok(Step::Wait);
        }
        let step = self.under_lease().await;
        desk.release_lease(&self.seat.key).await;
        step
    }

    /// Most turns need no more than one look: another replica has been at the vendor. None where
    /// something has to be written, which is for the holder of the lease to do.
    async fn look(&self) -> Result<Option<Step>, Trouble> {
        let mut sight = self.stored.desk.read(&self.seat.key).await?;
        {
            let mut known = self.seat.known();
            let Meeting::Current(record) = known.meet(sight.record.take(), self.now()) else {
                return Ok(None);
            };
            let seed = known.seed.as_ref();
            let empty = record.as_ref().is_none_or(|it| it.token.is_none());
            if seed.is_none()
                && empty
                && let Some(error) = self.nothing_to_spend(record.as_ref())
            {
                return Err(Trouble::Provider(error));
            }
            let Some(record) = record else {
                return Ok(None);
            };
            if record.token.is_none() || seed.is_some_and(|seed| !record.has_seen(seed)) {
                return Ok(None);
            }
            known.seed = None;
            sight.record = Some(record);
        }
        match self.judge(&sight) {
            Verdict::Adopt(token) => Ok(Some(Step::Done(*token))),
            Verdict::Wait => Ok(Some(Step::Wait)),
            Verdict::Fail(error) => Err(Trouble::Provider(error)),
            // Another process may hold the lease for as long as its login takes.
            Verdict::Spend => match self.nothing_to_spend(sight.record.as_ref()) {
                Some(error) => Err(Trouble::Provider(error)),
                None => Ok(None),
            },
        }
    }

    async fn under_lease(&self) -> Result<Step, Trouble> {
        let Some(sight) = self.sees().await? else {
            return Ok(Step::Again);
        };
        match self.judge(&sight) {
            Verdict::Adopt(token) => Ok(Step::Done(*token)),
            Verdict::Wait => Ok(Step::Wait),
            Verdict::Fail(error) => Err(Trouble::Provider(error)),
            Verdict::Spend => self.spend(sight).await,
        }
    }

    /// What there is to work with: the record, healed where the store has lost it, or the seed that
    /// begins one. None where somebody has changed it meanwhile.
    pub(super) async fn sees(&self) -> Result<Option<Sight>, Trouble> {
        let desk = &self.stored.desk;
        let mut sight = desk.read(&self.seat.key).await?;
        let meeting = self.seat.known().meet(sight.record.take(), self.now());
        sight.record = match meeting {
            Meeting::Current(record) => record,
            Meeting::Lost(expected, newest) => {
                // What was never saved is not lost.
                let lost = self.seat.known().unsaved().is_none();
                let written = desk.write(&self.seat.key, &expected, &newest).await?;
                let healed = written == Written::Done;
                if lost {
                    desk.tell(Event::RecordLost { healed });
                }
                if !healed {
                    return Ok(None);
                }
                self.seat.known().wrote(&newest);
                Some(newest)
            }
        };
        let adopted = self.adopts_seed(&mut sight).await?;
        Ok((adopted == Written::Done).then_some(sight))
    }

    /// A seed begins a lineage, if the record has never seen it. Before anything is spent.
    async fn adopts_seed(&self, sight: &mut Sight) -> Result<Written, Trouble> {
        let Some(seed) = self.seat.known().seed.clone() else {
            return Ok(Written::Done);
        };
        let now = self.now();
        let record = sight.record.as_ref();
        if !record.is_some_and(|record| record.has_seen(&seed)) {
            let begun = Record::begin(seed.clone().by_clock(sight.ahead()), record, now);
            let expected = Expected::version(record.map(Record::version));
            let desk = &self.stored.desk;
            if desk.write(&self.seat.key, &expected, &begun).await? == Written::Conflict {
                return Ok(Written::Conflict);
            }
            self.seat.known().wrote(&begun);
            sight.record = Some(begun);
        }
        // Not the seed of the next session, which may have begun meanwhile.
        self.seat.known().seed.take_if(|known| *known == seed);
        Ok(Written::Done)
    }

    pub(super) fn judge(&self, sight: &Sight) -> Verdict {
        let Some(record) = &sight.record else {
            return Verdict::Spend;
        };
        let now = self.now();
        let shown = sight.shown(now);
        let record = &record.clone().seen_from(now, shown);
        let known = self.seat.known();
        let case = self.case(record, &known, shown);
        case.verdict()
    }

    /// Whether another process may be exchanging the token of this record.
    pub(super) fn under_way_elsewhere(&self, sight: &Sight) -> bool {
        let known = self.seat.known();
        let shown = sight.shown(self.now());
        let record = sight.record.as_ref();
        record.is_some_and(|record| self.case(record, &known, shown).under_way_elsewhere())
    }

    fn case<'b>(&'b self, record: &'b Record, known: &'b Known, shown: UnixMillis) -> Case<'b> {
        Case {
            record,
            known,
            exchange: &self.exchange,
            profile: &self.stored.profile,
            now: self.now(),
            shown,
        }
    }

    /// The store cannot be asked. A credential that does not rotate can be used all the same. One
    /// that does, only by the process that holds what the store is known to lack: its open intent keeps
    /// the others out. Everybody else knows too little.
    async fn without_store(&self, error: StoreError) -> Result<Token, ProviderError> {
        let (newest, holds_newest) = {
            let known = self.seat.known();
            (known.newest().cloned(), known.holds_newest())
        };
        if self.stored.profile.rotation != Rotation::Never && !holds_newest {
            return Err(unreachable_store(error));
        }
        let sight = self.stored.desk.recall(newest);
        let step = match self.judge(&sight) {
            Verdict::Adopt(token) => return Ok(*token),
            Verdict::Fail(error) => return Err(error),
            Verdict::Wait => return Err(unreachable_store(error)),
            Verdict::Spend => self.spend_in_memory(sight).await,
        };
        match step {
            Ok(Step::Done(token)) => Ok(token),
            Ok(Step::Wait | Step::Again) => Err(unreachable_store(error)),
            Err(Trouble::Provider(error)) => Err(error),
            Err(Trouble::Store(error)) => Err(unreachable_store(error)),
        }
    }

    /// Saves what the store lacks, and ends the turn with `token`, unless the session has gone on
    /// elsewhere meanwhile.
    pub(super) async fn save(&self, token: Token) -> Step {
        match owed::save(&self.stored.desk, self.seat).await {
            // Not saved: used all the same, and saved by `settle`.
            Ok(owed::Save::Landed) | Err(_) => Step::Done(token),
            Ok(owed::Save::Superseded) => Step::Again,
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.stored.desk.now()
    }
}

impl<P> Drop for Turn<'_, P> {
    fn drop(&mut self) {
        self.seat.known().turn_ends();
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Trouble::Store(error)
    }
}

/// The first of the polls, each of which is twice as long as the one before it.
pub(super) const POLL: Duration = Duration::from_millis(100);
pub(super) const POLL_AT_MOST: Duration = Duration::from_secs(1);
const WAIT_AT_MOST: Duration = Duration::from_secs(60);
/// Far more than there are polls in that time: a store that does nothing but conflict ends it.
pub(super) const ROUNDS_AT_MOST: usize = 2_000;
