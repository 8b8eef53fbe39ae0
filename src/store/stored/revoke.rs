//! The end of a session: the vendor is told first, then the store.

use super::{
    owed,
    turn::{Step, Trouble, Turn, wait_for_lease},
    unreachable_store,
};
use crate::{
    provider::{Provider, ProviderError},
    store::Record,
};

// === impl Turn ===

impl<P: Provider> Turn<'_, P> {
    /// Has the vendor revoke the newest token that there is, and leaves a record that says so.
    pub(super) async fn revoke(&self) -> Result<(), ProviderError> {
        let ended = self.to_the_end(|| self.step_to_revoke()).await;
        ended.map_err(|trouble| match trouble {
            Trouble::Provider(error) => error,
            Trouble::Store(error) => unreachable_store(error),
        })
    }

    async fn step_to_revoke(&self) -> Result<Step<()>, Trouble> {
        let desk = &self.stored.desk;
        if !desk.take_lease(&self.seat.key).await? {
            return Ok(wait_for_lease());
        }
        let step = self.revoke_under_lease().await;
        desk.release_lease(&self.seat.key).await;
        step
    }

    async fn revoke_under_lease(&self) -> Result<Step<()>, Trouble> {
        let Some(sight) = self.sees().await? else {
            return Ok(Step::Again);
        };
        if let Some(pause) = self.under_way_elsewhere(&sight) {
            // What it brings would not be revoked.
            return Ok(Step::Wait(pause));
        }
        let now = self.now();
        let Some(last) = self.starting_point(sight.record.as_ref(), now) else {
            return Ok(Step::Done(()));
        };
        let exchange = self
            .exchange
            .going_on_from(Some(last), now.after(self.allowed));
        let revoking = self.stored.provider.revoke(exchange);
        let revoked = self.stored.desk.holding_lease(&self.seat.key, revoking);
        revoked.await.map_err(Trouble::Provider)?;
        Ok(self.end(sight.record.as_ref()).await)
    }

    /// Leaves a record that says that the session has ended. If the store cannot be written to, that
    /// is owed.
    async fn end(&self, base: Option<&Record>) -> Step<()> {
        let Some(base) = base else {
            return Step::Done(());
        };
        let is_newest = self.seat.known().keep(base.ended(), Some(base.version()));
        if !is_newest {
            return Step::Again;
        }
        match owed::save(&self.stored.desk, self.seat).await {
            Ok(owed::Save::Landed) | Err(_) => Step::Done(()),
            // Another process has landed a token, which the vendor was not told of.
            Ok(owed::Save::Superseded) => Step::Again,
        }
    }
}
