//! Promise 9: two clocks, of which the earlier decides, and windows that scale with the lifetime.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use support::{Api, Script, a_few_turns, get, poll_once, secs, seed, send, settle, token};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Auth, Token,
    clock::{Clock, Moment},
    provider::{ProviderError, Reason},
    test_util::ManualClock,
};

const HOUR: Duration = secs(3600);
const DAY: Duration = secs(86_400);
const MILLISECOND: Duration = Duration::from_millis(1);

fn layered(clock: &ManualClock, script: &Script) -> Auth<Api, Script> {
    script.service(clock, &Api::accepting_all())
}

/// The answer of a vendor that takes its time.
fn after(
    clock: &ManualClock,
    time: Duration,
    answer: impl Fn(usize) -> Token + Send + Sync + 'static,
) -> impl Fn(usize) -> Result<Token, ProviderError> + Send + Sync + 'static {
    let clock = clock.clone();
    move |number| {
        clock.advance(time);
        Ok(answer(number))
    }
}

#[tokio::test]
async fn a_token_that_died_during_a_suspend_is_not_sent() {
    let clock = ManualClock::new();
    let script = Script::gated(HOUR);
    let api = Api::accepting_all();
    let service = script.service(&clock, &api);
    script.open(1);
    send(&service).await.unwrap();
    clock.suspend(2 * HOUR);
    let mut request = Box::pin(service.clone().oneshot(get()));
    assert!(poll_once(request.as_mut()).await.is_pending());
    script.open(1);
    request.await.unwrap();
    assert_eq!(api.seen(), ["Bearer access-1", "Bearer access-2"]);
    assert_eq!(script.asked()[1].reason, Reason::Expired);
}

#[tokio::test]
async fn a_wall_clock_that_is_set_back_does_not_make_a_token_live_longer() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    let service = layered(&clock, &script);
    send(&service).await.unwrap();
    clock.step_wall_back(30 * DAY);
    clock.advance(HOUR - secs(31));
    script.usually(|_| Err(ProviderError::transient("down")));
    send(&service).await.unwrap();
    clock.advance(secs(1));
    send(&service).await.unwrap_err();
}

#[tokio::test]
async fn whatever_the_clocks_do_no_dead_token_is_sent_and_no_session_is_lost() {
    let mut random = fastrand::Rng::with_seed(seed());
    let clock = ManualClock::new();
    let lifetime = secs(1000);
    let issued: Arc<Mutex<Vec<Moment>>> = Arc::default();
    let script = Script::with_lifetime(lifetime);
    script.usually({
        let (issued, clock) = (Arc::clone(&issued), clock.clone());
        move |number| {
            issued.lock().unwrap().push(clock.now());
            Ok(token(number, lifetime))
        }
    });
    let api = Api::new({
        let (issued, clock) = (Arc::clone(&issued), clock.clone());
        move |header| {
            let number: usize = header["Bearer access-".len()..].parse().unwrap();
            let expires = issued.lock().unwrap()[number - 1].after(lifetime);
            assert!(!expires.reached(clock.now()), "{header} is dead");
            StatusCode::OK
        }
    });
    let service = script.seeded(&clock).layer(api);
    for _ in 0..5_000 {
        let by = secs(random.u64(0..1_500));
        match random.u8(0..4) {
            0 => clock.advance(by),
            1 => clock.suspend(by * 10),
            2 => clock.step_wall_forward(by),
            _ => clock.step_wall_back(by),
        }
        assert_eq!(send(&service).await.unwrap(), StatusCode::OK);
        a_few_turns().await;
    }
    let spent = script.spent().into_iter().flatten();
    let expected = (0..script.exchanges()).map(|number| format!("refresh-{number}"));
    assert!(spent.eq(expected), "each refresh token once, in order");
}

#[tokio::test]
async fn a_wall_clock_set_ahead_in_mid_flight_costs_an_exchange_and_not_the_session() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.next({
        let clock = clock.clone();
        move |number| {
            clock.step_wall_forward(365 * DAY);
            Ok(token(number, HOUR))
        }
    });
    let service = script.seeded(&clock).layer(Api::accepting_all());
    send(&service).await.unwrap_err();
    clock.advance(secs(2));
    send(&service).await.unwrap();
    assert_eq!(
        script.spent(),
        [Some("refresh-0".into()), Some("refresh-1".into())]
    );
}

/// Asserts when a token of `lifetime` is due and when it is dead.
async fn is_due_and_dead(lifetime: Duration, due: [Duration; 2], dead: Duration) {
    for _ in 0..10 {
        let clock = ManualClock::new();
        let script = Script::with_lifetime(lifetime);
        let service = layered(&clock, &script);
        send(&service).await.unwrap();
        script.usually(|_| Err(ProviderError::transient("down")));
        clock.advance(due[0] - MILLISECOND);
        send(&service).await.unwrap();
        settle().await;
        assert_eq!(script.exchanges(), 1, "{lifetime:?} is due too early");
        clock.advance(due[1] - due[0] + MILLISECOND);
        send(&service).await.unwrap();
        settle().await;
        assert_eq!(script.exchanges(), 2, "{lifetime:?} is due too late");
        assert_eq!(script.asked()[1].reason, Reason::Due);
        clock.advance(dead - due[1] - MILLISECOND);
        let sent = send(&service).await;
        assert!(sent.is_ok(), "{lifetime:?} is dead too early");
        settle().await;
        clock.advance(MILLISECOND);
        let sent = send(&service).await;
        assert!(sent.is_err(), "{lifetime:?} is dead too late");
    }
}

