//! Dressipi's own ways.

use std::sync::{Arc, Mutex};

use tower::ServiceBuilder;
use tower_reauth::test_util::SimDressipi;

use crate::site::{Kind, Site, Stand, client, get};

#[tokio::test]
async fn results_are_always_personal() {
    let site = Site::of(Kind::Dressipi).await;
    for _ in 0..3 {
        for reply in site.burst(8).await {
            assert_eq!(reply.unwrap().body["personalised"], true);
        }
        site.expire();
    }
    assert_eq!(site.counters().exchanges, 2);
    site.was_careful();
}

#[tokio::test]
async fn the_token_goes_bare_into_its_own_header_with_the_key_beside_it() {
    let sim = SimDressipi::builder().api_key("canary-key");
    let stand = Stand::dressipi(sim, |it| it.api_key("canary-key"), false).await;
    let site = stand.open();
    let seen = Arc::new(Mutex::new(None));
    let note = Arc::clone(&seen);
    let service = ServiceBuilder::new()
        .layer(site.auth.clone())
        .map_request(move |request: http::Request<_>| {
            *note.lock().unwrap() = Some(request.headers().clone());
            request
        })
        .service(client());
    let url = site.vendor.base_url() + "/api/recommendations";
    assert_eq!(get(service, url).await.unwrap().status, 200);
    let headers = seen.lock().unwrap().take().unwrap();
    assert_eq!(headers["x-dressipi-jwt"], site.seed.access_token.as_str());
    assert_eq!(headers["x-api-key"], "canary-key");
    assert!(!headers.contains_key("authorization"));
    assert!(
        !format!("{headers:?}").contains("canary"),
        "both are marked sensitive"
    );
}

#[tokio::test]
async fn a_shop_that_wants_the_old_token_back_gets_it() {
    let stand = Stand::dressipi(SimDressipi::builder(), |it| it.send_old_token(), false).await;
    let site = stand.open();
    for _ in 0..3 {
        site.expire();
        site.serves(8).await;
    }
    site.was_healthy();
}
