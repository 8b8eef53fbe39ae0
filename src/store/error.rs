//! Why a store could not do its work.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

/// A store could not be read or written.
///
/// `Display` and `Debug` hold no secret: whoever makes one passes messages of its own, never what a
/// record holds.
///
/// ```
/// use tower_reauth::store::{StoreError, StoreFailure};
///
/// let error = StoreError::unavailable("the database does not answer");
/// assert_eq!(error.failure(), StoreFailure::Unavailable);
/// ```
#[derive(Clone)]
pub struct StoreError {
    failure: StoreFailure,
    message: Cow<'static, str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    nothing_written: bool,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreFailure {
    /// It does not answer, now.
    Unavailable,
    /// What it holds is no whole record: cut off, overwritten, or never one.
    Torn,
    /// What it holds was written by a later version, which this one must not touch.
    Newer,
    /// Others can read it, so it is not read.
    Exposed,
    /// It has no room for more, and refuses to write.
    Full,
    /// It has to be set up otherwise, which waiting does not change.
    Misconfigured,
    /// What it holds is sealed with a key that this process was not given.
    UnknownKey,
    /// What it holds is sealed with another key than the one that this process has by that name.
    WrongKey,
    /// What it holds was changed by somebody without the key, or belongs to another session.
    Tampered,
}

// === impl StoreError ===

impl StoreError {
    /// The store does not answer, now. Whether a write has landed is not known.
    #[must_use]
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StoreFailure::Unavailable, message)
    }

    /// What the store holds is no whole record.
    #[must_use]
    pub fn torn(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StoreFailure::Torn, message)
    }

    pub(crate) fn newer() -> Self {
        Self::new(
            StoreFailure::Newer,
            "the record was written by a later version of tower-reauth: update this process",
        )
    }

    /// Somebody reads a sealed record without a key. Taken for a record, it would look like a
    /// session that has no token yet.
    pub(crate) fn sealed() -> Self {
        Self::new(
            StoreFailure::UnknownKey,
            "the record is sealed, and this process was given no key: wrap the store in `Sealed`",
        )
    }

    pub(crate) fn exposed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StoreFailure::Exposed, message)
    }

    /// The store has to be set up otherwise.
    #[must_use]
    pub fn misconfigured(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StoreFailure::Misconfigured, message)
    }

    pub(super) fn new(failure: StoreFailure, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            failure,
            message: message.into(),
            source: None,
            nothing_written: failure == StoreFailure::Full,
        }
    }

    /// Adds the error behind this one. It is reachable through `source()`, so it must hold no
    /// secret.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Says that nothing has been written, and nothing will be: the store was not reached, or has said
    /// no. Then the process that holds what it lacks may go on rotating in memory.
    #[must_use]
    pub fn nothing_written(mut self) -> Self {
        self.nothing_written = true;
        self
    }

    /// Whether a write that failed with this may have landed all the same.
    pub(crate) fn may_have_written(&self) -> bool {
        !self.nothing_written
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn failure(&self) -> StoreFailure {
        self.failure
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreError")
            .field("failure", &self.failure)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
