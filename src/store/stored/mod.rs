//! A provider around a provider: what it obtains is kept in a store, and nothing is spent that a
//! store does not know of.
//!
//! # Who knows what
//!
//! The cell knows nothing of stores. It asks for a token, and gets one that was obtained, or one
//! that was kept. What this process knows of a session's record is its [`Seat`](seat::Seat): the
//! newest record that it has seen or made, whether the store lacks it, and the seed that has not
//! been judged yet. What to do with a record is judged by a pure function, [`judge`]. A
//! [`Turn`](turn::Turn) is one call of `obtain`: it reads and judges, which is all where another
//! process was quicker; else it takes the lease, reads and judges again, and spends.
//!
//! # What is written when
//!
//! | step | expects | afterwards |
//! | --- | --- | --- |
//! | adopt a seed | the version read | a new lineage |
//! | write the intent | version and intent read | the refresh token may be spent, by one |
//! | take the intent back | version and our intent | as before; with what the vendor said |
//! | save | the version before; any intent | the next revision, no intent |
//! | heal | a lower version, or none | the newest that this process knows |
//! | log in | the version read, of no newer lineage | a new lineage, numbered by when the login began |
//! | replace | the version read | a new lineage |
//! | revoke | version and intent read | a new lineage, without a token |

mod desk;
mod intent;
mod judge;
mod login;
mod owed;
mod revoke;
mod seat;
mod spend;
mod turn;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::{desk::Desk, seat::Seat, turn::Turn};
use super::{StoreError, erased::ErasedStore, held::HeldToken};
use crate::{
    cell::SeedKeeper,
    clock::{Clock, Moment},
    observe::Observers,
    provider::{Exchange, Profile, Provider, ProviderError, SessionId},
    token::Token,
};

/// Keeps what `P` obtains in a store.
pub(crate) struct Stored<P> {
    provider: P,
    profile: Arc<Profile>,
    desk: Desk,
    /// When this process began to work with the store.
    born: Moment,
    seats: Mutex<HashMap<SessionId, Arc<Seat>>>,
}

// === impl Stored ===

impl<P: Provider> Stored<P> {
    pub(crate) fn new(
        provider: P,
        profile: Arc<Profile>,
        store: Arc<dyn ErasedStore>,
        clock: Arc<dyn Clock>,
        observers: Arc<Observers>,
    ) -> Self {
        Self {
            provider,
            profile,
            born: clock.now(),
            desk: Desk::new(store, clock, observers),
            seats: Mutex::default(),
        }
    }

    fn seat(&self, session: &SessionId) -> Arc<Seat> {
        let mut seats = self.seats();
        let seat = seats.entry(session.clone());
        Arc::clone(seat.or_insert_with(|| Arc::new(Seat::new(session))))
    }

    /// Forgets a session that is over. One whose exchange is under way is not: what it brings may have
    /// to be saved, by whoever settles it.
    fn clear_away(&self, session: &SessionId) {
        let mut seats = self.seats();
        let over = seats
            .get(session)
            .is_some_and(|seat| Arc::strong_count(seat) == 1 && seat.known().is_over());
        if over {
            seats.remove(session);
        }
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Provider> Provider for Stored<P> {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let seat = self.seat(exchange.session());
        Turn::new(self, &seat, exchange).run().await
    }

    async fn login(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let seat = self.seat(exchange.session());
        Turn::new(self, &seat, exchange).log_in().await
    }

    fn profile(&self) -> Profile {
        self.provider.profile()
    }

    async fn settle(&self, session: &SessionId) -> Result<(), ProviderError> {
        let inner = self.provider.settle(session).await;
        let seat = self.seat(session);
        let own = owed::pay(&self.desk, &seat).await;
        drop(seat);
        self.clear_away(session);
        inner.and(own.map_err(unreachable_store))
    }

    async fn replace(&self, session: &SessionId, token: &Token) -> Result<(), ProviderError> {
        self.provider.replace(session, token).await?;
        let seat = self.seat(session);
        let written = owed::begin_lineage(&self.desk, &seat, token, &self.profile).await;
        written.map_err(|error| {
            ProviderError::transient("the new login could not be written to the store")
                .because(error)
        })
    }

    async fn revoke(&self, exchange: Exchange) -> Result<(), ProviderError> {
        let seat = self.seat(exchange.session());
        Turn::new(self, &seat, exchange).revoke().await
    }
}

impl<P: Provider> SeedKeeper for Stored<P> {
    fn keep_seed(&self, session: &SessionId, seed: Token) {
        // Lifetimes count from here, whenever the store is read.
        let held = HeldToken::seed(&seed, self.desk.now(), &self.profile);
        self.seat(session).known().open(held);
    }

    fn forget(&self, session: &SessionId) {
        if let Some(seat) = self.seats().get(session) {
            seat.known().close();
        }
        self.clear_away(session);
    }
}

impl<P> fmt::Debug for Stored<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").finish_non_exhaustive()
    }
}

/// The store could not be asked, so nothing may be spent that only it knows of.
fn unreachable_store(error: StoreError) -> ProviderError {
    ProviderError::transient(
        "the session's store cannot be used, and without it nobody knows whether the refresh \
         token was spent",
    )
    .because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::SystemClock, provider::FixedToken, store::MemoryStore};

    #[test]
    fn a_session_that_is_over_leaves_nothing_behind_and_one_that_is_at_work_does() {
        let provider = FixedToken::bearer("t0ken");
        let profile = Arc::new(Provider::profile(&provider));
        let id = profile.session();
        let store = Arc::new(MemoryStore::new());
        let stored = Stored::new(
            provider,
            profile,
            store,
            Arc::new(SystemClock),
            Arc::default(),
        );
        let seed = || Token::from_refresh_token("seed");
        stored.keep_seed(&id, seed());
        let at_work = stored.seat(&id);
        stored.forget(&id);
        assert_eq!(stored.seats().len(), 1, "its exchange is under way");
        drop(at_work);
        stored.clear_away(&id);
        assert_eq!(stored.seats().len(), 0);
        stored.keep_seed(&id, seed());
        stored.clear_away(&id);
        assert_eq!(stored.seats().len(), 1, "it has not begun");
    }
}
