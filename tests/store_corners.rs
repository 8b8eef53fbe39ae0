//! Where the parts of the protocol meet: saves that nobody confirmed, owed ends, intents of one's own,
//! clocks that are ahead, and sessions of one key after another.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

#[path = "support/replicas.rs"]
mod replicas;
mod support;

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Wake, Waker},
};

use replicas::{
    Act, LIFETIME, Replica, Vendor, access, exposed, pass, revision, stage, stage_by, token_within,
    within,
};
use support::{secs, settle};
use tower_reauth::{
    AuthLayer, Error, Token, clock::Clock, provider::LostReply, test_util::ManualClock,
};

/// A save lands, its answer is lost, and the process is cut off from the store.
#[tokio::test]
async fn store_a_save_that_may_have_landed_lets_nobody_rotate_in_memory() {
    let (clock, vendor, store, seed) = stage();
    let way = store.another();
    let apart = Replica::new(&vendor, &way, &clock, Some(&seed));
    apart.token().await.unwrap();
    let one = Replica::new(&vendor, &store, &clock, None);
    one.token().await.unwrap();
    vendor.next(Act::HoldReply);
    let exchanging = apart.refreshing().await;
    way.lose_an_ack_and_fail(100_000);
    vendor.open(1);
    settle().await;
    way.cut(true);
    exchanging.await.unwrap().unwrap();
    // It landed, and took the intent along.
    let record = store.record().await.unwrap();
    assert!(record.intent().is_none() && revision(&record) == 2);
    let refreshed = apart.refresh_within(secs(20)).await;
    assert!(refreshed.unwrap_err().is_transient());
    one.refresh_within(secs(20)).await.unwrap();
    assert_eq!(vendor.spent_twice(), 0);
    // It goes on when the store answers.
    way.fail_writes(0);
    way.cut(false);
    pass(&clock, secs(5)).await;
    assert_eq!(apart.token().await.unwrap(), access(1, 2));
    apart.refresh_within(secs(20)).await.unwrap();
    assert_eq!(vendor.spent_twice(), 0);
}

struct Rebuilds {
    layer: AuthLayer<Vendor>,
    login: Token,
    made: Mutex<Option<Result<AuthLayer<Vendor>, Error>>>,
}

impl Wake for Rebuilds {
    fn wake(self: Arc<Self>) {
        let made = self.layer.with_session("u", self.login.clone());
        *self.made.lock().unwrap() = Some(made);
    }
}

/// A subscriber hears that the session is gone, and begins the next one.
#[tokio::test]
async fn store_the_next_session_of_a_subscriber_keeps_its_seed() {
    let (clock, vendor, store, seed) = stage();
    let first = Replica::new(&vendor, &store, &clock, None).layer;
    let ours = first.with_session("u", seed).unwrap();
    token_within(&clock, secs(5), &ours).await.unwrap();
    settle().await;
    let login = vendor.log_in();
    let mut states = ours.handle().subscribe();
    states.changed().await.unwrap();
    let rebuilds = Arc::new(Rebuilds {
        layer: first.clone(),
        login,
        made: Mutex::default(),
    });
    let waker = Waker::from(Arc::clone(&rebuilds));
    {
        let mut changed = pin!(states.changed());
        let mut cx = Context::from_waker(&waker);
        assert!(changed.as_mut().poll(&mut cx).is_pending());
        drop(ours);
    }
    let again = rebuilds
        .made
        .lock()
        .unwrap()
        .take()
        .expect("woken")
        .unwrap();
    let got = token_within(&clock, secs(40), &again).await;
    assert_eq!(got.unwrap(), access(2, 1));
}

