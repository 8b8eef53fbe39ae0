//! Marketiger3D's own ways.

use tower_reauth::test_util::SimMarketiger;

use crate::site::{HOUR, Kind, MINUTE, SECOND, Site, Stand, Verdict, settle};

/// Hours in which nobody calls.
async fn idle(site: &Site, hours: u32) {
    for _ in 0..hours * 4 {
        site.clock.advance(15 * MINUTE);
        settle().await;
        site.quiet().await;
    }
}

#[tokio::test]
async fn an_idle_session_outlives_its_refresh_tokens_by_days() {
    let site = Site::of(Kind::Marketiger).await;
    site.handle().start().unwrap();
    idle(&site, 3 * 24).await;
    let exchanges = site.counters().exchanges;
    // Once in nine hours or a little more often, of the twelve that a refresh token lives.
    assert!((8..=10).contains(&exchanges), "{exchanges}");
    assert_eq!(site.counters().api_requests, 0);
    assert!(!site.handle().status().is_login_required());
    site.serves(8).await;
    site.was_healthy();
}

#[tokio::test]
async fn after_its_first_request_a_session_is_kept_alive_without_being_told_to() {
    let site = Site::of(Kind::Marketiger).await;
    site.serves(1).await;
    idle(&site, 24).await;
    assert!(site.counters().exchanges >= 2);
    site.serves(8).await;
    site.was_healthy();
}

#[tokio::test]
async fn an_idle_session_that_nobody_keeps_alive_needs_a_login_after_twelve_hours() {
    let stand = Stand::of(Kind::Marketiger).await;
    let site = stand.open_with(|builder| builder.keep_idle_sessions_alive(false));
    site.handle().start().unwrap();
    site.serves(1).await;
    idle(&site, 13).await;
    assert_eq!(site.counters().token_requests, 0);
    assert_eq!(site.all_fail().await, Verdict::LoginRequired);
    assert_eq!(site.counters().token_requests, 1);
}

#[tokio::test]
async fn a_token_that_does_not_say_when_it_expires_is_used_until_it_is_refused() {
    let sim = SimMarketiger::builder().access_tokens_without_exp();
    let site = Stand::marketiger(sim, false).await.open();
    for _ in 0..3 {
        site.clock.advance(59 * MINUTE);
        site.serves(8).await;
        site.clock.advance(2 * MINUTE);
        site.serves(8).await;
        site.clock.advance(6 * MINUTE);
    }
    assert_eq!(site.counters().exchanges, 3, "one for each refusal");
    site.was_careful();
}

#[tokio::test]
async fn a_session_goes_on_from_a_pair_whose_access_token_is_long_dead() {
    let stand = Stand::of(Kind::Marketiger).await;
    stand.clock.advance(11 * HOUR + 59 * MINUTE + 59 * SECOND);
    let site = stand.open();
    site.serves(8).await;
    assert_eq!(site.counters().exchanges, 1);
    site.was_healthy();
}
