//! A cell with its provider: where flights are launched. They are waited for in `patient.rs`.
//!
//! Of tokio it knows only how to spawn. Who calls from outside any runtime gets a typed error, and
//! nothing is noted against the session.

use std::{fmt, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{Cell, Family, Generation, Look, Need, Patient, Snapshot, Ticket};
use crate::{
    error::Error,
    observe::Event,
    provider::{OriginIndex, Profile, SessionId},
    token::Token,
};

/// One identity's token over time. Layers, services and handles share it; when the last of them is
/// gone, so is its background work.
pub(crate) struct Session {
    cell: Arc<Cell>,
    id: SessionId,
    family: Arc<Family>,
}

// === impl Session ===

impl Session {
    pub(super) fn new(cell: Arc<Cell>, id: SessionId, family: Arc<Family>) -> Arc<Self> {
        Arc::new(Self { cell, id, family })
    }

    #[inline]
    pub(crate) fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }

    pub(crate) fn id(&self) -> &SessionId {
        &self.id
    }

    /// The profile: out of the cell, which a request reads anyway, and not out of the family.
    #[inline]
    pub(crate) fn profile(&self) -> &Profile {
        &self.cell.profile
    }

    #[inline]
    pub(crate) fn family(&self) -> &Arc<Family> {
        &self.family
    }

    /// Tells the layer's observers. Never under a lock.
    pub(crate) fn tell(&self, event: Event<'_>) {
        self.family.observers.tell(event);
    }

    /// A token that may be sent, waiting for an exchange where there is none, for as long as the
    /// caller has.
    pub(crate) fn usable(&self, left: Duration) -> Patient<'_> {
        self.patiently(left, Need::Usable)
    }

    /// A newer token than the one that `origin` refused, if there is one to be had while the caller
    /// has time left.
    pub(crate) fn newer_than(
        &self,
        generation: Generation,
        origin: OriginIndex,
        left: Duration,
    ) -> Patient<'_> {
        self.patiently(left, Need::NewerThan(generation, origin))
    }

    /// Makes the session newer, whatever there is.
    pub(crate) async fn refresh(&self) -> Result<Arc<Snapshot>, Error> {
        self.patiently(Duration::MAX, Need::Asked).await
    }

    /// Begins an exchange beside the requests, where one is due. Never waits.
    pub(crate) fn attend(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        self.keep(&runtime);
        if let Some(ticket) = self.cell.attend() {
            // Nobody waits for it, and there was a runtime just now.
            self.launch(ticket).ok();
        }
    }

    /// Begins an exchange for a refusal that nobody waits for. Says whether one is under way.
    pub(crate) fn reject(&self, generation: Generation, origin: OriginIndex) -> bool {
        if generation > self.cell.load().generation {
            // Another session's.
            return false;
        }
        match self.cell.look(Need::NewerThan(generation, origin)) {
            Look::Fly(ticket, _) => self.launch(*ticket).is_ok(),
            Look::Join(_) => true,
            Look::Use(_) | Look::Fail(_) => false,
        }
    }

    /// Starts the keeper on the current runtime.
    pub(crate) fn start(&self) -> Result<(), Error> {
        let runtime = Handle::try_current().map_err(|_| Error::no_runtime())?;
        if self.family.keeps_idle_alive {
            self.family.keeper.run_on(&runtime);
        }
        if self.family.has_store() && !self.cell.load().has_access() {
            // How long the session can be idle is in the store.
            self.attend();
        }
        Ok(())
    }

    /// Takes a new login.
    pub(crate) async fn replace(&self, token: Token) -> Result<(), Error> {
        let family = &self.family;
        let token = family.profile.bind(token).map_err(Error::misconfigured)?;
        family.check_home(&token).map_err(Error::misconfigured)?;
        // First: a token that cannot be used must not take the place of a stored one that can.
        self.cell.check(&token).map_err(Error::misconfigured)?;
        let written = family.provider.replace(&self.id, &token).await;
        written.map_err(Error::exchange)?;
        self.cell.adopt(token).map_err(Error::misconfigured)?;
        self.tell(Event::Replaced);
        if let Ok(runtime) = Handle::try_current() {
            self.keep(&runtime);
        }
        self.family.keeper.nudge();
        Ok(())
    }

    /// Begins nothing more, waits for what is under way, and sees that what is owed is paid: the
    /// task that was at it may have died.
    pub(crate) async fn shut_down(&self) {
        self.cell.shut_down();
        while self.cell.left_owing().await {
            self.family.settle(&self.cell, &self.id).await;
        }
    }

    fn keep(&self, runtime: &Handle) {
        if self.cell.wants_keeper() {
            self.family.keeper.keep(self, runtime);
        }
    }

    /// Pays what is owed, in a task of its own.
    pub(super) fn settle_beside(&self) {
        if let Ok(runtime) = Handle::try_current() {
            let cell = Arc::clone(&self.cell);
            let family = Arc::clone(&self.family);
            let id = self.id.clone();
            runtime.spawn(async move { family.settle(&cell, &id).await });
        }
    }

    /// Gives the ticket to a task of its own, if there is a runtime to run it on.
    pub(super) fn launch(&self, ticket: Ticket) -> Result<(), Error> {
        let Ok(runtime) = Handle::try_current() else {
            ticket.abandon();
            return Err(Error::no_runtime());
        };
        let cell = Arc::clone(&self.cell);
        let family = Arc::clone(&self.family);
        let id = self.id.clone();
        runtime.spawn(async move {
            family.fly(ticket, &id).await;
            if cell.wants_keeper() {
                family.keeper.run_on(&Handle::current());
                family.keeper.nudge();
            }
            family.settle(&cell, &id).await;
        });
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Before anybody hears of it, who may begin the next session of this identity at once.
        self.family.forget(&self.id);
        self.cell.close();
        self.family.keeper.nudge();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("cell", &self.cell)
            .finish_non_exhaustive()
    }
}
