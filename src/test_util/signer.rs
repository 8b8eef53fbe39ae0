//! The JWTs of a simulator.

use std::{fmt, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// Signs and verifies the JWTs of one simulator, with a key of its own.
pub(super) struct Signer {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

/// What the simulators' JWTs say.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    pub(super) jti: String,
    /// The session.
    pub(super) sid: u64,
    #[serde(rename = "use")]
    pub(super) purpose: Purpose,
    pub(super) iat: NumericDate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) exp: Option<NumericDate>,
}

#[derive(Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Purpose {
    Access,
    Refresh,
    Id,
}

/// Milliseconds since 1970 that travel as seconds (RFC 7519, section 2): as a whole number where
/// they are whole, else with a fraction.
#[derive(Clone, Copy, Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(into = "Number", try_from = "Number")]
pub(super) struct NumericDate(pub(super) u64);

// === impl Signer ===

impl Signer {
    pub(super) fn new() -> Self {
        let key: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are compared by whoever holds the simulator's clock, without leeway.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self {
            signing: EncodingKey::from_secret(&key),
            verifying: DecodingKey::from_secret(&key),
            validation,
        }
    }

    pub(super) fn sign(&self, claims: &Claims) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing)
            .expect("a key of bytes suits HS256, and the claims are plain JSON")
    }

    /// The claims of a token that this simulator signed, expired or not.
    pub(super) fn verify(&self, token: &str) -> Option<Claims> {
        let data = jsonwebtoken::decode(token, &self.verifying, &self.validation).ok()?;
        Some(data.claims)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

// === impl NumericDate ===

impl NumericDate {
    /// When something begins and ends that lasts for `lifetime` from `now` on.
    ///
    /// Issuers write whole seconds, so what lasts for whole seconds begins at a whole one; it is
    /// then up to a second older than it looks. Other lifetimes keep their milliseconds.
    pub(super) fn span(now: Duration, lifetime: Duration) -> (Self, Self) {
        let whole = lifetime.subsec_nanos() == 0;
        let begin = if whole {
            Duration::from_secs(now.as_secs())
        } else {
            now
        };
        let end = begin.saturating_add(lifetime).min(YEAR_9999);
        (Self::at(begin), Self::at(end))
    }

    pub(super) fn at(unix: Duration) -> Self {
        Self(u64::try_from(unix.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn after(self, lifetime: Duration) -> Self {
        Self(self.0.saturating_add(Self::at(lifetime.min(YEAR_9999)).0))
    }
}

impl From<NumericDate> for Number {
    fn from(date: NumericDate) -> Self {
        let whole = Number::from(date.0 / 1_000);
        if date.0.is_multiple_of(1_000) {
            return whole;
        }
        // Exact to the millisecond for all years that have four digits.
        Number::from_f64(date.0 as f64 / 1_000.0).unwrap_or(whole)
    }
}

impl TryFrom<Number> for NumericDate {
    type Error = &'static str;

    fn try_from(seconds: Number) -> Result<Self, Self::Error> {
        let seconds = seconds.as_f64().ok_or("not a number of seconds")?;
        let unix = Duration::try_from_secs_f64(seconds).map_err(|_| "not a time since 1970")?;
        Ok(Self::at(unix.saturating_add(HALF_A_MILLISECOND)))
    }
}

const YEAR_9999: Duration = Duration::from_secs(253_402_300_799);
const HALF_A_MILLISECOND: Duration = Duration::from_micros(500);
