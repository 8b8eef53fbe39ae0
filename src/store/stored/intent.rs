//! The intent, which is written before a refresh token is spent, and taken back where none was.

use std::time::Duration;

use super::{
    desk::Sight,
    seat::Void,
    spend::Spending,
    turn::{Trouble, Turn},
};
use crate::{
    provider::{Provider, ProviderError, Rotation},
    store::{Expected, Intent, Record, Written},
};

// === impl Turn ===

impl<P: Provider> Turn<'_, P> {
    /// What can be spent is something that rotates.
    pub(super) fn needs_intent(&self, spending: &Spending) -> bool {
        let held = spending.base.as_ref().and_then(|base| base.token.as_ref());
        self.stored.profile.rotation != Rotation::Never && held.is_some()
    }

    pub(super) async fn writes_intent(&self, spending: &mut Spending) -> Result<Written, Trouble> {
        let Some(base) = &spending.base else {
            return Ok(Written::Done);
        };
        let began = self.now();
        let (next, before) = self.with_intent(base, &spending.sight);
        let written = self
            .stored
            .desk
            .write(&self.seat.key, &Expected::as_seen(base), &next)
            .await;
        match written {
            Ok(Written::Done) => self.seat.known().wrote(&next),
            Ok(Written::Conflict) => return Ok(Written::Conflict),
            Err(error) => {
                // It may stand there, and nothing was spent under it.
                self.unspent(&next, before);
                return Err(Trouble::Store(error));
            }
        }
        if began.after(MARGIN).reached(self.now()) {
            // The process or the store has slept: by the time that the vendor is asked, others may
            // take the intent for dead.
            self.unspent(&next, before);
            return Err(Trouble::Provider(ProviderError::transient(
                "the store took too long to take note of the exchange",
            )));
        }
        (spending.base, spending.before) = (Some(next), before);
        Ok(Written::Done)
    }

    /// `base` with an intent of ours, and the intent that it had.
    pub(super) fn with_intent(&self, base: &Record, sight: &Sight) -> (Record, Option<Intent>) {
        let mut known = self.seat.known();
        let before = known.open_intent(base);
        let now = sight.shown(self.now());
        let intent = Intent::new(now, self.allowed + MARGIN, before.as_ref());
        known.intends(&intent, before.as_ref());
        let mut next = base.clone();
        next.intent = Some(intent);
        (next, before)
    }

    /// The intent of `record` may stand in the store, in the place of the one before it, and nothing
    /// was spent under it.
    pub(super) fn unspent(&self, record: &Record, before: Option<Intent>) {
        if let Some(intent) = record.intent() {
            let id = intent.id().clone();
            self.seat.known().add_void(Void { id, before });
        }
    }
}

/// What writing an intent may take: the intent lasts that much longer than the exchange.
pub(super) const MARGIN: Duration = Duration::from_secs(2);
