//! Sessions that the application ends.

use tower_reauth::test_util::Fault;

use crate::site::{ALL, DAY, HOUR, Kind, Site, Verdict, pair};

/// Those whose vendors end a session when they are asked to.
const ENDING: [Kind; 2] = [Kind::Immersve, Kind::OauthSession];

#[tokio::test]
async fn a_revoked_session_is_over_at_the_vendor_and_here() {
    for kind in ENDING {
        let site = Site::of(kind).await;
        site.serves(8).await;
        let before = site.counters();
        let handle = site.handle();
        handle.revoke().await.unwrap();
        assert_eq!(site.counters().revocations, 1, "{kind:?}");
        assert!(!handle.status().usable, "{kind:?}");
        for _ in 0..3 {
            assert_eq!(site.all_fail().await, Verdict::LoginRequired, "{kind:?}");
            let status = handle.status();
            site.shows_no_secret(&status.login_required.expect("no token is left"));
            site.clock.advance(HOUR);
        }
        let after = site.counters();
        assert_eq!(after.exchanges, before.exchanges, "{kind:?}");
        assert_eq!(after.api_requests, before.api_requests, "{kind:?}");
        assert_eq!(after.token_requests, before.token_requests + 1, "{kind:?}");
        // Only a login helps.
        handle.replace(pair(&site.vendor.seed())).await.unwrap();
        site.serves(8).await;
        assert!(!handle.status().is_login_required(), "{kind:?}");
        site.was_careful();
    }
}

#[tokio::test]
async fn a_logout_gets_a_good_access_token_if_it_needs_one() {
    for (kind, exchanges) in [(Kind::Immersve, 1), (Kind::OauthSession, 0)] {
        let site = Site::of(kind).await;
        site.serves(1).await;
        let before = site.counters().exchanges;
        site.expire();
        site.handle().revoke().await.unwrap();
        let counters = site.counters();
        assert_eq!(counters.revocations, 1, "{kind:?}");
        assert_eq!(counters.exchanges, before + exchanges, "{kind:?}");
        site.was_careful();
    }
    // Also where only the vendor knows that it is not good.
    let site = Site::of(Kind::Immersve).await;
    site.serves(1).await;
    site.vendor.revoke_access_tokens();
    site.handle().revoke().await.unwrap();
    assert_eq!(site.counters().revocations, 1);
    assert_eq!(site.counters().exchanges, 1);
}

#[tokio::test]
async fn a_revocation_that_fails_leaves_the_session_as_it_was() {
    for kind in ENDING {
        let site = Site::of(kind).await;
        site.serves(1).await;
        let failing = |status| Fault::Status(status, "{}".into(), "application/json");
        for fault in [failing(503), Fault::CutBefore, failing(500)] {
            site.vendor.faults().next(fault);
            let error = site.handle().revoke().await.unwrap_err();
            assert!(
                error.is_transient() && !error.is_login_required(),
                "{kind:?}: {error}"
            );
            site.shows_no_secret(&error);
            site.serves(8).await;
        }
        assert_eq!(site.counters().revocations, 0, "{kind:?}");
        site.clock.advance(DAY);
        site.serves(8).await;
        assert!(site.handle().status().failure.is_none());
        // Its answer was lost: nobody knows, and it does no harm to ask again.
        site.vendor.faults().next(Fault::CutAfter);
        site.handle().revoke().await.unwrap_err();
        assert_eq!(site.counters().revocations, 1, "{kind:?}");
        let again = site.handle().revoke().await;
        match kind {
            Kind::OauthSession => again.unwrap(),
            // A logout asks for a token that the dead session does not give any more.
            _ => assert!(again.unwrap_err().is_login_required()),
        }
    }
}

#[tokio::test]
async fn a_client_with_credentials_of_its_own_begins_anew() {
    let site = Site::of(Kind::OauthClient).await;
    site.serves(8).await;
    site.handle().revoke().await.unwrap();
    assert_eq!(site.counters().revocations, 1);
    assert!(!site.handle().status().is_login_required());
    site.serves(8).await;
    assert_eq!(site.counters().exchanges, 2);
    // At the end of a process nothing does.
    site.handle().revoke().await.unwrap();
    site.handle().shutdown().await;
    assert_eq!(site.counters().revocations, 2);
    site.fails().await;
    assert_eq!(site.counters().exchanges, 2);
}

#[tokio::test]
async fn a_vendor_that_ends_no_sessions_says_so_and_goes_on() {
    let others = ALL.into_iter().filter(|kind| !ENDING.contains(kind));
    for kind in others.filter(|kind| *kind != Kind::OauthClient) {
        let site = Site::of(kind).await;
        site.serves(1).await;
        let before = site.counters().token_requests;
        let error = site.handle().revoke().await.unwrap_err();
        assert!(error.is_misconfigured(), "{kind:?}: {error}");
        assert!(error.to_string().contains("revoke"), "{error}");
        site.serves(8).await;
        assert_eq!(site.counters().token_requests, before, "{kind:?}");
    }
}
