//! What may happen to a cell.

use super::times::{Grant, SECOND, Time};
use crate::provider::FailureKind::{self, *};

/// One operation. Small numbers, so that tokens meet again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Look {
        asked: bool,
    },
    /// A refusal of the current generation, or of one that is `older`.
    Reject {
        older: bool,
        origin: usize,
    },
    Attend,
    Accepted {
        origin: usize,
    },
    Send,
    Land(Grant),
    Fail(FailureKind, Option<Time>),
    Die,
    Abandon,
    Replace(Grant),
    Advance(Time),
    Settle {
        works: bool,
    },
    ShutDown,
}

// === impl Operation ===

impl Operation {
    pub(super) fn random(random: &mut fastrand::Rng) -> Self {
        let origin = random.usize(0..2);
        match random.u8(0..64) {
            0..8 => Self::Look { asked: false },
            8..12 => Self::Look { asked: true },
            12..18 => Self::Reject {
                older: random.u8(0..4) == 0,
                origin,
            },
            18..21 => Self::Accepted { origin },
            21..27 => Self::Attend,
            27..33 => Self::Send,
            33..40 => Self::Land(random_grant(random, true)),
            40..46 => {
                let kinds = [Transient, Throttled, Refused, Misconfigured, UnknownOutcome];
                let delays = [None, None, Some(3), Some(100), Some(10_000)];
                let delay = delays[random.usize(0..5)];
                Self::Fail(kinds[random.usize(0..5)], delay.map(|delay| delay * SECOND))
            }
            46..48 => Self::Die,
            48 => Self::Abandon,
            49..51 => {
                let has_access = random.bool();
                Self::Replace(random_grant(random, has_access))
            }
            51..60 => {
                let steps = [200, 900, 3_000, 11_000, 40_000, 90_000, 400_000, 1_000_000];
                Self::Advance(steps[random.usize(0..steps.len())])
            }
            60..63 => Self::Settle {
                works: random.bool(),
            },
            _ if random.u8(0..8) == 0 => Self::ShutDown,
            _ => Self::Attend,
        }
    }
}

fn random_grant(random: &mut fastrand::Rng, has_access: bool) -> Grant {
    let lifetimes = [
        None,
        Some(20 * SECOND),
        Some(100 * SECOND),
        Some(3_600 * SECOND),
    ];
    let refresh = random.u32(0..4);
    Grant {
        access: has_access.then(|| random.u32(..)),
        refresh: (!has_access || refresh > 0).then_some(refresh),
        lifetime: lifetimes[random.usize(0..4)],
    }
}
