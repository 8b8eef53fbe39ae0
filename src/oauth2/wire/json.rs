//! A reader of JSON objects that keeps what it has read when the rest cannot be read.

use std::time::Duration;

use super::walk::{Fault, Pass, Scalar};
use crate::token::Secret;

/// The wanted members of one JSON object, as far as they had arrived.
///
/// Members are wanted by name (`"access_token"`) or by the name of an object and a name in it
/// (`"data.accessToken"`). All others are skipped, whatever they hold. Of a member that is there
/// twice the last readable value counts (RFC 8259, section 4, leaves it open).
///
/// Texts go straight from the body into a [`Secret`]. Those with escapes in them pass through a
/// buffer of the JSON parser on the way, which is not overwritten.
pub(crate) struct Json {
    found: Vec<(&'static str, Scalar)>,
    fault: Option<Fault>,
}

// === impl Json ===

impl Json {
    /// Reads `body` as far as it goes.
    pub(crate) fn read(body: &[u8], wanted: &[&'static str]) -> Self {
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let mut unreadable = Vec::new();
        loop {
            let mut pass = Pass::new(wanted, &unreadable);
            let fault = pass.run(body);
            match (fault, pass.reading) {
                // One value cannot be decoded (half a surrogate pair, 1e999), though its end may
                // well be found: step over it, for the sake of those behind it.
                (Some(Fault::NotJson), Some(name)) => unreadable.push(name),
                (fault, _) => {
                    let found = pass.found;
                    return Self { found, fault };
                }
            }
        }
    }

    /// Why the body is not one whole JSON object; none if it is.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.secret(name).map(Secret::expose)
    }

    /// A text that is not shown to anyone. An empty one counts as none.
    pub(crate) fn secret(&self, name: &str) -> Option<&Secret> {
        match self.get(name)? {
            Scalar::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Scalar::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A number, or one in a text.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Scalar::Number(number) => Some(*number),
            Scalar::Text(text) => decimal(text.expose()),
            Scalar::Flag(_) | Scalar::Unreadable => None,
        }
    }

    /// A number of seconds, as a number or in a text. Whatever is no positive number is unknown.
    pub(crate) fn lifetime(&self, name: &str) -> Option<Duration> {
        let seconds = self.number(name)?;
        // False for NaN as well; and more than this is capped by the token anyway.
        let stated = seconds > 0.0;
        let lifetime = stated.then(|| Duration::from_secs_f64(seconds.min(CENTURY)))?;
        (!lifetime.is_zero()).then_some(lifetime)
    }

    /// Whether there is something else than a text where a text belongs.
    pub(crate) fn is_no_text(&self, name: &str) -> bool {
        !matches!(self.get(name), None | Some(Scalar::Text(_)))
    }

    fn get(&self, name: &str) -> Option<&Scalar> {
        let (_, scalar) = self.found.iter().find(|(found, _)| *found == name)?;
        Some(scalar)
    }
}

/// A number as JSON would have it, without the `inf` and `nan` that Rust reads as well.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().all(numeric).then(|| text.parse().ok())?
}

/// RFC 8259, section 8.1: not to be sent, and may be ignored.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const CENTURY: f64 = 3_155_760_000.0;
