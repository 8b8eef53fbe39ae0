//! What an application sees of its session, and how it ends one: status, subscribe, shutdown. With
//! promise 5, that what an exchange left owing is paid.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use support::{Api, Script, poll_once, runtime, secs, send, settle};
use tower::Layer;
use tower_reauth::{
    AuthLayer, Provider, Token,
    clock::{Clock, Moment},
    provider::{Exchange, Profile, ProviderError, SessionId},
    test_util::ManualClock,
};

const HOUR: Duration = secs(3600);

#[tokio::test]
async fn a_late_subscriber_sees_the_current_state_at_once() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.next(|_| Err(ProviderError::refused("the session has ended")));
    let layer = script.layer(&clock).build().unwrap();
    send(&layer.layer(Api::accepting_all())).await.unwrap_err();
    let mut states = layer.handle().subscribe();
    let status = states.changed().await.unwrap();
    assert!(status.is_login_required() && !status.usable);
    assert!(status.failure.unwrap().is_login_required());
    let mut next = Box::pin(states.changed());
    assert!(poll_once(next.as_mut()).await.is_pending(), "seen already");
}

#[tokio::test]
async fn a_subscriber_is_woken_by_each_change() {
    let clock = ManualClock::new();
    let script = Script::gated(HOUR);
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    let mut states = handle.subscribe();
    assert!(!states.changed().await.unwrap().usable);
    let landed = tokio::spawn(async move {
        let status = states.changed().await.unwrap();
        (status, states)
    });
    let caller = tokio::spawn({
        let handle = handle.clone();
        async move { handle.token().await }
    });
    settle().await;
    assert!(!landed.is_finished() && handle.status().exchanging);
    script.open(1);
    let (status, mut states) = landed.await.unwrap();
    assert!(status.usable && !status.exchanging);
    assert_eq!(status.generation.number(), 1);
    assert_eq!(
        status.expires_at,
        Some(clock.now().after(HOUR).wall()),
        "by the wall clock"
    );
    caller.await.unwrap().unwrap();
    let login = Token::new("login");
    handle.replace(login).await.unwrap();
    let mut status = states.changed().await.unwrap();
    // Paying what is owed, here nothing, is a change too.
    while status.generation.number() == 1 {
        status = states.changed().await.unwrap();
    }
    assert_eq!(status.expires_at, None);
}

#[tokio::test]
async fn a_subscription_ends_with_the_last_handle_and_does_not_keep_it() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    let layer = script.layer(&clock).build().unwrap();
    let service = layer.layer(Api::accepting_all());
    let mut states = layer.handle().subscribe();
    states.changed().await.unwrap();
    let waiter = tokio::spawn(async move { states.changed().await });
    drop(layer);
    settle().await;
    assert!(!waiter.is_finished(), "the service is left");
    drop(service);
    assert!(waiter.await.unwrap().is_none());
    settle().await;
    assert_eq!(script.holders(), 1);
}

/// A vendor behind a store whose next saves fail.
#[derive(Clone)]
struct Saving {
    script: Script,
    clock: ManualClock,
    failures: Arc<Mutex<usize>>,
    tries: Arc<Mutex<Vec<Moment>>>,
}

impl Saving {
    fn new(script: Script, clock: &ManualClock, failures: usize) -> Self {
        Self {
            script,
            clock: clock.clone(),
            failures: Arc::new(Mutex::new(failures)),
            tries: Arc::default(),
        }
    }

    fn layer(&self) -> AuthLayer<Saving> {
        AuthLayer::builder(self.clone())
            .clock(self.clock.clone())
            .memory_only()
            .build()
            .unwrap()
    }

    fn tries(&self) -> usize {
        self.tries.lock().unwrap().len()
    }
}

impl Provider for Saving {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        self.script.obtain(exchange).await
    }

    fn profile(&self) -> Profile {
        Provider::profile(&self.script)
    }

    async fn settle(&self, _: &SessionId) -> Result<(), ProviderError> {
        self.tries.lock().unwrap().push(self.clock.now());
        let mut failures = self.failures.lock().unwrap();
        match failures.checked_sub(1) {
            Some(left) => {
                *failures = left;
                Err(ProviderError::transient("the store is down"))
            }
            None => Ok(()),
        }
    }
}

#[tokio::test]
async fn what_is_owed_is_paid_in_the_end_and_delays_no_request() {
    let clock = ManualClock::new();
    let saving = Saving::new(Script::with_lifetime(HOUR), &clock, 5);
    let layer = saving.layer();
    let service = layer.layer(Api::accepting_all());
    send(&service).await.unwrap();
    for millis in [50, 250, 2_000, 2_000, 2_000] {
        settle().await;
        let tries = saving.tries();
        send(&service).await.unwrap();
        clock.advance(Duration::from_millis(millis - 1));
        settle().await;
        assert_eq!(saving.tries(), tries, "before {millis} ms");
        clock.advance(Duration::from_millis(1));
        settle().await;
        assert_eq!(saving.tries(), tries + 1, "after {millis} ms");
    }
    clock.advance(HOUR / 2);
    settle().await;
    assert_eq!(saving.tries(), 6);
}

