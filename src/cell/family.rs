//! What all sessions of one layer share, and the flight itself.

use std::{sync::Arc, time::Duration};

use super::{Cell, Floor, Session, Ticket, keeper::Keeper, schedule};
use crate::{
    clock::Clock,
    provider::{ErasedProvider, Profile, ProviderError, SessionId, TokenClient},
    token::Token,
};

/// What all sessions of one layer share.
pub(crate) struct Family {
    pub(super) provider: Arc<dyn ErasedProvider>,
    pub(super) profile: Arc<Profile>,
    pub(super) client: TokenClient,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) floor: Arc<Floor>,
    pub(super) keeper: Keeper,
    pub(super) keeps_idle_alive: bool,
    pub(super) caller_waits: Duration,
}

/// What a family is made of.
pub(crate) struct FamilyParts {
    pub(crate) provider: Arc<dyn ErasedProvider>,
    pub(crate) profile: Arc<Profile>,
    pub(crate) client: TokenClient,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keeps_idle_alive: bool,
    pub(crate) caller_waits: Duration,
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
            keeps_idle_alive: parts.keeps_idle_alive,
            caller_waits: parts.caller_waits,
        })
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// A session that starts from nothing.
    pub(crate) fn empty_session(self: &Arc<Self>, id: SessionId) -> Arc<Session> {
        let cell = Cell::new(
            Arc::clone(&self.profile),
            Arc::clone(&self.clock),
            Arc::clone(&self.floor),
            self.keeps_idle_alive,
        );
        let session = Session::new(Arc::new(cell), id, Arc::clone(self));
        self.keeper.watch(&session);
        session
    }

    /// A session that starts from `seed`.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where the seed cannot be used.
    pub(crate) fn session(
        self: &Arc<Self>,
        id: SessionId,
        seed: Token,
    ) -> Result<Arc<Session>, ProviderError> {
        let session = self.empty_session(id);
        session.cell().adopt(seed)?;
        self.keeper.nudge();
        Ok(session)
    }

    /// Obtains and publishes. If this future is dropped, the ticket ends the flight.
    pub(super) async fn fly(&self, mut ticket: Ticket, id: &SessionId) {
        let result = loop {
            let exchange = ticket.exchange(id, &self.client);
            match self.provider.obtain(exchange).await {
                Ok(token) => break Ok(token),
                Err(error) => match ticket.replay_after(&error) {
                    Some(pause) => self.clock.sleep(pause).await,
                    None => break Err(error),
                },
            }
        };
        ticket.land(result);
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
                Err(_) => {
                    tries += 1;
                    debt.still_owed();
                    self.clock
                        .sleep(schedule::pause_before_settling(tries))
                        .await;
                }
            }
        }
    }
}
