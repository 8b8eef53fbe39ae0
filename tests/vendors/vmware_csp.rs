//! VMware Cloud Services' own ways.

use tower_reauth::{test_util::SimVmwareCsp, vendor::VmwareCsp};

use crate::site::{Kind, MINUTE, Site, Stand, Verdict};

#[tokio::test]
async fn the_token_goes_into_the_header_that_was_asked_for() {
    type Mode = fn(VmwareCsp) -> VmwareCsp;
    for (mode, bearer, own) in [
        ((|it| it) as Mode, true, false),
        (|it| it.only_csp_auth_token(), false, true),
        (|it| it.also_csp_auth_token(), true, true),
    ] {
        let mut sim = SimVmwareCsp::builder();
        if bearer && own {
            sim = sim.require_both_headers();
        }
        let site = Stand::vmware_csp(sim, mode, false).await.open();
        let headers = site.headers_at("/vmc/api/orgs").await;
        assert_eq!(headers.contains_key("authorization"), bearer);
        assert_eq!(headers.contains_key("csp-auth-token"), own);
        site.expire();
        site.vendor.revoke_access_tokens();
        site.serves(8).await;
        site.vendor.revoke_access_tokens();
        site.serves(8).await;
        site.was_careful();
    }
}

#[tokio::test]
async fn the_api_token_that_replies_echo_is_dropped() {
    let site = Site::of(Kind::VmwareCsp).await;
    let token = site.handle().token().await.unwrap();
    assert!(token.access_token().is_some());
    assert!(token.refresh_token().is_none());
    assert!(site.handle().status().refresh_expires_at.is_none());
}

#[tokio::test]
async fn the_parameter_has_its_old_name_where_that_is_asked_for() {
    let sim = SimVmwareCsp::builder().accept_refresh_token();
    let adapt = VmwareCsp::deprecated_refresh_token_parameter;
    let old = Stand::vmware_csp(sim, adapt, false).await.open();
    old.serves(8).await;
    old.was_healthy();
    let strict = Stand::vmware_csp(SimVmwareCsp::builder(), adapt, false)
        .await
        .open();
    assert_eq!(strict.all_fail().await, Verdict::Misconfigured);
}

#[tokio::test]
async fn an_access_token_outlives_its_api_token_and_is_used_to_its_end() {
    let site = Site::of(Kind::VmwareCsp).await;
    site.serves(8).await;
    site.vendor.refuse_next(0);
    let message = r#"{"message":"invalid_grant: Invalid refresh token: xxxx...canary"}"#;
    let fault = tower_reauth::test_util::Fault::Status(400, message.into(), "application/json");
    site.vendor.faults().until_cleared(fault);
    for _ in 0..29 {
        site.serves(8).await;
        site.clock.advance(MINUTE);
    }
    let status = site.handle().status();
    let cause = status.login_required.expect("said while there is time");
    site.shows_no_secret(&cause);
    site.clock.advance(MINUTE);
    assert_eq!(site.all_fail().await, Verdict::LoginRequired);
    site.was_healthy();
}
