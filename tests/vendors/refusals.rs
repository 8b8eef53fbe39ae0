//! The refusals that the vendors document: what their callers are told, and who is left in peace.

use tower_reauth::{
    Token,
    oauth2::ClientAuth,
    test_util::{
        Fault, SimBuilder, SimDressipi, SimImmersve, SimMarketiger, SimOauth, SimVmwareCsp,
        VmwareCspOptions,
    },
};

use crate::site::{ALL, DAY, HOUR, Kind, MINUTE, SECOND, Site, Stand, Verdict, pair};

use Verdict::{LoginRequired, Misconfigured, Transient};

/// A documented reply, and what it means.
type Refusal = (u16, String, Verdict);

fn refusals_of(kind: Kind) -> Vec<Refusal> {
    match kind {
        Kind::Immersve => vec![
            immersve(403, "REFRESH_TOKEN_EXPIRED", LoginRequired),
            immersve(403, "CLIENT_APPLICATION_MISMATCH", Misconfigured),
            immersve(403, "ORIGIN_NOT_ALLOWED", Misconfigured),
            immersve(403, "FORBIDDEN", Misconfigured),
            immersve(400, "INVALID_REQUEST_INPUT", Misconfigured),
        ],
        Kind::Dressipi | Kind::OauthSession => oauth(LoginRequired),
        Kind::OauthClient => oauth(Misconfigured),
        Kind::Marketiger => vec![
            marketiger(401, LoginRequired),
            marketiger(400, LoginRequired),
            marketiger(200, LoginRequired),
        ],
        Kind::VmwareCsp => vec![
            csp(400, "540", REFUSED, LoginRequired),
            csp(404, "\"540\"", REFUSED, LoginRequired),
            csp(404, "540", "canary not found", Misconfigured),
            csp(409, "540", "canary conflict", Transient),
        ],
    }
}

