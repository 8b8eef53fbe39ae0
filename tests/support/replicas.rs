//! Replicas of one session: a strict vendor, and a store that fails when told.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and a test may panic"
)]

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::{Duration, SystemTime},
};

use tokio::{sync::Semaphore, task::JoinHandle};
use tower_reauth::{
    AuthLayer, Error, Provider, Token,
    clock::Clock,
    layer::AuthLayerBuilder,
    provider::{Exchange, LostReply, Profile, ProviderError, Rotation, SessionId},
    store::{
        Expected, Lease, MemoryStore, Record, Seen, SessionKey, StoreError, TokenStore, Written,
    },
    test_util::ManualClock,
};

use crate::support::{ORIGIN, parts, poll_once, secs, settle};

/// A vendor whose refresh tokens are good for one exchange. It knows which it has given out.
#[derive(Clone)]
pub struct Vendor(Arc<Desk>);

struct Desk {
    clock: ManualClock,
    profile: Profile,
    rotates: bool,
    /// Each reply has the refresh token that was sent.
    repeats: bool,
    lifetime: Duration,
    book: Mutex<Book>,
    gate: Semaphore,
}

#[derive(Default)]
struct Book {
    login: usize,
    number: usize,
    acts: VecDeque<Act>,
    /// The refresh tokens that arrived.
    arrived: Vec<String>,
    /// Those that were exchanged.
    spent: Vec<String>,
    spent_twice: usize,
    /// The tokens that were revoked, and how many revocations are not to work.
    revoked: Vec<String>,
    revocations_fail: usize,
    /// What each exchange was given to be over.
    allowed: Vec<Duration>,
}

/// What becomes of one exchange. The usual is an answer.
#[derive(Clone, Debug)]
pub enum Act {
    /// Nothing was sent.
    Unsent,
    /// Nothing was sent, which is found out when [`Vendor::open`] lets it be.
    HoldUnsent,
    /// It was processed, and the reply is lost.
    LoseReply,
    /// It was processed, and the answer comes when [`Vendor::open`] lets it go. A revocation is
    /// processed then.
    HoldReply,
    Refuse,
    Throttle(Duration),
    Misconfigure,
    /// Another refresh token and no access token that can be used.
    Salvage,
}

pub const LIFETIME: Duration = secs(3600);
const NAME: &str = "strict";

impl Vendor {
    pub fn rotating(clock: &ManualClock, rule: LostReply) -> Self {
        Self::new(clock, true, |it| {
            it.rotation(Rotation::Must).lost_reply(rule)
        })
    }

    /// The credential stays the same.
    pub fn lasting(clock: &ManualClock) -> Self {
        Self::new(clock, false, |it| it.rotation(Rotation::Never))
    }

    fn new(clock: &ManualClock, rotates: bool, change: impl FnOnce(Profile) -> Profile) -> Self {
        let profile = Profile::new(NAME).origins([ORIGIN]);
        Self(Arc::new(Desk {
            clock: clock.clone(),
            profile: change(profile),
            rotates,
            repeats: false,
            lifetime: LIFETIME,
            book: Mutex::default(),
            gate: Semaphore::new(0),
        }))
    }

    /// The same vendor, whose refresh tokens die this long after their last use; if it does not
    /// rotate them, each reply repeats the one that was sent.
    pub fn with_refresh_lifetime(&self, lifetime: Duration) -> Self {
        let profile = self.0.profile.clone().default_refresh_lifetime(lifetime);
        Self(Arc::new(Desk {
            clock: self.0.clock.clone(),
            profile,
            rotates: self.0.rotates,
            repeats: !self.0.rotates,
            lifetime: self.0.lifetime,
            book: Mutex::default(),
            gate: Semaphore::new(0),
        }))
    }

    pub fn next(&self, act: Act) {
        self.0.book.lock().unwrap().acts.push_back(act);
    }

    pub fn open(&self, n: usize) {
        self.0.gate.add_permits(n);
    }

    /// A new login: its first refresh token. The tokens of the one before it stay as they are.
    pub fn log_in(&self) -> Token {
        let mut book = self.0.book.lock().unwrap();
        book.login += 1;
        book.number = 0;
        Token::from_refresh_token(refresh(book.login, 0))
    }

    /// A new login that gave an access token as well.
    pub fn log_in_with_a_pair(&self) -> Token {
        let seed = self.log_in();
        let login = self.0.book.lock().unwrap().login;
        Token::from_pair(access(login, 0), seed.refresh_token().unwrap().clone())
    }

