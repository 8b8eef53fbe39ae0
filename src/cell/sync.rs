//! The primitives that the cell is built on: std's, or loom's when the cell is model-checked.
//!
//! Under `--cfg tower_reauth_loom` the snapshot is a `Mutex<Arc<_>>`, since `ArcSwap` cannot be
//! modelled; the cell asks nothing of it but that a load sees some whole snapshot.

#[cfg(not(tower_reauth_loom))]
mod primitives {
    use std::{ops::Deref, sync::Arc};

    use arc_swap::ArcSwap;

    pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicU64};

    /// A value that is read without a lock and replaced whole.
    #[derive(Debug)]
    pub(crate) struct Swap<T>(ArcSwap<T>);

    impl<T> Swap<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(ArcSwap::from_pointee(value))
        }

        /// Reads without taking a reference count.
        #[inline]
        pub(crate) fn load(&self) -> impl Deref<Target = Arc<T>> + use<T> {
            self.0.load()
        }

        pub(crate) fn store(&self, value: T) {
            self.0.store(Arc::new(value));
        }
    }
}

#[cfg(tower_reauth_loom)]
mod primitives {
    use std::{ops::Deref, sync::Arc};

    pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicU64};

    #[derive(Debug)]
    pub(crate) struct Swap<T>(Mutex<Arc<T>>);

    impl<T> Swap<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Mutex::new(Arc::new(value)))
        }

        pub(crate) fn load(&self) -> impl Deref<Target = Arc<T>> + use<T> {
            struct Loaded<T>(Arc<T>);
            impl<T> Deref for Loaded<T> {
                type Target = Arc<T>;
                fn deref(&self) -> &Arc<T> {
                    &self.0
                }
            }
            Loaded(lock(&self.0).clone())
        }

        pub(crate) fn store(&self, value: T) {
            *lock(&self.0) = Arc::new(value);
        }
    }

    use super::lock;
}

pub(crate) use self::primitives::{AtomicU64, Mutex, MutexGuard, Swap};

/// Locks, whatever happened to an earlier holder. Nothing that can panic runs under a lock of the
/// cell's, so a poisoned one holds a consistent value all the same.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
