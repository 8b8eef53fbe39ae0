//! What happens to requests: refusals, replays, and those that are not sent.

use http::{Request, StatusCode};
use http_body_util::{Empty, Full};
use tower::{Layer, ServiceExt};
use tower_reauth::{Error, provider::ProviderError, test_util::ManualClock};

use crate::{
    heard::Heard,
    support::{Api, Script, get, ours, secs, send, settle},
};

/// A refused request that is sent again.
pub(crate) async fn replayed(heard: &Heard) {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(3600));
    let layer = script.layer(&clock).observer(heard.clone());
    let service = layer
        .build()
        .unwrap()
        .layer(Api::new(|header| match header {
            "Bearer access-1" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::OK,
        }));
    assert_eq!(send(&service).await.unwrap(), StatusCode::OK);
}

/// Two that are refused, of which the second may not be sent again.
pub(crate) async fn refused_whatever_is_sent(heard: &Heard) {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(3600));
    let api = Api::new(|_| StatusCode::UNAUTHORIZED);
    let layer = script.layer(&clock).observer(heard.clone());
    let service = layer.build().unwrap().layer(api.clone());
    send(&service).await.unwrap();
    let once = script.layer(&clock).replay(false).observer(heard.clone());
    send(&once.build().unwrap().layer(api)).await.unwrap();
    settle().await;
}

/// One that goes to another origin, and one for which there is no token.
pub(crate) async fn unserved(heard: &Heard) -> Error {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(3600));
    let layer = script.layer(&clock).observer(heard.clone());
    let service = layer.build().unwrap().layer(Api::accepting_all());
    let elsewhere = Request::get("https://elsewhere.example").body(Empty::new());
    let elsewhere: Request<Empty<bytes::Bytes>> = elsewhere.unwrap();
    service.clone().oneshot(elsewhere).await.unwrap_err();
    script.next(|_| Err(ProviderError::transient("down")));
    ours(&service.oneshot(get()).await.unwrap_err()).clone()
}

#[tokio::test]
async fn a_replay_is_told_between_the_exchange_and_the_answer() {
    let heard = Heard::default();
    replayed(&heard).await;
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "ended: first issued, took 0ns, lives 3600s, 1 waiting",
            "refused",
            "started: refused",
            "ended: refused issued, took 0ns, lives 3600s, 1 waiting",
            "Replayed",
        ]
    );
}

#[tokio::test]
async fn a_refusal_that_is_not_answered_by_a_replay_says_why() {
    let heard = Heard::default();
    refused_whatever_is_sent(&heard).await;
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "ended: first issued, took 0ns, lives 3600s, 1 waiting",
            "refused",
            "started: refused",
            "ended: refused issued, took 0ns, lives 3600s, 1 waiting",
            "Replayed",
            "refused again",
            // Another layer.
            "started: first",
            "ended: first issued, took 0ns, lives 3600s, 1 waiting",
            "refused",
            "not replayed: switched_off",
            "started: refused",
            "ended: refused issued, took 0ns, lives 3600s, 0 waiting",
        ]
    );
}

#[tokio::test]
async fn a_refusal_without_a_newer_token_is_told_as_such() {
    let heard = Heard::default();
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(3600));
    let layer = script.layer(&clock).observer(heard.clone());
    let service = layer.build().unwrap();
    let service = service.layer(Api::new(|_| StatusCode::UNAUTHORIZED));
    script.next(|_| Ok(tower_reauth::Token::new("one")));
    script.next(|_| Err(ProviderError::throttled(None)));
    send(&service).await.unwrap();
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "ended: first issued, took 0ns, 1 waiting",
            "refused",
            "started: refused",
            "ended: refused throttled, took 0ns, 1 waiting",
            "not replayed: no_newer_token",
        ]
    );
}

#[tokio::test]
async fn a_body_that_cannot_be_sent_twice_is_told_as_such() {
    let heard = Heard::default();
    let clock = ManualClock::new();
    let layer = Script::with_lifetime(secs(3600)).layer(&clock);
    let layer = layer.replay_cap(4).observer(heard.clone()).build().unwrap();
    let service = layer.layer(Api::new(|_| StatusCode::UNAUTHORIZED));
    let request = get().map(|_| "longer than that".to_owned());
    service.oneshot(request).await.unwrap();
    settle().await;
    assert_eq!(heard.take()[3], "not replayed: over_cap");
    let layer = Script::with_lifetime(secs(3600)).layer(&clock);
    let layer = layer.observer(heard.clone()).build().unwrap();
    let service = layer.layer(Api::new(|_| StatusCode::UNAUTHORIZED));
    service
        .oneshot(get().map(|_| Full::new(&b"!"[..])))
        .await
        .unwrap();
    assert_eq!(heard.take()[3], "not replayed: not_replayable");
}

#[tokio::test]
async fn a_request_that_is_not_sent_is_told_with_the_error_that_its_caller_gets() {
    let heard = Heard::default();
    let error = unserved(&heard).await;
    assert_eq!(error.name(), "transient");
    assert_eq!(
        heard.take(),
        [
            "unserved: origin",
            "started: first",
            "ended: first transient, took 0ns, 1 waiting",
            "unserved: transient",
        ]
    );
}
