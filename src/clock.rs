//! What time it is, on two clocks at once.
//!
//! This is the only module that reads a clock; everything else takes a [`Moment`] as an argument.
//! A `Moment` holds both the monotonic and the wall clock, because each lies in its own way: the
//! monotonic clock of most systems stands still while the machine is suspended, and the wall clock
//! jumps when somebody sets it. A deadline counts as reached when *either* clock has reached it, so
//! neither fault can make a dead token look alive.

mod system;

use std::{
    any::Any,
    fmt,
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use pin_project::pin_project;
use tokio::runtime::Handle;

/// One reading of both clocks, or a deadline on both.
///
/// All arithmetic saturates, in the year 2554 at the latest; none of it panics.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Both in nanoseconds: two numbers that are compared at once, where a `Duration` has four.
    monotonic: u64,
    unix: u64,
}

/// Where the time comes from.
///
/// The default is [`SystemClock`]. Tests use the manual clock of the `test-util` feature.
pub trait Clock: Any + fmt::Debug + Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Moment;

    /// Reads both clocks for a request that may go on at once, as cheaply as may be. The reading may
    /// be late by a few milliseconds, and never early; all else is decided by [`now`](Self::now).
    ///
    /// A token is not sent any more well before it expires, so a request that goes by a late reading
    /// carries a good one. By default this is `now`.
    fn coarse(&self) -> Moment {
        self.now()
    }

    /// Waits for `duration`, measured on the monotonic clock.
    ///
    /// # Cancel safety
    ///
    /// The future holds nothing; dropping it ends the wait.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// The future of [`Clock::sleep`].
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The clocks of the operating system, with tokio's timer.
///
/// On Linux the [coarse](Clock::coarse) reading is that of the kernel's last tick, which is 1 to 10
/// milliseconds old, of both clocks: `CLOCK_MONOTONIC_COARSE` and `CLOCK_REALTIME_COARSE`. Steps of
/// the wall clock and a suspend show in it as they do in the others.
///
/// Outside of a tokio runtime there is no timer, and a sleep there does not end. Nor does one whose
/// runtime was shut down.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

// === impl Moment ===

impl Moment {
    /// A moment that every reading has reached.
    pub(crate) const PAST: Moment = Moment::new(Duration::ZERO, Duration::ZERO);
    /// A moment that no reading reaches.
    pub(crate) const NEVER: Moment = Moment::new(Duration::MAX, Duration::MAX);

    /// A reading: time since the monotonic clock's own start, and since 1970-01-01 UTC.
    #[must_use]
    pub const fn new(monotonic: Duration, unix: Duration) -> Self {
        Self {
            monotonic: nanos(monotonic),
            unix: nanos(unix),
        }
    }

    /// The wall clock's part.
    ///
    /// A moment beyond what the platform can represent gives the latest second that it can, or the
    /// epoch where even that is not to be had.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(self.unix()).unwrap_or(UNIX_EPOCH)
    }

    /// Time since 1970-01-01 UTC by the wall clock.
    #[must_use]
    pub const fn unix(&self) -> Duration {
        Duration::from_nanos(self.unix)
    }

    /// Time since the monotonic clock's own start.
    #[must_use]
    pub const fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.monotonic)
    }

    /// This moment, `duration` later on both clocks.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self {
            monotonic: self.monotonic.saturating_add(nanos(duration)),
            unix: self.unix.saturating_add(nanos(duration)),
        }
    }

    /// This moment, `duration` earlier on both clocks.
    #[must_use]
    pub const fn before(self, duration: Duration) -> Self {
        Self {
            monotonic: self.monotonic.saturating_sub(nanos(duration)),
            unix: self.unix.saturating_sub(nanos(duration)),
        }
    }

    /// Whether `now` has reached this deadline on either clock.
    #[must_use]
    #[inline]
    pub fn reached(&self, now: Moment) -> bool {
        now.monotonic >= self.monotonic || now.unix >= self.unix
    }

    /// What is left of this deadline at `now`, on the clock that has less left.
    #[must_use]
    pub fn remaining(&self, now: Moment) -> Duration {
        let monotonic = self.monotonic.saturating_sub(now.monotonic);
        Duration::from_nanos(monotonic.min(self.unix.saturating_sub(now.unix)))
    }

    /// The deadline that is reached first, clock by clock.
    #[must_use]
    pub fn earliest(self, other: Moment) -> Self {
        Self {
            monotonic: self.monotonic.min(other.monotonic),
            unix: self.unix.min(other.unix),
        }
    }

    /// The deadline that is reached last, clock by clock.
    #[must_use]
    pub fn latest(self, other: Moment) -> Self {
        Self {
            monotonic: self.monotonic.max(other.monotonic),
            unix: self.unix.max(other.unix),
        }
    }

    /// The deadline at `wall`, seen from `now`: the monotonic part is as far away as the wall's.
    #[must_use]
    pub fn at_wall(wall: SystemTime, now: Moment) -> Self {
        let unix = nanos(wall.duration_since(UNIX_EPOCH).unwrap_or_default());
        let monotonic = match unix.checked_sub(now.unix) {
            Some(ahead) => now.monotonic.saturating_add(ahead),
            None => now.monotonic.saturating_sub(now.unix - unix),
        };
        Self { monotonic, unix }
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment")
            .field("monotonic", &self.monotonic())
            .field("unix", &self.unix())
            .finish()
    }
}

