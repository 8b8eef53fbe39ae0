//! One exchange, from the lease to its release.

use std::{sync::Arc, time::Duration};

use super::{
    Stored,
    desk::Sight,
    judge::{Case, Verdict},
    owed,
    seat::{Meeting, Seat},
    unreachable_store,
};
use crate::{
    clock::Moment,
    provider::{Exchange, Provider, ProviderError, Rotation},
    store::{Expected, Record, StoreError, Written},
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
pub(super) enum Step {
    Done(Token),
    /// Look again after this.
    Wait(Duration),
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
        let allowed = exchange.deadline().remaining(stored.desk.now());
        Self {
            stored,
            seat,
            exchange,
            allowed,
        }
    }

    pub(super) async fn run(&self) -> Result<Token, ProviderError> {
        let give_up = self.now().after(WAIT_AT_MOST);
        for _ in 0..ROUNDS_AT_MOST {
            match self.step().await {
                Ok(Step::Done(token)) => return Ok(token),
                Ok(Step::Again) => {}
                Ok(Step::Wait(pause)) => {
                    if give_up.reached(self.now()) {
                        break;
                    }
                    self.stored.desk.sleep(pause).await;
                }
                Err(Trouble::Provider(error)) => return Err(error),
                Err(Trouble::Store(error)) => return self.without_store(error).await,
            }
        }
        Err(ProviderError::transient(
            "another process holds the session, and does not come to an end",
        ))
    }

    async fn step(&self) -> Result<Step, Trouble> {
        let desk = &self.stored.desk;
        if !desk.take_lease(&self.seat.key).await? {
            return self.look_from_afar().await;
        }
        let step = self.under_lease().await;
        desk.release_lease(&self.seat.key).await;
        step
    }

    /// Somebody else has the lease: what they have saved may do already.
    async fn look_from_afar(&self) -> Result<Step, Trouble> {
        let wait = Step::Wait(POLL.mul_f64(0.5 + fastrand::f64()));
        let sight = self.stored.desk.read(&self.seat.key).await?;
        let now = self.now();
        let mut known = self.seat.known();
        let Meeting::Current(Some(record)) = known.meet(sight.record.clone(), now) else {
            return Ok(wait);
        };
        let shown = sight.shown(now);
        let record = record.seen_from(now, shown);
        let Some(token) = &record.token else {
            return Ok(wait);
        };
        if known
            .seed
            .as_ref()
            .is_some_and(|seed| !record.has_seen(seed))
        {
            return Ok(wait);
        }
        let case = Case {
            record: &record,
            known: &known,
            exchange: &self.exchange,
            profile: &self.stored.profile,
            now,
            shown,
        };
        Ok(match case.is_adoptable(token) {
            true => Step::Done(token.to_token(now)),
            false => wait,
        })
    }

    async fn under_lease(&self) -> Result<Step, Trouble> {
        let desk = &self.stored.desk;
        let mut sight = desk.read(&self.seat.key).await?;
        let meeting = self.seat.known().meet(sight.record.take(), self.now());
        sight.record = match meeting {
            Meeting::Current(record) => record,
            Meeting::Lost(expected, newest) => {
                match desk.write(&self.seat.key, &expected, &newest).await? {
                    Written::Conflict => return Ok(Step::Again),
                    Written::Done => self.seat.known().wrote(&newest),
                }
                Some(newest)
            }
        };
        if self.adopts_seed(&mut sight).await? == Written::Conflict {
            return Ok(Step::Again);
        }
        match self.judge(&sight) {
            Verdict::Adopt(token) => Ok(Step::Done(token)),
            Verdict::Wait(pause) => Ok(Step::Wait(pause)),
            Verdict::Fail(error) => Err(Trouble::Provider(error)),
            Verdict::Spend => self.spend(sight).await,
        }
    }

    /// A seed begins a lineage, if the record has never seen it. Before anything is spent.
    async fn adopts_seed(&self, sight: &mut Sight) -> Result<Written, Trouble> {
        let Some(seed) = self.seat.known().seed.clone() else {
            return Ok(Written::Done);
        };
        let now = self.now();
        let record = sight.record.as_ref();
        if !record.is_some_and(|record| record.has_seen(&seed)) {
            let begun = Record::begin(seed.by_clock(sight.ahead()), record, now);
            let expected = Expected::version(record.map(Record::version));
            let desk = &self.stored.desk;
            if desk.write(&self.seat.key, &expected, &begun).await? == Written::Conflict {
                return Ok(Written::Conflict);
            }
            self.seat.known().wrote(&begun);
            sight.record = Some(begun);
        }
        self.seat.known().seed = None;
        Ok(Written::Done)
    }

    fn judge(&self, sight: &Sight) -> Verdict {
        let Some(record) = &sight.record else {
            return Verdict::Spend;
        };
        let now = self.now();
        let shown = sight.shown(now);
        let record = &record.clone().seen_from(now, shown);
        let known = self.seat.known();
        let case = Case {
            record,
            known: &known,
            exchange: &self.exchange,
            profile: &self.stored.profile,
            now,
            shown,
        };
        case.verdict()
    }

    /// The store cannot be asked. A credential that does not rotate can be used all the same. One
    /// that does, only by the process that holds what the store lacks: its open intent keeps the
    /// others out. Everybody else knows too little.
    async fn without_store(&self, error: StoreError) -> Result<Token, ProviderError> {
        let (newest, holds_newest) = {
            let known = self.seat.known();
            (known.newest().cloned(), known.unsaved().is_some())
        };
        if self.stored.profile.rotation != Rotation::Never && !holds_newest {
            return Err(unreachable_store(error));
        }
        let sight = self.stored.desk.recall(newest);
        let step = match self.judge(&sight) {
            Verdict::Adopt(token) => return Ok(token),
            Verdict::Fail(error) => return Err(error),
            Verdict::Wait(_) => return Err(unreachable_store(error)),
            Verdict::Spend => self.spend_in_memory(sight).await,
        };
        match step {
            Ok(Step::Done(token)) => Ok(token),
            Ok(Step::Wait(_) | Step::Again) => Err(unreachable_store(error)),
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

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Trouble::Store(error)
    }
}

const POLL: Duration = Duration::from_millis(100);
const WAIT_AT_MOST: Duration = Duration::from_secs(60);
/// Far more than there are polls in that time: a store that does nothing but conflict ends it.
const ROUNDS_AT_MOST: usize = 2_000;
