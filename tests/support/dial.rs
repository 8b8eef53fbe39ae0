//! A clock that a test sets by hand, for several processes at once: how far it is ahead of the
//! system's stands in a file.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and a test may panic"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tower_reauth::clock::{Clock, Moment, Sleep, SystemClock};

#[derive(Clone, Debug)]
pub struct Dial(PathBuf);

/// Milliseconds, on the wall clock and on the monotonic one.
type Ahead = (i64, u64);

// === impl Dial ===

impl Dial {
    /// The one whose file is there, or will be.
    pub fn at(file: impl Into<PathBuf>) -> Self {
        Self(file.into())
    }

    pub fn file(&self) -> &Path {
        &self.0
    }

    /// This much time goes by.
    pub fn pass(&self, by: Duration) {
        let (wall, monotonic) = self.ahead();
        let by = by.as_millis();
        self.set((
            wall + i64::try_from(by).unwrap(),
            monotonic + u64::try_from(by).unwrap(),
        ));
    }

    /// Somebody sets the wall clock, this many milliseconds on or back.
    pub fn step(&self, by: i64) {
        let (wall, monotonic) = self.ahead();
        self.set((wall + by, monotonic));
    }

    /// Shows what another one shows, for the time being.
    pub fn goes_like(&self, other: &Self) {
        self.set(other.ahead());
    }

    /// What a clock of somebody else's shows, if it goes by this one.
    pub fn shifted(&self, wall: SystemTime) -> SystemTime {
        let (ahead, _) = self.ahead();
        let by = Duration::from_millis(ahead.unsigned_abs());
        if ahead < 0 { wall - by } else { wall + by }
    }

    fn ahead(&self) -> Ahead {
        let Ok(text) = fs::read_to_string(&self.0) else {
            return (0, 0);
        };
        let (wall, monotonic) = text.split_once(' ').unwrap();
        (wall.parse().unwrap(), monotonic.parse().unwrap())
    }

    /// In one step: others may be reading.
    fn set(&self, (wall, monotonic): Ahead) {
        let new = self.0.with_extension(format!("{:016x}", fastrand::u64(..)));
        fs::write(&new, format!("{wall} {monotonic}")).unwrap();
        fs::rename(new, &self.0).unwrap();
    }
}

impl Clock for Dial {
    fn now(&self) -> Moment {
        let (_, monotonic) = self.ahead();
        let now = SystemClock.now();
        let wall = self.shifted(now.wall());
        let unix = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Moment::new(now.monotonic() + Duration::from_millis(monotonic), unix)
    }

    /// Looks at the file again and again: whoever sleeps wakes when the time is set on.
    fn sleep(&self, duration: Duration) -> Sleep {
        let dial = self.clone();
        let until = self.now().monotonic() + duration;
        Box::pin(async move {
            loop {
                let left = until.saturating_sub(dial.now().monotonic());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOKS_EVERY)).await;
            }
        })
    }
}

const LOOKS_EVERY: Duration = Duration::from_millis(5);
