//! Replicas of one service, their calls, and what became of these.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    convert::Infallible,
    future::{Ready, ready},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tower::{Layer, Service};
use tower_reauth::{Auth, AuthLayer, BoxError, Token, handle::AuthHandle};

use crate::{
    clock::PausedClock,
    depot::Depot,
    support::{get, poll_once},
    vendor::Vendor,
};

pub(crate) struct Fleet {
    pub(crate) clock: PausedClock,
    pub(crate) vendor: Vendor,
    pub(crate) depot: Depot,
    /// What its replicas were built with at first.
    pub(crate) seed: Token,
    random: fastrand::Rng,
    replicas: Vec<Replica>,
    /// Who calls next, and when.
    calls: BinaryHeap<Reverse<(Duration, usize)>>,
    gap: Range<u64>,
    request: Request<Empty<Bytes>>,
    book: Arc<Mutex<Book>>,
}

struct Replica {
    service: Auth<Api, Vendor>,
    handle: AuthHandle,
}

/// The API that a replica calls, which knows the vendor's tokens.
#[derive(Clone)]
struct Api {
    who: usize,
    clock: PausedClock,
    vendor: Vendor,
    book: Arc<Mutex<Book>>,
}

/// What became of the calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) made: u64,
    /// Those that were not sent at once.
    pub(crate) waited: u64,
    pub(crate) waited_while_valid: u64,
    pub(crate) failed: u64,
    pub(crate) failed_while_valid: u64,
    pub(crate) longest_wait: Duration,
    /// Sent with a token that was dead, or none.
    pub(crate) sent_dead: u64,
    /// When each replica's last token stops being sent.
    usable_until: Vec<Duration>,
    /// Each replica's first call that was answered since [`Fleet::mark`].
    served_at: Vec<Option<Duration>>,
    pub(crate) last_failure: Option<Duration>,
}

// === impl Fleet ===

impl Fleet {
    /// Replicas that start from `seed`, none of which has made a call.
    pub(crate) fn new(size: usize, seed: &Token, parts: (PausedClock, Vendor, Depot)) -> Self {
        let (clock, vendor, depot) = parts;
        let mut fleet = Self {
            clock,
            vendor,
            depot,
            seed: seed.clone(),
            random: fastrand::Rng::with_seed(fastrand::u64(..)),
            replicas: Vec::with_capacity(size),
            calls: BinaryHeap::new(),
            gap: 0..0,
            request: get(),
            book: Arc::new(Mutex::new(Book {
                usable_until: vec![Duration::ZERO; size],
                served_at: vec![None; size],
                ..Book::default()
            })),
        };
        for who in 0..size {
            let replica = fleet.replica(who, seed);
            fleet.replicas.push(replica);
        }
        fleet
    }

