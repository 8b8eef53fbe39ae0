//! Dressipi's own ways.

use tower_reauth::test_util::SimDressipi;

use crate::site::{Kind, Site, Stand};

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
    let headers = site.headers_at("/api/recommendations").await;
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
