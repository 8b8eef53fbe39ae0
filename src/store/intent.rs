//! Who is spending a refresh token, and until when.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{fingerprint::Unique, unix::UnixMillis};

/// Somebody is spending the refresh token of this record's revision, or was when the process died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    id: IntentId,
    /// When this refresh token was sent for the first time, by whomever.
    pub(super) began_at: UnixMillis,
    /// Until when the exchange may be under way.
    pub(super) deadline: UnixMillis,
}

/// What tells an [`Intent`] from all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(Unique);

// === impl Intent ===

impl Intent {
    /// The intent to spend, from now on until `allowed` has passed. A token that may have been sent
    /// before, under `earlier`, was first sent then.
    pub(super) fn new(now: UnixMillis, allowed: Duration, earlier: Option<&Self>) -> Self {
        Self {
            id: IntentId(Unique::new()),
            began_at: earlier.map_or(now, |it| it.began_at),
            deadline: now.after(allowed),
        }
    }

    /// The intent of nobody: the refresh token may have been spent, long ago, by whomever.
    pub(super) fn distrust(earlier: Option<&Self>) -> Self {
        Self::new(UnixMillis::default(), Duration::ZERO, earlier)
    }

    /// Whether it is one of nobody's.
    pub(super) fn is_distrust(&self) -> bool {
        self.deadline == UnixMillis::default()
    }

    /// What tells it from all others.
    #[must_use]
    pub fn id(&self) -> &IntentId {
        &self.id
    }

    /// Until when the exchange may be under way, by the store's clock.
    #[must_use]
    pub fn deadline(&self) -> SystemTime {
        self.deadline.wall()
    }
}

// === impl IntentId ===

impl IntentId {
    /// Its text: hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}