#[tokio::test]
async fn every_lifetime_has_its_window_and_its_early_end() {
    let millis = Duration::from_millis;
    is_due_and_dead(secs(1), [millis(650), millis(750)], millis(900)).await;
    is_due_and_dead(secs(20), [secs(13), secs(15)], secs(18)).await;
    is_due_and_dead(
        secs(1799),
        [millis(1_169_350), millis(1_349_250)],
        secs(1769),
    )
    .await;
    is_due_and_dead(
        30 * DAY,
        [27 * DAY - HOUR, 30 * DAY - HOUR],
        30 * DAY - secs(30),
    )
    .await;
    // Taken for ten years.
    let most = 3660 * DAY;
    for absurd in [Duration::MAX, secs(u64::MAX / 2), 100 * most] {
        is_due_and_dead(absurd, [most * 9 / 10 - HOUR, most - HOUR], most - secs(30)).await;
    }
}

#[tokio::test]
async fn a_token_of_unknown_lifetime_is_used_until_a_server_refuses_it() {
    for token in [Token::new("a"), Token::new("a").with_lifetime(secs(0))] {
        let clock = ManualClock::new();
        let script = Script::with_lifetime(HOUR);
        script.usually(move |_| Ok(token.clone()));
        let service = layered(&clock, &script);
        for _ in 0..200 {
            send(&service).await.unwrap();
            a_few_turns().await;
            clock.advance(100 * DAY);
        }
        assert_eq!(script.exchanges(), 1);
    }
}

#[tokio::test]
async fn a_token_that_took_most_of_its_life_to_arrive_is_not_exchanged_in_a_loop() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(100));
    script.usually(after(&clock, secs(80), |number| token(number, secs(100))));
    let service = layered(&clock, &script);
    for _ in 0..100 {
        send(&service).await.unwrap();
        settle().await;
    }
    assert_eq!(script.exchanges(), 1);
    // It dies at 90 s and is due half-way there.
    clock.advance(secs(5) - MILLISECOND);
    send(&service).await.unwrap();
    settle().await;
    assert_eq!(script.exchanges(), 1);
    clock.advance(MILLISECOND);
    send(&service).await.unwrap();
    settle().await;
    assert_eq!(script.exchanges(), 2);
}

#[tokio::test]
async fn a_token_that_arrives_dead_is_an_error_with_a_pause_and_its_refresh_token_is_kept() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(100));
    script.next({
        let clock = clock.clone();
        move |number| {
            clock.advance(secs(90));
            Ok(token(number, secs(100)))
        }
    });
    let api = Api::accepting_all();
    let service = script.seeded(&clock).layer(api.clone());
    let error = send(&service).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let pause = send(&service).await.unwrap_err().retry_after().unwrap();
    assert!(secs(0) < pause && pause <= secs(2), "{pause:?}");
    assert_eq!(script.exchanges(), 1);
    clock.advance(pause);
    send(&service).await.unwrap();
    assert_eq!(
        script.spent(),
        [Some("refresh-0".into()), Some("refresh-1".into())]
    );
    assert_eq!(api.seen(), ["Bearer access-2"]);
}

#[tokio::test]
async fn the_same_token_again_does_not_live_longer_unless_the_vendor_says_so() {
    for (says_so, lives_on) in [(false, false), (true, true)] {
        let clock = ManualClock::new();
        let script = Script::with_lifetime(HOUR).profile(|profile| profile.default_lifetime(HOUR));
        script.usually(move |_| {
            let token = Token::new("the same");
            Ok(match says_so {
                true => token.with_lifetime(HOUR),
                false => token,
            })
        });
        let api = Api::accepting_all();
        let layer = script.layer(&clock).build().unwrap();
        let service = layer.layer(api.clone());
        send(&service).await.unwrap();
        clock.advance(HOUR - secs(31));
        send(&service).await.unwrap();
        settle().await;
        assert_eq!(script.exchanges(), 2);
        clock.advance(secs(1));
        assert_eq!(send(&service).await.is_ok(), lives_on);
        assert_eq!(layer.handle().status().generation.number(), 1);
    }
}

