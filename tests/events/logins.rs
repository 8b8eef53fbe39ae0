//! What is told of logins that a provider makes by itself.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::Semaphore;
use tower_reauth::{
    AuthLayer, Provider, Token,
    handle::AuthHandle,
    layer::AuthLayerBuilder,
    provider::{Exchange, Login, Profile, ProviderError},
    store::MemoryStore,
    test_util::ManualClock,
};

use crate::{
    heard::Heard,
    support::{ORIGIN, secs, settle},
};

/// A vendor that takes no refresh token, and a person who logs in to it. Clones are one.
#[derive(Clone)]
struct Person(Arc<Inner>);

struct Inner {
    answers: Semaphore,
    logins: AtomicUsize,
    next: Mutex<Option<ProviderError>>,
}

// === impl Person ===

impl Person {
    fn new() -> Self {
        Self(Arc::new(Inner {
            answers: Semaphore::new(0),
            logins: AtomicUsize::new(0),
            next: Mutex::default(),
        }))
    }

    /// The person answers once, and the vendor says `error`.
    fn answers_in_vain(&self, error: ProviderError) {
        *self.0.next.lock().unwrap() = Some(error);
        self.0.answers.add_permits(1);
    }

    fn answers(&self) {
        self.0.answers.add_permits(1);
    }

    fn layer(&self, clock: &ManualClock, heard: &Heard) -> AuthLayerBuilder<Self> {
        AuthLayer::builder(self.clone())
            .clock(clock.clone())
            .observer(heard.clone())
    }
}

impl Provider for Person {
    async fn obtain(&self, _: Exchange) -> Result<Token, ProviderError> {
        Err(ProviderError::refused("the session has ended"))
    }

    async fn login(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        self.0.logins.fetch_add(1, SeqCst);
        let answer = exchange.by_the_deadline(self.0.answers.acquire()).await?;
        answer.expect("never closed").forget();
        match self.0.next.lock().unwrap().take() {
            Some(error) => Err(error),
            None => Ok(Token::new("access-login").with_lifetime(secs(3_600))),
        }
    }

    fn profile(&self) -> Profile {
        Profile::new("script").origins([ORIGIN]).login(Login::First)
    }

    async fn revoke(&self, _: Exchange) -> Result<(), ProviderError> {
        Ok(())
    }
}

fn ask(handle: &AuthHandle) {
    let handle = handle.clone();
    tokio::spawn(async move { handle.token().await.ok() });
}

/// A session whose provider logs in.
pub(crate) async fn provider_logs_in(heard: &Heard) {
    let (clock, person) = (ManualClock::new(), Person::new());
    let layer = person.layer(&clock, heard).build().unwrap();
    ask(&layer.handle());
    settle().await;
    clock.advance(secs(3));
    person.answers();
    settle().await;
}

#[tokio::test]
async fn a_login_is_told_when_it_starts_and_ends_with_its_exchange() {
    let heard = Heard::default();
    provider_logs_in(&heard).await;
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "LoginStarted",
            "ended: first issued, took 3s, lives 3597s, 1 waiting"
        ]
    );
}

#[tokio::test]
async fn a_login_that_is_refused_calls_for_somebody_and_one_that_fails_in_passing_does_not() {
    let (heard, clock, person) = (Heard::default(), ManualClock::new(), Person::new());
    let layer = person.layer(&clock, &heard).build().unwrap();
    let handle = layer.handle();
    person.answers_in_vain(ProviderError::transient("down"));
    handle.token().await.unwrap_err();
    assert!(!handle.status().is_login_required());
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "LoginStarted",
            "ended: first transient, took 0ns, 1 waiting"
        ]
    );
    clock.advance(secs(60));
    person.answers_in_vain(ProviderError::refused("wrong password"));
    for _ in 0..3 {
        handle.token().await.unwrap_err();
        clock.advance(secs(3_600));
    }
    assert!(handle.status().is_login_required());
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "LoginStarted",
            "ended: first refused, took 0ns, 1 waiting",
            "login required: login_required"
        ]
    );
    handle.replace(Token::new("handed over")).await.unwrap();
    assert_eq!(heard.take(), ["LoginNoLongerRequired", "Replaced"]);
}

#[tokio::test]
async fn whatever_ends_a_login_leaves_no_exchange_and_nobody_counted() {
    for end in ["replace", "revoke", "shutdown", "drop"] {
        let (heard, clock, person) = (Heard::default(), ManualClock::new(), Person::new());
        let layer = person.layer(&clock, &heard).build().unwrap();
        let handle = layer.handle();
        let waiting = tokio::spawn(async move { handle.token().await.ok() });
        settle().await;
        assert_eq!(heard.take(), ["started: first", "LoginStarted"]);
        match end {
            "replace" => layer.handle().replace(Token::new("it")).await.unwrap(),
            "revoke" => layer.handle().revoke().await.unwrap(),
            "shutdown" => layer.handle().shutdown().await,
            _ => waiting.abort(),
        }
        settle().await;
        drop(layer);
        settle().await;
        let heard = heard.take();
        let count = |what: &str| heard.iter().filter(|it| it.starts_with(what)).count();
        assert_eq!(count("ended"), 1, "{end}: {heard:?}");
        let required = count("login required");
        assert_eq!(required, count("LoginNoLonger"), "{end}: {heard:?}");
        assert_eq!(person.0.logins.load(SeqCst), 1, "{end}");
    }
}

#[tokio::test]
async fn a_login_of_another_replica_ends_the_need_of_one_here() {
    let (clock, person, store) = (ManualClock::new(), Person::new(), MemoryStore::new());
    let (here, there) = (Heard::default(), Heard::default());
    let layer = person.layer(&clock, &here).store(store.clone());
    let handle = layer.build().unwrap().handle();
    person.answers_in_vain(ProviderError::refused("declined"));
    clock.advance(secs(1));
    handle.token().await.unwrap_err();
    assert!(handle.status().is_login_required());
    assert_eq!(
        here.take().last().unwrap(),
        "login required: login_required"
    );
    clock.advance(secs(60));
    handle.token().await.unwrap_err();
    let again = here.take();
    assert!(!again.contains(&"LoginStarted".into()), "{again:?}");
    // One that begins later may try once.
    let layer = person.layer(&clock, &there).store(store);
    let other = layer.build().unwrap().handle();
    person.answers();
    other.token().await.unwrap();
    assert!(there.take().contains(&"LoginStarted".into()));
    clock.advance(secs(60));
    handle.token().await.unwrap();
    assert!(!handle.status().is_login_required());
    assert_eq!(
        here.take(),
        [
            "started: first",
            "ended: first adopted, took 0ns, lives 3540s, 1 waiting",
            "LoginNoLongerRequired"
        ]
    );
}
