//! A vendor whose sessions a person logs in to, on a clock moved by hand.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;
use tower_reauth::{
    AuthLayer, Error, Provider, Token,
    handle::AuthHandle,
    layer::AuthLayerBuilder,
    provider::{Exchange, FailureKind, Login, Profile, ProviderError, Rotation},
    store::MemoryStore,
    test_util::ManualClock,
};

use crate::support::{ORIGIN, secs, settle};

/// A vendor, and the person who logs in to it. Clones are one vendor.
#[derive(Clone)]
pub(crate) struct Vendor(Arc<Book>);

struct Book {
    profile: Profile,
    lifetime: Duration,
    /// How often a login was asked for, and refresh tokens were sent.
    logins: AtomicUsize,
    sent: Mutex<Vec<String>>,
    /// Refresh tokens that are good.
    good: Mutex<Vec<String>>,
    number: AtomicUsize,
    /// What comes of the next logins; a token, if nothing is said.
    answers: Mutex<VecDeque<ProviderError>>,
    /// Refresh tokens are given with tokens of a login.
    renews: bool,
    person: Semaphore,
    /// Exchanges wait for it.
    gate: Mutex<Option<Arc<Semaphore>>>,
    waits: bool,
    /// The largest number of people who were asked at the same time.
    asked: AtomicUsize,
    asked_at_most: AtomicUsize,
    declined: AtomicBool,
    keeps_session: AtomicBool,
}

struct Asked<'a>(&'a Book);

// === impl Vendor ===

impl Vendor {
    /// One whose logins are answered at once.
    pub(crate) fn new() -> Self {
        Self::with(false, true, Login::First)
    }

    /// One whose person answers when told to.
    pub(crate) fn with_a_person() -> Self {
        Self::with(true, true, Login::First)
    }

    pub(crate) fn without_refresh_tokens() -> Self {
        Self::with(false, false, Login::First)
    }

    pub(crate) fn for_each_session() -> Self {
        Self::with(false, true, Login::Each)
    }

    fn with(waits: bool, renews: bool, login: Login) -> Self {
        let profile = Profile::new(NAME)
            .origins([ORIGIN])
            // Where a reply may lack one, the old one counts: but not after a login.
            .rotation(if renews {
                Rotation::Must
            } else {
                Rotation::May
            })
            .login(login);
        Self(Arc::new(Book {
            profile,
            lifetime: LIFETIME,
            logins: AtomicUsize::default(),
            sent: Mutex::default(),
            good: Mutex::default(),
            number: AtomicUsize::default(),
            answers: Mutex::default(),
            renews,
            person: Semaphore::new(0),
            gate: Mutex::default(),
            waits,
            asked: AtomicUsize::default(),
            asked_at_most: AtomicUsize::default(),
            declined: AtomicBool::default(),
            keeps_session: AtomicBool::default(),
        }))
    }

    /// The person answers, `n` times.
    pub(crate) fn answer(&self, n: usize) {
        self.0.person.add_permits(n);
    }

    /// The person answers, if anybody is asking.
    pub(crate) fn answer_if_asked(&self) {
        if self.is_asking() {
            self.answer(1);
        }
    }

