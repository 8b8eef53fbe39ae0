//! The end of a session: the vendor is told first, then the store.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use super::{
    desk::Sight,
    turn::{Step, Trouble, Turn},
    unreachable_store,
};
use crate::{
    cell::overtaken_by_a_login,
    provider::{Provider, ProviderError},
    store::{Expected, Record, Written},
};

/// The session that is meant: not the one of a login that comes meanwhile.
struct Meant {
    logins: u64,
    lineage: OnceLock<u64>,
    /// The vendor has revoked a token of it.
    revoked: AtomicBool,
}

// === impl Turn ===

impl<P: Provider> Turn<'_, P> {
    /// Has the vendor revoke the newest token that there is, and leaves a record that says so.
    pub(super) async fn revoke(&self) -> Result<(), ProviderError> {
        let meant = Meant {
            logins: self.seat.known().logins(),
            lineage: OnceLock::new(),
            revoked: AtomicBool::new(false),
        };
        let ended = self.to_the_end(|| self.step_to_revoke(&meant)).await;
        ended.map_err(|trouble| match trouble {
            Trouble::Provider(error) => error,
            Trouble::Store(error) => unreachable_store(error),
        })
    }

    async fn step_to_revoke(&self, meant: &Meant) -> Result<Step<()>, Trouble> {
        let desk = &self.stored.desk;
        if !desk.take_lease(&self.seat.key).await? {
            // Whose intent it is that has to be over is known from here on.
            let seen = desk.read(&self.seat.key).await?.record;
            let mut known = self.seat.known();
            known.meet(seen, self.now());
            // And whose session it is that was meant, if no seed of ours is to begin it.
            if let (None, Some(newest)) = (&known.seed, known.newest()) {
                meant.lineage.get_or_init(|| newest.version().lineage);
            }
            return Ok(Step::Wait);
        }
        let step = self.revoke_under_lease(meant).await;
        desk.release_lease(&self.seat.key).await;
        step
    }

    async fn revoke_under_lease(&self, meant: &Meant) -> Result<Step<()>, Trouble> {
        let Some(sight) = self.sees().await? else {
            return Ok(Step::Again);
        };
        if !self.is_meant(&sight, meant) {
            return match meant.revoked.load(Relaxed) {
                true => Ok(Step::Done(())),
                false => Err(Trouble::Provider(overtaken_by_a_login())),
            };
        }
        if self.under_way_elsewhere(&sight) {
            // What it brings would not be revoked.
            return Ok(Step::Wait);
        }
        let now = self.now();
        let Some(last) = self.starting_point(sight.record.as_ref(), &sight, now) else {
            return Ok(Step::Done(()));
        };
        let exchange = self
            .exchange
            .going_on_from(Some(last), now.after(self.allowed));
        let revoking = self.stored.provider.revoke(exchange);
        let revoked = self.stored.desk.holding_lease(&self.seat.key, revoking);
        revoked.await.map_err(Trouble::Provider)?;
        meant.revoked.store(true, Relaxed);
        match &sight.record {
            Some(base) => Ok(self.end(base).await),
            None => Ok(Step::Done(())),
        }
    }

    fn is_meant(&self, sight: &Sight, meant: &Meant) -> bool {
        let same_login = self.seat.known().logins() == meant.logins;
        let lineage = sight.record.as_ref().map(|it| it.version().lineage);
        same_login && lineage.is_none_or(|it| *meant.lineage.get_or_init(|| it) == it)
    }

    /// Leaves a record that says that the session has ended. If the store cannot be written to, that
    /// is owed.
    async fn end(&self, base: &Record) -> Step<()> {
        let ended = base.ended();
        let desk = &self.stored.desk;
        // Not over an intent that was written meanwhile: what that exchange brings, the vendor was
        // not told of.
        let expected = Expected::as_seen(base);
        let kept = match desk.write(&self.seat.key, &expected, &ended).await {
            Ok(Written::Done) => {
                self.seat.known().wrote(&ended);
                true
            }
            Ok(Written::Conflict) => false,
            Err(_) => self.seat.known().keep(ended, Some(base.version())),
        };
        match kept {
            true => Step::Done(()),
            false => Step::Again,
        }
    }
}