const fn nanos(duration: Duration) -> u64 {
    let nanos = duration.as_nanos();
    // `try_from` is not const yet.
    if nanos > u64::MAX as u128 {
        u64::MAX
    } else {
        nanos as u64
    }
}

// === impl Clock ===

impl dyn Clock {
    /// Whether this is the system's, which can be asked without a look at what it is.
    pub(crate) fn is_system(&self) -> bool {
        (self as &dyn Any).is::<SystemClock>()
    }
}

// === impl SystemClock ===

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        system::now()
    }

    #[inline]
    fn coarse(&self) -> Moment {
        system::coarse()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        // Outside of a runtime tokio's timer panics.
        match Handle::try_current() {
            Ok(_) => Box::pin(Outliving(tokio::time::sleep(duration))),
            Err(_) => Box::pin(pending()),
        }
    }
}

/// Waits for a timer, for ever if its runtime is shut down: tokio panics then, and offers no way to
/// ask. Whoever waits may be a request that was moved to another runtime.
#[pin_project]
struct Outliving(#[pin] tokio::time::Sleep);

impl Future for Outliving {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.project().0;
        catch_unwind(AssertUnwindSafe(|| timer.poll(cx))).unwrap_or(Poll::Pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(monotonic: u64, unix: u64) -> Moment {
        Moment::new(Duration::from_secs(monotonic), Duration::from_secs(unix))
    }

    #[test]
    fn a_deadline_is_reached_when_either_clock_says_so() {
        let deadline = at(100, 1_100);
        assert!(!deadline.reached(at(99, 1_099)));
        assert!(deadline.reached(at(100, 1_000)), "the wall was set back");
        assert!(deadline.reached(at(10, 1_100)), "the machine was suspended");
    }

    #[test]
    fn remaining_is_that_of_the_clock_with_less_left() {
        let deadline = at(100, 1_100);
        assert_eq!(deadline.remaining(at(40, 1_090)), Duration::from_secs(10));
        assert_eq!(deadline.remaining(at(95, 1_000)), Duration::from_secs(5));
        assert_eq!(deadline.remaining(at(200, 900)), Duration::ZERO);
    }

    #[test]
    fn a_wall_deadline_is_as_far_away_on_the_monotonic_clock() {
        let now = at(50, 1_000);
        let wall = UNIX_EPOCH + Duration::from_secs(1_030);
        assert_eq!(Moment::at_wall(wall, now), at(80, 1_030));
        let past = UNIX_EPOCH + Duration::from_secs(990);
        assert!(Moment::at_wall(past, now).reached(now));
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Moment::NEVER.after(Duration::MAX), Moment::NEVER);
        assert_eq!(Moment::PAST.before(Duration::MAX), Moment::PAST);
        assert!(!Moment::NEVER.reached(at(u32::MAX.into(), u32::MAX.into())));
        assert!(Moment::NEVER.wall() > UNIX_EPOCH);
    }
}
