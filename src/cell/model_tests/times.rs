//! When the model's tokens and pauses end.

/// Milliseconds since the start.
pub(super) type Time = u64;

pub(super) const SECOND: Time = 1_000;
pub(super) const NEVER: Time = Time::MAX;

/// A moment that chance decides: not before the first, at the latest by the second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Band(pub(super) Time, pub(super) Time);

#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) access: Option<u32>,
    pub(super) refresh: Option<u32>,
    pub(super) lifetime: Option<Time>,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) access: Option<u32>,
    pub(super) refresh: Option<u32>,
    pub(super) due: Band,
    pub(super) dead: Time,
}

// === impl Held ===

impl Held {
    pub(super) fn new(grant: Grant, asked_at: Time, now: Time) -> Self {
        let (due, dead) = match (grant.access, grant.lifetime) {
            (None, _) => (Band(0, 0), 0),
            (_, None) => (Band(NEVER, NEVER), NEVER),
            (_, Some(lifetime)) => {
                let end = asked_at + lifetime;
                let dead = end - (lifetime / 10).min(30 * SECOND);
                let latest = end - (lifetime / 4).min(3_600 * SECOND);
                let soonest = now + dead.saturating_sub(now) / 2;
                let due = |at: Time| at.max(soonest).min(dead);
                (Band(due(latest - lifetime / 10), due(latest)), dead)
            }
        };
        Self {
            access: grant.access,
            refresh: grant.refresh,
            due,
            dead,
        }
    }
}

// === impl Band ===

impl Band {
    /// 1 s and 1.6 times as long each time, up to 120 s, and a fifth more or less.
    pub(super) fn without_token(failures: u32) -> Self {
        let mut pause = 1_000_f64;
        for _ in 1..failures {
            pause = (pause * 1.6).min(120_000.0);
        }
        Self(
            (pause * 0.8) as Time,
            (pause * 1.2).min(120_000.0) as Time + 1,
        )
    }

    pub(super) fn at_least(self, least: Time) -> Self {
        Self(self.0.max(least), self.1.max(least))
    }

    pub(super) fn from(self, now: Time) -> Self {
        Self(now + self.0, now + self.1)
    }

    /// None where chance decides.
    pub(super) fn is_over(self, now: Time) -> Option<bool> {
        match now {
            now if now < self.0 => Some(false),
            now if now >= self.1 => Some(true),
            _ => None,
        }
    }
}
