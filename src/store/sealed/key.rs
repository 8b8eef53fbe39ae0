//! Keys, and which of them seals.

use std::{fmt, iter};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    store::{StoreError, fingerprint::hex},
    token::Secret,
};

/// A key that records are sealed with: 32 random bytes, and a name that is written on each seal.
///
/// It is overwritten with zeros when it is dropped, and no output shows it.
///
/// ```
/// # fn main() -> Result<(), tower_reauth::store::StoreError> {
/// use tower_reauth::store::SealKey;
///
/// // `openssl rand -base64 32`, from wherever your secrets are kept
/// let key = SealKey::from_base64("2026-11", "pV0nqFTGZKrcYJGkVe0C0i9Y8k2o3yXoY0mXyXb8u1c=")?;
/// # Ok(())
/// # }
/// ```
pub struct SealKey {
    id: String,
    bytes: Zeroizing<[u8; LENGTH]>,
}

/// The key that seals, and those that are left from before it and still open.
///
/// # Rotating keys
///
/// A record is sealed anew at each write, which is at each exchange at the latest. So:
///
/// 1. Give every process the new key with [`also_opening`](Self::also_opening).
/// 2. When all have it, make it the one that seals, and let the old one open.
/// 3. When every session has had an exchange, leave the old one out.
///
/// A process that lacks a key says so, and does not touch what it cannot open.
///
/// ```
/// # fn main() -> Result<(), tower_reauth::store::StoreError> {
/// use tower_reauth::store::{SealKey, SealKeys};
///
/// let keys = SealKeys::new(SealKey::new("2026-11", [2; 32])?)
///     .also_opening(SealKey::new("2026-05", [1; 32])?);
/// # Ok(())
/// # }
/// ```
pub struct SealKeys {
    seals: SealKey,
    open: Vec<SealKey>,
}

// === impl SealKey ===

impl SealKey {
    /// The key `bytes` by the name of `id`: up to 64 letters, digits, `-` and `_`.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where the name is none.
    pub fn new(id: impl Into<String>, bytes: [u8; LENGTH]) -> Result<Self, StoreError> {
        let bytes = Zeroizing::new(bytes);
        let id = id.into();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > 64 || !id.bytes().all(fits) {
            return Err(StoreError::misconfigured(
                "the name of a seal's key is 1 to 64 letters, digits, `-` or `_`",
            ));
        }
        Ok(Self { id, bytes })
    }

    /// The key that `text` holds in base 64, 32 bytes.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where it is no such text, or the name is none.
    pub fn from_base64(id: impl Into<String>, text: impl Into<Secret>) -> Result<Self, StoreError> {
        let wrong = || {
            StoreError::misconfigured(
                "a seal's key is 32 random bytes in base 64, as `openssl rand -base64 32` makes it",
            )
        };
        let text = text.into();
        let bytes = BASE64_STANDARD.decode(text.expose().trim());
        let bytes = Zeroizing::new(bytes.map_err(|_| wrong())?);
        let bytes = <[u8; LENGTH]>::try_from(bytes.as_slice()).map_err(|_| wrong())?;
        Self::new(id, bytes)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn bytes(&self) -> &[u8; LENGTH] {
        &self.bytes
    }

    /// Tells this key from another of its name, and nothing else of it.
    pub(super) fn check(&self) -> String {
        let mut digest = Sha256::new_with_prefix("tower-reauth seal key 1\0");
        digest.update(self.bytes.as_slice());
        hex(&digest.finalize()[..8])
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

// === impl SealKeys ===

impl SealKeys {
    /// Seals with `key`, and opens what it has sealed.
    #[must_use]
    pub fn new(key: SealKey) -> Self {
        Self {
            seals: key,
            open: Vec::new(),
        }
    }

    /// Opens what `key` has sealed, too.
    #[must_use]
    pub fn also_opening(mut self, key: SealKey) -> Self {
        self.open.push(key);
        self
    }

    pub(super) fn seals(&self) -> &SealKey {
        &self.seals
    }

    /// The key that seals goes before another of its name.
    pub(super) fn named(&self, id: &str) -> Option<&SealKey> {
        let mut all = iter::once(&self.seals).chain(&self.open);
        all.find(|key| key.id == id)
    }
}

impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKeys")
            .field("seals", &self.seals)
            .field("open", &self.open)
            .finish()
    }
}

const LENGTH: usize = 32;
