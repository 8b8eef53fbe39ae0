//! Promise 9, its last part: an idle session whose refresh token would die is kept alive.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::time::Duration;

use support::{Api, Script, a_few_turns, runtime, secs, send, settle};
use tower::Layer;
use tower_reauth::{
    Token,
    clock::Clock,
    provider::{ProviderError, Reason},
    test_util::ManualClock,
};

const HOUR: Duration = secs(3600);
const DAY: Duration = secs(86_400);
const REFRESH_LIFETIME: Duration = secs(12 * 3600);

/// A vendor whose refresh tokens die when they are not used for twelve hours.
fn vendor(clock: &ManualClock) -> Script {
    let script = Script::with_lifetime(secs(1800))
        .profile(|profile| profile.default_refresh_lifetime(REFRESH_LIFETIME));
    let clock = clock.clone();
    let dies = std::sync::Mutex::new(clock.now().after(REFRESH_LIFETIME));
    script.usually(move |number| {
        let mut dies = dies.lock().unwrap();
        if dies.reached(clock.now()) {
            return Err(ProviderError::refused("not used for twelve hours"));
        }
        *dies = clock.now().after(REFRESH_LIFETIME);
        Ok(support::token(number, secs(1800)))
    });
    script
}

/// Lets time pass in steps, with nothing asked of the layer.
async fn idle_for(clock: &ManualClock, time: Duration) {
    let step = secs(300);
    for _ in 0..(time.as_secs() / step.as_secs()) {
        clock.advance(step);
        a_few_turns().await;
    }
}

#[tokio::test]
async fn an_idle_session_outlives_its_refresh_token_by_days() {
    let clock = ManualClock::new();
    let script = vendor(&clock);
    let service = script.seeded(&clock).layer(Api::accepting_all());
    send(&service).await.unwrap();
    idle_for(&clock, 7 * DAY).await;
    // Every 7 h 48 to 9 hours.
    let kept = script.exchanges() - 1;
    assert!((18..=22).contains(&kept), "{kept}");
    let asked = script.asked();
    assert!(
        asked[1..].iter().all(|it| it.reason == Reason::KeepAlive),
        "{asked:?}"
    );
    send(&service).await.unwrap();
}

#[tokio::test]
async fn to_start_exchanges_nothing_where_no_store_may_know_of_a_session() {
    let (clock, script) = (ManualClock::new(), Script::with_lifetime(secs(1800)));
    let layer = script.layer(&clock).build().unwrap();
    layer.handle().start().unwrap();
    settle().await;
    assert_eq!(script.exchanges(), 0);
}

#[tokio::test]
async fn keeping_alive_begins_with_the_first_call_or_with_start() {
    let clock = ManualClock::new();
    let script = vendor(&clock);
    let layer = script.seeded(&clock);
    let handle = layer.handle();
    settle().await;
    assert_eq!(clock.sleepers(), 0, "building starts nothing");
    idle_for(&clock, 6 * HOUR).await;
    handle.start().unwrap();
    handle.start().unwrap();
    settle().await;
    assert_eq!(clock.sleepers(), 1, "one keeper");
    idle_for(&clock, 3 * DAY).await;
    assert!(script.exchanges() >= 7, "{}", script.exchanges());
    handle.token().await.unwrap();
}

#[tokio::test]
async fn who_opts_out_sleeps_in_peace_and_loses_the_session() {
    let clock = ManualClock::new();
    let script = vendor(&clock);
    let seed = Token::from_refresh_token("refresh-0");
    let layer = script
        .layer(&clock)
        .initial(seed)
        .keep_idle_sessions_alive(false)
        .build()
        .unwrap();
    let service = layer.layer(Api::accepting_all());
    layer.handle().start().unwrap();
    send(&service).await.unwrap();
    settle().await;
    assert_eq!(clock.sleepers(), 0);
    idle_for(&clock, DAY).await;
    assert_eq!(script.exchanges(), 1);
    assert!(send(&service).await.unwrap_err().is_login_required());
}

#[tokio::test]
async fn the_keeper_ends_with_the_last_handle_and_not_with_the_first() {
    let clock = ManualClock::new();
    let script = vendor(&clock);
    let layer = script.seeded(&clock);
    let service = layer.layer(Api::accepting_all());
    let handle = layer.handle();
    send(&service).await.unwrap();
    drop(layer.clone());
    drop(service.clone());
    drop((layer, service));
    idle_for(&clock, DAY).await;
    assert!(script.exchanges() >= 3, "the handle is enough");
    assert_eq!(clock.sleepers(), 1);
    drop(handle);
    settle().await;
    assert_eq!(clock.sleepers(), 0);
    assert_eq!(script.holders(), 1, "nothing is left behind");
}

#[tokio::test]
async fn siblings_share_one_keeper_which_ends_with_the_last_of_them() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800))
        .profile(|profile| profile.default_refresh_lifetime(REFRESH_LIFETIME));
    let layer = script.seeded(&clock);
    let mut siblings: Vec<_> = (0..10)
        .map(|user| {
            let seed = Token::from_refresh_token(format!("refresh of {user}"));
            layer.with_session(user.to_string(), seed).unwrap()
        })
        .collect();
    for sibling in &siblings {
        sibling.handle().token().await.unwrap();
    }
    settle().await;
    assert_eq!(clock.sleepers(), 1);
    let before = script.exchanges();
    idle_for(&clock, 10 * HOUR).await;
    // The first layer was never called itself; its family is awake, and it is kept alive too.
    assert_eq!(script.exchanges(), before + 11, "each of them once");
    let last = siblings.pop().unwrap();
    drop((layer, siblings));
    let before = script.exchanges();
    idle_for(&clock, 10 * HOUR).await;
    assert_eq!(script.exchanges(), before + 1, "only the last one");
    drop(last);
    settle().await;
    assert_eq!((clock.sleepers(), script.holders()), (0, 1));
}

