//! Exchanges that the vendor made and whose reply was lost, whole or in part.

use tower_reauth::{
    provider::LostReply,
    test_util::{Fault, Rotation, SimDressipi, SimOauth},
};

use crate::site::{
    HOUR, Kind, LASTING, MINUTE, ROTATING, SECOND, Site, Stand, Verdict, pair, settle,
};

use Verdict::{LoginRequired, UnknownOutcome};

/// The place behind the value of this member.
fn behind(member: &'static str) -> impl FnOnce(&str) -> usize + Send {
    move |body| {
        let value = body.find(member).unwrap() + member.len() + 3;
        value + body[value..].find('"').unwrap() + 1
    }
}

fn refresh_member(kind: Kind) -> &'static str {
    match kind {
        Kind::Immersve | Kind::Marketiger => "refreshToken",
        _ => "refresh_token",
    }
}

#[tokio::test]
async fn a_spent_token_whose_reply_is_lost_is_tried_once_more_and_only_as_a_last_resort() {
    for kind in ROTATING {
        let site = Site::of(kind).await;
        site.age();
        site.vendor.faults().next(Fault::CutAfter);
        for _ in 0..10 {
            site.serves(8).await;
            site.clock.advance((site.early() - 40 * SECOND) / 10);
        }
        let failure = site.handle().status().failure.unwrap();
        assert_eq!(Verdict::of(&failure), UnknownOutcome, "{kind:?}");
        assert_eq!(
            site.counters().token_requests,
            1,
            "{kind:?}: the access token lives"
        );
        site.was_healthy();

        site.expire();
        assert_eq!(site.all_fail().await, LoginRequired, "{kind:?}");
        let counters = site.counters();
        assert_eq!(
            (counters.token_requests, counters.spent_twice),
            (2, 1),
            "{kind:?}"
        );
        for _ in 0..5 {
            site.clock.advance(HOUR);
            assert_eq!(site.all_fail().await, LoginRequired, "{kind:?}");
        }
        assert_eq!(site.counters().token_requests, 2, "{kind:?}");
        let login = pair(&site.vendor.seed());
        site.handle().replace(login).await.unwrap();
        site.serves(8).await;
    }
}

#[tokio::test]
async fn the_last_resort_waits_until_the_first_request_can_no_longer_be_under_way() {
    for kind in ROTATING {
        let site = Site::of(kind).await;
        site.expire();
        site.vendor.faults().next(Fault::CutAfter);
        for _ in 0..9 {
            assert_eq!(site.all_fail().await, UnknownOutcome, "{kind:?}");
            site.clock.advance(SECOND);
        }
        assert_eq!(site.all_fail().await, UnknownOutcome, "{kind:?}");
        assert_eq!(site.counters().token_requests, 1, "{kind:?}");
        site.clock.advance(SECOND);
        assert_eq!(site.all_fail().await, LoginRequired, "{kind:?}");
        assert_eq!(site.counters().token_requests, 2, "{kind:?}");
        assert_eq!(site.counters().spent_twice, 1, "{kind:?}");
    }
}

#[tokio::test]
async fn the_last_resort_saves_a_session_whose_token_was_not_spent() {
    for (kind, fault) in [
        (Kind::Immersve, Fault::CutBefore),
        (Kind::Marketiger, Fault::CutBefore),
        (Kind::OauthSession, Fault::CutBefore),
        (Kind::Dressipi, Fault::CutBefore),
    ] {
        let site = Site::of(kind).await;
        site.expire();
        site.vendor.faults().next(fault);
        assert_eq!(site.all_fail().await, UnknownOutcome, "{kind:?}");
        site.clock.advance(10 * SECOND);
        site.serves(8).await;
        site.was_healthy();
    }
    let lasting = SimDressipi::builder().rotation(Rotation::Never);
    let site = Stand::dressipi(lasting, |it| it, false).await.open();
    site.expire();
    site.vendor.faults().next(Fault::CutAfter);
    assert_eq!(site.all_fail().await, UnknownOutcome);
    site.clock.advance(10 * SECOND);
    site.serves(8).await;
    site.was_healthy();
}

