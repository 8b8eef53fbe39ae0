//! A counted reference that many threads may clone from one place.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

use super::{Lane, Lanes};

/// A counted reference, which makes copies of its value for its clones once it has been cloned often:
/// one for each lane. The clones that threads then make at the same time are counted apart.
///
/// Nobody else keeps the copies: they go with this reference and its clones.
pub(crate) struct Shared<T> {
    own: Arc<T>,
    copies: OnceLock<Box<Lanes<Arc<T>>>>,
    /// How often this reference was cloned, while it had no copies.
    clones: AtomicU8,
}

// === impl Shared ===

impl<T> Shared<T> {
    pub(crate) fn new(own: Arc<T>) -> Self {
        Self {
            own,
            copies: OnceLock::new(),
            clones: AtomicU8::new(0),
        }
    }

    /// The reference, to be cloned once or twice.
    pub(crate) fn own(&self) -> &Arc<T> {
        &self.own
    }
}

impl<T: Clone> Shared<T> {
    /// Clones the reference itself. Most are cloned once at most: in a stack the clone stays, and the
    /// original goes with the request.
    fn clone_itself(&self) -> Arc<T> {
        // Nothing is lost with a clone that is not counted because another thread counted one.
        let clones = self.clones.load(Relaxed);
        match clones < OFTEN {
            true => self.clones.store(clones + 1, Relaxed),
            false => self.make_copies(),
        }
        Arc::clone(&self.own)
    }

    #[cold]
    fn make_copies(&self) {
        let copies = Lanes::new(|| Arc::new(T::clone(&self.own)));
        // Another thread may have been faster.
        let _ = self.copies.set(Box::new(copies));
    }
}

impl<T: Clone> Clone for Shared<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self::new(match self.copies.get() {
            Some(copies) => Arc::clone(copies.of(Lane::current())),
            None => self.clone_itself(),
        })
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.own
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.own.fmt(f)
    }
}

/// After so many clones copies are made.
const OFTEN: u8 = 8;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, thread};

    use super::*;
    use crate::lane::LANES;

    fn shared() -> Shared<Arc<str>> {
        Shared::new(Arc::new("value".into()))
    }

    fn cloned_often() -> Shared<Arc<str>> {
        let shared = shared();
        (0..=OFTEN).for_each(|_| drop(shared.clone()));
        shared
    }

    fn place<T>(shared: &Shared<T>) -> usize {
        Arc::as_ptr(shared.own()).addr()
    }

    #[test]
    fn a_reference_that_makes_way_for_its_clone_is_never_copied() {
        let mut shared = shared();
        let first = place(&shared);
        for _ in 0..100 {
            let clone = shared.clone();
            assert!(shared.copies.get().is_none());
            shared = clone;
            assert_eq!(place(&shared), first);
        }
    }

    #[test]
    fn threads_that_clone_one_reference_often_count_apart() {
        let shared = cloned_often();
        let (first, value) = (place(&shared), Arc::as_ptr(&shared).addr());
        let place_of_clones = || {
            let clones: Vec<_> = (0..4).map(|_| shared.clone()).collect();
            assert!(
                clones
                    .iter()
                    .all(|clone| Arc::as_ptr(clone).addr() == value)
            );
            let places: BTreeSet<_> = clones.iter().map(place).collect();
            assert_eq!(places.len(), 1, "of one thread");
            places
        };
        let places: BTreeSet<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16 * LANES)
                .map(|_| scope.spawn(place_of_clones))
                .collect();
            let places = threads.into_iter().map(|thread| thread.join().unwrap());
            places.flatten().collect()
        });
        assert_eq!(places.len(), LANES);
        assert!(!places.contains(&first));
    }

    #[test]
    fn the_copies_go_with_the_reference_and_its_clones() {
        let shared = cloned_often();
        let value = Arc::downgrade(&*shared);
        let clone = shared.clone();
        drop(shared);
        assert_eq!(value.strong_count(), 1);
        drop(clone);
        assert_eq!(value.strong_count(), 0);
    }
}
