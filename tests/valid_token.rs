//! Promise 4: a valid token survives a failing provider, an expired one is never sent, and nobody
//! waits while the token is good. With promise 8: how often a failing vendor is asked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use support::{Api, Script, a_few_turns, get, poll_once, secs, send, settle, token};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Token,
    clock::{Clock, Moment},
    provider::{ProviderError, Reason, Rotation},
    test_util::ManualClock,
};

const MINUTE: Duration = secs(60);
const HOUR: Duration = secs(3600);

#[tokio::test]
async fn a_due_token_is_refreshed_beside_requests_and_delays_none() {
    let clock = ManualClock::new();
    let script = Script::gated(HOUR);
    let api = Api::accepting_all();
    let service = script.service(&clock, &api);
    script.open(1);
    send(&service).await.unwrap();
    clock.advance(50 * MINUTE);
    for _ in 0..1_000 {
        let mut request = Box::pin(service.clone().oneshot(get()));
        assert!(poll_once(request.as_mut()).await.is_ready(), "it waited");
        settle().await;
    }
    assert_eq!(script.exchanges(), 2, "one is under way");
    script.open(1);
    settle().await;
    send(&service).await.unwrap();
    let seen = api.seen();
    assert_eq!(
        seen.iter()
            .filter(|header| *header == "Bearer access-1")
            .count(),
        1_001
    );
    assert_eq!(seen.last().unwrap(), "Bearer access-2");
    assert_eq!(script.asked()[1].reason, Reason::Due);
}

#[tokio::test]
async fn a_token_is_due_in_its_last_quarter_and_not_before() {
    // The jitter only makes it earlier, by a tenth of the lifetime at most.
    for _ in 0..50 {
        let clock = ManualClock::new();
        let script = Script::with_lifetime(HOUR);
        let service = script.service(&clock, &Api::accepting_all());
        send(&service).await.unwrap();
        clock.advance(39 * MINUTE - secs(1));
        send(&service).await.unwrap();
        settle().await;
        assert_eq!(script.exchanges(), 1, "3600 - 900 - 360 s at the earliest");
        clock.advance(6 * MINUTE + secs(1));
        send(&service).await.unwrap();
        settle().await;
        assert_eq!(script.exchanges(), 2, "3600 - 900 s at the latest");
    }
}

/// When each exchange began.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<Moment>>>);

impl Times {
    fn note(&self, clock: &ManualClock) {
        self.0.lock().unwrap().push(clock.now());
    }

    fn all(&self) -> Vec<Moment> {
        self.0.lock().unwrap().clone()
    }

    fn gaps(&self) -> Vec<Duration> {
        let times = self.all();
        times
            .windows(2)
            .map(|pair| pair[1].monotonic() - pair[0].monotonic())
            .collect()
    }
}

#[tokio::test]
async fn requests_go_on_for_hours_while_the_provider_fails_and_it_is_seldom_asked() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    let api = Api::accepting_all();
    // One day: due in its last hour, or up to a tenth earlier.
    let seed = Token::from_pair("access-0", "refresh-0").with_lifetime(24 * HOUR);
    let layer = script.layer(&clock).initial(seed).build().unwrap();
    let service = layer.layer(api.clone());
    let times = Times::default();
    script.usually({
        let (times, clock) = (times.clone(), clock.clone());
        move |_| {
            times.note(&clock);
            Err(ProviderError::transient("down"))
        }
    });
    let start = clock.now();
    let dead = start.after(24 * HOUR - secs(30));
    while !dead.reached(clock.now()) {
        let mut request = Box::pin(send(&service));
        let std::task::Poll::Ready(result) = poll_once(request.as_mut()).await else {
            panic!("a request waited while the token was good");
        };
        assert_eq!(result.unwrap(), StatusCode::OK);
        a_few_turns().await;
        clock.advance(secs(1));
    }
    assert!(
        api.seen().iter().all(|header| header == "Bearer access-0"),
        "never emptied"
    );
    for (at, gap) in times.all().iter().zip(times.gaps()) {
        let quarter = dead.remaining(*at) / 4;
        // The test looks once a second.
        assert!(
            gap >= (5 * MINUTE).min(quarter),
            "{gap:?} with {quarter:?} a quarter"
        );
        assert!(
            gap <= (10 * MINUTE).min(quarter) + secs(2),
            "{gap:?} with {quarter:?} a quarter"
        );
    }
    let asked = times.all().len();
    assert!((8..=80).contains(&asked), "{asked}");
}

