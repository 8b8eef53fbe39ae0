//! Both clocks of a simulation: tokio's paused one. Nothing waits in real time.

use std::time::Duration;

use tokio::time::Instant;
use tower_reauth::clock::{Clock, Moment, Sleep};

/// Time since the simulation began. Its wall clock shows a day in 2027.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PausedClock {
    start: Instant,
}

// === impl PausedClock ===

impl PausedClock {
    /// Within a paused runtime: outside of one this would be the real time.
    pub(crate) fn start() -> Self {
        Self { start: instant() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        instant().duration_since(self.start)
    }

    pub(crate) async fn sleep_until(&self, at: Duration) {
        tokio::time::sleep_until(self.start + at).await;
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Moment {
        let elapsed = self.elapsed();
        Moment::new(elapsed, DAY_ONE + elapsed)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokio's clock is paused, and this is the one place that reads it"
)]
fn instant() -> Instant {
    Instant::now()
}

const DAY_ONE: Duration = Duration::from_secs(1_800_000_000);