#[tokio::test]
async fn jitter_is_drawn_once_for_each_token_and_only_makes_it_earlier() {
    let mut dues = Vec::new();
    for _ in 0..20 {
        let clock = ManualClock::new();
        let script = Script::with_lifetime(HOUR);
        let service = layered(&clock, &script);
        send(&service).await.unwrap();
        clock.advance(secs(2_300));
        let mut due = 2_300;
        while script.exchanges() == 1 {
            clock.advance(secs(1));
            due += 1;
            send(&service).await.unwrap();
            a_few_turns().await;
        }
        dues.push(due);
    }
    assert!(
        dues.iter().all(|due| (2_340..=2_701).contains(due)),
        "{dues:?}"
    );
    // Drawn anew at every look, the earliest of hundreds of draws would decide.
    let late = dues.iter().filter(|due| **due > 2_450).count();
    assert!(late > 5, "{dues:?}");
    assert!(dues.iter().any(|due| *due != dues[0]), "{dues:?}");
}

#[tokio::test]
async fn the_vendors_hint_wins_over_the_usual_window() {
    for hint in [600, 3500] {
        let clock = ManualClock::new();
        let script = Script::with_lifetime(HOUR);
        script.usually(move |number| Ok(token(number, HOUR).with_refresh_hint(secs(hint))));
        let service = layered(&clock, &script);
        send(&service).await.unwrap();
        clock.advance(secs(hint) - MILLISECOND);
        send(&service).await.unwrap();
        settle().await;
        assert_eq!(script.exchanges(), 1);
        clock.advance(MILLISECOND);
        send(&service).await.unwrap();
        settle().await;
        assert_eq!(script.exchanges(), 2);
    }
}

#[tokio::test]
async fn a_hint_that_has_passed_on_arrival_says_nothing() {
    for lifetime in [HOUR, secs(0)] {
        let clock = ManualClock::new();
        let script = Script::with_lifetime(HOUR);
        script.usually({
            let clock = clock.clone();
            move |number| {
                clock.advance(secs(3));
                let token = Token::new(format!("access-{number}")).with_lifetime(lifetime);
                let asked = Moment::before(clock.now(), secs(3));
                Ok(token.with_refresh_hint(secs(2)).with_asked_at(asked))
            }
        });
        let service = layered(&clock, &script);
        for _ in 0..100 {
            send(&service).await.unwrap();
            a_few_turns().await;
        }
        assert_eq!(script.exchanges(), 1, "exchanged in a loop");
    }
}

#[tokio::test]
async fn a_hint_counts_from_when_the_request_was_sent() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.usually(after(&clock, secs(60), |number| {
        token(number, HOUR).with_refresh_hint(secs(600))
    }));
    let service = layered(&clock, &script);
    send(&service).await.unwrap();
    clock.advance(secs(540));
    send(&service).await.unwrap();
    settle().await;
    assert_eq!(script.exchanges(), 2);
}

#[tokio::test]
async fn tokens_that_always_arrive_dead_are_asked_for_ever_more_seldom() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(100));
    script.usually(after(&clock, secs(90), |number| token(number, secs(100))));
    let service = layered(&clock, &script);
    let mut pause = Duration::ZERO;
    for _ in 0..8 {
        let error = send(&service).await.unwrap_err();
        pause = error.retry_after().unwrap();
        clock.advance(pause);
    }
    assert_eq!(script.exchanges(), 8);
    assert!(pause > secs(20), "1 s × 1.6^7, ± 20 %: {pause:?}");
}

#[tokio::test]
async fn a_token_that_arrives_dead_does_not_take_the_place_of_a_good_one() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.next({
        let clock = clock.clone();
        move |number| {
            clock.advance(secs(20));
            Ok(token(number, secs(20)))
        }
    });
    let api = Api::accepting_all();
    let service = script
        .layer(&clock)
        .initial(Token::from_pair("access-0", "refresh-0").with_lifetime(HOUR))
        .build()
        .unwrap()
        .layer(api.clone());
    clock.advance(secs(2_700));
    send(&service).await.unwrap();
    settle().await;
    let mut request = Box::pin(service.clone().oneshot(get()));
    assert!(poll_once(request.as_mut()).await.is_ready(), "it waited");
    assert_eq!(api.seen(), ["Bearer access-0", "Bearer access-0"]);
    assert_eq!(script.exchanges(), 1);
    clock.advance(secs(820));
    send(&service).await.unwrap();
    settle().await;
    send(&service).await.unwrap();
    assert_eq!(
        script.spent(),
        [Some("refresh-0".into()), Some("refresh-1".into())]
    );
    assert_eq!(api.seen()[3], "Bearer access-2");
}

#[tokio::test]
async fn a_default_lifetime_of_zero_is_no_default() {
    let clock = ManualClock::new();
    let script =
        Script::with_lifetime(HOUR).profile(|profile| profile.default_lifetime(Duration::ZERO));
    script.usually(|number| Ok(Token::new(format!("opaque-{number}"))));
    let handle = script.layer(&clock).build().unwrap().handle();
    handle.token().await.unwrap();
    clock.advance(HOUR);
    assert!(handle.status().usable, "used until a server refuses it");
    assert_eq!(script.exchanges(), 1);
}
