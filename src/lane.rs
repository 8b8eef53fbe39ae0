//! Which of a few equal copies a thread uses.
//!
//! Cloning an `Arc`, or a header made of shared bytes, writes its count of references. A core needs
//! the cache line of that count for itself while it does so, and where all cores write the same one
//! they wait for each other: longer than everything else takes that a request costs here. So what
//! each request clones is there a few times, and a thread keeps to one of them, its lane.
//!
//! Nothing depends on the lane but time: threads share one where there are more threads than lanes,
//! and a request may be moved to another thread between the clone and the drop.

mod shared;

use std::{
    array,
    cell::Cell,
    fmt,
    ops::Deref,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

pub(crate) use self::shared::Shared;

/// The lane of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane(usize);

/// A copy for each lane.
#[derive(Clone, Default)]
pub(crate) struct Lanes<T>([T; LANES]);

/// A value that shares no cache line with another.
///
/// In an `Arc`, or behind a count of its own, it takes two lines: one that is written for the count,
/// and one that is read.
#[derive(Clone, Default)]
#[repr(align(64))]
pub(crate) struct Apart<T>(T);

// === impl Lane ===

impl Lane {
    /// That of the current thread, which keeps to it. Each thread takes the next one.
    #[inline]
    pub(crate) fn current() -> Self {
        thread_local!(static OWN: Cell<usize> = const { Cell::new(NONE) });
        Self(OWN.with(|own| match own.get() {
            NONE => {
                let next = NEXT.fetch_add(1, Relaxed);
                own.set(next);
                next
            }
            known => known,
        }))
    }
}

// === impl Lanes ===

impl<T> Lanes<T> {
    /// Makes a copy for each lane.
    pub(crate) fn new(mut make: impl FnMut() -> T) -> Self {
        Self(array::from_fn(|_| make()))
    }

    /// Makes a copy for each lane, if all of them can be made.
    pub(crate) fn try_new<E>(mut make: impl FnMut() -> Result<T, E>) -> Result<Self, E>
    where
        T: Default,
    {
        let mut failure = None;
        let lanes = Self::new(|| {
            make().unwrap_or_else(|error| {
                failure = Some(error);
                T::default()
            })
        });
        failure.map_or(Ok(lanes), Err)
    }

    /// The copy of this lane.
    #[inline]
    pub(crate) fn of(&self, lane: Lane) -> &T {
        &self.0[lane.0 % LANES]
    }
}

impl<T: fmt::Debug> fmt::Debug for Lanes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // They are all alike.
        self.0[0].fmt(f)
    }
}

// === impl Apart ===

impl<T> Apart<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Apart<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for Apart<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// As many as there are lanes may clone at once without waiting; each costs some memory a token.
const LANES: usize = 8;
const NONE: usize = usize::MAX;
static NEXT: AtomicUsize = AtomicUsize::new(0);

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, thread};

    use super::*;

    fn numbered() -> Lanes<usize> {
        let mut numbers = 0..;
        Lanes::new(|| numbers.next().unwrap())
    }

    #[test]
    fn a_thread_keeps_to_its_lane() {
        let lanes = numbered();
        let first = *lanes.of(Lane::current());
        assert!((0..100).all(|_| *lanes.of(Lane::current()) == first));
    }

    #[test]
    fn threads_are_spread_over_all_lanes() {
        let lanes = numbered();
        let used: BTreeSet<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16 * LANES)
                .map(|_| scope.spawn(|| *lanes.of(Lane::current())))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(used.len(), LANES);
    }

    #[test]
    fn the_counts_of_two_copies_are_on_different_cache_lines() {
        use std::sync::Arc;
        // An `Arc`'s counts are in front of its value, as far as its alignment.
        let copies: Vec<_> = (0..LANES).map(|_| Arc::new(Apart::new(0_u8))).collect();
        let lines = copies.iter().map(|copy| Arc::as_ptr(copy).addr() / 64 - 1);
        assert_eq!(lines.collect::<BTreeSet<_>>().len(), LANES);
        assert!(align_of::<Apart<u8>>() >= 64 && size_of::<Apart<u8>>() >= 64);
    }
}