    pub(crate) fn is_asking(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst) > 0
    }

    /// Whether a login was refused since the last call.
    pub(crate) fn declined(&self) -> bool {
        self.0.declined.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn forget_failures(&self) {
        self.0.answers.lock().unwrap().clear();
    }

    pub(crate) fn sent_twice(&self) -> bool {
        let sent = self.sent();
        let mut once = sent.clone();
        once.sort();
        once.dedup();
        once.len() < sent.len()
    }

    /// The next login fails.
    pub(crate) fn next(&self, error: ProviderError) {
        self.0.answers.lock().unwrap().push_back(error);
    }

    pub(crate) fn logins(&self) -> usize {
        self.0.logins.load(Ordering::SeqCst)
    }

    pub(crate) fn sent(&self) -> Vec<String> {
        self.0.sent.lock().unwrap().clone()
    }

    pub(crate) fn asked_at_once(&self) -> usize {
        self.0.asked_at_most.load(Ordering::SeqCst)
    }

    pub(crate) fn fail_next_revocation(&self) {
        self.0.keeps_session.store(true, Ordering::SeqCst);
    }

    pub(crate) fn hold_exchanges(&self) {
        *self.0.gate.lock().unwrap() = Some(Arc::new(Semaphore::new(0)));
    }

    pub(crate) fn let_exchanges_go(&self) {
        let gate = self.0.gate.lock().unwrap().take();
        gate.unwrap().add_permits(9);
    }

    /// All refresh tokens are dead from now on.
    pub(crate) fn end_sessions(&self) {
        self.0.good.lock().unwrap().clear();
    }

    pub(crate) fn layer(&self, clock: &ManualClock) -> AuthLayerBuilder<Vendor> {
        AuthLayer::builder(self.clone())
            .clock(clock.clone())
            .memory_only()
    }

    /// One more process that shares `store`.
    pub(crate) fn replica(&self, clock: &ManualClock, store: &MemoryStore) -> AuthLayer<Vendor> {
        AuthLayer::builder(self.clone())
            .clock(clock.clone())
            .store(store.clone())
            .build()
            .unwrap()
    }

    /// A login that this crate does not know of: its refresh token.
    pub(crate) fn log_in_elsewhere(&self) -> Token {
        let refresh = refresh(1_000 + self.0.number.fetch_add(1, Ordering::SeqCst));
        self.0.good.lock().unwrap().push(refresh.clone());
        Token::from_refresh_token(refresh)
    }

    fn issue(&self, renews: bool) -> Token {
        let number = self.0.number.fetch_add(1, Ordering::SeqCst) + 1;
        let token = Token::new(format!("access-{number}")).with_lifetime(self.0.lifetime);
        if !renews {
            return token;
        }
        let refresh = refresh(number);
        self.0.good.lock().unwrap().push(refresh.clone());
        token.with_refresh_token(refresh)
    }
}

impl Provider for Vendor {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let refresh = exchange.refresh_token()?.expose().to_owned();
        self.0.sent.lock().unwrap().push(refresh.clone());
        let gate = self.0.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        let good = {
            let mut good = self.0.good.lock().unwrap();
            let before = good.len();
            good.retain(|it| *it != refresh);
            good.len() < before
        };
        match good {
            true => Ok(self.issue(true)),
            false => Err(ProviderError::refused("the refresh token is dead")),
        }
    }

    async fn login(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        self.0.logins.fetch_add(1, Ordering::SeqCst);
        if self.0.waits {
            let _asked = Asked::new(&self.0);
            let answer = self.0.person.acquire();
            let answer = exchange.by_the_deadline(answer).await?;
            answer.expect("never closed").forget();
        }
        if let Some(error) = self.0.answers.lock().unwrap().pop_front() {
            if error.kind() == FailureKind::Refused {
                self.0.declined.store(true, Ordering::SeqCst);
            }
            return Err(error);
        }
        Ok(self.issue(self.0.renews))
    }

    fn profile(&self) -> Profile {
        self.0.profile.clone()
    }

    async fn revoke(&self, _: Exchange) -> Result<(), ProviderError> {
        match self.0.keeps_session.swap(false, Ordering::SeqCst) {
            true => Err(ProviderError::transient("down")),
            false => Ok(()),
        }
    }
}

// === impl Asked ===

impl<'a> Asked<'a> {
    fn new(book: &'a Book) -> Self {
        let now = book.asked.fetch_add(1, Ordering::SeqCst) + 1;
        book.asked_at_most.fetch_max(now, Ordering::SeqCst);
        Self(book)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.asked.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What an access token is asked for with, in a task of its own.
pub(crate) fn ask(handle: &AuthHandle) -> tokio::task::JoinHandle<Result<String, Error>> {
    let handle = handle.clone();
    tokio::spawn(async move { access(handle.token().await) })
}

pub(crate) fn access(token: Result<Token, Error>) -> Result<String, Error> {
    token.map(|token| token.access_token().unwrap().expose().to_owned())
}

/// Lets `duration` go by, in steps that every timer has its turn in.
pub(crate) async fn pass(clock: &ManualClock, duration: Duration) {
    let step = Duration::from_millis(250);
    let mut passed = Duration::ZERO;
    settle().await;
    while passed < duration {
        clock.advance(step);
        passed += step;
        for _ in 0..30 {
            tokio::task::yield_now().await;
        }
    }
    settle().await;
}

/// Long enough to have a fingerprint, as those of real vendors are.
pub(crate) fn refresh(number: usize) -> String {
    format!("refresh-{number}-3f9a0b7c5d1e2f8a")
}

/// What the vendor is called.
pub(crate) const NAME: &str = "people";
pub(crate) const LIFETIME: Duration = secs(1_200);