#[test]
fn after_its_runtime_died_the_next_request_starts_the_keeper_anew() {
    let clock = ManualClock::new();
    let script = vendor(&clock);
    let layer = script.seeded(&clock);
    let service = layer.layer(Api::accepting_all());
    let first = runtime();
    first.block_on(async {
        send(&service).await.unwrap();
        settle().await;
    });
    assert_eq!(clock.sleepers(), 1);
    drop(first);
    assert_eq!(clock.sleepers(), 0);
    let second = runtime();
    second.block_on(async {
        // With a fresh token: nothing but the keeper is missing.
        send(&service).await.unwrap();
        settle().await;
        assert_eq!(clock.sleepers(), 1);
        assert_eq!(script.exchanges(), 1);
        idle_for(&clock, 2 * DAY).await;
        send(&service).await.unwrap();
    });
}

#[tokio::test]
async fn a_machine_that_wakes_up_keeps_its_sessions_alive_within_a_minute() {
    let clock = ManualClock::new();
    let script = vendor(&clock);
    let handle = script.seeded(&clock).handle();
    handle.token().await.unwrap();
    settle().await;
    clock.suspend(10 * HOUR);
    clock.advance(secs(60));
    settle().await;
    assert_eq!(script.exchanges(), 2);
}

#[tokio::test]
async fn a_vendor_that_is_down_when_the_session_would_die_is_asked_again_but_not_in_a_loop() {
    let clock = ManualClock::new();
    let script = vendor(&clock);
    let handle = script.seeded(&clock).handle();
    handle.token().await.unwrap();
    for _ in 0..10 {
        script.next(|_| Err(ProviderError::transient("down")));
    }
    let mut asked = script.exchanges();
    for _ in 0..11 * 12 {
        idle_for(&clock, secs(300)).await;
        assert!(script.exchanges() - asked <= 1, "in a loop");
        asked = script.exchanges();
    }
    assert_eq!(asked, 12, "ten times down, then up again");
    idle_for(&clock, DAY).await;
    handle.token().await.unwrap();
}

#[test]
fn starting_outside_a_runtime_is_a_typed_error() {
    let clock = ManualClock::new();
    let script = vendor(&clock);
    let layer = script.seeded(&clock);
    let error = layer.handle().start().unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
}

#[tokio::test]
async fn a_refresh_token_that_is_dead_by_the_vendors_clock_is_not_kept_alive_in_a_loop() {
    for behind in [HOUR, 13 * HOUR] {
        let clock = ManualClock::new();
        let script = Script::with_lifetime(secs(1800));
        script.usually({
            let clock = clock.clone();
            // The vendor's clock is behind ours.
            move |number| {
                let dies = clock.now().after(REFRESH_LIFETIME).before(behind).wall();
                Ok(support::token(number, secs(1800)).with_refresh_expiry(dies))
            }
        });
        let service = script.seeded(&clock).layer(Api::accepting_all());
        for _ in 0..100 {
            send(&service).await.unwrap();
            a_few_turns().await;
        }
        assert_eq!(script.exchanges(), 1, "exchanged in a loop");
        idle_for(&clock, DAY).await;
        assert!(script.exchanges() < 6, "{}", script.exchanges());
        send(&service).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_that_ends_at_a_fixed_time_is_not_exchanged_ever_faster_towards_it() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800));
    let end = clock.now().after(REFRESH_LIFETIME).wall();
    script.usually(move |number| Ok(support::token(number, secs(1800)).with_refresh_expiry(end)));
    let service = script.seeded(&clock).layer(Api::accepting_all());
    send(&service).await.unwrap();
    for _ in 0..13 * 3600 {
        clock.advance(secs(1));
        a_few_turns().await;
    }
    assert!(script.exchanges() <= 20, "{}", script.exchanges());
}

#[tokio::test]
async fn a_refresh_token_that_comes_back_unchanged_dies_when_it_says_itself() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let clock = ManualClock::new();
    let now = clock.now().unix().as_secs();
    let claims = format!("{{\"iat\":{now},\"exp\":{}}}", now + 12 * 3600);
    let jwt = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
    let script = Script::with_lifetime(secs(1800));
    script.usually({
        let jwt = jwt.clone();
        move |number| {
            let token = Token::from_pair(format!("access-{number}"), jwt.clone());
            Ok(token.with_lifetime(secs(1800)))
        }
    });
    let handle = script.seeded(&clock).handle();
    handle.token().await.unwrap();
    let dies = handle.status().refresh_expires_at;
    assert!(dies.is_some());
    clock.advance(6 * HOUR);
    handle.token().await.unwrap();
    assert_eq!(script.exchanges(), 2);
    assert_eq!(handle.status().refresh_expires_at, dies);
    idle_for(&clock, DAY).await;
    assert_eq!(script.exchanges(), 2, "an exchange would not help it");
}
