//! A login of one process: who begins it, who waits for it, and what ends it.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tower::{Layer, ServiceExt};
use tower_reauth::{Token, provider::ProviderError, test_util::ManualClock};

use crate::{
    stage::{LIFETIME, Vendor, access, ask, pass, refresh},
    support::{Api, get, runtime, secs, settle},
};

fn refused() -> ProviderError {
    ProviderError::refused("wrong password")
}

#[tokio::test]
async fn a_session_that_starts_from_nothing_logs_in_with_its_first_request() {
    let (clock, vendor) = (ManualClock::new(), Vendor::new());
    let layer = vendor.layer(&clock).build().unwrap();
    settle().await;
    assert_eq!(vendor.logins(), 0, "nobody has asked for anything yet");
    let response = layer.layer(Api::accepting_all()).oneshot(get());
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
    assert_eq!(vendor.logins(), 1);
    assert!(vendor.sent().is_empty(), "there was nothing to spend");
}

#[tokio::test]
async fn a_refused_refresh_token_calls_for_one_login_and_is_sent_once() {
    let (clock, vendor) = (ManualClock::new(), Vendor::new());
    let dead = Token::from_refresh_token("dead");
    let layer = vendor.layer(&clock).initial(dead).build().unwrap();
    let handle = layer.handle();
    let callers: Vec<_> = (0..100).map(|_| ask(&handle)).collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), "access-1");
    }
    assert_eq!(vendor.logins(), 1);
    assert_eq!(vendor.sent(), ["dead"]);
    // The session goes on by itself, from the login's refresh token.
    clock.advance(LIFETIME);
    assert_eq!(access(handle.token().await).unwrap(), "access-2");
    assert_eq!(vendor.logins(), 1);
    assert_eq!(vendor.sent(), ["dead".to_owned(), refresh(1)]);
    assert!(!handle.status().is_login_required());
}

#[tokio::test]
async fn each_refused_refresh_token_calls_for_a_login_of_its_own() {
    let (clock, vendor) = (ManualClock::new(), Vendor::new());
    let layer = vendor.layer(&clock).build().unwrap();
    for number in 1..=3 {
        layer.handle().token().await.unwrap();
        assert_eq!(vendor.logins(), number);
        vendor.end_sessions();
        clock.advance(LIFETIME);
    }
}

#[tokio::test]
async fn a_refused_login_is_the_last_until_somebody_hands_a_token_over() {
    let (clock, vendor) = (ManualClock::new(), Vendor::new());
    vendor.next(refused());
    let layer = vendor
        .layer(&clock)
        .initial(Token::from_refresh_token("dead"))
        .build()
        .unwrap();
    let handle = layer.handle();
    for _ in 0..1_000 {
        let error = handle.token().await.unwrap_err();
        assert!(error.is_login_required(), "{error}");
        assert!(error.to_string().contains("wrong password"), "{error}");
        assert!(handle.refresh().await.unwrap_err().is_login_required());
        clock.advance(secs(60));
    }
    assert!(handle.status().is_login_required());
    assert_eq!((vendor.logins(), vendor.sent().len()), (1, 1));
    handle
        .replace(Token::from_refresh_token("dead as well"))
        .await
        .unwrap();
    assert_eq!(access(handle.token().await).unwrap(), "access-1");
    assert_eq!(vendor.logins(), 2, "it was lifted");
}

#[tokio::test]
async fn a_login_that_may_have_used_up_what_is_good_once_is_not_tried_again() {
    let (clock, vendor) = (ManualClock::new(), Vendor::new());
    vendor.next(ProviderError::unknown_outcome("the reply was lost"));
    let layer = vendor.layer(&clock).build().unwrap();
    for _ in 0..100 {
        let error = layer.handle().token().await.unwrap_err();
        assert!(
            error.is_login_required() && error.is_unknown_outcome(),
            "{error}"
        );
        clock.advance(secs(60));
    }
    assert_eq!(vendor.logins(), 1);
}