#[tokio::test]
async fn a_due_token_is_exchanged_while_something_is_owed_and_one_task_pays() {
    let clock = ManualClock::new();
    let saving = Saving::new(Script::with_lifetime(secs(100)), &clock, usize::MAX);
    let service = saving.layer().layer(Api::accepting_all());
    for _ in 0..5 {
        send(&service).await.unwrap();
        settle().await;
        clock.advance(secs(100));
        settle().await;
    }
    assert_eq!(saving.script.exchanges(), 5);
    assert_eq!(clock.sleepers(), 1, "one payer");
    let before = saving.tries();
    *saving.failures.lock().unwrap() = 0;
    clock.advance(secs(2));
    settle().await;
    assert_eq!(saving.tries(), before + 1);
    assert_eq!(clock.sleepers(), 0);
}

#[tokio::test]
async fn what_is_owed_is_paid_although_the_last_handle_is_gone() {
    let clock = ManualClock::new();
    let saving = Saving::new(Script::with_lifetime(HOUR), &clock, 2);
    let layer = saving.layer();
    layer.handle().token().await.unwrap();
    drop(layer);
    for _ in 0..3 {
        settle().await;
        clock.advance(secs(2));
    }
    settle().await;
    assert_eq!(saving.tries(), 3);
    assert_eq!(saving.script.holders(), 1, "nothing is left behind");
}

#[tokio::test]
async fn shutting_down_waits_for_the_flight_and_for_what_is_owed_and_begins_nothing_more() {
    let clock = ManualClock::new();
    let saving = Saving::new(Script::gated(HOUR), &clock, 2);
    let layer = saving.layer();
    let service = layer.layer(Api::accepting_all());
    let handle = layer.handle();
    let caller = tokio::spawn({
        let service = service.clone();
        async move { send(&service).await }
    });
    settle().await;
    let ends = tokio::spawn({
        let handle = handle.clone();
        async move { handle.shutdown().await }
    });
    settle().await;
    assert!(!ends.is_finished(), "the flight is under way");
    assert!(handle.status().shut_down);
    saving.script.open(10);
    settle().await;
    caller.await.unwrap().unwrap();
    assert!(!ends.is_finished(), "the first save failed");
    clock.advance(Duration::from_millis(50));
    settle().await;
    assert!(!ends.is_finished(), "so did the second");
    clock.advance(Duration::from_millis(250));
    settle().await;
    assert!(ends.is_finished());
    // The token may be used until it dies, and nothing takes its place.
    clock.advance(secs(3_500));
    send(&service).await.unwrap();
    settle().await;
    clock.advance(secs(70));
    let error = send(&service).await.unwrap_err();
    assert!(error.is_shut_down(), "{error}");
    assert!(handle.refresh().await.unwrap_err().is_shut_down());
    assert!(!handle.reject(handle.status().generation));
    settle().await;
    assert_eq!(saving.script.exchanges(), 1);
    handle.shutdown().await;
}

#[tokio::test]
async fn the_provider_is_asked_to_settle_whatever_became_of_the_exchange() {
    let clock = ManualClock::new();
    let saving = Saving::new(Script::gated(HOUR), &clock, 0);
    let layer = saving.layer();
    let handle = layer.handle();
    saving
        .script
        .next(|_| Err(ProviderError::transient("down")));
    saving.script.open(1);
    handle.token().await.unwrap_err();
    settle().await;
    assert_eq!(saving.tries(), 1, "it failed");
    let mut asking = Box::pin(handle.refresh());
    assert!(poll_once(asking.as_mut()).await.is_pending());
    drop(asking);
    settle().await;
    handle.replace(Token::new("login")).await.unwrap();
    saving.script.open(1);
    settle().await;
    assert_eq!(saving.script.exchanges(), 2);
    assert_eq!(saving.tries(), 2, "a login took the place of its token");
}

#[test]
fn shutting_down_settles_what_died_with_its_runtime() {
    let clock = ManualClock::new();
    let saving = Saving::new(Script::gated(HOUR), &clock, 0);
    let layer = saving.layer();
    let handle = layer.handle();
    let first = runtime();
    first.block_on(async {
        assert!(
            poll_once(Box::pin(handle.token()).as_mut())
                .await
                .is_pending()
        );
        settle().await;
    });
    drop(first);
    assert_eq!(saving.script.exchanges(), 1);
    runtime().block_on(handle.shutdown());
    assert_eq!(saving.tries(), 1);
}

#[test]
fn shutting_down_pays_what_a_dead_runtime_left_owing() {
    let clock = ManualClock::new();
    let saving = Saving::new(Script::with_lifetime(HOUR), &clock, 1);
    let layer = saving.layer();
    let handle = layer.handle();
    let first = runtime();
    first.block_on(async {
        handle.token().await.unwrap();
        settle().await;
    });
    drop(first);
    assert_eq!(saving.tries(), 1);
    let second = runtime();
    let ends = second.spawn(async move { handle.shutdown().await });
    second.block_on(settle());
    assert!(ends.is_finished(), "nobody else would pay");
    assert_eq!(saving.tries(), 2);
}
