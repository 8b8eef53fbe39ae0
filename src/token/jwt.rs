//! Reads the times out of a JWT without verifying it.
//!
//! A client has no key to verify an access token with, and needs none: the token came from the
//! issuer over TLS, and a wrong `exp` can at worst cause a refresh too early or too late. The
//! crate's JWT library verifies; here a base64 segment is decoded and two numbers are read.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use zeroize::Zeroizing;

/// The times that a JWT carries about itself, since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) exp: Duration,
    pub(super) iat: Option<Duration>,
}

#[derive(Deserialize)]
struct RawClaims {
    exp: f64,
    #[serde(default)]
    iat: Option<f64>,
}

/// The claims of `token`, if it is a signed JWT with a sensible `exp`.
pub(super) fn claims(token: &str) -> Option<Claims> {
    let mut segments = token.split('.');
    let (_header, payload, _signature) = (segments.next()?, segments.next()?, segments.next()?);
    if segments.next().is_some() || payload.len() > MAX_PAYLOAD {
        return None;
    }
    let payload = payload.trim_end_matches('=');
    let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    let raw: RawClaims = serde_json::from_slice(&json).ok()?;
    Some(Claims {
        exp: numeric_date(raw.exp)?,
        iat: raw.iat.and_then(numeric_date),
    })
}

/// A NumericDate (RFC 7519, section 2). Negative, infinite and absurd ones are none.
fn numeric_date(seconds: f64) -> Option<Duration> {
    let sensible = seconds > 0.0 && seconds < YEAR_9999;
    sensible.then(|| Duration::from_secs_f64(seconds))
}

const MAX_PAYLOAD: usize = 64 * 1024;
const YEAR_9999: f64 = 253_402_300_799.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn reads_exp_and_iat() {
        let claims = claims(&jwt(r#"{"exp":2000,"iat":1000,"sub":"x"}"#));
        let expected = Claims {
            exp: Duration::from_secs(2000),
            iat: Some(Duration::from_secs(1000)),
        };
        assert_eq!(claims, Some(expected));
    }

    #[test]
    fn anything_else_has_no_claims() {
        let deep = format!("{{\"exp\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        for payload in [
            r"{}",
            r#"{"exp":"soon"}"#,
            r#"{"exp":-5}"#,
            r#"{"exp":1e300}"#,
            "[]",
            "",
            &deep,
        ] {
            assert_eq!(claims(&jwt(payload)), None, "{payload:.40}");
        }
        for token in ["", "opaque", "a.b", "a.b.c.d", "..", "a.!!.c"] {
            assert_eq!(claims(token), None, "{token}");
        }
    }
}
