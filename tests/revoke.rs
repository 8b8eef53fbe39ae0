//! The end of a session that the application asks for: one thing at a time, and nobody's but the
//! session's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use http::StatusCode;
use support::{Api, Script, get, runtime, secs, send, settle};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    AuthLayer, Token,
    provider::{FixedToken, Rotation},
    test_util::ManualClock,
};

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
    let script = Script::gated(secs(1800));
    script.open(1);
    let layer = script.layer(&clock).build().unwrap();
    let service = layer.layer(Api::accepting_all());
    assert_eq!(send(&service).await.unwrap(), StatusCode::OK);
    // It is long due, and dies half a minute before it expires.
    clock.advance(secs(1760));
    let handle = layer.handle();
    let revoking = tokio::spawn(async move { handle.revoke().await });
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
    assert_eq!(
        script.exchanges(),
        2,
        "this vendor's sessions begin by themselves"
    );
    assert_eq!(script.most_in_flight(), 1);
}

#[tokio::test]
async fn a_revocation_that_nobody_waits_for_is_made_all_the_same() {
    let clock = ManualClock::new();
    let script = Script::gated(secs(1800));
    script.open(1);
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    handle.token().await.unwrap();
    let revoking = tokio::spawn(async move { handle.revoke().await });
    settle().await;
    revoking.abort();
    script.open(1);
    settle().await;
    let status = layer.handle().status();
    assert!(!status.usable && !status.exchanging);
    assert!(status.is_login_required(), "its refresh token is gone");
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
    let script = Script::gated(secs(1800));
    script.open(1);
    let layer = script.layer(&clock).build().unwrap();
    layer.handle().token().await.unwrap();
    let handle = layer.handle();
    let revoking = tokio::spawn(async move { handle.revoke().await });
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
    let status = states.changed().await.unwrap();
    assert!(!status.usable && status.is_login_required());
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
