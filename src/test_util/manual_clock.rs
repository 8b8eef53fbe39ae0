//! A clock that moves only when a test moves it.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::clock::{Clock, Moment, Sleep};

/// A clock that moves only when a test moves it.
///
/// Clones share the same time. It starts at 1,000 s of monotonic time and 1,800,000,000 s of unix
/// time (in January 2027), so a test may look a little into the past without meeting zero. Sleeps
/// need no runtime: one wakes in the call to [`advance`](Self::advance) that reaches its deadline,
/// and never otherwise.
///
/// ```
/// use std::time::Duration;
/// use tower_reauth::{clock::Clock, test_util::ManualClock};
///
/// let clock = ManualClock::new();
/// let start = clock.now();
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clock.now(), start.after(Duration::from_secs(5)));
/// ```
#[derive(Clone)]
pub struct ManualClock {
    shared: Arc<Mutex<Time>>,
}

struct Time {
    monotonic: Duration,
    unix: Duration,
    next_id: u64,
    /// Sleeps whose deadline is still ahead. The waker is missing until the first poll.
    sleepers: HashMap<u64, Sleeper>,
}

struct Sleeper {
    deadline: Duration,
    waker: Option<Waker>,
}

struct ManualSleep {
    id: u64,
    clock: ManualClock,
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock at its start, with nobody asleep.
    #[must_use]
    pub fn new() -> Self {
        let time = Time {
            monotonic: START_MONOTONIC,
            unix: START_UNIX,
            next_id: 0,
            sleepers: HashMap::new(),
        };
        Self {
            shared: Arc::new(Mutex::new(time)),
        }
    }

    /// Lets time pass: both clocks move, and every sleep whose deadline is reached wakes.
    pub fn advance(&self, duration: Duration) {
        let due = {
            let mut time = self.lock();
            time.monotonic = time.monotonic.saturating_add(duration);
            time.unix = time.unix.saturating_add(duration);
            time.take_due()
        };
        // Woken outside the lock: a waker may run code that reads this clock.
        due.into_iter().for_each(Waker::wake);
    }

    /// Suspends the machine: only the wall clock moves, and nobody wakes.
    pub fn suspend(&self, duration: Duration) {
        self.step_wall_forward(duration);
    }

    /// Somebody sets the wall clock ahead.
    pub fn step_wall_forward(&self, by: Duration) {
        let mut time = self.lock();
        time.unix = time.unix.saturating_add(by);
    }

    /// Somebody sets the wall clock back, at most to 1970.
    pub fn step_wall_back(&self, by: Duration) {
        let mut time = self.lock();
        time.unix = time.unix.saturating_sub(by);
    }

    /// How many sleeps are still waiting for their deadline.
    ///
    /// A sleep counts from the call to [`Clock::sleep`] on, polled or not, until its deadline is
    /// reached or it is dropped.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.lock().sleepers.len()
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        let time = self.lock();
        Moment::new(time.monotonic, time.unix)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let id = self.lock().register(duration);
        Box::pin(ManualSleep {
            id,
            clock: self.clone(),
        })
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.lock();
        f.debug_struct("ManualClock")
            .field("monotonic", &time.monotonic)
            .field("unix", &time.unix)
            .field("sleepers", &time.sleepers.len())
            .finish()
    }
}

// === impl Time ===

impl Time {
    /// Adds a sleeper, unless its deadline is now.
    fn register(&mut self, duration: Duration) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if !duration.is_zero() {
            let sleeper = Sleeper {
                deadline: self.monotonic.saturating_add(duration),
                waker: None,
            };
            self.sleepers.insert(id, sleeper);
        }
        id
    }

    /// Takes out everybody whose deadline is reached; earliest deadlines wake first.
    fn take_due(&mut self) -> Vec<Waker> {
        let now = self.monotonic;
        let due = self.sleepers.extract_if(|_, it| it.deadline <= now);
        let mut due: Vec<_> = due.map(|(id, it)| (it.deadline, id, it.waker)).collect();
        due.sort_by_key(|(deadline, id, _)| (*deadline, *id));
        due.into_iter().filter_map(|(.., waker)| waker).collect()
    }
}

// === impl ManualSleep ===

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Declared before the guard, so that the old waker is dropped after the lock is released.
        let _old_waker;
        let mut time = self.clock.lock();
        let Some(sleeper) = time.sleepers.get_mut(&self.id) else {
            // Off the list means that the deadline was reached: only `drop` removes it otherwise.
            return Poll::Ready(());
        };
        _old_waker = sleeper.waker.replace(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        // The waker is dropped outside the lock: it may own a task that owns another sleep.
        let _removed = self.clock.lock().sleepers.remove(&self.id);
    }
}

const START_MONOTONIC: Duration = Duration::from_secs(1_000);
const START_UNIX: Duration = Duration::from_secs(1_800_000_000);
