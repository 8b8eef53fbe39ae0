//! The end of a session that the application asks for: one thing at a time, and nobody's but the
//! session's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/proof.rs"]
mod proof;
mod support;

use http::StatusCode;
use proof::Proof;
use support::{Api, Script, get, runtime, secs, send, settle};
use tokio::task::JoinHandle;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    AuthLayer, Error, Provider, Token,
    provider::{FixedToken, ProviderError, Reason, Rotation},
    test_util::ManualClock,
};

/// A vendor that answers when it is told to, and a layer that has its first token, good for half an hour.
async fn begun(clock: &ManualClock) -> (Script, AuthLayer<Script>) {
    let script = Script::gated(secs(1800));
    script.open(1);
    let layer = script.layer(clock).build().unwrap();
    layer.handle().token().await.unwrap();
    (script, layer)
}

fn revoke<P: Provider>(layer: &AuthLayer<P>) -> JoinHandle<Result<(), Error>> {
    let handle = layer.handle();
    tokio::spawn(async move { handle.revoke().await })
}

#[tokio::test]
async fn a_revocation_waits_for_the_exchange_and_ends_what_it_brought() {
    let clock = ManualClock::new();
    let script = Script::gated(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    let waiting = tokio::spawn(layer.layer(Api::accepting_all()).oneshot(get()));
    settle().await;
    let revoking = tokio::spawn(async move { handle.revoke().await });
    settle().await;
    assert!(script.revoked().is_empty(), "the exchange is under way");
    script.open(1);
    settle().await;
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
    script.open(1);
    revoking.await.unwrap().unwrap();
    assert_eq!(script.revoked(), ["access-1"]);
    assert_eq!(script.most_in_flight(), 1);
}

#[tokio::test]
async fn requests_go_on_with_a_good_token_while_it_is_being_revoked() {
    let clock = ManualClock::new();
    let (script, layer) = begun(&clock).await;
    let service = layer.layer(Api::accepting_all());
    // It is long due, and dies half a minute before it expires.
    clock.advance(secs(1760));
    let revoking = revoke(&layer);
    settle().await;
    assert_eq!(send(&service).await.unwrap(), StatusCode::OK);
    // One that finds the token dead waits, and begins nothing beside it.
    clock.advance(secs(15));
    let waiting = tokio::spawn(service.clone().oneshot(get()));
    settle().await;
    assert!(!waiting.is_finished());
    assert_eq!(script.exchanges(), 1);
    script.open(1);
    revoking.await.unwrap().unwrap();
    script.open(1);
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
    let reasons: Vec<_> = script.asked().iter().map(|asked| asked.reason).collect();
    let anew = [Reason::First, Reason::First];
    assert_eq!(reasons, anew, "this vendor's sessions begin by themselves");
    assert_eq!(script.most_in_flight(), 1);
}

#[tokio::test]
async fn a_revocation_that_nobody_waits_for_is_made_all_the_same() {
    let clock = ManualClock::new();
    let (script, layer) = begun(&clock).await;
    let revoking = revoke(&layer);
    settle().await;
    revoking.abort();
    script.open(1);
    settle().await;
    let status = layer.handle().status();
    assert!(!status.usable && !status.exchanging);
}

#[tokio::test]
async fn a_failed_revocation_is_told_to_who_asked_and_to_nobody_else() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    let service = layer.layer(Api::accepting_all());
    assert_eq!(send(&service).await.unwrap(), StatusCode::OK);
    script.fail_revocations(2);
    for _ in 0..2 {
        assert!(handle.revoke().await.unwrap_err().is_transient());
        let status = handle.status();
        assert!(status.usable && status.failure.is_none());
        assert_eq!(send(&service).await.unwrap(), StatusCode::OK);
    }
    // Nor does it hold up what the session needs.
    clock.advance(secs(1800));
    assert_eq!(send(&service).await.unwrap(), StatusCode::OK);
    assert_eq!(script.spent(), [None, Some("refresh-1".to_owned())]);
    handle.revoke().await.unwrap();
    assert_eq!(script.revoked(), ["access-1", "access-1", "access-2"]);
}

