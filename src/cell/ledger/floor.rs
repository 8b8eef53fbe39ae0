//! The pause that all sessions of a layer keep.

use crate::{
    cell::{
        schedule,
        sync::{Mutex, lock},
    },
    clock::Moment,
    error::Error,
    provider::ProviderError,
};

/// A pause that a token endpoint asked for, which all sessions of a layer keep.
#[derive(Debug)]
pub(crate) struct Floor(Mutex<Option<(Moment, ProviderError)>>);

// === impl Floor ===

impl Floor {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Why no session may ask now, and until when.
    pub(in crate::cell) fn forbids(&self, now: Moment) -> Option<(Error, Moment)> {
        let floor = lock(&self.0);
        let (until, error) = floor.as_ref()?;
        (!until.reached(now)).then(|| (Error::exchange(error.clone()), *until))
    }

    /// Keeps the pause that a throttled exchange was told of.
    pub(in crate::cell) fn raise(&self, error: &ProviderError, now: Moment) {
        let delay = error.delay().unwrap_or(schedule::THROTTLED_WITHOUT_DELAY);
        let until = now.after(schedule::capped_delay(delay));
        let mut floor = lock(&self.0);
        if floor.as_ref().is_none_or(|(known, _)| known.reached(until)) {
            *floor = Some((until, error.clone()));
        }
    }
}