    pub fn exchanges(&self) -> usize {
        self.0.book.lock().unwrap().arrived.len()
    }

    /// The refresh tokens that arrived.
    pub fn arrived(&self) -> Vec<String> {
        self.0.book.lock().unwrap().arrived.clone()
    }

    /// The refresh tokens that were revoked, and with them their logins.
    pub fn revoked(&self) -> Vec<String> {
        self.0.book.lock().unwrap().revoked.clone()
    }

    /// The next `n` revocations do not work.
    pub fn fail_revocations(&self, n: usize) {
        self.0.book.lock().unwrap().revocations_fail = n;
    }

    pub fn spent_twice(&self) -> usize {
        self.0.book.lock().unwrap().spent_twice
    }

    /// How many hold on to this vendor, this handle of the test's included.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    pub fn allowed(&self) -> Vec<Duration> {
        self.0.book.lock().unwrap().allowed.clone()
    }

    /// One more process: a layer over this vendor, which lives in `store`.
    pub fn replica(&self, store: &Shelf) -> AuthLayerBuilder<Vendor> {
        AuthLayer::builder(self.clone())
            .clock(self.0.clock.clone())
            .store(store.clone())
    }

    fn give(&self, book: &mut Book, login: usize, spent: &str) -> Token {
        book.number += 1;
        let token = Token::new(access(login, book.number)).with_lifetime(self.0.lifetime);
        match self.0.rotates {
            true => token.with_refresh_token(refresh(login, book.number)),
            false if self.0.repeats => token.with_refresh_token(spent),
            false => token,
        }
    }
}

impl Provider for Vendor {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let spent = exchange.refresh_token()?.expose().to_owned();
        let now = self.0.clock.now();
        let (act, token) = {
            let mut book = self.0.book.lock().unwrap();
            book.allowed.push(exchange.deadline().remaining(now));
            let act = book.acts.pop_front();
            let twice = book.spent.contains(&spent) && self.0.rotates;
            match act {
                Some(Act::Unsent) => return Err(ProviderError::transient("no connection")),
                Some(Act::HoldUnsent) => {}
                _ => book.arrived.push(spent.clone()),
            }
            match act {
                Some(Act::Refuse) => return Err(ProviderError::refused("ended").code("gone")),
                Some(Act::Throttle(delay)) => return Err(ProviderError::throttled(Some(delay))),
                Some(Act::Misconfigure) => {
                    return Err(ProviderError::misconfigured("no such client"));
                }
                Some(Act::HoldUnsent) => (act, Token::new("none")),
                _ if book.revoked.iter().any(|it| of_one_login(it, &spent)) => {
                    return Err(ProviderError::refused("it was revoked"));
                }
                _ if twice => {
                    book.spent_twice += 1;
                    return Err(ProviderError::refused("it was spent before"));
                }
                act => {
                    book.spent.push(spent.clone());
                    let login = spent
                        .split('-')
                        .nth(1)
                        .and_then(|it| it.parse().ok())
                        .unwrap();
                    (act, self.give(&mut book, login, &spent))
                }
            }
        };
        match act {
            Some(Act::LoseReply) => Err(ProviderError::unknown_outcome("the reply was lost")),
            Some(Act::HoldReply) => {
                self.0.gate.acquire().await.expect("never closed").forget();
                Ok(token)
            }
            Some(Act::HoldUnsent) => {
                self.0.gate.acquire().await.expect("never closed").forget();
                Err(ProviderError::transient("no connection"))
            }
            Some(Act::Salvage) => {
                let refresh = token.refresh_token().unwrap().clone();
                let error = ProviderError::unknown_outcome("half a reply");
                Err(error.salvaging(Token::from_refresh_token(refresh)))
            }
            _ => Ok(token),
        }
    }

    fn profile(&self) -> Profile {
        self.0.profile.clone()
    }

    async fn revoke(&self, exchange: Exchange) -> Result<(), ProviderError> {
        let token = exchange.refresh_token()?.expose().to_owned();
        let held = {
            let mut book = self.0.book.lock().unwrap();
            let held = matches!(book.acts.front(), Some(Act::HoldReply));
            if held {
                book.acts.pop_front();
            }
            held
        };
        if held {
            self.0.gate.acquire().await.expect("never closed").forget();
        }
        let mut book = self.0.book.lock().unwrap();
        if book.revocations_fail > 0 {
            book.revocations_fail -= 1;
            return Err(ProviderError::transient("no connection"));
        }
        book.revoked.push(token);
        Ok(())
    }
}

