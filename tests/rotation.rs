//! Refresh tokens: none is lost, and none is spent twice but by the vendor's own rule (promises 5
//! and 7).

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::time::Duration;

use support::{Api, Script, a_few_turns, poll_once, runtime, secs, send, settle, token};
use tower::Layer;
use tower_reauth::{
    Auth, AuthLayer, Token,
    provider::{LostReply, ProviderError, Rotation},
    test_util::ManualClock,
};

const HOUR: Duration = secs(3600);

fn lost() -> ProviderError {
    ProviderError::unknown_outcome("the reply was lost")
}

fn vendor(rotation: Rotation, rule: LostReply) -> Script {
    Script::with_lifetime(HOUR).profile(|profile| profile.rotation(rotation).lost_reply(rule))
}

/// A layer that starts from `refresh-0` alone.
/// A layer that starts from a pair, and whose access token is due.
fn due(script: &Script, clock: &ManualClock) -> AuthLayer<Script> {
    let seed = Token::from_pair("access-0", "refresh-0").with_lifetime(HOUR);
    let layer = script.layer(clock).initial(seed).build().unwrap();
    clock.advance(secs(2_700));
    layer
}

fn service(layer: &AuthLayer<Script>) -> Auth<Api, Script> {
    layer.layer(Api::accepting_all())
}

fn refresh(numbers: impl IntoIterator<Item = usize>) -> Vec<Option<String>> {
    let name = |number| Some(format!("refresh-{number}"));
    numbers.into_iter().map(name).collect()
}

#[tokio::test]
async fn a_missing_refresh_token_keeps_the_old_one_where_rotation_is_not_a_must() {
    for rotation in [Rotation::May, Rotation::Never] {
        let clock = ManualClock::new();
        let script = vendor(rotation, LostReply::LastResort);
        script.usually(|number| Ok(Token::new(format!("access-{number}")).with_lifetime(HOUR)));
        let layer = script.seeded(&clock);
        let service = service(&layer);
        for _ in 0..5 {
            send(&service).await.unwrap();
            clock.advance(HOUR);
        }
        assert_eq!(script.spent(), refresh([0; 5]), "{rotation:?}");
        assert!(!layer.handle().status().is_login_required());
    }
}

#[tokio::test]
async fn a_missing_refresh_token_announces_a_login_at_expiry_where_rotation_is_a_must() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::Must, LostReply::LastResort);
    script.next(|number| Ok(Token::new(format!("access-{number}")).with_lifetime(HOUR)));
    let layer = script.seeded(&clock);
    let service = service(&layer);
    let mut states = layer.handle().subscribe();
    send(&service).await.unwrap();
    let status = states.changed().await.unwrap();
    assert!(status.usable && status.is_login_required());
    assert!(status.expires_at.is_some() && status.failure.is_none());
    clock.advance(secs(2_000));
    send(&service).await.unwrap();
    assert_eq!(script.exchanges(), 1);
    let login = Token::from_pair("login", "refresh-new").with_lifetime(HOUR);
    layer.handle().replace(login).await.unwrap();
    assert!(!layer.handle().status().is_login_required());
    clock.advance(HOUR);
    send(&service).await.unwrap();
    assert_eq!(script.spent()[1], Some("refresh-new".into()));
}

#[tokio::test]
async fn an_error_that_salvages_the_next_refresh_token_goes_on_from_it() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::Must, LostReply::Never);
    script.next(|_| Err(lost().salvaging(Token::from_refresh_token("refresh-1"))));
    let service = service(&script.seeded(&clock));
    send(&service).await.unwrap_err();
    clock.advance(secs(2));
    send(&service).await.unwrap();
    assert_eq!(script.spent(), refresh([0, 1]));
}

#[tokio::test]
async fn salvage_leaves_a_good_access_token_in_use() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::Must, LostReply::Never);
    script.next(|_| Err(lost().salvaging(Token::from_refresh_token("refresh-1"))));
    let layer = due(&script, &clock);
    let service = service(&layer);
    send(&service).await.unwrap();
    settle().await;
    assert_eq!(script.exchanges(), 1);
    let status = layer.handle().status();
    assert!(status.usable && !status.is_login_required(), "{status:?}");
    for _ in 0..860 {
        send(&service).await.unwrap();
        a_few_turns().await;
        clock.advance(secs(1));
    }
    assert_eq!(script.spent(), refresh([0, 1]));
}

#[tokio::test]
async fn an_access_token_that_no_header_can_hold_does_not_cost_the_refresh_token() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::Must, LostReply::Never);
    script.next(|_| Ok(Token::from_pair("line\nbreak", "refresh-1").with_lifetime(HOUR)));
    let service = service(&script.seeded(&clock));
    send(&service).await.unwrap_err();
    clock.advance(secs(2));
    send(&service).await.unwrap();
    assert_eq!(script.spent(), refresh([0, 1]));
}