    fn replica(&self, who: usize, seed: &Token) -> Replica {
        let layer = AuthLayer::builder(self.vendor.clone())
            .initial(seed.clone())
            .clock(self.clock)
            .store(self.depot.clone())
            .build()
            .unwrap();
        let api = Api {
            who,
            clock: self.clock,
            vendor: self.vendor.clone(),
            book: Arc::clone(&self.book),
        };
        Replica {
            service: layer.layer(api),
            handle: layer.handle(),
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.replicas.len()
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// From now on each replica makes its calls this far apart, in milliseconds. The first comes
    /// within one gap.
    pub(crate) fn calls_every(&mut self, gap: Range<u64>) {
        let now = self.clock.elapsed();
        self.calls = (0..self.size())
            .map(|who| {
                let first = self.random.u64(..gap.end);
                Reverse((now + Duration::from_millis(first), who))
            })
            .collect();
        self.gap = gap;
    }

    /// Nobody calls any more.
    pub(crate) fn calls_stop(&mut self) {
        self.calls.clear();
    }

    /// Nobody calls, and all keep their sessions alive.
    pub(crate) fn start_idle(&self) {
        for replica in &self.replicas {
            replica.handle.start().unwrap();
        }
    }

    /// Lets `time` go by.
    pub(crate) async fn run(&mut self, time: Duration) {
        let until = self.clock.elapsed() + time;
        while let Some(&Reverse((at, who))) = self.calls.peek() {
            if at >= until {
                break;
            }
            self.calls.pop();
            self.clock.sleep_until(at).await;
            self.call(who).await;
            let gap = Duration::from_millis(self.random.u64(self.gap.clone()));
            self.calls.push(Reverse((at + gap, who)));
        }
        self.clock.sleep_until(until).await;
    }

    pub(crate) async fn call(&mut self, who: usize) {
        let began = self.clock.elapsed();
        let valid = {
            let mut book = self.book();
            book.made += 1;
            began < book.usable_until[who]
        };
        let request = self.request.clone();
        let mut response = Box::pin(self.replicas[who].service.call(request));
        if let Poll::Ready(result) = poll_once(response.as_mut()).await {
            self.book().ended(who, &result, valid, (began, began));
            return;
        }
        let (book, clock) = (Arc::clone(&self.book), self.clock);
        tokio::spawn(async move {
            let result = response.await;
            let mut book = book.lock().unwrap();
            book.waited += 1;
            book.waited_while_valid += u64::from(valid);
            book.ended(who, &result, valid, (began, clock.elapsed()));
        });
    }

    /// A new process takes the place of one, which may shut down in good order or not.
    pub(crate) fn restart(&mut self, who: usize, seed: &Token, in_good_order: bool) {
        let next = self.replica(who, seed);
        let old = std::mem::replace(&mut self.replicas[who], next);
        if in_good_order {
            tokio::spawn(async move { old.handle.shutdown().await });
        }
        self.book().usable_until[who] = Duration::ZERO;
    }

    /// From now on it counts when each replica is served.
    pub(crate) fn mark(&self) {
        let mut book = self.book();
        book.served_at.fill(None);
        book.last_failure = None;
    }

    /// When the last replica was served since the mark; none if one was not.
    pub(crate) fn all_served_at(&self) -> Option<Duration> {
        let book = self.book();
        let all: Option<Vec<_>> = book.served_at.iter().copied().collect();
        all?.into_iter().max()
    }
}

// === impl Book ===

impl Book {
    fn ended(
        &mut self,
        who: usize,
        result: &Result<Response<Empty<Bytes>>, BoxError>,
        valid: bool,
        (began, now): (Duration, Duration),
    ) {
        self.longest_wait = self.longest_wait.max(now - began);
        if result
            .as_ref()
            .is_ok_and(|it| it.status() == StatusCode::OK)
        {
            self.served_at[who].get_or_insert(now);
            return;
        }
        self.failed += 1;
        self.failed_while_valid += u64::from(valid);
        self.last_failure = Some(now);
    }
}

// === impl Api ===

impl Api {
    fn answer(&self, header: &str) -> StatusCode {
        let access = header.strip_prefix("Bearer ").unwrap_or_default();
        let mut book = self.book.lock().unwrap();
        match self.vendor.dies_at(access) {
            Some(dies) if self.clock.elapsed() < dies => {
                book.usable_until[self.who] = dies - NOT_SENT_ANY_MORE;
                StatusCode::OK
            }
            _ => {
                book.sent_dead += 1;
                StatusCode::UNAUTHORIZED
            }
        }
    }
}

impl Service<Request<Empty<Bytes>>> for Api {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        let header = request.headers().get("authorization");
        let header = header.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let mut response = Response::new(Empty::new());
        *response.status_mut() = self.answer(header);
        ready(Ok(response))
    }
}

/// `docs::defaults`, "not sent any more"; and a second for the way of the token, since its lifetime
/// counts from when it was asked for.
const NOT_SENT_ANY_MORE: Duration = Duration::from_secs(31);
