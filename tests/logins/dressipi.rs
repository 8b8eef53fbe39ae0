//! Dressipi: authorization codes with PKCE.

use std::sync::{Arc, Mutex};

use tower_reauth::{
    Token,
    oauth2::Pkce,
    provider::ProviderError,
    test_util::{Fault, ManualClock, RetryAfter, SimDressipi},
    vendor::Dressipi,
};

use crate::{
    support::secs,
    web::{call, is_over_for_good, layer, spoil_the_second, was_well_formed},
};

/// As the vendor's documentation shows them.
const VERIFIER: &str = "1tBnEmtSImyCykPHxHYBdzpSFhKEj0Q1LuiHd4fdDlY";
const CHALLENGE: &str = "p7CN1Zi4o5ARn1mYNvNFvj2r5cKkr2k6y7a573eHJXQ";

async fn sim(clock: &ManualClock) -> SimDressipi {
    let sim = SimDressipi::builder().api_key("the key");
    sim.clock(clock.clone()).start().await.unwrap()
}

fn provider(sim: &SimDressipi) -> Dressipi {
    Dressipi::new(sim.base_url(), sim.client_id()).api_key("the key")
}

fn dead() -> Token {
    Token::from_refresh_token("of another time--5f")
}

#[tokio::test]
async fn a_code_with_the_published_verifier_begins_a_session_once() {
    for seed in [None, Some(dead())] {
        let clock = ManualClock::new();
        let sim = sim(&clock).await;
        let code = sim.code_for(CHALLENGE);
        let provider = provider(&sim).authorization_code(code, VERIFIER);
        assert!(!format!("{provider:?}").contains(VERIFIER));
        let layer = layer(provider, &clock, seed);
        assert_eq!(call(&layer, &sim).await.unwrap()["personalised"], true);
        clock.advance(secs(24 * 3_600));
        assert_eq!(call(&layer, &sim).await.unwrap()["personalised"], true);
        let counters = sim.counters();
        assert_eq!((counters.logins, counters.exchanges), (1, 2));
        // The next login needs another code.
        sim.revoke_sessions();
        clock.advance(secs(24 * 3_600));
        for _ in 0..10 {
            let error = call(&layer, &sim).await.unwrap_err();
            assert!(error.is_login_required(), "{error}");
            assert!(error.to_string().contains("code was used"), "{error}");
            clock.advance(secs(600));
        }
        was_well_formed(&sim);
    }
}

#[tokio::test]
async fn the_application_is_asked_for_a_code_at_an_address_with_a_challenge_of_its_own() {
    let clock = ManualClock::new();
    let sim = Arc::new(sim(&clock).await);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (shop, note) = (Arc::clone(&sim), Arc::clone(&seen));
    let provider = provider(&sim).ask_for_code(move |address| {
        let query = address.split_once('?').unwrap().1.to_owned();
        let value = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(it, _)| it == name).unwrap().1.into_owned()
        };
        assert_eq!(value("code_challenge_method"), "S256");
        assert_eq!(value("redirect_uri"), "urn:ietf:wg:oauth:2.0:oob:auto");
        note.lock()
            .unwrap()
            .push((value("state"), value("code_challenge")));
        let code = shop.code_for(&value("code_challenge"));
        async move { Ok(code.into()) }
    });
    let layer = layer(provider, &clock, Some(dead()));
    for _ in 0..2 {
        assert_eq!(call(&layer, &sim).await.unwrap()["personalised"], true);
        sim.revoke_sessions();
        clock.advance(secs(24 * 3_600));
    }
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 2);
    assert_ne!(seen[0].0, seen[1].0);
    assert_ne!(seen[0].1, seen[1].1);
    was_well_formed(&sim);
}

#[tokio::test]
async fn a_shopper_is_made_only_where_that_was_asked_for_and_once_for_each_refused_token() {
    for text in [false, true] {
        let clock = ManualClock::new();
        let sim = SimDressipi::builder().clock(clock.clone());
        let sim = if text { sim.code_as_text() } else { sim };
        let sim = sim.start().await.unwrap();
        let shop = || Dressipi::new(sim.base_url(), sim.client_id());
        let never = layer(shop(), &clock, Some(dead()));
        assert!(call(&never, &sim).await.unwrap_err().is_login_required());
        assert_eq!(sim.counters().token_requests, 1);
        let layer = layer(shop().authorize_by_itself(), &clock, Some(dead()));
        for _ in 0..5 {
            assert_eq!(call(&layer, &sim).await.unwrap()["personalised"], true);
            clock.advance(secs(24 * 3_600));
        }
        assert_eq!(sim.counters().logins, 1, "and refreshed from there");
        was_well_formed(&sim);
    }
}

