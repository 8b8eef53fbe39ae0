//! What a store keeps of a session.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{fingerprint::Fingerprint, held::HeldToken, intent::Intent, unix::UnixMillis};
use crate::{cell::schedule, clock::Moment, token::Secret};

/// Everything that a store keeps of one session.
///
/// A record is made by this crate, and handed to a store whole. What a store has to look at are its
/// [`version`](Self::version) and its [`intent`](Self::intent), which
/// [`Expected`](super::Expected) compares; [`to_json`](Self::to_json) and
/// [`from_json`](Self::from_json) turn it into text and back.
///
/// # Later versions
///
/// A later release may add fields; this one keeps those that it does not know and writes them back.
/// A record that says of itself that this release must not touch it is an error,
/// [`StoreFailure::Newer`](super::StoreFailure::Newer).
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    pub(super) version: Version,
    pub(super) token: Option<HeldToken>,
    pub(super) intent: Option<Intent>,
    pub(super) refused: Option<RefusedToken>,
    /// No exchange before this: a vendor asked for a pause.
    pub(super) not_before: Option<UnixMillis>,
    /// When a login was refused that no process which had begun by then makes again.
    pub(super) login_over_at: Option<UnixMillis>,
    /// The tokens that this session was ever started from, the latest last.
    pub(super) seeds: Vec<Fingerprint>,
    /// The refresh tokens that were rotated away last.
    pub(super) rotated: Vec<Fingerprint>,
    /// The whole record, encrypted. Then this is what may be known of it without the key: its
    /// version, its intent and the pause that a vendor asked for.
    pub(super) sealed: Option<Secret>,
    /// Fields of a later version, by name, as JSON.
    pub(super) unknown: Vec<(String, Secret)>,
}

/// Which login a token descends from, and how many exchanges since.
///
/// A lineage is numbered by the time of its login in milliseconds, and always higher than the one
/// before it: of two records the one with the higher version is the newer, also when a store has
/// lost what was between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The number of the login.
    pub lineage: u64,
    /// The number of the exchange within it.
    pub revision: u64,
}

/// A credential that the vendor refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefusedToken {
    token: Fingerprint,
    /// When it may be tried again all the same; never, for one that rotates.
    probe_at: Option<UnixMillis>,
}

// === impl Record ===

impl Record {
    /// One that says nothing.
    pub(super) fn bare(version: Version) -> Self {
        Self {
            version,
            token: None,
            intent: None,
            refused: None,
            not_before: None,
            login_over_at: None,
            seeds: Vec::new(),
            rotated: Vec::new(),
            sealed: None,
            unknown: Vec::new(),
        }
    }

    /// A session that starts from `token`.
    pub(super) fn begin(token: HeldToken, after: Option<&Self>, now: Moment) -> Self {
        let lineage = UnixMillis::of(now).get();
        let lineage = after.map_or(lineage, |it| {
            lineage.max(it.version.lineage.saturating_add(1))
        });
        let mut seeds = after.map(|it| it.seeds.clone()).unwrap_or_default();
        remember(&mut seeds, token.fingerprint(), SEEDS);
        let version = Version {
            lineage,
            revision: 0,
        };
        Self {
            token: Some(token.into_kept()),
            seeds,
            rotated: after.map(|it| it.rotated.clone()).unwrap_or_default(),
            unknown: after.map(|it| it.unknown.clone()).unwrap_or_default(),
            ..Self::bare(version)
        }
    }

    /// The record after an exchange that brought `token`: newer by one, with no intent and nothing
    /// held against it.
    pub(super) fn exchanged(&self, token: HeldToken) -> Self {
        let version = Version {
            revision: self.version.revision.saturating_add(1),
            ..self.version
        };
        self.followed_by(Some(token), version)
    }

