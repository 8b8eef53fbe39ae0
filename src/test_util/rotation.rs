//! When an exchange spends the refresh token.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// When an exchange spends the refresh token and gives another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotation {
    /// At every exchange.
    Always,
    /// At every second exchange of the simulator, beginning with its second one. The reply of the
    /// others has no refresh token.
    Sometimes,
    /// Never: the refresh token stays good, and no reply has one.
    Never,
}

/// Whose turn it is.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    rotation: Rotation,
    taken: Arc<AtomicU64>,
}

// === impl Turns ===

impl Turns {
    pub(super) fn new(rotation: Rotation) -> Self {
        let taken = Arc::default();
        Self { rotation, taken }
    }

    /// Whether the exchange under way rotates.
    pub(super) fn next(&self) -> bool {
        match self.rotation {
            Rotation::Always => true,
            Rotation::Sometimes => self.taken.fetch_add(1, Ordering::Relaxed) % 2 == 1,
            Rotation::Never => false,
        }
    }
}
