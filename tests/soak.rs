//! A session under everything at once: many tasks on many threads call through one layer, tasks are
//! dropped at random points, tokens expire and are revoked, the vendor fails, somebody logs in again,
//! and the runtimes that carry exchanges are shut down in mid-flight.
//!
//! The vendor is strict: its refresh tokens are single-use, and a second use is counted. What must
//! hold: one exchange in flight at most; each refresh token spent once, but for those whose reply was
//! lost, and these not before the first request can no longer be under way; every call that is not
//! dropped ends; and at the end nobody holds on to anything.
//!
//! It prints its seed, and takes one from `TEST_SEED`; which task comes first is for the scheduler.
//! `TOWER_REAUTH_LONG=1` makes it more rounds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail and print"
)]

mod support;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use http::StatusCode;
use support::{Api, ORIGIN, poll_once, runtime, secs, seed, send};
use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinHandle, yield_now},
};
use tower::Layer;
use tower_reauth::{
    Auth, AuthLayer, Error, Provider, Token,
    clock::{Clock, Moment},
    handle::AuthHandle,
    provider::{Exchange, Profile, ProviderError, Rotation},
    test_util::ManualClock,
};

/// A vendor with single-use refresh tokens.
#[derive(Clone)]
struct Vendor(Arc<Book>);

struct Book {
    clock: ManualClock,
    flying: AtomicUsize,
    most_flying: AtomicUsize,
    issued: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// Refresh tokens that were spent.
    spent: HashSet<String>,
    /// Those that may have been spent and whose answer may not have arrived, and when the last
    /// request that carried them can no longer be under way.
    unanswered: HashMap<String, Moment>,
    /// Against the rule, and by it.
    spent_twice: usize,
    last_resorts: usize,
    /// The access token that the API takes.
    good: String,
    random: fastrand::Rng,
}

/// An exchange in flight.
struct Flying<'a> {
    book: &'a Book,
    refresh: String,
    began_at: Moment,
    deadline: Moment,
    answered: bool,
}

// === impl Vendor ===

impl Vendor {
    fn new(clock: &ManualClock, random: fastrand::Rng) -> Self {
        Self(Arc::new(Book {
            clock: clock.clone(),
            flying: AtomicUsize::new(0),
            most_flying: AtomicUsize::new(0),
            issued: AtomicUsize::new(0),
            state: Mutex::new(State {
                spent: HashSet::new(),
                unanswered: HashMap::new(),
                spent_twice: 0,
                last_resorts: 0,
                good: String::new(),
                random,
            }),
        }))
    }

    fn login(&self) -> Token {
        self.0.token("login")
    }

    fn revoke(&self) {
        self.0.state.lock().unwrap().good.clear();
    }
}

impl Provider for Vendor {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let mut flying = Flying::new(&self.0, &exchange);
        self.0.takes_its_time().await;
        let answer = self.0.answer(&flying);
        self.0.takes_its_time().await;
        flying.answered = !matches!(&answer, Err(error) if error.may_have_spent());
        answer
    }

    fn profile(&self) -> Profile {
        Profile::new("soak")
            .origins([ORIGIN])
            .rotation(Rotation::Must)
    }
}

// === impl Book ===

impl Book {
    fn random(&self, below: u32) -> u32 {
        self.state.lock().unwrap().random.u32(0..below)
    }

    async fn takes_its_time(&self) {
        for _ in 0..self.random(15) {
            yield_now().await;
        }
    }

    fn token(&self, origin: &str) -> Token {
        let number = self.issued.fetch_add(1, SeqCst);
        let access = format!("access-{origin}-{number}");
        self.state.lock().unwrap().good.clone_from(&access);
        Token::new(access)
            .with_refresh_token(format!("refresh-{origin}-{number}"))
            .with_lifetime(secs(100))
    }

    fn answer(&self, flying: &Flying<'_>) -> Result<Token, ProviderError> {
        match self.random(10) {
            0 => return Err(ProviderError::transient("not reached")),
            1 => return Err(ProviderError::throttled(Some(secs(2)))),
            _ => {}
        }
        let mut state = self.state.lock().unwrap();
        let again = !state.spent.insert(flying.refresh.clone());
        let over = state.unanswered.get(&flying.refresh);
        let by_rule = over.is_some_and(|over| over.reached(flying.began_at));
        state.spent_twice += usize::from(again && !by_rule);
        state.last_resorts += usize::from(again && by_rule);
        drop(state);
        if again {
            return Err(ProviderError::refused("the session has ended"));
        }
        let token = self.token("exchange");
        match self.random(20) {
            0 => Err(ProviderError::unknown_outcome("the reply is lost")),
            _ => Ok(token),
        }
    }
}

// === impl Flying ===

impl<'a> Flying<'a> {
    fn new(book: &'a Book, exchange: &Exchange) -> Self {
        let refresh = exchange.last().and_then(Token::refresh_token);
        let now = book.flying.fetch_add(1, SeqCst) + 1;
        book.most_flying.fetch_max(now, SeqCst);
        Self {
            book,
            refresh: refresh.map_or(String::new(), |refresh| refresh.expose().to_owned()),
            began_at: book.clock.now(),
            deadline: exchange.deadline(),
            answered: false,
        }
    }
}

