//! What all sessions of one layer share, and the flight itself.

use std::{sync::Arc, time::Duration};

use super::{Cell, Floor, Session, Ticket, keeper::Keeper, schedule};
use crate::{
    clock::Clock,
    observe::{Event, Observers},
    provider::{
        ErasedProvider, FailureKind, Profile, ProviderError, Rotation, SessionId, TokenClient,
    },
    token::Token,
};

/// What all sessions of one layer share.
pub(crate) struct Family {
    pub(super) provider: Arc<dyn ErasedProvider>,
    pub(super) profile: Arc<Profile>,
    pub(super) client: TokenClient,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) floor: Arc<Floor>,
    pub(super) observers: Arc<Observers>,
    pub(super) keeper: Keeper,
    pub(super) keeps_idle_alive: bool,
    pub(super) caller_waits: Duration,
    home: Home,
}

/// Where sessions live.
pub(crate) enum Home {
    /// Nobody has said so.
    Unsaid,
    /// In memory, which was said aloud.
    Memory,
    /// In a store, which the provider keeps them in.
    Store(Arc<dyn SeedKeeper>),
}

/// Keeps the tokens that sessions start from until their store was read: what it holds may be
/// newer.
pub(crate) trait SeedKeeper: Send + Sync {
    /// Takes a seed, to be judged by the session's first exchange.
    fn keep_seed(&self, session: &SessionId, seed: Token);

    /// The session is gone.
    fn forget(&self, session: &SessionId);
}

/// What a family is made of.
pub(crate) struct FamilyParts {
    pub(crate) provider: Arc<dyn ErasedProvider>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) client: TokenClient,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observers: Arc<Observers>,
    pub(crate) keeps_idle_alive: bool,
    pub(crate) caller_waits: Duration,
    pub(crate) home: Home,
}

// === impl Family ===

impl Family {
    pub(crate) fn new(parts: FamilyParts) -> Arc<Self> {
        Arc::new(Self {
            provider: parts.provider,
            profile: parts.profile,
            keeper: Keeper::new(Arc::clone(&parts.clock)),
            client: parts.client,
            clock: parts.clock,
            floor: Arc::new(Floor::new()),
            observers: parts.observers,
            keeps_idle_alive: parts.keeps_idle_alive,
            caller_waits: parts.caller_waits,
            home: parts.home,
        })
    }

    /// The session of a new layer. A seed that cannot be used is left out, and said why.
    pub(crate) fn first_session(
        self: &Arc<Self>,
        id: SessionId,
        seed: Option<Token>,
    ) -> (Arc<Session>, Result<(), ProviderError>) {
        let session = self.empty_session(id, self.logs_in(true));
        let seeded = seed.map_or(Ok(()), |seed| {
            let seed = self.profile.bind(seed)?;
            self.check_home(&seed)?;
            self.seed(&session, seed)
        });
        self.keeper.watch(&session);
        (session, seeded)
    }

    /// A session that starts from `seed`.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where the seed cannot be used, has no home, or where another session of
    /// this identity is alive: the two would spend each other's refresh tokens.
    pub(crate) fn session(
        self: &Arc<Self>,
        id: SessionId,
        seed: Token,
    ) -> Result<Arc<Session>, ProviderError> {
        let seed = self.profile.bind(seed)?;
        self.check_home(&seed)?;
        let session = self.empty_session(id, self.logs_in(false));
        session.cell().check(&seed)?;
        if !self.keeper.watch(&session) {
            return Err(ProviderError::misconfigured(
                "a session with this key is alive: clone its layer, \
                 or hand the new token to its handle's `replace`",
            ));
        }
        self.seed(&session, seed)?;
        Ok(session)
    }

    /// Gives a session the token that it starts from: into its cell, or to the store's keeper where
    /// there may be a newer one.
    fn seed(&self, session: &Session, seed: Token) -> Result<(), ProviderError> {
        match &self.home {
            Home::Unsaid | Home::Memory => session.cell().adopt(seed),
            Home::Store(keeper) => {
                session.cell().check(&seed)?;
                keeper.keep_seed(session.id(), seed);
                Ok(())
            }
        }
    }