#[tokio::test]
async fn a_vendor_that_gives_lost_replies_out_again_is_asked_at_once() {
    let sim = SimOauth::builder().reuse_grace(MINUTE);
    let rule = LostReply::ReplayWithin(MINUTE);
    let site = Stand::oauth_session(sim, |it| it.lost_reply(rule), false)
        .await
        .open();
    site.expire();
    site.vendor.faults().times(2, Fault::CutAfter);
    let hands = async {
        // The pauses between the tries go by the clock.
        while site.counters().exchanges < 3 {
            site.clock.advance(SECOND / 10);
            settle().await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(site.serves(8), hands);
    site.was_healthy();
    site.expire();
    site.serves(8).await;
    site.was_healthy();
}

#[tokio::test]
async fn where_nothing_rotates_a_lost_reply_is_asked_for_again_after_a_growing_pause() {
    for kind in LASTING {
        for fault in [Fault::CutAfter, Fault::CutBody, Fault::CutBefore] {
            let site = Site::of(kind).await;
            site.vendor.faults().times(3, fault.clone());
            for (tries, pause) in (1..).zip([1.0, 1.6, 2.56]) {
                assert_eq!(site.all_fail().await, UnknownOutcome, "{kind:?} {fault:?}");
                site.clock.advance(SECOND.mul_f64(pause * 0.79));
                assert_eq!(site.all_fail().await, UnknownOutcome, "{kind:?} {fault:?}");
                assert_eq!(site.counters().token_requests, tries, "{kind:?} {fault:?}");
                site.clock.advance(SECOND.mul_f64(pause * 0.42));
            }
            site.serves(8).await;
            assert_eq!(site.counters().token_requests, 4, "{kind:?} {fault:?}");
            site.was_healthy();
        }
    }
}

/// How many token requests came, and how often the vendor rotated.
fn asked_and_rotated(site: &Site) -> (u64, u64) {
    let counters = site.counters();
    (counters.token_requests, counters.rotations)
}

#[tokio::test]
async fn a_reply_that_breaks_off_behind_its_tokens_costs_nothing() {
    for kind in ROTATING {
        let site = Stand::on_a_line(kind).await.open();
        let line = site.line();
        site.expire();
        line.cut_next(|body| body.len() - 1);
        site.serves(8).await;
        site.expire();
        site.serves(8).await;
        assert_eq!(asked_and_rotated(&site), (2, 2), "{kind:?}");
        site.was_healthy();
    }
}

#[tokio::test]
async fn a_new_refresh_token_that_arrived_is_kept_whatever_else_is_missing() {
    for kind in ROTATING {
        let site = Stand::on_a_line(kind).await.open();
        let line = site.line();
        site.expire();
        line.cut_next(behind(refresh_member(kind)));
        let first = site.burst(8).await;
        // Dressipi and OAuth say behind it what kind of token it is: without that it is not used.
        let usable = matches!(kind, Kind::Immersve | Kind::Marketiger);
        assert!(
            first.iter().all(|reply| reply.is_ok() == usable),
            "{kind:?}"
        );
        site.clock.advance(2 * SECOND);
        let then = site.burst(8).await;
        assert!(then.iter().all(Result::is_ok), "{kind:?}");
        site.expire();
        assert!(site.burst(8).await.iter().all(Result::is_ok), "{kind:?}");
        assert!(!site.handle().status().is_login_required(), "{kind:?}");
        site.was_careful();
    }
}

#[tokio::test]
async fn a_new_refresh_token_beside_an_unusable_access_token_is_kept() {
    for kind in ROTATING {
        let site = Stand::on_a_line(kind).await.open();
        let line = site.line();
        site.expire();
        // The header of a JWT, with a line break in it.
        line.rewrite_next(|body| body.replacen("eyJ", r"ey\r\nx: canary", 1));
        assert_eq!(site.all_fail().await, UnknownOutcome, "{kind:?}");
        site.clock.advance(2 * SECOND);
        site.serves(8).await;
        assert_eq!(asked_and_rotated(&site), (2, 2), "{kind:?}");
        site.was_healthy();
    }
}

#[tokio::test]
async fn half_a_reply_may_hold_the_access_token_and_then_it_is_used_to_its_end() {
    // Immersve's access token comes first, and its refresh token was in the other half.
    let site = Site::of(Kind::Immersve).await;
    site.expire();
    site.vendor.faults().next(Fault::CutBody);
    site.serves(8).await;
    for _ in 0..10 {
        site.clock.advance((site.lifetime - 40 * SECOND) / 10);
        site.serves(8).await;
    }
    assert_eq!(site.counters().token_requests, 1);
    site.was_healthy();
    site.expire();
    assert_eq!(site.all_fail().await, LoginRequired);
    let counters = site.counters();
    assert_eq!((counters.token_requests, counters.spent_twice), (2, 1));
}

#[tokio::test]
async fn half_a_reply_without_a_token_in_it_is_a_lost_one() {
    for kind in [Kind::Dressipi, Kind::Marketiger, Kind::OauthSession] {
        let site = Site::of(kind).await;
        site.expire();
        site.vendor.faults().next(Fault::CutBody);
        assert_eq!(site.all_fail().await, UnknownOutcome, "{kind:?}");
        site.clock.advance(9 * SECOND);
        assert_eq!(site.all_fail().await, UnknownOutcome, "{kind:?}");
        site.was_careful();
        site.clock.advance(SECOND);
        assert_eq!(site.all_fail().await, LoginRequired, "{kind:?}");
        assert_eq!(site.counters().spent_twice, 1, "{kind:?}");
    }
}

/// In the order of RFC 6749 (section 5.1) the refresh token comes last. Where there may or may not
/// be one, one that did not arrive may have been there.
#[tokio::test]
async fn an_access_token_from_half_a_reply_says_nothing_about_the_old_refresh_token() {
    for kind in [Kind::Dressipi, Kind::OauthSession] {
        for rest in [r#","refr"#, r#","refresh_token":1}"#] {
            let site = Stand::on_a_line(kind).await.open();
            let line = site.line();
            site.expire();
            line.rewrite_next(move |body| {
                let reply: serde_json::Value = serde_json::from_str(&body).unwrap();
                let (access, lifetime) = (&reply["access_token"], &reply["expires_in"]);
                format!(
                    r#"{{"access_token":{access},"token_type":"Bearer","expires_in":{lifetime}{rest}"#
                )
            });
            site.serves(8).await;
            site.age();
            site.serves(8).await;
            let spent_twice = site.counters().spent_twice;
            assert_eq!(spent_twice, 0, "{kind:?} {rest}: the access token is good");
            assert!(site.handle().refresh().await.is_err(), "{kind:?} {rest}");
            site.was_healthy();
            site.expire();
            assert_eq!(site.all_fail().await, LoginRequired, "{kind:?} {rest}");
            let counters = site.counters();
            assert_eq!(
                (counters.token_requests, counters.spent_twice),
                (2, 1),
                "{kind:?}"
            );
        }
    }
}
