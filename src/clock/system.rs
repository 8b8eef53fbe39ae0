//! The clocks of the operating system.

#[cfg(any(target_os = "android", target_os = "linux"))]
pub(super) use self::linux::{coarse, now};
#[cfg(not(any(target_os = "android", target_os = "linux")))]
pub(super) use self::{other::now, other::now as coarse};

/// All by one call: std's monotonic clock hides its start, and could not be compared with a coarse one.
#[cfg(any(target_os = "android", target_os = "linux"))]
mod linux {
    use std::cell::Cell;

    use rustix::time::{ClockId, DynamicClockId, clock_gettime_dynamic};

    use super::super::Moment;

    pub(in super::super) fn now() -> Moment {
        let [monotonic, unix] = [ClockId::Monotonic, ClockId::Realtime].map(read);
        // Linux has both. A wall clock set before 1970 reads as 1970: tokens with an absolute expiry
        // then look alive for too long on this clock alone, which is why there are two.
        Moment {
            monotonic: monotonic.unwrap_or_default(),
            unix: unix.unwrap_or_default(),
        }
    }

    #[inline]
    pub(in super::super) fn coarse() -> Moment {
        // What only looks like Linux may lack them.
        read_coarse().unwrap_or_else(now)
    }

    /// Both clocks stand still between two ticks of the kernel. While the one has not moved since this
    /// thread read them, the other need not be read again: it has not moved either, or was set within
    /// that tick.
    #[inline]
    fn read_coarse() -> Option<Moment> {
        thread_local!(static LAST: Cell<Moment> = const { Cell::new(Moment::PAST) });
        let monotonic = read(ClockId::MonotonicCoarse)?;
        let last = LAST.get();
        if last.monotonic == monotonic {
            return Some(last);
        }
        let moment = Moment {
            monotonic,
            unix: read(ClockId::RealtimeCoarse)?,
        };
        LAST.set(moment);
        Some(moment)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clocks"
    )]
    #[inline]
    fn read(clock: ClockId) -> Option<u64> {
        // The call that says so where there is no such clock, and does not panic.
        let reading = clock_gettime_dynamic(DynamicClockId::Known(clock)).ok()?;
        let seconds = u64::try_from(reading.tv_sec).ok()?;
        // Below a thousand million, and never below zero (POSIX).
        let nanos = reading.tv_nsec as u64;
        Some(seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos))
    }
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
mod other {
    use std::{
        sync::LazyLock,
        time::{Duration, Instant, SystemTime, UNIX_EPOCH},
    };

    use super::super::Moment;

    pub(in super::super) fn now() -> Moment {
        static START: LazyLock<Instant> = LazyLock::new(instant);
        // `elapsed` would be a second way to read the clock; there is only `instant`.
        let monotonic = instant().saturating_duration_since(*START);
        Moment::new(monotonic, unix())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the monotonic clock"
    )]
    fn instant() -> Instant {
        Instant::now()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn unix() -> Duration {
        // A wall clock set before 1970 reads as 1970: tokens with an absolute expiry then look alive
        // for too long on this clock alone, which is why the monotonic one decides beside it.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coarse_reading_is_not_early_and_catches_up() {
        // Of one reading the clocks are read one after the other, and a tick may come between.
        let (earlier, before) = (now(), now());
        let coarse = loop {
            let coarse = coarse();
            assert!(coarse.monotonic() <= now().monotonic());
            if coarse.monotonic() >= before.monotonic() {
                break coarse;
            }
        };
        assert!(coarse.unix() >= earlier.unix());
        // Of the same clock: this machine was not started at the moment of the test.
        assert!(coarse.unix() > coarse.monotonic());
    }
}
