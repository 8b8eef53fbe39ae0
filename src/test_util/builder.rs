//! The settings that all simulators have.

use std::{io, sync::Arc, time::Duration};

use super::{
    policy::{AccessStyle, Policy, RefreshStyle},
    simulator::Simulator,
    vendor::Vendor,
};
use crate::clock::{Clock, SystemClock};

/// Settings of a simulator, made by its `builder`. `O` holds those of one vendor.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct SimBuilder<O> {
    pub(super) policy: Policy,
    pub(super) vendor: O,
}

// === impl SimBuilder ===

impl<O> SimBuilder<O> {
    /// The clock that tokens are issued and judged by, and that faults wait on. The system's,
    /// unless it is set.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.policy.clock = Arc::new(clock);
        self
    }

    /// How long an access token lives.
    ///
    /// A lifetime of whole seconds is counted from the last whole second, as issuers do, so such a
    /// token lives up to a second less. Any other keeps its milliseconds, and the JWT's times then
    /// have a fraction.
    pub fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.policy.access_lifetime = lifetime;
        self
    }

    /// How long a refresh token lives, with the same rounding. Each rotation starts it anew.
    pub fn refresh_lifetime(mut self, lifetime: Duration) -> Self {
        self.policy.refresh_lifetime = lifetime;
        self
    }

    pub(super) fn new(vendor: O, access_lifetime: Duration, refresh_lifetime: Duration) -> Self {
        let policy = Policy {
            clock: Arc::new(SystemClock),
            access: AccessStyle::Jwt,
            access_lifetime,
            refresh: RefreshStyle::Opaque,
            refresh_lifetime,
            grace: Duration::ZERO,
        };
        Self { policy, vendor }
    }
}

pub(super) async fn launch<O>(builder: SimBuilder<O>) -> io::Result<Simulator>
where
    O: Vendor,
{
    Simulator::start(Arc::new(builder.vendor), builder.policy).await
}

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
