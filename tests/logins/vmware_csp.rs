//! VMware Cloud Services: passcodes, service accounts, and API tokens that will die.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tower_reauth::{
    provider::ProviderError,
    test_util::{Fault, ManualClock, SimVmwareCsp},
    vendor::VmwareCsp,
};

use crate::{
    support::secs,
    web::{call, is_over_for_good, layer, spoil_the_second, was_well_formed},
};

const HALF_AN_HOUR: Duration = secs(1_800);
const DAY: Duration = secs(24 * 3_600);

async fn with_passcodes(clock: &ManualClock) -> Arc<SimVmwareCsp> {
    let sim = SimVmwareCsp::builder().require_passcode();
    Arc::new(sim.clock(clock.clone()).start().await.unwrap())
}

fn provider(sim: &SimVmwareCsp) -> VmwareCsp {
    let api_token = sim.seed().refresh_token;
    VmwareCsp::api_token(api_token, [sim.base_url()]).base_url(sim.base_url())
}

#[tokio::test]
async fn each_exchange_with_a_second_factor_has_a_passcode_of_its_own() {
    let clock = ManualClock::new();
    let sim = with_passcodes(&clock).await;
    let (asked, phone) = (Arc::new(AtomicUsize::default()), Arc::clone(&sim));
    let count = Arc::clone(&asked);
    let provider = provider(&sim).passcode(move |line| {
        assert!(line.contains("VMware"), "{line}");
        count.fetch_add(1, Ordering::SeqCst);
        let passcode = phone.passcode();
        async move { Ok(passcode.into()) }
    });
    let layer = layer(provider, &clock, None);
    for _ in 0..3 {
        for _ in 0..5 {
            call(&layer, &sim).await.unwrap();
        }
        clock.advance(HALF_AN_HOUR);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let counters = sim.counters();
    assert_eq!((counters.exchanges, counters.token_requests), (3, 3));
    was_well_formed(&sim);
}

#[tokio::test]
async fn a_passcode_is_never_sent_twice() {
    let clock = ManualClock::new();
    let sim = with_passcodes(&clock).await;
    let passcode = sim.passcode();
    let provider = provider(&sim).passcode(move |_| {
        let passcode = passcode.clone();
        async move { Ok(passcode.into()) }
    });
    let auth = layer(provider, &clock, None);
    sim.faults().next(Fault::CutAfter);
    for _ in 0..20 {
        let error = call(&auth, &sim).await.unwrap_err();
        assert!(
            error.is_login_required() && error.is_unknown_outcome(),
            "{error}"
        );
        clock.advance(secs(600));
    }
    assert_eq!(sim.counters().token_requests, 1);
    assert_eq!(sim.counters().spent_twice, 0);
}

#[tokio::test]
async fn a_wrong_passcode_a_dead_api_token_and_a_user_who_declines_end_it() {
    for case in ["wrong", "dead", "declined"] {
        let clock = ManualClock::new();
        let sim = with_passcodes(&clock).await;
        let phone = Arc::clone(&sim);
        let provider = provider(&sim).passcode(move |_| {
            let answer = match case {
                "wrong" => Ok("canary".into()),
                "dead" => Ok(phone.passcode().into()),
                _ => Err(ProviderError::refused("no phone at hand")),
            };
            async move { answer }
        });
        if case == "dead" {
            sim.revoke_api_tokens();
        }
        let layer = layer(provider, &clock, None);
        let error = is_over_for_good(&layer, &sim, &clock, "canary").await;
        let expected = match case {
            "declined" => "no phone at hand",
            _ => "passcode, or the API token",
        };
        assert!(error.to_string().contains(expected), "{error}");
        was_well_formed(&sim);
    }
}

#[tokio::test]
async fn a_service_account_gets_tokens_by_itself() {
    for org in [false, true] {
        let clock = ManualClock::new();
        let sim = SimVmwareCsp::builder().clock(clock.clone()).start();
        let sim = sim.await.unwrap();
        let account =
            VmwareCsp::service_account(sim.client_id(), sim.client_secret(), [sim.base_url()])
                .base_url(sim.base_url());
        let account = if org {
            account.org_id(sim.org_id())
        } else {
            account
        };
        assert!(!format!("{account:?}").contains(sim.client_secret()));
        let layer = layer(account, &clock, None);
        for _ in 0..3 {
            call(&layer, &sim).await.unwrap();
            clock.advance(HALF_AN_HOUR);
        }
        assert_eq!(sim.counters().exchanges, 3);
        was_well_formed(&sim);
    }
}

#[tokio::test]
async fn a_service_account_that_is_not_accepted_is_somebodys_setting() {
    let clock = ManualClock::new();
    let sim = SimVmwareCsp::builder().clock(clock.clone()).start();
    let sim = sim.await.unwrap();
    let account = |id: &str, secret: &str| {
        VmwareCsp::service_account(id, secret, [sim.base_url()]).base_url(sim.base_url())
    };
    for wrong in [
        account(sim.client_id(), "canary"),
        account("other", "canary"),
    ] {
        let layer = layer(wrong, &clock, None);
        let error = call(&layer, &sim).await.unwrap_err();
        assert!(
            error.is_misconfigured() && !error.is_login_required(),
            "{error}"
        );
        assert!(error.to_string().contains("service account"), "{error}");
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
        let asked = sim.counters().token_requests;
        call(&layer, &sim).await.unwrap_err();
        assert_eq!(sim.counters().token_requests, asked, "no storm");
    }
    let elsewhere = account(sim.client_id(), sim.client_secret()).org_id("another");
    let error = call(&layer(elsewhere, &clock, None), &sim)
        .await
        .unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    was_well_formed(&sim);
}

#[tokio::test]
async fn the_status_says_when_the_api_token_dies_and_asks_once_a_day() {
    let clock = ManualClock::new();
    let sim = SimVmwareCsp::builder().refresh_lifetime(DAY * 30);
    let sim = sim.clock(clock.clone()).start().await.unwrap();
    let auth = layer(provider(&sim).watch_api_token(), &clock, None);
    let now = || {
        use tower_reauth::clock::Clock;
        clock.now().wall()
    };
    let begun = now();
    call(&auth, &sim).await.unwrap();
    let status = auth.handle().status();
    let at = status.credential_expires_at.unwrap();
    let left = at.duration_since(begun).unwrap();
    assert!(left <= DAY * 30 && left > DAY * 30 - secs(2), "{left:?}");
    assert!(!status.credential_expires_within(DAY * 14, now()));
    for _ in 0..40 {
        clock.advance(HALF_AN_HOUR);
        call(&auth, &sim).await.unwrap();
    }
    assert_eq!(sim.counters().token_requests, 41 + 1);
    clock.advance(DAY * 16);
    call(&auth, &sim).await.unwrap();
    assert_eq!(sim.counters().token_requests, 42 + 2);
    let status = auth.handle().status();
    assert!(status.credential_expires_within(DAY * 14, now()));
    assert!(!status.is_login_required(), "it is a warning");
    // One that is not asked for, nobody knows.
    let silent = layer(provider(&sim), &clock, None);
    call(&silent, &sim).await.unwrap();
    assert!(silent.handle().status().credential_expires_at.is_none());
}

#[tokio::test]
async fn details_that_do_not_come_cost_nothing() {
    let clock = ManualClock::new();
    let sim = SimVmwareCsp::builder().clock(clock.clone()).start();
    let sim = sim.await.unwrap();
    let auth = layer(provider(&sim).watch_api_token(), &clock, None);
    for fault in [
        Fault::Status(500, "{}".into(), "application/json"),
        Fault::Status(200, r#"{"expiresAt":"soon"}"#.into(), "application/json"),
        Fault::Status(200, r#"{"expiresAt":-1}"#.into(), "application/json"),
    ] {
        spoil_the_second(&sim, fault);
        call(&auth, &sim).await.unwrap();
        assert!(auth.handle().status().credential_expires_at.is_none());
        clock.advance(DAY);
    }
    call(&auth, &sim).await.unwrap();
    assert!(auth.handle().status().credential_expires_at.is_some());
}
