//! Logins that the application makes itself, and hands over.

use crate::support::{Api, Script, get, secs, settle};
use http::StatusCode;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    AuthLayer, Token,
    provider::{ProviderError, Rotation},
    test_util::ManualClock,
};

#[tokio::test]
async fn a_login_reaches_those_who_wait_for_an_exchange_that_hangs() {
    let clock = ManualClock::new();
    let script = Script::gated(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    let waiting = tokio::spawn(layer.layer(Api::accepting_all()).oneshot(get()));
    settle().await;
    assert_eq!(script.exchanges(), 1);
    let login = Token::new("login").with_lifetime(secs(1800));
    layer.handle().replace(login).await.unwrap();
    settle().await;
    assert!(waiting.is_finished(), "it was woken: there is a token now");
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_login_needs_a_home_as_a_seed_does() {
    let script = Script::with_lifetime(secs(1800)).profile(|it| it.rotation(Rotation::Must));
    let layer = AuthLayer::new(script);
    let login = || Token::from_refresh_token("login");
    let error = layer.handle().replace(login()).await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(error.to_string().contains("memory_only"), "{error}");
    let error = layer.with_session("other", login()).unwrap_err();
    assert!(error.to_string().contains("memory_only"), "{error}");
    // One that cannot rotate needs none.
    layer.handle().replace(Token::new("access")).await.unwrap();
}

#[tokio::test]
async fn one_key_is_one_session_for_as_long_as_it_lives() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800));
    let layer = script.layer(&clock).build().unwrap();
    let seed = || Token::from_refresh_token("theirs");
    let theirs = layer.with_session("them", seed()).unwrap();
    let error = layer.with_session("them", seed()).unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(
        !format!("{error} {error:?}").contains("them\""),
        "{error:?}"
    );
    layer.with_session("others", seed()).unwrap();
    theirs.handle().token().await.unwrap();
    let handle = theirs.handle();
    drop(theirs);
    assert!(
        layer.with_session("them", seed()).is_err(),
        "its handle lives"
    );
    drop(handle);
    layer.with_session("them", seed()).unwrap();
}

#[tokio::test]
async fn failures_while_the_token_was_good_do_not_slow_down_the_tries_after_its_death() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(3600));
    let layer = script.layer(&clock).build().unwrap();
    let handle = layer.handle();
    handle.token().await.unwrap();
    script.usually(|_| Err(ProviderError::transient("down")));
    while handle.status().usable {
        handle.token().await.unwrap();
        settle().await;
        clock.advance(secs(10));
    }
    clock.advance(secs(600));
    let error = handle.token().await.unwrap_err();
    let pause = error.retry_after().unwrap();
    assert!(
        pause <= secs(2),
        "{pause:?} after the first failure without a token"
    );
}