#[tokio::test]
async fn an_expired_token_is_never_sent() {
    let clock = ManualClock::new();
    let lifetime = secs(100);
    let start = clock.now();
    let issued = Times::default();
    let script = Script::with_lifetime(lifetime);
    script.usually({
        let (issued, clock) = (issued.clone(), clock.clone());
        move |number| {
            issued.note(&clock);
            // Down for longer than a token lives, again and again.
            let elapsed = clock.now().monotonic() - start.monotonic();
            match elapsed.as_secs() / 150 % 2 {
                0 => Ok(token(number, lifetime)),
                _ => Err(ProviderError::transient("down")),
            }
        }
    });
    let api = Api::new({
        let (issued, clock) = (issued.clone(), clock.clone());
        move |header| {
            let number: usize = header["Bearer access-".len()..].parse().unwrap();
            let expires = issued.all()[number - 1].after(lifetime);
            assert!(!expires.reached(clock.now()), "{header} is dead");
            StatusCode::OK
        }
    });
    let service = script.service(&clock, &api);
    let mut failed = 0;
    for _ in 0..20_000 {
        failed += usize::from(send(&service).await.is_err());
        a_few_turns().await;
        clock.advance(Duration::from_millis(50));
    }
    assert!(api.seen().len() > 5_000, "{}", api.seen().len());
    assert!(failed > 1_000, "{failed} times without a token");
}

#[tokio::test]
async fn without_a_token_the_last_error_comes_at_once_and_the_pauses_grow_to_two_minutes() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.usually(|_| Err(ProviderError::transient("down")));
    let service = script.service(&clock, &Api::accepting_all());
    let mut middle = 1.0;
    for failures in 1..20 {
        send(&service).await.unwrap_err();
        assert_eq!(script.exchanges(), failures);
        let mut request = Box::pin(send(&service));
        let std::task::Poll::Ready(Err(error)) = poll_once(request.as_mut()).await else {
            panic!("a caller waits although no exchange is under way");
        };
        assert!(error.is_transient());
        let pause = error.retry_after().expect("a pause").as_secs_f64();
        let (least, most) = (middle * 0.8_f64, (middle * 1.2_f64).min(120.0));
        assert!(
            (least - 0.001..=most + 0.001).contains(&pause),
            "{pause} after {failures}"
        );
        middle = f64::min(middle * 1.6, 120.0);
        let pause = error.retry_after().unwrap();
        clock.advance(pause - Duration::from_millis(1));
        send(&service).await.unwrap_err();
        assert_eq!(script.exchanges(), failures, "not yet");
        clock.advance(Duration::from_millis(1));
    }
    // A success wipes it.
    script.next(|number| Ok(token(number, secs(100))));
    send(&service).await.unwrap();
    clock.advance(secs(100));
    send(&service).await.unwrap_err();
    let pause = send(&service).await.unwrap_err().retry_after().unwrap();
    assert!(pause <= Duration::from_millis(1_200), "{pause:?}");
}

#[tokio::test]
async fn a_pause_that_the_vendor_asks_for_holds_for_all_sessions_of_the_layer() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.next(|_| Err(ProviderError::throttled(Some(secs(90)))));
    let layer = script.layer(&clock).build().unwrap();
    let sibling = layer
        .with_session("other", Token::from_refresh_token("theirs"))
        .unwrap();
    let (service, theirs) = (
        layer.layer(Api::accepting_all()),
        sibling.layer(Api::accepting_all()),
    );
    assert!(send(&service).await.unwrap_err().is_throttled());
    clock.advance(secs(89));
    for service in [&service, &theirs] {
        let error = send(service).await.unwrap_err();
        assert!(error.is_throttled(), "{error}");
        assert_eq!(error.retry_after(), Some(secs(1)));
    }
    let asked = layer.handle().refresh().await.unwrap_err();
    assert!(asked.is_throttled(), "nor by asking: {asked}");
    assert_eq!(script.exchanges(), 1);
    clock.advance(secs(1));
    send(&theirs).await.unwrap();
    send(&service).await.unwrap();
    assert_eq!(script.exchanges(), 3);
}

#[tokio::test]
async fn a_vendors_pause_counts_for_an_hour_at_most() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.next(|_| Err(ProviderError::throttled(Some(Duration::MAX))));
    let service = script.service(&clock, &Api::accepting_all());
    send(&service).await.unwrap_err();
    assert_eq!(send(&service).await.unwrap_err().retry_after(), Some(HOUR));
    clock.advance(HOUR);
    send(&service).await.unwrap();
}

#[tokio::test]
async fn a_throttled_vendor_does_not_hold_up_requests_with_a_good_token() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    let service = script.service(&clock, &Api::accepting_all());
    send(&service).await.unwrap();
    script.usually(|_| Err(ProviderError::throttled(Some(8 * MINUTE))));
    clock.advance(46 * MINUTE);
    for _ in 0..13 * 60 {
        send(&service).await.unwrap();
        a_few_turns().await;
        clock.advance(secs(1));
    }
    assert_eq!(script.exchanges(), 3, "at 46 and at 54 minutes");
}

