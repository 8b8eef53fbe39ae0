//! Tokens that the vendor takes back before their time.

use http::StatusCode;

use crate::site::{ALL, DAY, Kind, MINUTE, SECOND, Site, Verdict};

/// Those whose API says that a token is not good.
fn refusing() -> impl Iterator<Item = Kind> {
    ALL.into_iter().filter(|kind| *kind != Kind::Dressipi)
}

#[tokio::test]
async fn no_caller_sees_that_the_access_token_was_revoked() {
    for kind in refusing() {
        let site = Site::of(kind).await;
        site.serves(1).await;
        let before = site.counters().exchanges;
        for time in 1..=3 {
            site.vendor.revoke_access_tokens();
            site.serves(32).await;
            assert_eq!(site.counters().exchanges, before + time, "{kind:?}");
            assert!(site.counters().api_refused >= time, "{kind:?}");
            site.clock.advance(11 * SECOND);
        }
        site.was_careful();
    }
}

#[tokio::test]
async fn a_single_refusal_of_a_good_token_costs_one_exchange() {
    for kind in refusing() {
        let site = Site::of(kind).await;
        site.serves(1).await;
        let before = site.counters();
        site.vendor.refuse_next(1);
        site.serves(32).await;
        assert_eq!(site.counters().exchanges, before.exchanges + 1, "{kind:?}");
        assert_eq!(site.counters().api_refused, 1, "{kind:?}");
        site.was_careful();
    }
}

#[tokio::test]
async fn an_ended_session_is_told_once_and_its_refusals_are_the_answers() {
    for kind in [Kind::Immersve, Kind::Marketiger, Kind::OauthSession] {
        let site = Site::of(kind).await;
        site.serves(1).await;
        site.vendor.revoke_sessions();
        for _ in 0..5 {
            for reply in site.burst(8).await {
                assert_eq!(reply.unwrap().status, StatusCode::UNAUTHORIZED, "{kind:?}");
            }
            site.clock.advance(MINUTE);
        }
        let status = site.handle().status();
        let cause = status.login_required.expect("the end of the session");
        assert!(cause.is_login_required(), "{kind:?}");
        site.shows_no_secret(&cause);
        // With the access token goes the last thing that could be sent.
        site.expire();
        assert_eq!(site.all_fail().await, Verdict::LoginRequired, "{kind:?}");
        site.clock.advance(DAY);
        assert_eq!(site.all_fail().await, Verdict::LoginRequired, "{kind:?}");
        assert_eq!(site.counters().token_requests, 1, "{kind:?}");
        site.was_careful();
    }
}

#[tokio::test]
async fn dressipi_sends_no_stale_token_at_any_moment_of_its_life() {
    let site = Site::of(Kind::Dressipi).await;
    // A little before and after everything that happens in a day, nobody calling in between.
    for hours in [20, 21, 22, 23, 24, 25] {
        site.clock.advance(hours * 60 * MINUTE - 31 * SECOND);
        for _ in 0..6 {
            site.serves(8).await;
            site.clock.advance(10 * SECOND);
        }
    }
    site.was_healthy();
}
