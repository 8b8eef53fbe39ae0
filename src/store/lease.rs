//! The right to ask a vendor, for a while.

use std::time::Duration;

use super::fingerprint::Unique;

/// Who would like to have a session's lease, and for how long.
///
/// A lease keeps replicas from asking at the same time. It is not what keeps a refresh token from
/// being spent twice; that is the [intent](super::Intent).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    holder: Unique,
    ttl: Duration,
}

// === impl Lease ===

impl Lease {
    /// A lease for a holder that nobody else is.
    #[must_use]
    pub fn new(ttl: Duration) -> Self {
        Self {
            holder: Unique::new(),
            ttl,
        }
    }

    /// What tells this holder from all others: hexadecimal digits.
    #[must_use]
    pub fn holder(&self) -> &str {
        self.holder.as_str()
    }

    /// How long the lease lasts from when it is taken.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }
}