pub fn access(login: usize, number: usize) -> String {
    format!("access-{login}-{number}")
}

pub fn refresh(login: usize, number: usize) -> String {
    format!("refresh-{login}-{number}-3f9a0b7c5d1e2f8a")
}

fn of_one_login(one: &str, other: &str) -> bool {
    one.split('-').nth(1) == other.split('-').nth(1)
}

/// The way of one process to a store that all share.
#[derive(Clone)]
pub struct Shelf {
    shared: Arc<Mutex<MemoryStore>>,
    way: Arc<Way>,
}

#[derive(Default)]
struct Way {
    cut: AtomicBool,
    writes_fail: AtomicUsize,
    acks_lost: AtomicUsize,
    fails_then: AtomicUsize,
    /// Writes wait while this is positive.
    held: AtomicUsize,
    writes: Mutex<Vec<Record>>,
    tries: AtomicUsize,
}

impl Shelf {
    pub fn new() -> Self {
        Self {
            shared: Arc::default(),
            way: Arc::default(),
        }
    }

    /// The way of another process to the same store.
    pub fn another(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            way: Arc::default(),
        }
    }

    /// Nothing gets through until this is taken back.
    pub fn cut(&self, cut: bool) {
        self.way.cut.store(cut, Ordering::SeqCst);
    }

    /// The next `n` writes do not arrive.
    pub fn fail_writes(&self, n: usize) {
        self.way.writes_fail.store(n, Ordering::SeqCst);
    }

    /// The next `n` writes land, and nobody says so.
    pub fn lose_acks(&self, n: usize) {
        self.way.acks_lost.store(n, Ordering::SeqCst);
    }

    /// The next write lands and nobody says so; the `n` after it do not arrive.
    pub fn lose_an_ack_and_fail(&self, n: usize) {
        self.lose_acks(1);
        self.way.fails_then.store(n, Ordering::SeqCst);
    }

    /// Writes wait until this is taken back.
    pub fn hold(&self, hold: bool) {
        self.way.held.store(usize::from(hold), Ordering::SeqCst);
    }

    /// How often a write was tried.
    pub fn tries(&self) -> usize {
        self.way.tries.load(Ordering::SeqCst)
    }

    /// The records that this process wrote.
    pub fn writes(&self) -> Vec<Record> {
        self.way.writes.lock().unwrap().clone()
    }

    /// What the store holds.
    pub async fn record(&self) -> Option<Record> {
        let store = self.store();
        let key = SessionKey::of(&SessionId::new(parts(NAME)));
        store
            .read(&key, SystemTime::UNIX_EPOCH)
            .await
            .unwrap()
            .record
    }

    /// The text of what the store holds.
    pub async fn json(&self) -> String {
        let json = self.record().await.unwrap().to_json().unwrap();
        json.expose().to_owned()
    }

    /// The store loses everything, and comes back with what it had at some time.
    pub async fn falls_back_to(&self, record: Option<Record>) {
        let store = MemoryStore::new();
        if let Some(record) = record {
            let key = SessionKey::of(&SessionId::new(parts(NAME)));
            let written = store.write(&key, &Expected::version(None), &record).await;
            assert_eq!(written.unwrap(), Written::Done);
        }
        *self.shared.lock().unwrap() = store;
    }

    fn store(&self) -> MemoryStore {
        self.shared.lock().unwrap().clone()
    }

    fn reached(&self) -> Result<MemoryStore, StoreError> {
        match self.way.cut.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("cut").nothing_written()),
            false => Ok(self.store()),
        }
    }
}

impl TokenStore for Shelf {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        self.reached()?.read(key, now).await
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        let counts = |count: &AtomicUsize| {
            let taken = |n: usize| n.checked_sub(1);
            count
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken)
                .is_ok()
        };
        self.way.tries.fetch_add(1, Ordering::SeqCst);
        while self.way.held.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
        let store = self.reached()?;
        if counts(&self.way.writes_fail) {
            return Err(StoreError::unavailable("it did not arrive").nothing_written());
        }
        let written = store.write(key, expected, record).await?;
        if written == Written::Done {
            self.way.writes.lock().unwrap().push(record.clone());
        }
        match counts(&self.way.acks_lost) {
            true => {
                let then = self.way.fails_then.swap(0, Ordering::SeqCst);
                self.fail_writes(then);
                Err(StoreError::unavailable("it did not say"))
            }
            false => Ok(written),
        }
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        self.reached()?.take_lease(key, lease, now).await
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        self.reached()?.release_lease(key, lease).await
    }
}