    /// Whether sessions live in a store, which may know of tokens that this process does not.
    pub(super) fn has_store(&self) -> bool {
        matches!(self.home, Home::Store(_))
    }

    /// A session is gone.
    pub(super) fn forget(&self, session: &SessionId) {
        if let Home::Store(keeper) = &self.home {
            // The next one may have begun.
            self.keeper.unless_alive(session, || keeper.forget(session));
        }
    }

    fn empty_session(self: &Arc<Self>, id: SessionId, logs_in: bool) -> Arc<Session> {
        let cell = Cell::new(
            Arc::clone(&self.profile),
            Arc::clone(&self.clock),
            Arc::clone(&self.floor),
            Arc::clone(&self.observers),
            self.keeps_idle_alive,
            self.has_store(),
        );
        Session::new(Arc::new(cell.with_login(logs_in)), id, Arc::clone(self))
    }

    /// A rotating refresh token must have a home that somebody chose.
    pub(crate) fn check_home(&self, token: &Token) -> Result<(), ProviderError> {
        let rotates = self.profile.rotation != Rotation::Never && token.refresh_token().is_some();
        if !rotates || !matches!(self.home, Home::Unsaid) {
            return Ok(());
        }
        Err(ProviderError::misconfigured(
            "the session starts from a refresh token that may rotate, and nothing says where it \
             lives: build the layer with `.store(…)`, or with `.memory_only()` if a restart may need \
             a new login",
        ))
    }

    /// Obtains and publishes, with a login where nothing else helps. If this future is dropped, the
    /// ticket ends the flight.
    pub(super) async fn fly(&self, mut ticket: Ticket, id: &SessionId) {
        let obtained = match ticket.told() {
            Some(refused) => Err(refused),
            None => self.obtain(&mut ticket, id).await,
        };
        let result = match obtained {
            Ok(token) => Ok(token),
            Err(error) => self.log_in(&mut ticket, id, error).await,
        };
        ticket.land(result);
    }

    async fn obtain(&self, ticket: &mut Ticket, id: &SessionId) -> Result<Token, ProviderError> {
        loop {
            let exchange = ticket.exchange(id, &self.client);
            match self.provider.obtain(exchange).await {
                Ok(token) => return Ok(token),
                Err(error) => match ticket.asks_again_after(&error) {
                    Some(pause) => self.clock.sleep(pause).await,
                    None => return Err(error),
                },
            }
        }
    }

    /// Has the vendor end the session, and ends it here if that worked. Dropping this future leaves
    /// the session as it is.
    pub(super) async fn revoke(
        &self,
        mut ticket: Ticket,
        id: &SessionId,
    ) -> Result<(), ProviderError> {
        let exchange = ticket.exchange(id, &self.client);
        let nothing_to_revoke = exchange.last().is_none() && !self.has_store();
        let revoked = match nothing_to_revoke {
            true => Ok(()),
            false => self.provider.revoke(exchange).await,
        };
        if let Err(error) = &revoked
            && error.kind() == FailureKind::Throttled
        {
            self.floor.raise(error, self.clock.now());
        }
        match &revoked {
            Ok(()) => ticket.revoked(),
            Err(_) => ticket.abandon(),
        }
        let error = revoked.as_ref().err();
        self.observers.tell(Event::Revoked { error });
        self.keeper.nudge();
        revoked
    }

    /// Pays what exchanges left owing, until nothing is owed. One task a cell does so; it outlives
    /// the handles, since what is owed may be the only copy of a refresh token.
    pub(super) async fn settle(&self, cell: &Cell, id: &SessionId) {
        let Some(mut debt) = cell.begin_settling() else {
            return;
        };
        let mut tries = 0;
        while debt.is_owed() {
            match self.provider.settle(id).await {
                Ok(()) => tries = 0,
                Err(error) => {
                    tries += 1;
                    debt.still_owed(&error);
                    self.clock
                        .sleep(schedule::pause_before_settling(tries))
                        .await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