    /// The record of a session that was revoked: no tokens any more, which are known by their
    /// fingerprints. It begins a lineage, so that it is newer than whatever others made of the one
    /// before it, also in memory; and no later one than it has to, so that it is older than any login
    /// since, whatever clock that was made by.
    pub(super) fn ended(&self) -> Self {
        let version = Version {
            lineage: self.version.lineage.saturating_add(1),
            revision: 0,
        };
        self.followed_by(None, version)
    }

    /// Whether its session was revoked, and nobody has logged in since.
    pub(super) fn has_ended(&self) -> bool {
        self.token.is_none() && self.login_over_at.is_none() && !self.is_sealed()
    }

    fn followed_by(&self, token: Option<HeldToken>, version: Version) -> Self {
        let mut next = self.clone();
        let stays = |old: &&HeldToken| token.as_ref().is_some_and(|it| old.same_credential(it));
        if let Some(old) = self.token.as_ref().filter(|old| !stays(old)) {
            remember(&mut next.rotated, old.fingerprint(), ROTATED);
        }
        next.version = version;
        next.token = token;
        next.intent = None;
        next.refused = None;
        next.not_before = None;
        next.login_over_at = None;
        next
    }

    /// The record with its token's times by our own clock.
    pub(super) fn seen_from(mut self, now: Moment, shown: UnixMillis) -> Self {
        self.token = self.token.map(|token| token.seen_from(now, shown));
        self
    }

    /// Which login it belongs to, and which exchange.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Who is spending its refresh token, if anybody is.
    #[must_use]
    pub fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }

    /// Whether its content is encrypted, so that only a store with the key gives more than its
    /// version and its intent.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Whether the session was ever started from `token`, or had it and rotated it away.
    ///
    /// Not one that was refused with another key than the one that it is said to be bound to now: its
    /// first seed did not name any.
    pub(super) fn has_seen(&self, token: &HeldToken) -> bool {
        let current = self.token.as_ref();
        if self.refused.is_some() && current.is_some_and(|current| token.corrects(current)) {
            return false;
        }
        if current.is_some_and(|current| current.same_credential(token)) {
            return true;
        }
        match token.fingerprint() {
            Some(print) => self.seeds.contains(&print) || self.rotated.contains(&print),
            // One that cannot be told from others does not win over what there is.
            None => current.is_some(),
        }
    }

    /// Whether the vendor refused the token that this record holds, as far as that still counts.
    pub(super) fn is_refused(&self, now: UnixMillis) -> bool {
        let (Some(refused), Some(token)) = (&self.refused, &self.token) else {
            return false;
        };
        // One that is longer was noted by a clock that was wrong, or has been set since.
        let ahead = |at: UnixMillis| now < at && at.since(now) <= schedule::PROBE_TO;
        let counts = refused.probe_at.is_none_or(ahead);
        counts && token.fingerprint().as_ref() == Some(&refused.token)
    }

    /// Notes that the vendor refused the token for good. Nothing is noted of a token without a
    /// fingerprint: each process finds out by itself.
    pub(super) fn refuse(&mut self, probe_at: Option<UnixMillis>) {
        let token = self.token.as_ref().and_then(HeldToken::fingerprint);
        self.refused = token.map(|token| RefusedToken { token, probe_at });
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown: Vec<_> = self.unknown.iter().map(|(name, _)| name).collect();
        f.debug_struct("Record")
            .field("version", &self.version)
            .field("token", &self.token)
            .field("intent", &self.intent)
            .field("sealed", &self.sealed)
            .field("unknown", &unknown)
            .finish_non_exhaustive()
    }
}

fn remember(list: &mut Vec<Fingerprint>, new: Option<Fingerprint>, at_most: usize) {
    let Some(new) = new else {
        return;
    };
    list.retain(|known| *known != new);
    list.push(new);
    if list.len() > at_most {
        list.drain(..list.len() - at_most);
    }
}

/// Seeds that are remembered: a seed that old is not rolled back to.
const SEEDS: usize = 32;
/// Rotated refresh tokens that are remembered, in case one of them is handed over as a seed.
const ROTATED: usize = 16;
