//! Marketiger3D: email and password.

use tower_reauth::{
    test_util::{Fault, ManualClock, SimMarketiger},
    vendor::Marketiger3D,
};

use crate::{
    support::secs,
    web::{call, dead, is_over_for_good, layer, was_well_formed},
};

fn provider(sim: &SimMarketiger) -> Marketiger3D {
    Marketiger3D::new()
        .base_url(sim.base_url() + "/v2")
        .email_and_password(sim.email(), sim.password())
}

#[tokio::test]
async fn email_and_password_go_from_nothing_or_a_dead_refresh_token_to_an_answer() {
    for nothing in [true, false] {
        let clock = ManualClock::new();
        let sim = SimMarketiger::builder().clock(clock.clone()).start();
        let sim = sim.await.unwrap();
        let seed = (!nothing).then(|| dead(&sim.seed()));
        let layer = layer(provider(&sim), &clock, seed);
        for _ in 0..3 {
            call(&layer, &sim).await.unwrap();
            clock.advance(secs(3_600));
        }
        let counters = sim.counters();
        assert_eq!((counters.logins, counters.exchanges), (1, 2));
        was_well_formed(&sim);
        // Twelve hours without a request: the keeper is not running here.
        sim.revoke_sessions();
        clock.advance(secs(3_600));
        call(&layer, &sim).await.unwrap();
        assert_eq!(sim.counters().logins, 2, "one more for one more dead token");
    }
}

#[tokio::test]
async fn without_a_refresh_token_the_session_ends_with_its_access_token_and_logs_in_again() {
    let clock = ManualClock::new();
    let sim = SimMarketiger::builder().logins_without_refresh_token();
    let sim = sim.clock(clock.clone()).start().await.unwrap();
    let layer = layer(provider(&sim), &clock, Some(dead(&sim.seed())));
    for login in 1..=3 {
        call(&layer, &sim).await.unwrap();
        assert_eq!(sim.counters().logins, login);
        assert!(!layer.handle().status().is_login_required());
        clock.advance(secs(3_600));
    }
    assert_eq!(
        sim.counters().token_requests,
        4,
        "one refresh token, sent once"
    );
    was_well_formed(&sim);
}

#[tokio::test]
async fn a_refused_password_is_sent_once() {
    for with_ok in [false, true] {
        let clock = ManualClock::new();
        let sim = SimMarketiger::builder().clock(clock.clone());
        let sim = if with_ok { sim.refuse_with_ok() } else { sim };
        let sim = sim.start().await.unwrap();
        let provider = provider(&sim).email_and_password(sim.email(), "canary");
        assert!(
            !format!("{provider:?}").contains(sim.email()),
            "{provider:?}"
        );
        let layer = layer(provider, &clock, None);
        let error = is_over_for_good(&layer, &sim, &clock, "canary").await;
        let text = error.to_string();
        assert!(text.contains("email and password"), "{text}");
        assert!(text.contains(if with_ok { "200" } else { "400" }), "{text}");
        assert_eq!(sim.counters().token_requests, 1);
        was_well_formed(&sim);
    }
}

#[tokio::test]
async fn a_login_that_fails_in_passing_is_made_again_since_a_password_is_not_used_up() {
    let clock = ManualClock::new();
    let sim = SimMarketiger::builder().clock(clock.clone()).start();
    let sim = sim.await.unwrap();
    let layer = layer(provider(&sim), &clock, None);
    let down = Fault::Status(503, "{}".into(), "application/json");
    for fault in [down, Fault::CutBefore, Fault::CutAfter] {
        sim.faults().next(fault);
        let error = call(&layer, &sim).await.unwrap_err();
        assert!(
            error.is_transient() && !error.is_login_required(),
            "{error}"
        );
        clock.advance(secs(5));
    }
    call(&layer, &sim).await.unwrap();
    was_well_formed(&sim);
}
