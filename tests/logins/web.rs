//! An application and its vendor, over sockets.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    AuthLayer, Error, Provider, Token,
    test_util::{Fault, ManualClock, Seed, Simulator},
};

/// A layer over `provider`, with a session that starts from `seed` if there is one.
pub(crate) fn layer<P: Provider>(
    provider: P,
    clock: &ManualClock,
    seed: Option<Token>,
) -> AuthLayer<P> {
    let builder = AuthLayer::builder(provider)
        .clock(clock.clone())
        .memory_only();
    let builder = match seed {
        Some(seed) => builder.initial(seed),
        None => builder,
    };
    builder.build().unwrap()
}

/// An API call of the vendor, through the layer.
pub(crate) async fn call<P: Provider>(
    layer: &AuthLayer<P>,
    vendor: &Simulator,
) -> Result<Value, Error> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let request = Request::get(vendor.base_url() + "/api/things");
    let sent = layer
        .layer(client)
        .oneshot(request.body(Empty::new()).unwrap());
    let sent = tokio::time::timeout(std::time::Duration::from_secs(10), sent).await;
    let reply = match sent.expect("it never ended") {
        Ok(reply) => reply,
        Err(error) => return Err(Error::find(&*error).expect("an error of the layer").clone()),
    };
    assert_eq!(reply.status(), StatusCode::OK);
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    Ok(serde_json::from_slice(&body).unwrap())
}

/// A pair whose refresh token the vendor does not know (any more), and whose access token is dead.
pub(crate) fn dead(seed: &Seed) -> Token {
    let access = Token::from_pair(
        seed.access_token.as_str(),
        format!("{}-of-another-time", seed.refresh_token),
    );
    access.with_expiry(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1))
}

/// That a session which needs a login and is refused one says so ever after, and asks no more.
pub(crate) async fn is_over_for_good<P: Provider>(
    layer: &AuthLayer<P>,
    vendor: &Simulator,
    clock: &ManualClock,
    canary: &str,
) -> Error {
    let first = call(layer, vendor).await.unwrap_err();
    let asked = vendor.counters().token_requests;
    for _ in 0..50 {
        clock.advance(std::time::Duration::from_secs(600));
        let error = call(layer, vendor).await.unwrap_err();
        assert!(error.is_login_required(), "{error}");
        assert!(!format!("{error} {error:?}").contains(canary), "{error:?}");
    }
    assert_eq!(vendor.counters().token_requests, asked, "no storm");
    assert_eq!(vendor.counters().logins, 0);
    first
}

/// Leaves the next token request alone, and spoils the one after it.
pub(crate) fn spoil_the_second(vendor: &Simulator, fault: Fault) {
    vendor
        .faults()
        .next(Fault::Delay(std::time::Duration::ZERO));
    vendor.faults().next(fault);
}

#[track_caller]
pub(crate) fn was_well_formed(vendor: &Simulator) {
    let counters = vendor.counters();
    assert_eq!(counters.malformed, 0, "{:?}", vendor.last_malformed());
    assert_eq!(counters.spent_twice, 0);
}
