//! A store whose tokens are encrypted.

mod key;
mod seal;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::SystemTime};

pub use self::key::{SealKey, SealKeys};
use super::{Expected, Lease, Record, Seen, SessionKey, StoreError, TokenStore, Written};

/// Encrypts what it hands to another store: whoever can read that one has no tokens.
///
/// ```
/// # fn main() -> Result<(), tower_reauth::store::StoreError> {
/// use tower_reauth::store::{FileStore, SealKey, SealKeys, Sealed};
///
/// let keys = SealKeys::new(SealKey::new("2026-11", [7; 32])?); // 32 random bytes
/// let store = Sealed::new(FileStore::new("session.json"), keys);
/// # Ok(())
/// # }
/// ```
///
/// # What is sealed
///
/// The record, by XChaCha20-Poly1305 with a nonce drawn for each write. Outside stay its version,
/// its intent with its deadline, and the pause that a vendor asked for: stores compare them, and
/// people look at them. They are inside too, and what is outside has to be the same. A seal is
/// good for its session only: a record that was put in the place of another's does not open.
///
/// # What cannot be opened
///
/// [`UnknownKey`](super::StoreFailure::UnknownKey), [`WrongKey`](super::StoreFailure::WrongKey) and
/// [`Tampered`](super::StoreFailure::Tampered) are errors, never "nothing there": no session begins
/// from its seed because of them, and nothing is spent. Whoever can write to the store can still
/// put an older record of the same session back, as whoever restores a backup does; processes
/// that have seen a newer one notice.
///
/// # With a file
///
/// [`FileStore::restore_backup`](super::FileStore::restore_backup) needs no key: call it on a
/// `FileStore` of the same path.
#[derive(Clone)]
pub struct Sealed<S> {
    inner: S,
    keys: Arc<SealKeys>,
    opens_unsealed: bool,
}

// === impl Sealed ===

impl<S> Sealed<S> {
    /// `inner`, sealed with `keys`.
    #[must_use]
    pub fn new(inner: S, keys: SealKeys) -> Self {
        Self {
            inner,
            keys: Arc::new(keys),
            opens_unsealed: false,
        }
    }

    /// Opens records that are not sealed, too, so that sessions from before there was a seal go
    /// on; each is sealed when it is written next. Whoever can write to the store can meanwhile
    /// hand you a session of theirs: take it away when every session has had an exchange.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_reauth::store::StoreError> {
    /// use tower_reauth::store::{FileStore, SealKey, SealKeys, Sealed};
    ///
    /// let keys = SealKeys::new(SealKey::new("2026-11", [7; 32])?);
    /// let store = Sealed::new(FileStore::new("session.json"), keys).danger_open_unsealed();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn danger_open_unsealed(mut self) -> Self {
        self.opens_unsealed = true;
        self
    }

    fn open(&self, record: Record, key: &SessionKey) -> Result<Record, StoreError> {
        if self.opens_unsealed && !record.is_sealed() {
            return Ok(record);
        }
        seal::open(&record, key, &self.keys)
    }
}

impl<S: TokenStore> TokenStore for Sealed<S> {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        let seen = self.inner.read(key, now).await?;
        let record = seen.record.map(|record| self.open(record, key));
        Ok(Seen {
            record: record.transpose()?,
            now: seen.now,
        })
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        let sealed = seal::seal(record, key, &self.keys)?;
        self.inner.write(key, expected, &sealed).await
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        self.inner.take_lease(key, lease, now).await
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        self.inner.release_lease(key, lease).await
    }
}

impl<S: fmt::Debug> fmt::Debug for Sealed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed")
            .field("inner", &self.inner)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
