//! Logins that nobody wants any more by the time that they would begin: the refresh token is refused
//! when its session is ending already.

use tokio::task::JoinHandle;
use tower_reauth::{AuthLayer, Error, Token, test_util::ManualClock};

use crate::{
    stage::{Vendor, access, ask},
    support::settle,
};

/// A session whose dead refresh token is on its way to the vendor, and somebody who waits.
async fn refreshing() -> (Vendor, AuthLayer<Vendor>, JoinHandle<Result<String, Error>>) {
    let vendor = Vendor::with_a_person();
    vendor.hold_exchanges();
    let dead = Token::from_refresh_token("dead");
    let layer = vendor.layer(&ManualClock::new()).initial(dead);
    let layer = layer.build().unwrap();
    let waiting = ask(&layer.handle());
    settle().await;
    assert_eq!((vendor.sent().len(), vendor.logins()), (1, 0));
    (vendor, layer, waiting)
}

#[tokio::test]
async fn a_revocation_that_waits_for_a_refresh_does_not_see_it_become_a_login() {
    let (vendor, layer, waiting) = refreshing().await;
    let handle = layer.handle();
    let revoking = tokio::spawn(async move { handle.revoke().await });
    settle().await;
    vendor.let_exchanges_go();
    settle().await;
    assert_eq!(vendor.logins(), 0, "the session is to end");
    revoking.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_revocation_that_fails_leaves_the_next_call_its_login() {
    let (vendor, layer, waiting) = refreshing().await;
    let handle = layer.handle();
    vendor.fail_next_revocation();
    let revoking = tokio::spawn(async move { handle.revoke().await });
    settle().await;
    vendor.let_exchanges_go();
    settle().await;
    revoking.await.unwrap().unwrap_err();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error}");
    let handle = layer.handle();
    assert!(!handle.status().is_login_required());
    vendor.answer(1);
    assert_eq!(access(handle.refresh().await).unwrap(), "access-1");
    assert_eq!((vendor.sent().len(), vendor.logins()), (1, 1));
}

#[tokio::test]
async fn a_shutdown_that_waits_for_a_refresh_does_not_see_it_become_a_login() {
    let (vendor, layer, waiting) = refreshing().await;
    let handle = layer.handle();
    let stopping = tokio::spawn(async move { handle.shutdown().await });
    settle().await;
    vendor.let_exchanges_go();
    settle().await;
    assert_eq!(vendor.logins(), 0);
    stopping.await.unwrap();
    // The next process logs in by itself, so nobody has to be called for.
    let error = waiting.await.unwrap().unwrap_err();
    assert!(!error.is_login_required(), "{error}");
    assert!(!layer.handle().status().is_login_required());
}

#[tokio::test]
async fn the_refresh_of_a_session_that_is_gone_does_not_become_a_login() {
    let (vendor, layer, waiting) = refreshing().await;
    waiting.abort();
    drop(layer);
    settle().await;
    vendor.let_exchanges_go();
    settle().await;
    assert_eq!(vendor.logins(), 0, "nobody would get the token");
}
