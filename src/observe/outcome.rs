//! How an exchange ended, in one word.

use crate::{
    error::Error,
    provider::{FailureKind, Reason},
};

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The vendor gave a token.
    Issued,
    /// Another process had been quicker: its token was taken from the store.
    Adopted,
    /// A login came meanwhile, or the exchange never began, and what it would have brought is not
    /// used.
    Superseded,
    /// There is no token, for one of the five reasons.
    Failed(FailureKind),
    /// Its task was dropped with its runtime, or its provider panicked.
    Died,
}

// === impl Outcome ===

impl Outcome {
    /// The outcome in one word, as traces and metrics have it: `issued`, `adopted`, `superseded`,
    /// `transient`, `throttled`, `refused`, `misconfigured`, `unknown_outcome` or `died`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Adopted => "adopted",
            Self::Superseded => "superseded",
            Self::Failed(kind) => kind.as_str(),
            Self::Died => "died",
        }
    }

    /// That of an exchange which brought nothing but `error`.
    pub(crate) fn of(error: &Error) -> Self {
        match error.provider_error() {
            Some(error) => Self::Failed(error.kind()),
            None => Self::Died,
        }
    }
}

// === impl FailureKind ===

impl FailureKind {
    /// The kind in one word, as traces and metrics have it: `transient`, `throttled`, `refused`,
    /// `misconfigured` or `unknown_outcome`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Refused => "refused",
            Self::Misconfigured => "misconfigured",
            Self::UnknownOutcome => "unknown_outcome",
        }
    }
}

// === impl Reason ===

impl Reason {
    /// The reason in one word, as traces and metrics have it: `first`, `due`, `expired`, `refused`,
    /// `keep_alive` or `asked`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Due => "due",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::KeepAlive => "keep_alive",
            Self::Asked => "asked",
        }
    }
}