fn oauth(invalid_grant: Verdict) -> Vec<Refusal> {
    let refusal = |status, code: &str, verdict| {
        let body = format!(r#"{{"error":"{code}","error_description":"canary"}}"#);
        (status, body, verdict)
    };
    vec![
        refusal(400, "invalid_grant", invalid_grant),
        refusal(400, "invalid_client", Misconfigured),
        refusal(401, "invalid_client", Misconfigured),
        refusal(400, "invalid_request", Misconfigured),
        refusal(400, "unauthorized_client", Misconfigured),
        refusal(400, "unsupported_grant_type", Misconfigured),
        refusal(400, "invalid_scope", Misconfigured),
    ]
}

fn immersve(status: u16, code: &str, verdict: Verdict) -> Refusal {
    let body = format!(r#"{{"statusCode":{status},"errorCode":"{code}","reason":"canary"}}"#);
    (status, body, verdict)
}

fn marketiger(status: u16, verdict: Verdict) -> Refusal {
    let body = r#"{"success":false,"error":{"type":"AUTHENTICATION","message":"canary"}}"#;
    (status, body.into(), verdict)
}

fn csp(status: u16, module: &str, message: &str, verdict: Verdict) -> Refusal {
    let body = format!(
        r#"{{"metadata":null,"statusCode":{status},"message":"{message}","moduleCode":{module}}}"#
    );
    (status, body, verdict)
}

const REFUSED: &str = "invalid_grant: Invalid refresh token: xxxx...canary";

#[tokio::test]
async fn every_documented_refusal_has_its_predicate_and_is_asked_about_once() {
    for kind in ALL {
        for (status, body, verdict) in refusals_of(kind) {
            let site = Site::of(kind).await;
            site.serves(1).await;
            let before = site.counters().token_requests;
            site.expire();
            let fault = Fault::Status(status, body.clone(), "application/json");
            site.vendor.faults().until_cleared(fault);
            assert_eq!(site.all_fail().await, verdict, "{kind:?} {status} {body}");
            let error = site.fails().await;
            let told = error.provider_error().unwrap().http_status();
            assert_eq!(told.unwrap(), status, "{kind:?} {body}");
            if verdict == Transient {
                continue;
            }
            for _ in 0..5 {
                site.clock.advance(MINUTE - SECOND);
                assert_eq!(site.all_fail().await, verdict, "{kind:?} {status} {body}");
            }
            let asked = site.counters().token_requests - before;
            assert_eq!(asked, 1, "{kind:?} {status} {body}");
        }
    }
}

#[tokio::test]
async fn a_refused_refresh_token_is_never_shown_again_and_a_new_login_heals() {
    for kind in ALL {
        for (status, body, verdict) in refusals_of(kind) {
            if verdict != LoginRequired || kind == Kind::VmwareCsp {
                continue;
            }
            let site = Site::of(kind).await;
            let handle = site.handle();
            let mut states = handle.subscribe();
            assert!(!states.changed().await.unwrap().is_login_required());
            site.expire();
            let fault = Fault::Status(status, body.clone(), "application/json");
            site.vendor.faults().until_cleared(fault);
            assert_eq!(site.all_fail().await, LoginRequired, "{kind:?} {body}");
            let cause = states.changed().await.unwrap().login_required;
            let cause = cause.expect("what the callers were told");
            assert_eq!(Verdict::of(&cause), LoginRequired, "{kind:?} {body}");
            site.shows_no_secret(&cause);
            site.vendor.faults().clear();
            for _ in 0..5 {
                site.clock.advance(DAY);
                assert_eq!(site.all_fail().await, LoginRequired, "{kind:?} {body}");
                assert!(handle.refresh().await.is_err(), "{kind:?} {body}");
            }
            assert_eq!(site.counters().token_requests, 1, "{kind:?} {body}");

            handle.replace(pair(&site.vendor.seed())).await.unwrap();
            let status = states.changed().await.unwrap();
            assert!(!status.is_login_required() && status.failure.is_none());
            site.serves(8).await;
            assert_eq!(site.counters().token_requests, 1, "{kind:?} {body}");
            site.expire();
            site.serves(8).await;
            assert_eq!(site.counters().rotations, 1, "{kind:?} {body}");
            site.was_healthy();
        }
    }
}

#[tokio::test]
async fn what_somebody_can_put_right_is_tried_again_after_five_to_fifteen_minutes() {
    for kind in ALL {
        for (status, body, verdict) in refusals_of(kind) {
            let probed =
                verdict == Misconfigured || (kind == Kind::VmwareCsp && verdict == LoginRequired);
            if !probed {
                continue;
            }
            let site = Site::of(kind).await;
            site.serves(1).await;
            site.expire();
            let before = site.counters().token_requests;
            let fault = Fault::Status(status, body.clone(), "application/json");
            site.vendor.faults().until_cleared(fault);
            assert_eq!(site.all_fail().await, verdict);
            for probes in 1..=3 {
                assert_eq!(
                    site.counters().token_requests,
                    before + probes,
                    "{kind:?} {body}"
                );
                site.clock.advance(5 * MINUTE - SECOND);
                assert_eq!(site.all_fail().await, verdict, "{kind:?} {body}");
                assert_eq!(
                    site.counters().token_requests,
                    before + probes,
                    "{kind:?} {body}"
                );
                site.clock.advance(10 * MINUTE + SECOND);
                assert_eq!(site.all_fail().await, verdict, "{kind:?} {body}");
            }
            site.vendor.faults().clear();
            site.clock.advance(15 * MINUTE);
            site.serves(8).await;
            assert!(
                !site.handle().status().is_login_required(),
                "{kind:?} {body}"
            );
            site.was_healthy();
        }
    }
}

/// What a site's first exchange ends in, where the vendor is as it is and the setting is not.
async fn ends_in(stand: Stand, verdict: Verdict) -> u64 {
    let site = stand.open();
    site.expire();
    assert_eq!(site.all_fail().await, verdict);
    site.clock.advance(4 * MINUTE);
    assert_eq!(site.all_fail().await, verdict);
    assert_eq!(site.counters().token_requests, 1);
    assert_eq!(site.counters().spent_twice, 0);
    site.counters().malformed
}

#[tokio::test]
async fn immersve_tells_a_wrong_origin_a_wrong_client_and_a_forbidden_one() {
    let elsewhere = SimImmersve::builder().origin("https://elsewhere.example");
    let other = SimImmersve::builder().client_application_id("other");
    let forbidding = SimImmersve::builder().forbid_exchanges();
    for sim in [elsewhere, other, forbidding] {
        let stand = Stand::immersve(sim, |it| it, false).await;
        assert_eq!(ends_in(stand, Misconfigured).await, 0);
    }
}

#[tokio::test]
async fn dressipi_tells_a_wrong_client_and_a_missing_key() {
    let other = SimDressipi::builder().client_id("other");
    let stand = Stand::dressipi(other, |it| it, false).await;
    assert_eq!(ends_in(stand, Misconfigured).await, 0);
    let keyed = SimDressipi::builder().api_key("canary-key");
    let stand = Stand::dressipi(keyed.clone(), |it| it, false).await;
    assert_eq!(ends_in(stand, Misconfigured).await, 1);
    let stand = Stand::dressipi(keyed, |it| it.api_key("canary-key"), false).await;
    let site = stand.open();
    site.expire();
    site.serves(8).await;
    site.was_healthy();
}

#[tokio::test]
async fn an_oauth_server_tells_a_wrong_secret_and_a_wrong_scope() {
    let wrong = || "canary wrong".into();
    for auth in [
        ClientAuth::Basic(wrong()),
        ClientAuth::Post(wrong()),
        ClientAuth::None,
    ] {
        for kind in [Kind::OauthSession, Kind::OauthClient] {
            let (sim, auth) = (SimOauth::builder(), auth.clone());
            let stand = match kind {
                Kind::OauthSession => {
                    Stand::oauth_session(sim, |it| it.client_auth(auth), false).await
                }
                _ => Stand::oauth_client(sim, |it| it.client_auth(auth), false).await,
            };
            assert_eq!(ends_in(stand, Misconfigured).await, 0);
        }
    }
    let stand = Stand::oauth_session(SimOauth::builder(), |it| it.scope(["admin"]), false);
    assert_eq!(ends_in(stand.await, Misconfigured).await, 0);
}

#[tokio::test]
async fn a_refresh_token_that_died_of_age_needs_a_login() {
    for (kind, age) in [
        (Kind::Immersve, 30 * DAY),
        (Kind::Dressipi, 30 * DAY),
        (Kind::OauthSession, 30 * DAY),
        (Kind::Marketiger, 12 * HOUR),
    ] {
        let stand = Stand::of(kind).await;
        stand.clock.advance(age);
        assert_eq!(ends_in(stand, LoginRequired).await, 0, "{kind:?}");
    }
}

#[tokio::test]
async fn marketiger_refuses_in_either_way_and_asks_for_the_old_access_token() {
    for sim in [
        SimMarketiger::builder(),
        SimMarketiger::builder().refuse_with_ok(),
    ] {
        let stand = Stand::marketiger(sim, false).await;
        stand.vendor.revoke_sessions();
        assert_eq!(ends_in(stand, LoginRequired).await, 0);
    }
    let stand = Stand::of(Kind::Marketiger).await;
    let seed = stand.vendor.seed();
    let half = Token::from_refresh_token(seed.refresh_token);
    let site = stand.open_with(|builder| builder.initial(half));
    assert_eq!(site.all_fail().await, LoginRequired);
    assert_eq!(site.counters().token_requests, 0, "nothing to ask with");
}

#[tokio::test]
async fn a_revoked_api_token_is_told_in_all_forms_and_its_tail_in_none() {
    type Sim = SimBuilder<VmwareCspOptions>;
    let forms: [fn(Sim) -> Sim; 3] = [
        |sim| sim,
        |sim| sim.refuse_with_not_found(),
        |sim| sim.module_code_as_string(),
    ];
    for form in forms {
        let stand = Stand::vmware_csp(form(SimVmwareCsp::builder()), |it| it, false).await;
        let site = stand.open();
        site.serves(8).await;
        site.vendor.revoke_sessions();
        site.expire();
        assert_eq!(site.all_fail().await, LoginRequired);
        let error = site.fails().await;
        let said = error.provider_error().unwrap().vendor_said().unwrap();
        let tail = &site.seed.refresh_token[site.seed.refresh_token.len() - 5..];
        assert!(said.expose().ends_with('}') && said.expose().contains(tail));
        site.clock.advance(4 * MINUTE);
        assert_eq!(site.all_fail().await, LoginRequired);
        assert_eq!(site.counters().token_requests, 2);
    }
}
