//! Who holds which token, as an issuer sees it.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::signer::NumericDate;

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotGood {
    Unknown,
    Expired,
    Spent,
    Revoked,
}

/// Who holds which token, as the issuer sees it.
#[derive(Default)]
pub(super) struct Book {
    pub(super) next_session: u64,
    pub(super) next_access: u64,
    pub(super) ended: HashSet<u64>,
    /// Sessions below this number have ended, all of them.
    pub(super) ended_below: u64,
    /// Access tokens below this number are revoked.
    pub(super) revoked_below: u64,
    pub(super) refresh: HashMap<String, Refresh>,
    pub(super) opaque: HashMap<String, Access>,
}

#[derive(Clone, Copy)]
pub(super) struct Refresh {
    pub(super) session: u64,
    pub(super) expires: NumericDate,
    pub(super) spent: Option<NumericDate>,
}

#[derive(Clone, Copy)]
pub(super) struct Access {
    pub(super) number: u64,
    pub(super) session: u64,
    pub(super) expires: NumericDate,
}

// === impl Book ===

impl Book {
    pub(super) fn open(&mut self) -> u64 {
        let session = self.next_session;
        self.next_session += 1;
        session
    }

    pub(super) fn has_ended(&self, session: u64) -> bool {
        session < self.ended_below || self.ended.contains(&session)
    }

    /// The session of a refresh token that may be spent now.
    pub(super) fn good_refresh(
        &self,
        token: &str,
        now: NumericDate,
        grace: Duration,
    ) -> Result<u64, NotGood> {
        let found = self.refresh.get(token).ok_or(NotGood::Unknown)?;
        let in_grace = |spent: NumericDate| !grace.is_zero() && now < spent.after(grace);
        // Without a grace time a wall clock that steps back does not make it good again.
        if found.spent.is_some_and(|at| !in_grace(at)) {
            return Err(NotGood::Spent);
        }
        if self.has_ended(found.session) {
            return Err(NotGood::Revoked);
        }
        if found.expires <= now {
            return Err(NotGood::Expired);
        }
        Ok(found.session)
    }

    pub(super) fn spend(&mut self, token: &str, now: NumericDate) {
        if let Some(refresh) = self.refresh.get_mut(token) {
            // A replay within the grace time does not begin another one.
            refresh.spent.get_or_insert(now);
        }
    }

    /// Ends the session that `token` belongs to; false if it had ended before.
    pub(super) fn kill_family_of(&mut self, token: &str) -> bool {
        let Some(session) = self.refresh.get(token).map(|it| it.session) else {
            return false;
        };
        self.end(session)
    }

    /// Ends a session; false if it had ended before.
    pub(super) fn end(&mut self, session: u64) -> bool {
        !self.has_ended(session) && self.ended.insert(session)
    }
}
