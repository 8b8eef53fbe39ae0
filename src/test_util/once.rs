//! Things that are good for one use.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Things that are good for one use, each with what it stands for and until when.
pub(super) struct Once<T>(Arc<Mutex<Book<T>>>);

struct Book<T> {
    open: HashMap<String, (T, Duration)>,
    used: HashSet<String>,
}

/// Why something is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Unknown,
    Used,
    Expired,
}

// === impl Once ===

impl<T> Once<T> {
    /// Notes one that is good until `until`, a time since 1970.
    pub(super) fn open(&self, name: impl Into<String>, of: T, until: Duration) {
        self.lock().open.insert(name.into(), (of, until));
    }

    /// Uses it up.
    pub(super) fn redeem(&self, name: &str, now: Duration) -> Result<T, Unusable> {
        let mut book = self.lock();
        if book.used.contains(name) {
            return Err(Unusable::Used);
        }
        let (of, until) = book.open.remove(name).ok_or(Unusable::Unknown)?;
        book.used.insert(name.to_owned());
        match now < until {
            true => Ok(of),
            false => Err(Unusable::Expired),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Book {
            open: HashMap::new(),
            used: HashSet::new(),
        })))
    }
}

impl<T> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once(..)")
    }
}
