//! Wall-clock times, as records hold them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// Milliseconds since 1970-01-01 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(crate) struct UnixMillis(u64);

// === impl UnixMillis ===

impl UnixMillis {
    #[cfg(test)]
    pub(crate) const fn new(millis: u64) -> Self {
        Self(millis)
    }

    pub(crate) fn of(moment: Moment) -> Self {
        Self::since_epoch(moment.unix())
    }

    pub(crate) fn of_wall(wall: SystemTime) -> Self {
        Self::since_epoch(wall.duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn since_epoch(unix: Duration) -> Self {
        Self(u64::try_from(unix.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn since_1970(self) -> Duration {
        Duration::from_millis(self.0)
    }

    pub(crate) fn after(self, duration: Duration) -> Self {
        Self::since_epoch(self.since_1970().saturating_add(duration))
    }

    /// How long from `earlier` until this; zero where that is past.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// How many milliseconds this is after `other`, or before it where that is negative.
    pub(crate) fn ahead_of(self, other: Self) -> i64 {
        let ahead = i128::from(self.0) - i128::from(other.0);
        i64::try_from(ahead).unwrap_or(if ahead < 0 { i64::MIN } else { i64::MAX })
    }

    /// This time, that many milliseconds later, or earlier.
    pub(crate) fn shifted(self, by: i64) -> Self {
        Self(self.0.saturating_add_signed(by))
    }

    /// The deadline at this time, seen from `now`, when the clock that it was read from shows
    /// `shown`.
    pub(crate) fn seen_from(self, now: Moment, shown: Self) -> Moment {
        now.after(self.since(shown)).before(shown.since(self))
    }

    /// The deadline at this time by our own wall clock.
    pub(crate) fn moment(self, now: Moment) -> Moment {
        let ahead = self.since_1970().saturating_sub(now.unix());
        let behind = now.unix().saturating_sub(self.since_1970());
        now.after(ahead).before(behind)
    }

    pub(crate) fn wall(self) -> SystemTime {
        Moment::new(Duration::ZERO, self.since_1970()).wall()
    }
}