#[tokio::test]
async fn a_login_that_fails_in_passing_is_paced_and_made_again_without_the_refused_token() {
    let (clock, vendor) = (ManualClock::new(), Vendor::new());
    for _ in 0..3 {
        vendor.next(ProviderError::transient("down"));
    }
    let dead = Token::from_refresh_token("dead");
    let layer = vendor.layer(&clock).initial(dead).build().unwrap();
    let handle = layer.handle();
    let mut calls = 0;
    while let Err(error) = handle.token().await {
        assert!(
            error.is_transient() && !error.is_login_required(),
            "{error}"
        );
        assert!(!handle.status().is_login_required());
        calls += 1;
        clock.advance(Duration::from_millis(100));
    }
    assert!(
        calls > 30,
        "{calls}: 1 s, 1.6 s and 2.6 s at least, by and large"
    );
    assert_eq!(vendor.logins(), 4);
    assert_eq!(vendor.sent(), ["dead"]);
}

#[tokio::test]
async fn who_waits_for_a_person_is_told_after_half_a_minute_and_the_login_still_lands() {
    let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
    let layer = vendor.layer(&clock).build().unwrap();
    let handle = layer.handle();
    let early: Vec<_> = (0..10).map(|_| ask(&handle)).collect();
    pass(&clock, secs(20)).await;
    let late = ask(&handle);
    assert!(handle.status().logging_in && handle.status().exchanging);
    pass(&clock, secs(11)).await;
    for caller in early {
        assert!(caller.is_finished());
        let error = caller.await.unwrap().unwrap_err();
        assert!(
            error.is_login_in_progress() && error.is_in_progress(),
            "{error}"
        );
        assert!(
            error.is_transient() && !error.is_login_required(),
            "{error}"
        );
    }
    assert!(!late.is_finished(), "it has half a minute of its own");
    pass(&clock, secs(20)).await;
    assert!(late.await.unwrap().unwrap_err().is_login_in_progress());
    pass(&clock, secs(200)).await;
    vendor.answer(1);
    settle().await;
    assert_eq!(access(handle.token().await).unwrap(), "access-1");
    assert_eq!(vendor.logins(), 1);
    assert!(!handle.status().logging_in);
}

#[tokio::test]
async fn a_person_who_says_nothing_for_five_minutes_is_asked_again_when_a_token_is_needed() {
    let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
    let layer = vendor.layer(&clock).build().unwrap();
    let handle = layer.handle();
    let first = ask(&handle);
    pass(&clock, secs(299)).await;
    assert!(handle.status().logging_in);
    pass(&clock, secs(2)).await;
    let status = handle.status();
    assert!(!status.logging_in && !status.is_login_required());
    assert!(first.await.unwrap().unwrap_err().is_login_in_progress());
    pass(&clock, secs(60)).await;
    assert_eq!(vendor.logins(), 1, "nobody needs a token");
    let second = ask(&handle);
    settle().await;
    vendor.answer(1);
    assert_eq!(second.await.unwrap().unwrap(), "access-1");
    assert_eq!(vendor.logins(), 2);
}

#[tokio::test]
async fn a_provider_that_waits_without_end_is_given_up() {
    use tower_reauth::{
        AuthLayer, Provider,
        provider::{Exchange, Login, Profile},
    };
    struct Endless;
    impl Provider for Endless {
        async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
            exchange.refresh_token().map(|_| Token::new("never"))
        }
        async fn login(&self, _: Exchange) -> Result<Token, ProviderError> {
            std::future::pending().await
        }
        fn profile(&self) -> Profile {
            let profile = Profile::new("endless").login(Login::First);
            profile.origins([crate::support::ORIGIN])
        }
    }
    let clock = ManualClock::new();
    let layer = AuthLayer::builder(Endless).clock(clock.clone());
    let handle = layer.build().unwrap().handle();
    let caller = ask(&handle);
    pass(&clock, secs(329)).await;
    assert!(handle.status().logging_in);
    pass(&clock, secs(2)).await;
    assert!(!handle.status().logging_in);
    assert!(handle.status().is_login_required());
    assert!(caller.await.unwrap().is_err());
}

