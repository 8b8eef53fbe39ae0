//! Leases, for stores that keep them in memory or in a file.

use std::{collections::BTreeMap, time::SystemTime};

use serde::{Deserialize, Serialize};

use super::{Lease, SessionKey, unix::UnixMillis};

/// Who has which lease, until when.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Leases(BTreeMap<String, Held>);

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    holder: String,
    until: UnixMillis,
}

// === impl Leases ===

impl Leases {
    /// Takes a lease or makes it last longer; false where another holder has it. One that claims to
    /// last for longer than any does was written before the clock was set back, and is over.
    pub(super) fn take(&mut self, key: &SessionKey, lease: &Lease, now: SystemTime) -> bool {
        let now = UnixMillis::of_wall(now);
        let until = now.after(lease.ttl());
        let taken = self.0.get(key.as_str()).is_some_and(|held| {
            held.holder != lease.holder() && now < held.until && held.until <= until
        });
        if !taken {
            self.0.retain(|_, held| now < held.until);
            let holder = lease.holder().to_owned();
            self.0
                .insert(key.as_str().to_owned(), Held { holder, until });
        }
        !taken
    }

    /// Gives a lease up; false where this holder does not have it.
    pub(super) fn release(&mut self, key: &SessionKey, lease: &Lease) -> bool {
        let held = self.0.get(key.as_str());
        let ours = held.is_some_and(|held| held.holder == lease.holder());
        if ours {
            self.0.remove(key.as_str());
        }
        ours
    }
}
