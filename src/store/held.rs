//! A token as a record holds it: its deadlines are times by the wall clock of whoever got it, worked
//! out when it was new. How that clock compared with the store's stands beside them.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use super::{fingerprint::Fingerprint, unix::UnixMillis};
use crate::{
    cell::schedule::{Access, Plan, keep_alive},
    clock::Moment,
    provider::Profile,
    token::{
        Secret, Token,
        expiry::{self, Age, Expiry},
    },
};

/// A token, with absolute deadlines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HeldToken {
    #[serde(serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    pub(crate) access: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    asked_at: UnixMillis,
    /// How many milliseconds the store's clock was ahead of the one that these times are of.
    #[serde(skip_serializing_if = "is_zero")]
    ahead: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<u64>,
    #[serde(serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<Secret>,
    /// When the refresh token was asked for, where that was not together with the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_asked_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_expires_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_expires_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The key that both are bound to, where that is the session's own.
    #[serde(serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    proof_key: Option<Secret>,
    /// Of a seed: somebody has said that this is its key.
    #[serde(skip)]
    key_is_given: bool,
    #[serde(
        serialize_with = "exposed_fields",
        skip_serializing_if = "Extra::is_empty"
    )]
    extra: Extra,
    /// Those that came with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    origins: Vec<String>,
}

/// Further fields of a reply, which are secrets too.
type Extra = std::collections::BTreeMap<String, Secret>;

// === impl HeldToken ===

impl HeldToken {
    /// A token that a vendor gave to a request sent at `asked_at`.
    pub(super) fn fresh(token: &Token, asked_at: Moment, now: Moment, profile: &Profile) -> Self {
        let asked_at = token.asked_at().unwrap_or(asked_at);
        let age = Age::Fresh { asked_at, now };
        Self::at_age(token, age, profile.lifetime, profile.refresh_lifetime)
    }

    /// A token to start from, taken to be as old as it says itself.
    pub(super) fn seed(token: &Token, now: Moment, profile: &Profile) -> Self {
        let age = token
            .asked_at()
            .map_or(Age::Seed { now }, |asked_at| Age::Fresh { asked_at, now });
        Self {
            key_is_given: token.given_key().is_some(),
            ..Self::at_age(token, age, None, profile.refresh_lifetime)
        }
    }

    /// As a record holds it, which does not tell who said what.
    pub(super) fn into_kept(self) -> Self {
        Self {
            key_is_given: false,
            ..self
        }
    }

    fn at_age(
        token: &Token,
        age: Age,
        lifetime: Option<Duration>,
        refresh_lifetime: Option<Duration>,
    ) -> Self {
        let access = expiry::access(token, age, lifetime);
        let refresh = expiry::refresh(token, age, refresh_lifetime);
        let asked = |expiry: Option<Expiry>| {
            UnixMillis::of(expiry.map_or(age.counts_from(), |it| it.at.before(it.lifetime)))
        };
        let refresh_asked_at = asked(refresh);
        let asked_at = asked(access);
        Self {
            access: token.access_token().cloned(),
            token_type: token.token_type().map(str::to_owned),
            asked_at,
            ahead: 0,
            expires_at: access.map(|it| UnixMillis::of(it.at)),
            refresh_in: token.refresh_hint().map(millis),
            refresh: token.refresh_token().cloned(),
            refresh_asked_at: (refresh_asked_at != asked_at).then_some(refresh_asked_at),
            refresh_expires_at: refresh.map(|it| UnixMillis::of(it.at)),
            // Of the vendor's clock, which no shift of ours concerns.
            credential_expires_at: token.credential_expiry().map(UnixMillis::of_wall),
            scope: token.scope().map(str::to_owned),
            proof_key: token.proof_key().cloned(),
            key_is_given: false,
            extra: token
                .extras()
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .collect(),
            origins: token.origins().map(str::to_owned).collect(),
        }
    }

    /// This token, whose times are of a clock that the store's is ahead of by so many milliseconds.
    pub(super) fn by_clock(self, ahead: i64) -> Self {
        Self { ahead, ..self }
    }

    /// The same token with the times of our own clock, which shows `now` when the store's shows
    /// `shown`. A token that was asked for in the future is as good as new, for all that can be
    /// known: a clock was set back since.
    pub(super) fn seen_from(&self, now: Moment, shown: UnixMillis) -> Self {
        let own = UnixMillis::of(now);
        let ahead = shown.ahead_of(own);
        let mut by = self.ahead.saturating_sub(ahead);
        if by.unsigned_abs() < TOLERATED {
            by = 0;
        }
        let future = self.asked_at.shifted(by).ahead_of(own);
        if future > 0 && future.unsigned_abs() >= TOLERATED {
            by = by.saturating_sub(future);
        }
        if by == 0 {
            return self.clone();
        }
        let shifted = |time: UnixMillis| time.shifted(by);
        Self {
            asked_at: shifted(self.asked_at),
            ahead,
            expires_at: self.expires_at.map(shifted),
            refresh_asked_at: self.refresh_asked_at.map(shifted),
            refresh_expires_at: self.refresh_expires_at.map(shifted),
            ..self.clone()
        }
    }