/// Polls `work` while time goes by, in steps of 50 ms, for `limit` at most. None if it is not done
/// by then.
pub async fn within<T>(
    clock: &ManualClock,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    let mut passed = Duration::ZERO;
    loop {
        settle_a_little().await;
        if let Poll::Ready(done) = poll_once(work.as_mut()).await {
            return Some(done);
        }
        if passed >= limit {
            return None;
        }
        clock.advance(STEP);
        passed += STEP;
    }
}

/// Lets `duration` go by, step by step, so that every timer has its turn.
pub async fn pass(clock: &ManualClock, duration: Duration) {
    let mut passed = Duration::ZERO;
    settle().await;
    while passed < duration {
        clock.advance(STEP);
        passed += STEP;
        settle_a_little().await;
    }
    settle().await;
}

async fn settle_a_little() {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
}

const STEP: Duration = Duration::from_millis(50);

/// One process.
pub struct Replica {
    pub layer: AuthLayer<Vendor>,
    clock: ManualClock,
}

// === impl Replica ===

impl Replica {
    pub fn new(vendor: &Vendor, store: &Shelf, clock: &ManualClock, seed: Option<&Token>) -> Self {
        let builder = vendor.replica(store).clock(clock.clone());
        let builder = builder.keep_idle_sessions_alive(false);
        let builder = match seed {
            Some(seed) => builder.initial(seed.clone()),
            None => builder,
        };
        Self {
            layer: builder.build().unwrap(),
            clock: clock.clone(),
        }
    }

    /// The access token that a request would get, within a minute.
    pub async fn token(&self) -> Result<String, Error> {
        token_within(&self.clock, secs(60), &self.layer).await
    }

    /// The access token of an exchange that is made whatever there is, within a minute.
    pub async fn refresh(&self) -> Result<String, Error> {
        self.refresh_within(secs(60)).await
    }

    pub async fn refresh_within(&self, limit: Duration) -> Result<String, Error> {
        let handle = self.layer.handle();
        let token = within(&self.clock, limit, handle.refresh()).await;
        token.expect(AT_MOST).map(|token| exposed(&token))
    }

    pub async fn revoke(&self) -> Result<(), Error> {
        let handle = self.layer.handle();
        let revoked = within(&self.clock, secs(60), handle.revoke()).await;
        revoked.expect(AT_MOST)
    }

    /// Begins an exchange, and lets it come as far as it does by itself.
    pub async fn refreshing(&self) -> JoinHandle<Result<Token, Error>> {
        let handle = self.layer.handle();
        let refreshing = tokio::spawn(async move { handle.refresh().await });
        settle().await;
        refreshing
    }

    /// Begins to end the session, and lets that come as far as it does by itself.
    pub async fn revoking(&self) -> JoinHandle<Result<(), Error>> {
        let handle = self.layer.handle();
        let revoking = tokio::spawn(async move { handle.revoke().await });
        settle().await;
        revoking
    }
}

const AT_MOST: &str = "a caller waits for half a minute at most";

/// The access token that a request through `layer` would get.
pub async fn token_within(
    clock: &ManualClock,
    limit: Duration,
    layer: &AuthLayer<Vendor>,
) -> Result<String, Error> {
    let token = within(clock, limit, layer.handle().token()).await;
    token.expect(AT_MOST).map(|token| exposed(&token))
}

pub fn exposed(token: &Token) -> String {
    token.access_token().unwrap().expose().to_owned()
}

pub fn revision(record: &Record) -> u64 {
    record.version().revision
}

/// A vendor that goes by a last resort, a store, and the token of a first login.
pub fn stage() -> (ManualClock, Vendor, Shelf, Token) {
    stage_by(LostReply::LastResort)
}

/// The same, with a vendor that goes by `rule`.
pub fn stage_by(rule: LostReply) -> (ManualClock, Vendor, Shelf, Token) {
    let clock = ManualClock::new();
    let vendor = Vendor::rotating(&clock, rule);
    let seed = vendor.log_in();
    (clock, vendor, Shelf::new(), seed)
}
