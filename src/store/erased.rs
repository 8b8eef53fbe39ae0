//! A store whose type is hidden.

use std::{future::Future, pin::Pin, time::SystemTime};

use super::{Expected, Lease, Record, Seen, SessionKey, StoreError, TokenStore, Written};

/// [`TokenStore`] with its futures boxed. A store is asked once for each exchange; one allocation
/// more is nothing beside it.
pub(crate) trait ErasedStore: Send + Sync {
    fn read<'a>(&'a self, key: &'a SessionKey, now: SystemTime) -> Boxed<'a, Seen>;
    fn write<'a>(
        &'a self,
        key: &'a SessionKey,
        expected: &'a Expected,
        record: &'a Record,
    ) -> Boxed<'a, Written>;
    fn take_lease<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a Lease,
        now: SystemTime,
    ) -> Boxed<'a, bool>;
    fn release_lease<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Boxed<'a, ()>;
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

// === impl ErasedStore ===

impl<S: TokenStore> ErasedStore for S {
    fn read<'a>(&'a self, key: &'a SessionKey, now: SystemTime) -> Boxed<'a, Seen> {
        Box::pin(TokenStore::read(self, key, now))
    }

    fn write<'a>(
        &'a self,
        key: &'a SessionKey,
        expected: &'a Expected,
        record: &'a Record,
    ) -> Boxed<'a, Written> {
        Box::pin(TokenStore::write(self, key, expected, record))
    }

    fn take_lease<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a Lease,
        now: SystemTime,
    ) -> Boxed<'a, bool> {
        Box::pin(TokenStore::take_lease(self, key, lease, now))
    }

    fn release_lease<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Boxed<'a, ()> {
        Box::pin(TokenStore::release_lease(self, key, lease))
    }
}
