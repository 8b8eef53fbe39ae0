//! Everybody who is told.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{Event, Observer};

/// The observers of one layer, and the name that its events carry.
#[derive(Default)]
pub(crate) struct Observers {
    vendor: Arc<str>,
    given: Vec<Box<dyn Observer>>,
}

// === impl Observers ===

impl Observers {
    pub(crate) fn new(vendor: &str, given: Vec<Box<dyn Observer>>) -> Self {
        #[cfg(feature = "metrics")]
        caught(super::metered::describe);
        Self {
            vendor: vendor.into(),
            given,
        }
    }

    /// Tells everybody. Never under a lock: observers are anybody's code.
    pub(crate) fn tell(&self, event: Event<'_>) {
        #[cfg(feature = "tracing")]
        caught(|| super::traced::trace(&self.vendor, &event));
        #[cfg(feature = "metrics")]
        caught(|| super::metered::count(&self.vendor, &event));
        for observer in &self.given {
            caught(|| observer.on_event(&self.vendor, &event));
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers")
            .field("vendor", &self.vendor)
            .field("given", &self.given.len())
            .finish()
    }
}

/// A panic would end a flight, or a request, that it has nothing to do with.
fn caught(told: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(told)).ok();
}