impl Drop for Flying<'_> {
    fn drop(&mut self) {
        if !self.answered {
            let mut state = self.book.state.lock().unwrap();
            let refresh = std::mem::take(&mut self.refresh);
            state.unanswered.insert(refresh, self.deadline);
        }
        self.book.flying.fetch_sub(1, SeqCst);
    }
}

/// Takes the good token, and refuses others.
fn api(vendor: &Vendor) -> Api {
    let vendor = vendor.clone();
    Api::new(move |header| {
        let good = &vendor.0.state.lock().unwrap().good;
        match header.strip_prefix("Bearer ") {
            Some(access) if access == good => StatusCode::OK,
            _ => StatusCode::UNAUTHORIZED,
        }
    })
}

/// Polls a call a few times, then drops it or sees it through.
async fn caller(service: Auth<Api, Vendor>, polls: u32, stays: bool) {
    let mut call = Box::pin(send(&service));
    for _ in 0..polls {
        if poll_once(call.as_mut()).await.is_ready() {
            return;
        }
        yield_now().await;
    }
    if stays {
        // A status, or an error that says why: what matters is that it ends.
        let _ended: Result<StatusCode, Error> = call.await;
    }
}

fn workers() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(3)
        .build()
        .unwrap()
}

/// What happens besides the calls, in one round.
fn stir(random: &mut fastrand::Rng, clock: &ManualClock, vendor: &Vendor, handle: &AuthHandle) {
    match random.u8(0..8) {
        0 => vendor.revoke(),
        1 => drop(handle.reject(handle.status().generation)),
        2 => clock.advance(secs(random.u64(0..400))),
        _ => {}
    }
}

/// A round of callers on `workers`, some of whom are torn away, beside a runtime that dies.
fn round(
    random: &mut fastrand::Rng,
    workers: &Runtime,
    service: &Auth<Api, Vendor>,
    meanwhile: impl FnOnce(&mut fastrand::Rng),
) -> Vec<JoinHandle<()>> {
    let brief = runtime();
    // It may be this one that begins the exchange, and takes it along when it dies.
    let on_brief = brief.spawn(caller(service.clone(), random.u32(0..4), true));
    brief.block_on(async {
        for _ in 0..random.u32(0..4) {
            yield_now().await;
        }
    });
    let callers: Vec<_> = (0..random.usize(1..30))
        .map(|_| workers.spawn(caller(service.clone(), random.u32(0..5), random.bool())))
        .collect();
    meanwhile(random);
    brief.block_on(async {
        for _ in 0..random.u32(0..20) {
            yield_now().await;
        }
    });
    drop((brief, on_brief));
    for caller in &callers {
        if random.u8(0..4) == 0 {
            caller.abort();
        }
    }
    callers
}

#[test]
fn nothing_is_lost_or_spent_twice_and_nobody_hangs_whatever_happens() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let clock = ManualClock::new();
    let vendor = Vendor::new(&clock, random.fork());
    let layer = AuthLayer::builder(vendor.clone())
        .clock(clock.clone())
        .memory_only()
        .initial(vendor.login())
        .build()
        .unwrap();
    let (service, handle) = (layer.layer(api(&vendor)), layer.handle());
    let rounds = match std::env::var_os("TOWER_REAUTH_LONG") {
        Some(_) => 60_000,
        None => 2_000,
    };
    let mut workers_now = workers();
    for _ in 0..rounds {
        let callers = round(&mut random, &workers_now, &service, |random| {
            stir(random, &clock, &vendor, &handle);
        });
        if random.u8(0..20) == 0 {
            // The exchange and all callers die with their runtime.
            drop(std::mem::replace(&mut workers_now, workers()));
        } else {
            workers_now.block_on(async {
                for caller in callers {
                    if let Err(error) = caller.await {
                        assert!(error.is_cancelled(), "{error}");
                    }
                }
            });
        }
        if handle.status().is_login_required() {
            workers_now
                .block_on(handle.replace(vendor.login()))
                .unwrap();
        }
        clock.advance(secs(random.u64(0..60)));
    }
    workers_now.block_on(handle.shutdown());
    drop(workers_now);
    let book = &vendor.0;
    assert_eq!(book.most_flying.load(SeqCst), 1, "one exchange at a time");
    assert_eq!(book.flying.load(SeqCst), 0);
    let issued = book.issued.load(SeqCst);
    let (twice, by_rule) = {
        let state = book.state.lock().unwrap();
        (state.spent_twice, state.last_resorts)
    };
    println!("{rounds} rounds, {issued} tokens, {by_rule} last resorts");
    assert_eq!(twice, 0, "spent twice, and not by the rule");
    assert!(issued > rounds / 10 && by_rule > 0, "it is about something");
    assert_eq!(clock.sleepers(), 0, "nobody waits on");
    drop((service, handle, layer));
    assert_eq!(Arc::strong_count(book), 1, "nobody holds on");
}
