//! What a store must do, and what it does instead.

use std::{error::Error, fmt};

use crate::store::StoreError;

/// What a store does that the contract of [`TokenStore`](crate::store::TokenStore) does not allow.
///
/// It holds no record's content but that of the suite's own.
#[derive(Debug)]
pub struct Nonconformity {
    rule: &'static str,
    found: String,
}

/// A sentence that has to be true.
pub(super) struct Rule(pub(super) &'static str);

// === impl Rule ===

impl Rule {
    pub(super) fn holds(
        &self,
        holds: bool,
        found: impl FnOnce() -> String,
    ) -> Result<(), Nonconformity> {
        match holds {
            true => Ok(()),
            false => Err(self.broken(found())),
        }
    }

    pub(super) fn answered<T>(&self, answer: Result<T, StoreError>) -> Result<T, Nonconformity> {
        answer.map_err(|error| self.broken(format!("an error: {error:?}")))
    }

    pub(super) fn broken(&self, found: String) -> Nonconformity {
        Nonconformity {
            rule: self.0,
            found,
        }
    }
}

// === impl Nonconformity ===

impl Nonconformity {
    /// The rule that does not hold.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for Nonconformity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this does not hold: {}. Found: {}",
            self.rule, self.found
        )
    }
}

impl Error for Nonconformity {}
