//! The sessions of a simulator. How their tokens look is in `policy.rs`.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    book::{Access, Book, NotGood},
    counters::Tally,
    policy::{AccessStyle, Policy, random_hex},
    signer::{NumericDate, Purpose, Signer},
};
use crate::clock::Clock;

/// A login that just happened: what a client would have been given.
///
/// `Debug` shows neither token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seed {
    /// The access token, good from now on.
    pub access_token: String,
    /// The refresh token, not spent yet. For VMware this is the API token.
    pub refresh_token: String,
}

/// The sessions of one simulator, and who holds which token.
///
/// Rotated refresh tokens are good for one exchange. A second one ends the session with all of its
/// tokens, access tokens too: RFC 9700 (section 4.14.2) asks for the refresh tokens only, and no
/// vendor here documents what it does, so this is our assumption, chosen because no client bug can
/// hide from it.
pub(super) struct Sessions {
    pub(super) policy: Policy,
    pub(super) signer: Signer,
    pub(super) tally: Arc<Tally>,
    book: Mutex<Book>,
}

/// What an exchange gives: a new access token, and a refresh token where it was rotated.
pub(super) struct Grant {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
}

// === impl Sessions ===

impl Sessions {
    pub(super) fn new(policy: Policy, tally: Arc<Tally>) -> Self {
        Self {
            policy,
            signer: Signer::new(),
            tally,
            book: Mutex::default(),
        }
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.policy.clock
    }

    pub(super) fn access_lifetime(&self) -> Duration {
        self.policy.access_lifetime
    }

    /// Logs somebody in.
    pub(super) fn log_in(&self) -> Seed {
        let mut book = self.lock();
        let session = book.open();
        Seed {
            access_token: self.issue_access(&mut book, session),
            refresh_token: self.issue_refresh(&mut book, session),
        }
    }

    /// Opens a session that has no refresh token.
    pub(super) fn access_only(&self) -> String {
        let mut book = self.lock();
        let session = book.open();
        self.issue_access(&mut book, session)
    }

    /// Spends a refresh token, or merely uses it where it does not `rotate`, which is asked only
    /// for a good one.
    pub(super) fn exchange(
        &self,
        refresh: &str,
        rotate: impl FnOnce() -> bool,
    ) -> Result<Grant, NotGood> {
        let mut book = self.lock();
        let found = book.good_refresh(refresh, self.now(), self.policy.grace);
        if found == Err(NotGood::Spent) {
            let killed = book.kill_family_of(refresh);
            self.tally.count(|it| {
                it.spent_twice += 1;
                it.families_killed += u64::from(killed);
            });
        }
        let session = found?;
        let rotated = rotate().then(|| {
            book.spend(refresh, self.now());
            self.tally.count(|it| it.rotations += 1);
            self.issue_refresh(&mut book, session)
        });
        Ok(Grant {
            access: self.issue_access(&mut book, session),
            refresh: rotated,
        })
    }

    /// Whether both tokens were issued to the same login, however dead they are.
    pub(super) fn same_session(&self, access: &str, refresh: &str) -> bool {
        let book = self.lock();
        let access = self.find_access(&book, access).map(|it| it.session);
        access.is_some() && access == book.refresh.get(refresh).map(|it| it.session)
    }

    /// Whether an access token may be used now.
    pub(super) fn check_access(&self, token: &str) -> Result<(), NotGood> {
        let book = self.lock();
        let access = self.find_access(&book, token).ok_or(NotGood::Unknown)?;
        if access.number < book.revoked_below || book.has_ended(access.session) {
            return Err(NotGood::Revoked);
        }
        if access.expires <= self.now() {
            return Err(NotGood::Expired);
        }
        Ok(())
    }

    /// A JWT that is no access token, such as an `id_token`.
    pub(super) fn id_token(&self) -> String {
        let (iat, exp) = NumericDate::span(self.unix(), self.policy.access_lifetime);
        self.sign(Purpose::Id, 0, random_hex(8), iat, Some(exp))
    }

    pub(super) fn revoke_access_tokens(&self) {
        let mut book = self.lock();
        book.revoked_below = book.next_access;
    }

    pub(super) fn revoke_refresh_tokens(&self) {
        self.lock().refresh.clear();
    }

    /// The session of a token of either kind, however dead that is.
    pub(super) fn session_of(&self, token: &str) -> Option<u64> {
        let book = self.lock();
        let refresh = book.refresh.get(token).map(|it| it.session);
        refresh.or_else(|| self.find_access(&book, token).map(|it| it.session))
    }

    /// Ends one session, as its client asked.
    pub(super) fn revoke(&self, session: u64) {
        self.lock().end(session);
    }

    pub(super) fn revoke_sessions(&self) {
        let mut book = self.lock();
        book.ended_below = book.next_session;
    }

    fn find_access(&self, book: &Book, token: &str) -> Option<Access> {
        if self.policy.access == AccessStyle::Opaque {
            return book.opaque.get(token).copied();
        }
        let claims = self.signer.verify(token)?;
        let (number, _random) = claims.jti.split_once('-')?;
        let by_age = claims.iat.after(self.policy.access_lifetime);
        (claims.purpose == Purpose::Access).then_some(Access {
            number: number.parse().ok()?,
            session: claims.sid,
            expires: claims.exp.unwrap_or(by_age),
        })
    }

    fn now(&self) -> NumericDate {
        NumericDate::at(self.unix())
    }

    pub(super) fn unix(&self) -> Duration {
        self.policy.clock.now().unix()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

// === impl Seed ===

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").finish_non_exhaustive()
    }
}