#[tokio::test]
async fn a_token_that_is_handed_over_takes_the_place_of_a_login_and_ends_it() {
    let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
    let layer = vendor.layer(&clock).build().unwrap();
    let handle = layer.handle();
    let waiting = ask(&handle);
    settle().await;
    assert!(handle.status().logging_in);
    let token = Token::new("handed over").with_lifetime(LIFETIME);
    handle.replace(token).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), "handed over");
    settle().await;
    assert!(!handle.status().exchanging, "nobody is asked any more");
    // A person who answers all the same is too late.
    vendor.answer(1);
    settle().await;
    assert_eq!(access(handle.token().await).unwrap(), "handed over");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_person() {
    let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
    let layer = vendor.layer(&clock).build().unwrap();
    let handle = layer.handle();
    let waiting = ask(&handle);
    settle().await;
    let mut shutdown = tokio::spawn(async move { handle.shutdown().await });
    settle().await;
    assert!(shutdown.is_finished());
    (&mut shutdown).await.unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(!error.is_login_required(), "{error}");
    assert!(layer.handle().token().await.unwrap_err().is_shut_down());
    assert_eq!(vendor.logins(), 1);
}

#[tokio::test]
async fn a_revocation_ends_a_login_and_a_revoked_session_makes_none_by_itself() {
    let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
    let layer = vendor.layer(&clock).build().unwrap();
    let handle = layer.handle();
    let waiting = ask(&handle);
    settle().await;
    let revoking = handle.clone();
    let revoking = tokio::spawn(async move { revoking.revoke().await });
    settle().await;
    assert!(revoking.is_finished(), "it does not wait for a person");
    revoking.await.unwrap().unwrap();
    assert!(waiting.await.unwrap().is_err());
    vendor.answer(9);
    for _ in 0..100 {
        let error = handle.token().await.unwrap_err();
        assert!(error.is_login_required(), "{error}");
        clock.advance(secs(60));
    }
    assert_eq!(vendor.logins(), 1);
    handle
        .replace(Token::from_refresh_token("dead"))
        .await
        .unwrap();
    assert_eq!(access(handle.token().await).unwrap(), "access-1");
}

#[tokio::test]
async fn nobody_is_asked_for_a_session_that_is_gone() {
    let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
    let layer = vendor.layer(&clock).build().unwrap();
    let waiting = ask(&layer.handle());
    settle().await;
    assert_eq!(vendor.asked_at_once(), 1);
    waiting.abort();
    drop(layer);
    settle().await;
    let asked = vendor.clone();
    vendor.answer(1);
    settle().await;
    // Nobody took the answer.
    let layer = asked.layer(&clock).build().unwrap();
    let next = ask(&layer.handle());
    settle().await;
    assert!(next.is_finished());
    assert_eq!(next.await.unwrap().unwrap(), "access-1");
}

#[tokio::test]
async fn a_session_goes_on_with_its_good_token_beside_a_login() {
    let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
    let seed = Token::from_pair("good", "dead").with_lifetime(LIFETIME);
    let layer = vendor.layer(&clock).initial(seed).build().unwrap();
    let handle = layer.handle();
    clock.advance(LIFETIME * 9 / 10);
    for _ in 0..10 {
        assert_eq!(access(handle.token().await).unwrap(), "good");
        settle().await;
    }
    assert!(handle.status().logging_in);
    vendor.answer(1);
    settle().await;
    assert_eq!(access(handle.token().await).unwrap(), "access-1");
    assert_eq!((vendor.logins(), vendor.sent().len()), (1, 1));
}