/// The end of a session is owed by a process whose clock is ahead; a login comes elsewhere.
#[tokio::test]
async fn store_an_owed_end_of_a_session_does_not_undo_a_login() {
    let (clock, vendor, store, seed) = stage();
    let ahead = ManualClock::new();
    ahead.step_wall_forward(secs(5));
    let way = store.another();
    let other = Replica::new(&vendor, &store, &clock, Some(&seed));
    other.token().await.unwrap();
    let one = Replica::new(&vendor, &way, &ahead, None);
    one.token().await.unwrap();
    way.fail_writes(3);
    one.revoke().await.unwrap();
    clock.advance(secs(1));
    let login = vendor.log_in_with_a_pair();
    let replaced = within(&clock, secs(5), other.layer.handle().replace(login)).await;
    replaced.unwrap().unwrap();
    pass(&ahead, secs(5)).await;
    let json = store.json().await;
    assert!(json.contains("refresh-2"), "{json}");
}

/// A reply was lost; the next try did not get out; the one after that waits for our own intent.
#[tokio::test]
async fn store_an_intent_is_our_own_also_after_a_later_one_was_taken_back() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    clock.advance(LIFETIME);
    vendor.next(Act::LoseReply);
    assert!(one.token().await.unwrap_err().is_unknown_outcome());
    pass(&clock, secs(15)).await;
    vendor.next(Act::Unsent);
    assert!(one.token().await.unwrap_err().is_transient());
    pass(&clock, secs(4)).await;
    let began = clock.now();
    // The vendor has rotated it, and says so; but nobody waited.
    assert!(one.token().await.unwrap_err().is_login_required());
    let took = clock.now().monotonic() - began.monotonic();
    assert!(took < secs(3), "{took:?}");
}

/// A pause that a process with a clock hours ahead noted.
#[tokio::test]
async fn store_a_pause_noted_by_a_clock_that_is_hours_ahead_holds_nobody_up_for_hours() {
    let (clock, vendor, store, seed) = stage();
    let ahead = ManualClock::new();
    ahead.step_wall_forward(secs(3 * 3600));
    let one = Replica::new(&vendor, &store.another(), &ahead, Some(&seed));
    vendor.next(Act::Throttle(secs(10)));
    assert!(one.token().await.unwrap_err().is_throttled());
    let other = Replica::new(&vendor, &store, &clock, None);
    clock.advance(secs(120));
    let last = other.token().await;
    assert!(last.is_ok(), "{last:?}");
}

/// The session is gone, and so is its caller; their flight is not.
async fn gone_in_the_middle(session: AuthLayer<Vendor>) {
    let handle = session.handle();
    let caller = tokio::spawn(async move { handle.token().await });
    settle().await;
    caller.abort();
    drop(caller.await);
    drop(session);
    settle().await;
}

/// The flight of a session that is gone adopts its seed, while the next session brings another.
#[tokio::test]
async fn store_the_seed_of_the_next_session_outlives_the_adoption_of_the_last() {
    let (clock, vendor, store, seed) = stage();
    let first = Replica::new(&vendor, &store, &clock, None).layer;
    let ours = first.with_session("u", seed).unwrap();
    store.hold(true);
    gone_in_the_middle(ours).await;
    let login = vendor.log_in();
    let again = first.with_session("u", login).unwrap();
    store.hold(false);
    settle().await;
    let got = token_within(&clock, secs(40), &again).await;
    // Of the second login, whichever of the two flights has got it.
    assert!(
        got.as_ref().is_ok_and(|it| it.starts_with("access-2-")),
        "{got:?}"
    );
}

/// The flight of a session that is gone is still under way when the next one of its key begins.
#[tokio::test]
async fn store_the_next_session_waits_for_the_exchange_of_the_last() {
    let (clock, vendor, store, seed) = stage_by(LostReply::Never);
    let first = Replica::new(&vendor, &store, &clock, None).layer;
    let ours = first.with_session("u", seed.clone()).unwrap();
    token_within(&clock, secs(5), &ours).await.unwrap();
    clock.advance(LIFETIME);
    vendor.next(Act::HoldReply);
    gone_in_the_middle(ours).await;
    let again = first.with_session("u", seed).unwrap();
    let handle = again.handle();
    let waiting = tokio::spawn(async move { handle.token().await });
    pass(&clock, secs(1)).await;
    vendor.open(1);
    pass(&clock, secs(5)).await;
    let got = waiting.await.unwrap();
    assert_eq!(exposed(&got.unwrap()), access(1, 2));
}