#[tokio::test]
async fn each_refusal_of_a_code_is_told_for_what_it_is() {
    let clock = ManualClock::new();
    let other = Pkce::generate().unwrap();
    // A verifier of another challenge, a code that is too old, and one that nobody knows.
    for case in ["verifier", "old", "unknown"] {
        let sim = sim(&clock).await;
        let code = match case {
            "verifier" => sim.code_for(&other.challenge()),
            "old" => sim.code_for(CHALLENGE),
            _ => "canary-code".to_owned(),
        };
        if case == "old" {
            clock.advance(secs(601));
        }
        let provider = provider(&sim).authorization_code(code, VERIFIER);
        let layer = layer(provider, &clock, None);
        let error = is_over_for_good(&layer, &sim, &clock, "canary").await;
        let text = error.to_string();
        assert!(
            text.contains("authorization code") && text.contains("invalid_grant"),
            "{text}"
        );
        was_well_formed(&sim);
    }
    // Somebody's settings.
    let sim = sim(&clock).await;
    let client = |id: &str| Dressipi::new(sim.base_url(), id).api_key("the key");
    let wrong = client("other").authorization_code(sim.code_for(CHALLENGE), VERIFIER);
    let error = call(&layer(wrong, &clock, None), &sim).await.unwrap_err();
    assert!(
        error.is_misconfigured() && error.to_string().contains("invalid_client"),
        "{error}"
    );
    let wrong = client("other").authorize_by_itself();
    let error = call(&layer(wrong, &clock, None), &sim).await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(error.to_string().contains("unauthorized_client"), "{error}");
    let wrong = provider(&sim).authorization_code("code", "too short");
    let error = call(&layer(wrong, &clock, None), &sim).await.unwrap_err();
    assert!(
        error.is_misconfigured() && error.to_string().contains("43 to 128"),
        "{error}"
    );
    let no_key = Dressipi::new(sim.base_url(), sim.client_id());
    let no_key = no_key.authorization_code(sim.code_for(CHALLENGE), VERIFIER);
    let error = call(&layer(no_key, &clock, None), &sim).await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
}

#[tokio::test]
async fn a_code_that_the_vendor_has_not_seen_is_kept_and_one_that_it_may_have_is_not() {
    let clock = ManualClock::new();
    let shop = sim(&clock).await;
    let code = shop.code_for(CHALLENGE);
    let auth = provider(&shop).authorization_code(code, VERIFIER);
    let auth = layer(auth, &clock, None);
    shop.faults().next(Fault::Throttle(RetryAfter::Seconds(30)));
    assert!(call(&auth, &shop).await.unwrap_err().is_throttled());
    clock.advance(secs(30));
    call(&auth, &shop).await.unwrap();
    was_well_formed(&shop);

    let code = shop.code_for(CHALLENGE);
    let auth = provider(&shop).authorization_code(code, VERIFIER);
    let auth = layer(auth, &clock, None);
    shop.faults().next(Fault::CutAfter);
    for _ in 0..10 {
        let error = call(&auth, &shop).await.unwrap_err();
        assert!(error.is_login_required(), "{error}");
        clock.advance(secs(600));
    }
    assert_eq!(shop.counters().spent_twice, 0, "it was sent once");
}

#[tokio::test]
async fn a_call_that_may_have_made_a_shopper_is_not_made_again() {
    let clock = ManualClock::new();
    let shop = sim(&clock).await;
    let auth = layer(provider(&shop).authorize_by_itself(), &clock, None);
    shop.faults().next(Fault::CutAfter);
    for _ in 0..10 {
        let error = call(&auth, &shop).await.unwrap_err();
        assert!(
            error.is_login_required() && error.is_unknown_outcome(),
            "{error}"
        );
        clock.advance(secs(600));
    }
    assert_eq!(shop.counters().token_requests, 1);
    // A shopper whose code was not redeemed yet gets another chance with it.
    let auth = layer(provider(&shop).authorize_by_itself(), &clock, None);
    spoil_the_second(&shop, Fault::Throttle(RetryAfter::Seconds(5)));
    assert!(call(&auth, &shop).await.unwrap_err().is_throttled());
    clock.advance(secs(5));
    call(&auth, &shop).await.unwrap();
    assert_eq!(shop.counters().token_requests, 4, "one address, two tries");
}

#[tokio::test]
async fn a_user_who_has_no_code_is_not_asked_again() {
    let clock = ManualClock::new();
    let shop = sim(&clock).await;
    let provider = provider(&shop)
        .ask_for_code(|_| async { Err(ProviderError::refused("the shopper went away")) });
    let layer = layer(provider, &clock, None);
    let error = is_over_for_good(&layer, &shop, &clock, "canary").await;
    assert!(error.to_string().contains("went away"), "{error}");
}
