//! Immersve's own ways.

use std::sync::{Arc, Mutex};

use http::{Request, StatusCode};
use http_body_util::Empty;
use tower::{Layer, ServiceBuilder};
use tower_reauth::{
    AuthLayer, Error,
    test_util::{ManualClock, SimImmersve},
    vendor::Immersve,
};

use crate::site::{HOUR, Kind, SECOND, Site, client, get, pair};

#[tokio::test]
async fn what_the_api_forbids_is_handed_over_and_never_refreshed() {
    let site = Site::of(Kind::Immersve).await;
    for _ in 0..20 {
        let reply = site.get("/forbidden").await.unwrap();
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        assert!(
            reply.body["errorCode"].is_string(),
            "the vendor's own words"
        );
        site.clock.advance(SECOND);
    }
    assert_eq!(site.counters().token_requests, 0);
    assert_eq!(site.counters().api_requests, 20, "each was sent once");
}

#[tokio::test]
async fn api_calls_name_the_account_and_token_requests_the_origin() {
    let clock = ManualClock::new();
    let sim = SimImmersve::builder().origin("https://shop.example");
    let sim = sim.clock(clock.clone()).start().await.unwrap();
    let provider = Immersve::new("client-app-id", "https://shop.example")
        .base_url(sim.base_url())
        .account_id("canary-account");
    let auth = AuthLayer::builder(provider)
        .initial(pair(&sim.seed()))
        .memory_only()
        .clock(clock.clone())
        .build()
        .unwrap();
    let service = auth.layer(client());
    for _ in 0..3 {
        let reply = get(service.clone(), sim.base_url() + "/api/cards")
            .await
            .unwrap();
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.body["accountId"], "canary-account");
        clock.advance(HOUR);
    }
    assert_eq!(sim.counters().exchanges, 2, "the origin was right");
    assert_eq!(sim.counters().malformed, 0);
    assert!(!format!("{auth:?}{service:?}").contains("canary"));
}

/// Sends nothing: says which requests of a layer would have gone out, and with which header.
async fn reaches(provider: Immersve, url: &'static str) -> Result<(), Error> {
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let auth = AuthLayer::builder(provider)
        .initial(tower_reauth::Token::from_pair("access", "refresh"))
        .memory_only()
        .build()?;
    let service = ServiceBuilder::new().layer(auth).service_fn(
        move |request: Request<Empty<bytes::Bytes>>| {
            *note.lock().unwrap() = request.headers().get("authorization").cloned();
            async { Ok::<_, std::io::Error>(http::Response::new("{}".to_owned())) }
        },
    );
    let sent = get(service, url.to_owned()).await;
    sent.map_err(|error| Error::find(&*error).unwrap().clone())?;
    assert_eq!(seen.lock().unwrap().take().unwrap(), "Bearer access");
    Ok(())
}

#[tokio::test]
async fn the_host_of_card_secrets_sees_the_token_and_that_of_the_other_environment_does_not() {
    let live = || Immersve::new("app", "https://app.example");
    let test = || live().test_environment();
    for url in [
        "https://api.immersve.com/api",
        "https://api-sec.immersve.com/api",
    ] {
        reaches(live(), url).await.unwrap();
        assert!(reaches(test(), url).await.unwrap_err().is_origin(), "{url}");
    }
    for url in [
        "https://test.immersve.com/api",
        "https://test-sec.immersve.com/api",
    ] {
        reaches(test(), url).await.unwrap();
        assert!(reaches(live(), url).await.unwrap_err().is_origin(), "{url}");
    }
    for url in [
        "http://api.immersve.com/api",
        "https://api.immersve.com.evil.example/",
    ] {
        assert!(reaches(live(), url).await.unwrap_err().is_origin(), "{url}");
    }
}
