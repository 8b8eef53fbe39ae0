//! Promise 1: at most one exchange in flight for a session; its result, good or bad, is everybody's.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use http::StatusCode;
use support::{Api, Script, get, secs, settle};
use tower::ServiceExt;
use tower_reauth::{
    Error,
    provider::{ProviderError, Reason},
    test_util::ManualClock,
};

const CALLERS: usize = 10_000;

async fn all_answered(service: &tower_reauth::Auth<Api, Script>, script: &Script) {
    let before = script.exchanges();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| tokio::spawn(service.clone().oneshot(get())))
        .collect();
    settle().await;
    assert_eq!(script.exchanges(), before + 1, "all wait for one exchange");
    script.open(1);
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(script.exchanges(), before + 1);
}

#[tokio::test]
async fn ten_thousand_callers_share_one_exchange_cold_and_expired() {
    let clock = ManualClock::new();
    let script = Script::gated(secs(1800));
    let service = script.service(&clock, &Api::accepting_all());
    all_answered(&service, &script).await;
    clock.advance(secs(1800));
    all_answered(&service, &script).await;
    let reasons: Vec<_> = script.asked().iter().map(|asked| asked.reason).collect();
    assert_eq!(reasons, [Reason::First, Reason::Expired]);
    assert_eq!(script.most_in_flight(), 1);
}

#[tokio::test]
async fn a_failure_is_shared_by_all_who_waited() {
    let clock = ManualClock::new();
    let script = Script::gated(secs(1800));
    script.usually(|_| Err(ProviderError::transient("the vendor is down")));
    let service = script.service(&clock, &Api::accepting_all());
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| tokio::spawn(service.clone().oneshot(get())))
        .collect();
    settle().await;
    script.open(CALLERS);
    for caller in callers {
        let error = caller.await.unwrap().unwrap_err();
        assert!(Error::find(&*error).is_some_and(Error::is_transient));
    }
    assert_eq!(script.exchanges(), 1, "nobody queues to fail in turn");
}
