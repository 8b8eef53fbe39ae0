//! A store that dies with its process.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::{
    Expected, Lease, Record, Seen, SessionKey, StoreError, TokenStore, Written, leases::Leases,
};

/// Keeps sessions in this process: **a restart needs a new login.**
///
/// Its clones share what they keep, so that several layers of one process may share a session.
/// For a layer by itself,
/// [`memory_only`](crate::layer::AuthLayerBuilder::memory_only) does the same for less.
///
/// ```
/// use tower_reauth::{AuthLayer, Token, store::MemoryStore, vendor::Immersve};
///
/// # fn main() -> Result<(), tower_reauth::Error> {
/// let store = MemoryStore::new();
/// let layer = || {
///     AuthLayer::builder(Immersve::new("client-app-id", "https://app.example"))
///         .initial(Token::from_refresh_token("from-the-login"))
///         .store(store.clone())
///         .build()
/// };
/// let (one, other) = (layer()?, layer()?); // they do not spend each other's refresh token
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    records: HashMap<SessionKey, Record>,
    leases: Leases,
}

// === impl MemoryStore ===

impl MemoryStore {
    /// A store with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenStore for MemoryStore {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        let record = self.lock().records.get(key).cloned();
        Ok(Seen { record, now })
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        let mut kept = self.lock();
        if !expected.is_met_by(kept.records.get(key)) {
            return Ok(Written::Conflict);
        }
        kept.records.insert(key.clone(), record.clone());
        Ok(Written::Done)
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        Ok(self.lock().leases.take(key, lease, now))
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        self.lock().leases.release(key, lease);
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}