#[tokio::test]
async fn a_login_made_meanwhile_is_not_revoked() {
    let clock = ManualClock::new();
    let (script, layer) = begun(&clock).await;
    let revoking = revoke(&layer);
    settle().await;
    let login = Token::new("login").with_lifetime(secs(1800));
    layer.handle().replace(login).await.unwrap();
    script.open(1);
    revoking.await.unwrap().unwrap();
    assert_eq!(script.revoked(), ["access-1"]);
    let token = layer.handle().token().await.unwrap();
    assert_eq!(token.access_token().unwrap().expose(), "login");
    assert_eq!(layer.handle().status().generation.number(), 2);
    assert!(!layer.handle().status().is_login_required());
}

#[tokio::test]
async fn a_refusal_of_the_revoked_token_says_nothing_of_its_successor() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    handle.token().await.unwrap();
    let revoked = handle.status().generation;
    handle.revoke().await.unwrap();
    handle.token().await.unwrap();
    assert!(handle.status().generation > revoked);
    assert!(!handle.reject(revoked));
    settle().await;
    assert_eq!(script.exchanges(), 2);
}

#[tokio::test]
async fn subscribers_hear_of_it() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    layer.handle().token().await.unwrap();
    let mut states = layer.handle().subscribe();
    assert!(states.changed().await.unwrap().usable);
    layer.handle().revoke().await.unwrap();
    let told = async { while states.changed().await.unwrap().usable {} };
    told.await;
}

#[tokio::test]
async fn a_session_without_a_token_has_nothing_to_revoke() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    layer.handle().revoke().await.unwrap();
    layer.handle().token().await.unwrap();
    layer.handle().revoke().await.unwrap();
    layer.handle().revoke().await.unwrap();
    assert_eq!(script.revoked(), ["access-1"]);
}

#[tokio::test]
async fn a_provider_that_knows_no_way_says_so_and_the_session_goes_on() {
    let provider = FixedToken::bearer("key").origins([support::ORIGIN]);
    let layer = AuthLayer::new(provider);
    let service = layer.layer(Api::accepting_all());
    send(&service).await.unwrap();
    let error = layer.handle().revoke().await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(error.to_string().contains("no way to revoke"), "{error}");
    assert_eq!(send(&service).await.unwrap(), StatusCode::OK);
}

#[test]
fn a_revocation_whose_runtime_dies_leaves_the_session_to_the_next() {
    let clock = ManualClock::new();
    let script = Script::gated(secs(1800)).profile(|it| it.rotation(Rotation::Must));
    script.open(1);
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    let first = runtime();
    first.block_on(handle.token()).unwrap();
    first.block_on(async {
        let handle = handle.clone();
        tokio::spawn(async move { handle.revoke().await });
        settle().await;
    });
    assert!(handle.status().exchanging);
    drop(first);
    let status = handle.status();
    assert!(!status.exchanging && status.usable);
    // Its refresh token was not spent, and does not count as such.
    script.open(2);
    runtime().block_on(handle.refresh()).unwrap();
    runtime().block_on(handle.revoke()).unwrap();
    assert_eq!(script.revoked(), ["access-1", "access-2"]);
}