#[tokio::test]
async fn a_refused_login_is_not_hammered_and_a_new_one_clears_it() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.usually(|_| Err(ProviderError::refused("the session has ended")));
    let layer = script.seeded(&clock);
    let service = layer.layer(Api::accepting_all());
    for _ in 0..1_000 {
        let error = send(&service).await.unwrap_err();
        assert!(error.is_login_required(), "{error}");
        clock.advance(10 * MINUTE);
    }
    let error = layer.handle().refresh().await.unwrap_err();
    assert!(error.is_login_required(), "nor by asking");
    assert_eq!(script.exchanges(), 1);
    assert!(layer.handle().status().is_login_required());
    // The same login again is refused as well, after one look.
    let same = Token::from_refresh_token("refresh-0");
    layer.handle().replace(same).await.unwrap();
    assert!(!layer.handle().status().is_login_required());
    send(&service).await.unwrap_err();
    send(&service).await.unwrap_err();
    assert_eq!(script.exchanges(), 2);
    script.usually(|number| Ok(token(number, HOUR)));
    let new = Token::from_refresh_token("refresh-new");
    layer.handle().replace(new).await.unwrap();
    assert_eq!(send(&service).await.unwrap(), StatusCode::OK);
    assert!(!layer.handle().status().is_login_required());
    assert!(layer.handle().status().failure.is_none());
}

#[tokio::test]
async fn a_refusal_leaves_a_good_access_token_in_use_and_asks_for_a_login_now() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.usually(|_| Err(ProviderError::refused("the session has ended")));
    let seed = Token::from_pair("access-0", "refresh-0").with_lifetime(HOUR);
    let layer = script.layer(&clock).initial(seed).build().unwrap();
    let service = layer.layer(Api::accepting_all());
    clock.advance(50 * MINUTE);
    send(&service).await.unwrap();
    settle().await;
    let status = layer.handle().status();
    assert!(status.usable && status.is_login_required());
    clock.advance(9 * MINUTE);
    send(&service).await.unwrap();
    clock.advance(MINUTE);
    assert!(send(&service).await.unwrap_err().is_login_required());
    assert_eq!(script.exchanges(), 1);
}

/// Fails for ever with `error`, and checks that it is tried again every 5 to 15 minutes.
async fn is_probed(error: ProviderError, rotation: Rotation) {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR).profile(|profile| profile.rotation(rotation));
    let times = Times::default();
    script.usually({
        let (times, clock) = (times.clone(), clock.clone());
        move |_| {
            times.note(&clock);
            Err(error.clone())
        }
    });
    let seed = Token::from_refresh_token("api-token");
    let layer = script.layer(&clock).initial(seed).build().unwrap();
    let service = layer.layer(Api::accepting_all());
    while times.all().len() < 20 {
        send(&service).await.unwrap_err();
        clock.advance(secs(5));
    }
    for gap in times.gaps() {
        assert!(
            (5 * MINUTE..15 * MINUTE + secs(5)).contains(&gap),
            "{gap:?}"
        );
    }
    script.usually(|number| Ok(token(number, HOUR)));
    clock.advance(15 * MINUTE);
    send(&service).await.unwrap();
}

#[tokio::test]
async fn a_refused_credential_that_does_not_rotate_is_probed_every_five_to_fifteen_minutes() {
    is_probed(ProviderError::refused("disabled"), Rotation::Never).await;
}

#[tokio::test]
async fn a_misconfigured_client_is_probed_every_five_to_fifteen_minutes() {
    for rotation in [Rotation::Never, Rotation::May, Rotation::Must] {
        is_probed(ProviderError::misconfigured("unknown client"), rotation).await;
    }
}

#[tokio::test]
async fn asking_for_a_newer_token_does_not_wait_out_the_pause_of_a_failure() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.next(|_| Err(ProviderError::misconfigured("unknown client")));
    let layer = script.layer(&clock).build().unwrap();
    layer.handle().token().await.unwrap_err();
    layer.handle().token().await.unwrap_err();
    assert_eq!(script.exchanges(), 1);
    layer.handle().refresh().await.unwrap();
    assert_eq!(script.asked()[1].reason, Reason::Asked);
}

#[tokio::test]
async fn who_waited_for_a_failure_also_learns_when_to_try_again() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(HOUR);
    script.usually(|_| Err(ProviderError::transient("down")));
    let layer = script.layer(&clock).build().unwrap();
    let service = layer.layer(Api::accepting_all());
    let first = send(&service).await.unwrap_err();
    let later = send(&service).await.unwrap_err();
    assert_eq!(script.exchanges(), 1);
    assert!(first.retry_after().is_some());
    assert_eq!(first.retry_after(), later.retry_after());
    clock.advance(first.retry_after().unwrap());
    script.usually(|_| Err(ProviderError::refused("the session has ended")));
    let login = Token::from_refresh_token("refresh-0");
    layer.handle().replace(login).await.unwrap();
    let refused = send(&service).await.unwrap_err();
    assert_eq!(refused.retry_after(), None, "nobody knows when");
}