#[tokio::test]
async fn a_lost_reply_that_is_harmless_is_asked_for_again_after_the_usual_pause() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::May, LostReply::Harmless);
    for _ in 0..3 {
        script.next(|_| Err(lost()));
    }
    let service = service(&script.seeded(&clock));
    for _ in 0..3 {
        assert!(send(&service).await.unwrap_err().is_unknown_outcome());
        let pause = send(&service).await.unwrap_err().retry_after().unwrap();
        assert!(pause <= secs(4), "{pause:?}");
        clock.advance(pause);
    }
    send(&service).await.unwrap();
    assert_eq!(script.spent(), refresh([0; 4]));
}

#[tokio::test]
async fn a_lost_reply_that_can_be_replayed_is_fetched_within_the_same_flight() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::Must, LostReply::ReplayWithin(secs(60)));
    for _ in 0..3 {
        script.next(|_| Err(lost()));
    }
    let layer = script.seeded(&clock);
    let (service, handle) = (service(&layer), layer.handle());
    let caller = tokio::spawn(async move { send(&service).await });
    for _ in 0..12 {
        settle().await;
        assert!(handle.status().exchanging == (script.exchanges() < 4));
        clock.advance(secs(1));
    }
    assert!(caller.is_finished());
    caller.await.unwrap().unwrap();
    assert_eq!(script.spent(), refresh([0; 4]));
    assert_eq!(script.most_in_flight(), 1);
}

#[tokio::test]
async fn a_login_during_a_flight_wins_and_the_flights_token_does_not_land() {
    let clock = ManualClock::new();
    let script = Script::gated(HOUR);
    let api = Api::accepting_all();
    let layer = script.seeded(&clock);
    let service = layer.layer(api.clone());
    let waiter = tokio::spawn({
        let service = service.clone();
        async move { send(&service).await }
    });
    settle().await;
    let login = Token::from_pair("login", "refresh-9").with_lifetime(HOUR);
    layer.handle().replace(login).await.unwrap();
    let mut new = Box::pin(send(&service));
    assert!(poll_once(new.as_mut()).await.is_ready(), "used at once");
    script.open(1);
    settle().await;
    waiter.await.unwrap().unwrap();
    assert_eq!(api.seen(), ["Bearer login", "Bearer login"]);
    clock.advance(HOUR);
    script.open(1);
    send(&service).await.unwrap();
    assert_eq!(script.spent(), refresh([0, 9]));
}

#[tokio::test]
async fn a_failure_of_the_old_login_is_not_held_against_the_new_one() {
    let clock = ManualClock::new();
    let script = Script::gated(HOUR);
    script.next(|_| Err(ProviderError::refused("the session has ended")));
    let layer = script.seeded(&clock);
    let service = service(&layer);
    let waiter = tokio::spawn({
        let service = service.clone();
        async move { send(&service).await }
    });
    settle().await;
    let login = Token::from_refresh_token("refresh-9");
    layer.handle().replace(login).await.unwrap();
    script.open(2);
    waiter.await.unwrap().unwrap();
    assert_eq!(script.spent(), refresh([0, 9]));
    assert!(!layer.handle().status().is_login_required());
    assert_eq!(script.most_in_flight(), 1);
}

#[tokio::test]
async fn a_replay_that_never_left_does_not_hide_that_the_first_request_did() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::Must, LostReply::ReplayWithin(secs(5)));
    script.next(|_| Err(lost()));
    script.usually(|_| Err(ProviderError::transient("connection refused")));
    let layer = due(&script, &clock);
    let service = service(&layer);
    let mut at_the_end = 0;
    for second in 0..860 {
        send(&service).await.unwrap();
        a_few_turns().await;
        if second == 5 {
            at_the_end = script.exchanges();
            assert!(at_the_end > 2, "goes on while the vendor replays");
        }
        clock.advance(secs(1));
    }
    assert_eq!(
        script.exchanges(),
        at_the_end,
        "spent, and the window closed"
    );
    clock.advance(secs(10));
    send(&service).await.unwrap_err();
    assert_eq!(script.exchanges(), at_the_end + 1, "the last resort");
}

