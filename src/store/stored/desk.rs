//! The store, as one process works with it: within time limits, under one name.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use super::super::{
    Expected, Lease, Record, SessionKey, StoreError, Written, erased::ErasedStore, unix::UnixMillis,
};
use crate::{
    clock::{Clock, Moment},
    observe::{Event, Observers},
};

/// A store with a clock, and the name that this process takes leases under.
pub(super) struct Desk {
    store: Arc<dyn ErasedStore>,
    clock: Arc<dyn Clock>,
    lease: Lease,
    observers: Arc<Observers>,
    /// How many milliseconds the store's clock was ahead of ours when it was seen last.
    ahead: AtomicI64,
}

/// A record, and what two clocks showed when it was read.
pub(super) struct Sight {
    pub(super) record: Option<Record>,
    shown: UnixMillis,
    at: Moment,
}

// === impl Desk ===

impl Desk {
    pub(super) fn new(
        store: Arc<dyn ErasedStore>,
        clock: Arc<dyn Clock>,
        observers: Arc<Observers>,
    ) -> Self {
        let lease = Lease::new(LEASE);
        Self {
            store,
            clock,
            lease,
            observers,
            ahead: AtomicI64::new(0),
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(super) fn tell(&self, event: Event<'_>) {
        self.observers.tell(event);
    }

    pub(super) async fn sleep(&self, pause: Duration) {
        self.clock.sleep(pause).await;
    }

    pub(super) async fn read(&self, key: &SessionKey) -> Result<Sight, StoreError> {
        let seen = self
            .limited(self.store.read(key, self.now().wall()))
            .await?;
        if seen.record.as_ref().is_some_and(Record::is_sealed) {
            return Err(StoreError::sealed());
        }
        let sight = Sight {
            record: seen.record,
            shown: UnixMillis::of_wall(seen.now),
            at: self.now(),
        };
        self.ahead.store(sight.ahead(), Relaxed);
        Ok(sight)
    }

    /// What is known without asking the store.
    pub(super) fn recall(&self, record: Option<Record>) -> Sight {
        let at = self.now();
        let shown = UnixMillis::of(at).shifted(self.ahead.load(Relaxed));
        Sight { record, shown, at }
    }

    pub(super) async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        self.limited(self.store.write(key, expected, record)).await
    }

    pub(super) async fn take_lease(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let now = self.now().wall();
        self.limited(self.store.take_lease(key, &self.lease, now))
            .await
    }

    /// Gives the lease up. If that fails, it ends by itself.
    pub(super) async fn release_lease(&self, key: &SessionKey) {
        let released = self.store.release_lease(key, &self.lease);
        self.limited(released).await.ok();
    }

    /// Does `work`, and makes the lease last meanwhile.
    pub(super) async fn holding_lease<T>(
        &self,
        key: &SessionKey,
        work: impl Future<Output = T>,
    ) -> T {
        let mut beats = pin!(async {
            let mut held = true;
            loop {
                self.sleep(HEARTBEAT).await;
                // A lease that is lost costs others a wait, and nothing else.
                let holds = self.take_lease(key).await.unwrap_or(held);
                if held && !holds {
                    self.tell(Event::LeaseLost);
                }
                held = holds;
            }
        });
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            let _: Poll<()> = beats.as_mut().poll(cx);
            Poll::Pending
        })
        .await
    }

    async fn limited<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut work = pin!(work);
        let mut limit = None;
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            let limit = limit.get_or_insert_with(|| self.clock.sleep(ANSWERS_WITHIN));
            let late = || StoreError::unavailable("the store does not answer");
            limit.as_mut().poll(cx).map(|()| Err(late()))
        })
        .await
    }
}

// === impl Sight ===

impl Sight {
    /// How many milliseconds the store's clock was ahead of ours.
    pub(super) fn ahead(&self) -> i64 {
        self.shown.ahead_of(UnixMillis::of(self.at))
    }

    /// What the store's clock shows now.
    pub(super) fn shown(&self, now: Moment) -> UnixMillis {
        let since = now.monotonic().saturating_sub(self.at.monotonic());
        self.shown.after(since)
    }
}

const LEASE: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(3);
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