#[tokio::test]
async fn a_caller_that_has_waited_long_enough_leaves_the_revocation_to_itself() {
    let clock = ManualClock::new();
    let script = Script::gated(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    tokio::spawn(async move { handle.token().await });
    settle().await;
    let revoking = revoke(&layer);
    settle().await;
    clock.advance(secs(31));
    assert!(revoking.await.unwrap().unwrap_err().is_in_progress());
    script.open(2);
    settle().await;
    assert_eq!(script.revoked(), ["access-1"]);
    assert!(!layer.handle().status().usable);
}

#[tokio::test]
async fn to_revoke_a_session_twice_takes_nothing_back() {
    let clock = ManualClock::new();
    let proof = Proof::refusing(&[]);
    let seed = Token::from_pair("seed", "refresh");
    let builder = AuthLayer::builder(proof.clone()).clock(clock.clone());
    let layer = builder.initial(seed).memory_only().build().unwrap();
    let handle = layer.handle();
    handle.revoke().await.unwrap();
    assert!(handle.token().await.unwrap_err().is_login_required());
    for _ in 0..2 {
        handle.revoke().await.unwrap();
        assert!(handle.status().is_login_required());
    }
    assert_eq!(proof.log(), ["revoke seed"]);
}

/// The second waits for the first, and finds that what it was to end has ended: no login did that,
/// and what has begun since by itself is not what it meant.
#[tokio::test]
async fn two_who_revoke_a_session_at_once_end_it_once() {
    let clock = ManualClock::new();
    let (script, layer) = begun(&clock).await;
    let service = layer.layer(Api::accepting_all());
    // It dies half a minute before it expires.
    clock.advance(secs(1760));
    let first = revoke(&layer);
    settle().await;
    clock.advance(secs(15));
    let waiting = tokio::spawn(service.clone().oneshot(get()));
    settle().await;
    let second = revoke(&layer);
    settle().await;
    script.open(9);
    for revoked in [first, second] {
        revoked.await.unwrap().unwrap();
    }
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(script.revoked(), ["access-1"]);
    assert!(layer.handle().status().usable, "begun anew");
}

#[tokio::test]
async fn a_login_between_two_tries_is_neither_spent_nor_revoked() {
    let proof = Proof::refusing(&["seed"]);
    let seed = Token::from_pair("seed", "refresh");
    let builder = AuthLayer::builder(proof.clone());
    let layer = builder.initial(seed).memory_only().build().unwrap();
    let revoking = revoke(&layer);
    settle().await;
    let login = Token::from_pair("login", "another");
    layer.handle().replace(login).await.unwrap();
    proof.open(9);
    settle().await;
    let error = revoking.await.unwrap().unwrap_err();
    assert!(
        error.to_string().contains("a login took the place"),
        "{error}"
    );
    assert_eq!(proof.log(), ["revoke seed", "spend refresh"]);
    assert!(layer.handle().status().usable, "the login");
}

#[tokio::test]
async fn a_vendor_that_takes_no_access_token_at_all_is_not_asked_for_ever() {
    let proof = Proof::refusing(&["seed", "access-1", "access-2", "access-3", "access-4"]);
    proof.open(9);
    let seed = Token::from_pair("seed", "refresh");
    let builder = AuthLayer::builder(proof.clone());
    let layer = builder.initial(seed).memory_only().build().unwrap();
    let error = layer.handle().revoke().await.unwrap_err();
    assert!(
        !error.is_login_required() && error.is_transient(),
        "{error}"
    );
    let asked = proof
        .log()
        .iter()
        .filter(|it| it.starts_with("revoke"))
        .count();
    assert_eq!(asked, 2, "one that was just issued is not exchanged for it");
    assert!(layer.handle().status().usable, "the session goes on");
}

#[tokio::test]
async fn a_pause_that_the_vendor_asks_for_counts_for_all() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    handle.token().await.unwrap();
    script.refuse_revocations_with(ProviderError::throttled(Some(secs(60))));
    let error = handle.revoke().await.unwrap_err();
    assert!(error.is_throttled(), "{error}");
    assert_eq!(error.retry_after(), Some(secs(60)));
    assert!(
        error
            .to_string()
            .starts_with("the session could not be revoked")
    );
    clock.advance(secs(10));
    let error = handle.revoke().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(secs(50)));
    assert!(handle.refresh().await.unwrap_err().is_throttled());
    assert_eq!(script.revoked().len(), 1);
    assert_eq!(script.exchanges(), 1);
    clock.advance(secs(51));
    handle.refresh().await.unwrap();
    handle.revoke().await.unwrap();
}

#[tokio::test]
async fn a_limit_that_names_no_delay_says_when_to_ask_again_all_the_same() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    handle.token().await.unwrap();
    script.refuse_revocations_with(ProviderError::throttled(None));
    let error = handle.revoke().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(secs(10)));
}

#[tokio::test]
async fn a_provider_that_panics_at_it_leaves_the_session_as_it_was() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    handle.token().await.unwrap();
    script.panic_at_revocations();
    let error = handle.revoke().await.unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    let status = handle.status();
    assert!(status.usable && !status.exchanging && status.failure.is_none());
    handle.refresh().await.unwrap();
}

#[tokio::test]
async fn a_failure_is_not_told_as_the_pause_of_another_session() {
    let clock = ManualClock::new();
    let (script, layer) = begun(&clock).await;
    let theirs = layer.with_session("theirs", Token::from_refresh_token("seed"));
    let theirs = theirs.unwrap().handle();
    script.next(|_| Err(ProviderError::throttled(Some(secs(60)))));
    let asking = tokio::spawn(async move { theirs.token().await });
    settle().await;
    script.refuse_revocations_with(ProviderError::misconfigured("no such client"));
    let revoking = revoke(&layer);
    settle().await;
    script.open(2);
    assert!(asking.await.unwrap().unwrap_err().is_throttled());
    let error = revoking.await.unwrap().unwrap_err();
    assert!(error.is_misconfigured() && !error.is_throttled(), "{error}");
}