#[tokio::test]
async fn replays_end_with_the_vendors_window_and_the_last_resort_is_left() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::Must, LostReply::ReplayWithin(secs(30)));
    script.usually(|_| Err(lost()));
    let layer = due(&script, &clock);
    let service = service(&layer);
    let mut within = 0;
    for second in 0..=870 {
        let _ = send(&service).await;
        a_few_turns().await;
        if second == 31 {
            within = script.exchanges();
            assert!((5..=12).contains(&within), "{within}");
        }
        // The access token dies at 3570 s: 870 s after it was due.
        let expected = within + usize::from(second >= 870);
        if second >= 31 {
            assert_eq!(script.exchanges(), expected, "after {second} s");
        }
        clock.advance(secs(1));
    }
    assert_eq!(script.spent(), refresh(vec![0; within + 1]));
}

#[test]
fn the_window_of_replays_opens_with_the_first_request_and_not_with_the_next_flight() {
    let clock = ManualClock::new();
    let script = Script::gated(HOUR).profile(|profile| {
        profile
            .rotation(Rotation::Must)
            .lost_reply(LostReply::ReplayWithin(secs(30)))
    });
    script.usually(|_| Err(lost()));
    let layer = due(&script, &clock);
    let service = service(&layer);
    let first = runtime();
    first.block_on(async {
        send(&service).await.unwrap();
        settle().await;
    });
    assert_eq!(script.exchanges(), 1, "under way when its runtime dies");
    drop(first);
    clock.advance(secs(25));
    script.open(1_000);
    runtime().block_on(async {
        let mut in_time = 0;
        for second in 25..120 {
            send(&service).await.unwrap();
            settle().await;
            // A replay decided on in time goes out with the step that ends the window.
            if second <= 30 {
                in_time = script.exchanges();
            }
            clock.advance(secs(1));
        }
        assert!(in_time > 1, "there were five seconds left");
        assert_eq!(script.exchanges(), in_time, "replayed after the window");
    });
}

#[tokio::test]
async fn a_last_resort_begins_when_the_access_token_is_dead_and_goes_on_until_somebody_answers() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::Must, LostReply::LastResort);
    script.usually(|_| Err(lost()));
    let layer = due(&script, &clock);
    let service = service(&layer);
    for second in 0..1_800 {
        let sent = send(&service).await;
        assert_eq!(sent.is_ok(), second < 870, "after {second} s");
        a_few_turns().await;
        if second < 870 {
            assert_eq!(script.exchanges(), 1, "after {second} s");
        }
        let status = layer.handle().status();
        assert!(!status.is_login_required(), "no answer is no verdict");
        clock.advance(secs(1));
    }
    // From the 870th second on: 10 s apart at first, for no request may be under way twice, and
    // then as after any failure, two minutes apart.
    let tries = script.exchanges();
    assert!((10..20).contains(&tries), "{tries}");
    assert_eq!(script.spent(), refresh(vec![0; tries]));
    // The vendor is back. It had not processed any of them.
    script.usually(|number| Ok(token(number, HOUR)));
    clock.advance(secs(120));
    send(&service).await.unwrap();
    assert_eq!(script.exchanges(), tries + 1);
}

#[tokio::test]
async fn a_last_resort_that_is_refused_needs_a_login() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::Must, LostReply::LastResort);
    script.next(|_| Err(lost()));
    script.usually(|_| Err(ProviderError::refused("it was spent before")));
    let layer = due(&script, &clock);
    let service = service(&layer);
    send(&service).await.unwrap();
    a_few_turns().await;
    clock.advance(secs(870));
    for _ in 0..1_000 {
        assert!(send(&service).await.unwrap_err().is_login_required());
        clock.advance(secs(1));
    }
    assert!(layer.handle().status().is_login_required());
    assert_eq!(script.spent(), refresh([0, 0]));
    // A login ends it.
    script.usually(|number| Ok(token(number, HOUR)));
    let login = Token::from_refresh_token("refresh-9");
    layer.handle().replace(login).await.unwrap();
    send(&service).await.unwrap();
    assert_eq!(script.spent(), refresh([0, 0, 9]));
}

#[tokio::test]
async fn where_nothing_may_be_sent_twice_a_lost_reply_needs_a_login_and_says_so_at_once() {
    let clock = ManualClock::new();
    let script = vendor(Rotation::Must, LostReply::Never);
    script.usually(|_| Err(lost()));
    let layer = due(&script, &clock);
    let service = service(&layer);
    send(&service).await.unwrap();
    settle().await;
    let status = layer.handle().status();
    assert!(status.usable && status.is_login_required(), "{status:?}");
    for _ in 0..1_000 {
        let _ = send(&service).await;
        a_few_turns().await;
        clock.advance(secs(10));
    }
    assert!(send(&service).await.unwrap_err().is_login_required());
    assert!(
        layer
            .handle()
            .refresh()
            .await
            .unwrap_err()
            .is_login_required()
    );
    assert_eq!(script.spent(), refresh([0]));
}
