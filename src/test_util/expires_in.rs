//! The ways to write `expires_in`.

use std::time::Duration;

use serde_json::{Value, json};

/// How a reply of [`SimOauth`](super::SimOauth) writes `expires_in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpiresIn {
    /// The lifetime as a number, as the RFC has it.
    Number,
    /// The lifetime as a string of digits.
    Text,
    /// The lifetime as a number with a fraction.
    Float,
    /// Not at all.
    Missing,
    /// 0, although the token lives.
    Zero,
    /// -1, although the token lives.
    Negative,
    /// The largest number of 64 bits.
    Huge,
}

// === impl ExpiresIn ===

impl ExpiresIn {
    pub(super) fn value(self, lifetime: Duration) -> Option<Value> {
        Some(match self {
            ExpiresIn::Number => json!(lifetime.as_secs()),
            ExpiresIn::Text => json!(lifetime.as_secs().to_string()),
            ExpiresIn::Float => json!(lifetime.as_secs_f64()),
            ExpiresIn::Missing => return None,
            ExpiresIn::Zero => json!(0),
            ExpiresIn::Negative => json!(-1),
            ExpiresIn::Huge => json!(u64::MAX),
        })
    }
}