#[tokio::test]
async fn a_login_without_a_refresh_token_ends_with_its_access_token_and_is_made_again() {
    let (clock, vendor) = (ManualClock::new(), Vendor::without_refresh_tokens());
    let dead = Token::from_refresh_token("dead");
    let layer = vendor.layer(&clock).initial(dead).build().unwrap();
    let handle = layer.handle();
    for number in 1..=3 {
        assert_eq!(
            access(handle.token().await).unwrap(),
            format!("access-{number}")
        );
        assert!(!handle.status().is_login_required());
        clock.advance(LIFETIME);
    }
    assert_eq!(vendor.logins(), 3);
    assert_eq!(vendor.sent(), ["dead"], "a login inherits no refresh token");
}

#[tokio::test]
async fn nobody_is_asked_for_an_idle_session_and_its_next_request_logs_in_at_once() {
    let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
    let seed = Token::from_pair("dead already", "dead").with_lifetime(secs(1));
    let seed = seed.with_refresh_lifetime(secs(12 * 3_600));
    let layer = vendor.layer(&clock).initial(seed).build().unwrap();
    let handle = layer.handle();
    handle.start().unwrap();
    for _ in 0..24 * 60 {
        clock.advance(secs(60));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!((vendor.sent().len(), vendor.logins()), (1, 0));
    let waiting = ask(&handle);
    settle().await;
    assert_eq!(vendor.logins(), 1);
    vendor.answer(1);
    assert_eq!(waiting.await.unwrap().unwrap(), "access-1");
    assert_eq!(vendor.sent().len(), 1);
}

#[tokio::test]
async fn who_joins_the_refresh_of_an_idle_session_has_it_logged_in_to() {
    let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
    vendor.hold_exchanges();
    let seed = Token::from_pair("dead already", "dead").with_lifetime(secs(1));
    let seed = seed.with_refresh_lifetime(secs(12 * 3_600));
    let layer = vendor.layer(&clock).initial(seed).build().unwrap();
    let handle = layer.handle();
    handle.start().unwrap();
    while !handle.status().exchanging {
        clock.advance(secs(60));
        settle().await;
    }
    let joined = ask(&handle);
    settle().await;
    assert_eq!((vendor.sent().len(), vendor.logins()), (1, 0));
    vendor.let_exchanges_go();
    settle().await;
    assert_eq!((vendor.sent().len(), vendor.logins()), (1, 1));
    vendor.answer(1);
    assert_eq!(joined.await.unwrap().unwrap(), "access-1");
}

#[tokio::test]
async fn the_login_of_one_account_is_not_made_for_a_sibling() {
    let clock = ManualClock::new();
    let dead = || Token::from_refresh_token("dead");
    let vendor = Vendor::new();
    let layer = vendor.layer(&clock).build().unwrap();
    let sibling = layer.with_session("other", dead()).unwrap();
    let error = sibling.handle().token().await.unwrap_err();
    assert!(error.is_login_required(), "{error}");
    assert_eq!(vendor.logins(), 0);
    layer.handle().token().await.unwrap();
    // Unless the provider says that it tells them apart.
    let vendor = Vendor::for_each_session();
    let layer = vendor.layer(&clock).build().unwrap();
    let sibling = layer.with_session("other", dead()).unwrap();
    sibling.handle().token().await.unwrap();
    assert_eq!(vendor.logins(), 1);
}

#[test]
fn a_login_whose_runtime_dies_is_made_anew_on_the_next_without_the_refused_token() {
    let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
    let dead = Token::from_refresh_token("dead");
    let layer = vendor.layer(&clock).initial(dead).build().unwrap();
    let handle = Arc::new(layer.handle());
    let first = runtime();
    let waiting = Arc::clone(&handle);
    first.spawn(async move { waiting.token().await });
    first.block_on(settle());
    assert!(handle.status().logging_in);
    drop(first);
    assert!(!handle.status().logging_in && !handle.status().exchanging);
    vendor.answer(1);
    let second = runtime();
    let token = second.block_on(handle.token());
    assert_eq!(access(token).unwrap(), "access-1");
    assert_eq!((vendor.logins(), vendor.sent().len()), (2, 1));
}
