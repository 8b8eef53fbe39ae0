//! A vendor that is not there, or not well.

use tower_reauth::test_util::Fault;

use crate::site::{
    ALL, HOUR, Kind, LASTING, MINUTE, ROTATING, SECOND, Site, Stand, Verdict, settle,
};

fn unwell() -> Fault {
    Fault::Status(503, "<h1>canary</h1>".into(), "text/html")
}

#[tokio::test]
async fn an_outage_is_survived_on_a_good_token_told_on_a_dead_one_and_over_when_it_is_over() {
    for kind in ALL {
        let site = Stand::on_a_line(kind).await.open();
        let line = site.line();
        site.serves(1).await;
        let before = site.counters();
        line.down().await;
        site.age();
        for _ in 0..4 {
            site.serves(8).await;
            site.clock.advance((site.early() - 40 * SECOND) / 4);
        }
        let status = site.handle().status();
        assert!(
            status.failure.is_some_and(|it| it.is_transient()),
            "{kind:?}"
        );
        assert!(!site.handle().status().is_login_required(), "{kind:?}");
        site.expire();
        for _ in 0..3 {
            assert_eq!(site.all_fail().await, Verdict::Transient, "{kind:?}");
            site.clock.advance(HOUR);
        }
        line.up().unwrap();
        site.serves(8).await;
        let after = site.counters();
        assert_eq!(after.token_requests, before.token_requests + 1, "{kind:?}");
        site.was_healthy();
    }
}

#[tokio::test]
async fn nobody_asks_again_and_again_while_the_vendor_is_unwell() {
    for kind in LASTING {
        let site = Site::of(kind).await;
        site.serves(1).await;
        let before = site.counters().token_requests;
        site.expire();
        site.vendor.faults().until_cleared(unwell());
        // Pauses of 1, 1.6, 2.56 … seconds: some nine of them in two minutes and a half.
        for _ in 0..150 {
            assert_eq!(site.all_fail().await, Verdict::UnknownOutcome, "{kind:?}");
            site.clock.advance(SECOND);
        }
        let tries = site.counters().token_requests - before;
        assert!((6..=12).contains(&tries), "{kind:?}: {tries}");
        site.vendor.faults().clear();
        site.clock.advance(2 * MINUTE);
        site.serves(8).await;
        site.was_healthy();
    }
}

#[tokio::test]
async fn a_single_use_token_waits_out_an_unwell_vendor_and_is_then_spent() {
    for kind in ROTATING {
        let site = Site::of(kind).await;
        site.age();
        site.vendor.faults().until_cleared(unwell());
        for _ in 0..10 {
            site.serves(8).await;
            site.clock.advance((site.early() - 40 * SECOND) / 10);
        }
        assert_eq!(
            site.counters().token_requests,
            1,
            "{kind:?}: not before the token is dead"
        );
        site.vendor.faults().clear();
        site.expire();
        site.serves(8).await;
        assert_eq!(site.counters().token_requests, 2, "{kind:?}");
        site.was_healthy();
    }
}

#[tokio::test]
async fn an_unwell_vendor_does_not_cost_a_session_however_long_it_takes() {
    for kind in ROTATING {
        let site = Site::of(kind).await;
        let mut states = site.handle().subscribe();
        site.expire();
        site.vendor.faults().until_cleared(unwell());
        for _ in 0..60 {
            assert_eq!(site.all_fail().await, Verdict::UnknownOutcome, "{kind:?}");
            assert!(!site.handle().status().is_login_required(), "{kind:?}");
            site.clock.advance(MINUTE);
        }
        let tries = site.counters().token_requests;
        assert!((20..=60).contains(&tries), "{kind:?}: {tries} in an hour");
        site.vendor.faults().clear();
        site.clock.advance(2 * MINUTE);
        site.serves(8).await;
        assert!(states.changed().await.unwrap().usable, "{kind:?}");
        site.was_healthy();
    }
}

#[tokio::test]
async fn an_idle_session_sits_out_an_outage_while_its_refresh_token_lives() {
    let site = Stand::on_a_line(Kind::Marketiger).await.open();
    let line = site.line();
    site.handle().start().unwrap();
    line.down().await;
    for minute in 0..11 * 60 {
        if minute == 11 * 60 - 5 {
            line.up().unwrap();
        }
        site.clock.advance(MINUTE);
        settle().await;
        site.quiet().await;
    }
    assert_eq!(site.counters().exchanges, 1);
    assert!(!site.handle().status().is_login_required());
    site.serves(8).await;
    site.was_healthy();
}

#[tokio::test]
async fn an_error_code_in_a_server_error_is_no_verdict() {
    for kind in ALL {
        for body in [
            r#"{"error":"invalid_grant"}"#,
            r#"{"errorCode":"REFRESH_TOKEN_EXPIRED"}"#,
            r#"{"success":false,"error":{"type":"AUTHENTICATION"}}"#,
            r#"{"message":"invalid_grant: Invalid refresh token: xxxx...canary"}"#,
        ] {
            let site = Site::of(kind).await;
            site.serves(1).await;
            site.expire();
            let fault = Fault::Status(500, body.into(), "application/json");
            site.vendor.faults().next(fault);
            assert_eq!(
                site.all_fail().await,
                Verdict::UnknownOutcome,
                "{kind:?} {body}"
            );
            assert!(
                !site.handle().status().is_login_required(),
                "{kind:?} {body}"
            );
            site.clock.advance(11 * SECOND);
            site.serves(8).await;
            site.was_healthy();
        }
    }
}

#[tokio::test]
async fn dressipi_answers_with_an_error_rather_than_going_on_as_nobody() {
    let site = Site::of(Kind::Dressipi).await;
    site.serves(1).await;
    site.expire();
    site.vendor.faults().until_cleared(unwell());
    assert_eq!(site.all_fail().await, Verdict::UnknownOutcome);
    assert_eq!(
        site.counters().api_requests,
        1,
        "nothing was sent without a good token"
    );
    site.was_careful();
}