    /// This token with the refresh token of `older`, where it has none of its own.
    pub(super) fn inheriting_refresh_from(mut self, older: &Self) -> Self {
        if self.refresh.is_none() {
            self.refresh.clone_from(&older.refresh);
            self.refresh_asked_at = Some(older.refresh_asked_at.unwrap_or(older.asked_at));
            self.refresh_expires_at = older.refresh_expires_at;
        }
        self
    }

    /// This token with the access token of `older`, where it has none of its own.
    pub(super) fn inheriting_access_from(self, older: &Self) -> Self {
        if self.access.is_some() {
            return self;
        }
        let refresh_asked_at = Some(self.refresh_asked_at.unwrap_or(self.asked_at));
        Self {
            refresh: self.refresh,
            proof_key: self.proof_key.or_else(|| older.proof_key.clone()),
            refresh_asked_at,
            refresh_expires_at: self.refresh_expires_at,
            ..older.clone()
        }
    }

    /// The token, marked as one that was kept.
    pub(super) fn to_token(&self, now: Moment) -> Token {
        let mut token = Token::kept(self.access.clone(), self.refresh.clone())
            .with_key(self.proof_key.clone())
            .with_asked_at(self.asked_at.moment(now));
        if let Some(at) = self.expires_at {
            token = token.with_expiry(at.wall());
        }
        if let Some(at) = self.refresh_expires_at {
            token = token.with_refresh_expiry(at.wall());
        }
        if let Some(hint) = self.refresh_in {
            token = token.with_refresh_hint(Duration::from_millis(hint));
        }
        if let Some(at) = self.credential_expires_at {
            token = token.with_credential_expiry(at.wall());
        }
        if let Some(token_type) = &self.token_type {
            token = token.with_token_type(token_type);
        }
        if let Some(scope) = &self.scope {
            token = token.with_scope(scope);
        }
        for origin in &self.origins {
            token = token.with_origin(origin);
        }
        let extra = self.extra.iter();
        extra.fold(token, |token, (name, value)| {
            token.with_extra(name, value.clone())
        })
    }

    /// The moments in the life of this token.
    pub(super) fn plan(&self, now: Moment) -> Plan {
        let asked_at = self.asked_at.moment(now);
        let access = match (&self.access, self.expires_at) {
            (None, _) => Access::None,
            (Some(_), None) => Access::Unknown,
            (Some(_), Some(at)) => Access::Until(Expiry {
                at: at.moment(now),
                lifetime: at.since(self.asked_at),
            }),
        };
        let hint = self.refresh_in.map(Duration::from_millis);
        let plan = Plan::new(
            access,
            None,
            hint.map(|hint| asked_at.after(hint)),
            asked_at,
            0.0,
        );
        let refresh_asked_at = self.refresh_asked_at.unwrap_or(self.asked_at);
        let refresh = self.refresh_expires_at.map(|at| Expiry {
            at: at.moment(now),
            lifetime: at.since(refresh_asked_at),
        });
        let keep_alive = keep_alive(refresh, refresh_asked_at.moment(now), 0.0);
        Plan { keep_alive, ..plan }
    }

    /// What tells this token from others, for one that starts a session: its refresh token, or its
    /// access token where it has no other.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        Fingerprint::of(self.refresh.as_ref().or(self.access.as_ref())?)
    }

    /// Whether somebody has said that the same thing is bound to another key than `other` is.
    pub(super) fn corrects(&self, other: &Self) -> bool {
        self.key_is_given && self.proof_key != other.proof_key && self.same_credential(other)
    }

    /// Whether both would spend the same thing.
    pub(super) fn same_credential(&self, other: &Self) -> bool {
        match (&self.refresh, &other.refresh) {
            (None, None) => self.access == other.access,
            (one, other) => one == other,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn is_zero(millis: &i64) -> bool {
    *millis == 0
}

fn exposed<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

fn exposed_fields<S: Serializer>(extra: &Extra, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(extra.len()))?;
    for (name, value) in extra {
        map.serialize_entry(name, value.expose())?;
    }
    map.end()
}

/// Clocks differ by as many milliseconds where nobody has set them, and a store takes its time to
/// answer.
const TOLERATED: u64 = 5_000;
