//! Text that must not be seen.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::lane::Apart;

/// A credential: redacted in every output, overwritten with zeros when its last clone is dropped.
///
/// Cloning shares the text, so there is one copy to overwrite. [`Secret::expose`] is the only way
/// in; there is no `Display`, no `Serialize` and no `Deref`.
///
/// ```
/// use tower_reauth::token::Secret;
///
/// let secret = Secret::from("s3cr3t");
/// assert_eq!(format!("{secret:?}"), "Secret([redacted])");
/// assert_eq!(secret.expose(), "s3cr3t");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

/// A text that many [`Bytes`] share, overwritten with zeros when the last of them is dropped.
pub(crate) struct ZeroizingText(Arc<Zeroizing<Vec<u8>>>);

// === impl Secret ===

impl Secret {
    /// The text itself. Do not print it, and do not keep copies that are not zeroed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

// === impl ZeroizingText ===

impl ZeroizingText {
    /// `prefix` with `secret` behind it.
    pub(crate) fn joined(prefix: &str, secret: &Secret) -> Self {
        // Long enough from the start: a buffer that grows leaves a copy behind.
        let mut text = Vec::with_capacity(prefix.len() + secret.expose().len());
        text.extend_from_slice(prefix.as_bytes());
        text.extend_from_slice(secret.expose().as_bytes());
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text, with a count of references that no others share a cache line with.
    pub(crate) fn counted_apart(&self) -> Bytes {
        struct Owner(Apart<Arc<Zeroizing<Vec<u8>>>>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        Bytes::from_owner(Owner(Apart::new(Arc::clone(&self.0))))
    }
}

/// Bytes that are overwritten with zeros when the last reference to them is dropped.
pub(crate) fn zeroizing_bytes(buffer: Vec<u8>) -> Bytes {
    Bytes::from_owner(Zeroizing::new(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_format_shows_the_text() {
        let secret = Secret::from("canary");
        for shown in [
            format!("{secret:?}"),
            format!("{secret:#?}"),
            format!("{:?}", Some(&secret)),
        ] {
            assert!(!shown.contains("canary"), "{shown}");
        }
    }

    #[test]
    fn clones_share_one_copy() {
        let secret = Secret::from("canary");
        let clone = secret.clone();
        assert!(std::ptr::eq(secret.expose(), clone.expose()));
    }
}
