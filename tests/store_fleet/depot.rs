//! The store that all replicas share, a few milliseconds away. It counts, and it fails when told.

use std::{
    collections::BTreeSet,
    ops::AddAssign,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use tower_reauth::store::{
    Expected, Lease, MemoryStore, Record, Seen, SessionKey, StoreError, TokenStore, Written,
};

use crate::clock::PausedClock;

#[derive(Clone)]
pub(crate) struct Depot {
    kept: MemoryStore,
    clock: PausedClock,
    book: Arc<Mutex<Book>>,
}

struct Book {
    random: fastrand::Rng,
    down: Option<Down>,
    load: Load,
    second: Meter,
    tenth: Meter,
    lineages: BTreeSet<u64>,
}

/// How the store fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Down {
    /// It refuses connections.
    Refuses,
    /// It says nothing, until its client's limit of half a second has passed.
    Silent,
}

/// Commands, those of a store that is down included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) takes: u64,
    pub(crate) releases: u64,
    /// The most in one second, and in one tenth of a second.
    pub(crate) peak_second: u64,
    pub(crate) peak_tenth: u64,
}

/// Counts what happens in one span of time after another.
struct Meter {
    span: Duration,
    current: u128,
    count: u64,
}

// === impl Depot ===

impl Depot {
    pub(crate) fn new(clock: PausedClock, random: fastrand::Rng) -> Self {
        let meter = |millis| Meter {
            span: Duration::from_millis(millis),
            current: 0,
            count: 0,
        };
        Self {
            kept: MemoryStore::new(),
            clock,
            book: Arc::new(Mutex::new(Book {
                random,
                down: None,
                load: Load::default(),
                second: meter(1_000),
                tenth: meter(100),
                lineages: BTreeSet::new(),
            })),
        }
    }

    pub(crate) fn set_down(&self, down: Option<Down>) {
        self.book().down = down;
    }

    /// What it had to do since this was asked last.
    pub(crate) fn take_load(&self) -> Load {
        let mut book = self.book();
        book.second.count = 0;
        book.tenth.count = 0;
        std::mem::take(&mut book.load)
    }

    /// How many logins it was ever told of.
    pub(crate) fn lineages(&self) -> usize {
        self.book().lineages.len()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn arrives(&self, kind: impl FnOnce(&mut Load) -> &mut u64) {
        let now = self.clock.elapsed();
        let mut book = self.book();
        let (second, tenth) = (book.second.count(now), book.tenth.count(now));
        let load = &mut book.load;
        *kind(load) += 1;
        load.peak_second = load.peak_second.max(second);
        load.peak_tenth = load.peak_tenth.max(tenth);
    }

    /// One way, there or back. What is under way when the store fails is lost.
    async fn travel(&self) -> Result<(), StoreError> {
        let millis = self.book().random.u64(1..4);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let down = self.book().down;
        match down {
            None => return Ok(()),
            Some(Down::Refuses) => {}
            Some(Down::Silent) => tokio::time::sleep(LIMIT).await,
        }
        Err(StoreError::unavailable("the store is down"))
    }
}

impl TokenStore for Depot {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        self.arrives(|load| &mut load.reads);
        self.travel().await?;
        let seen = self.kept.read(key, now).await;
        self.travel().await?;
        seen
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        self.arrives(|load| &mut load.writes);
        self.travel().await?;
        let written = self.kept.write(key, expected, record).await?;
        if written == Written::Done {
            self.book().lineages.insert(record.version().lineage);
        }
        self.travel().await?;
        Ok(written)
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        self.arrives(|load| &mut load.takes);
        self.travel().await?;
        let taken = self.kept.take_lease(key, lease, now).await;
        self.travel().await?;
        taken
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        self.arrives(|load| &mut load.releases);
        self.travel().await?;
        let released = self.kept.release_lease(key, lease).await;
        self.travel().await?;
        released
    }
}

// === impl Load ===

impl Load {
    pub(crate) fn commands(&self) -> u64 {
        self.reads + self.writes + self.takes + self.releases
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.takes += other.takes;
        self.releases += other.releases;
        self.peak_second = self.peak_second.max(other.peak_second);
        self.peak_tenth = self.peak_tenth.max(other.peak_tenth);
    }
}

// === impl Meter ===

impl Meter {
    /// One more at `now`. Gives how many that makes in its span.
    fn count(&mut self, now: Duration) -> u64 {
        let current = now.as_nanos() / self.span.as_nanos();
        if current != self.current {
            self.current = current;
            self.count = 0;
        }
        self.count += 1;
        self.count
    }
}

const LIMIT: Duration = Duration::from_millis(500);
