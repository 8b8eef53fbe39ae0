use std::sync::{Arc, Mutex};

use super::*;
use crate::provider::Credential;

fn csp() -> VmwareCsp {
    VmwareCsp::api_token("api/token", ["https://vmc.vmware.com"])
}

const ENDPOINT: &str =
    "https://console.cloud.vmware.com/csp/gateway/am/api/auth/api-tokens/authorize";

#[test]
fn the_api_token_is_in_the_body_under_either_name() {
    let (_, body) = sent(&csp(), ENDPOINT, FORM);
    assert_eq!(body, "api_token=api%2Ftoken");
    let (_, body) = sent(&csp().deprecated_refresh_token_parameter(), ENDPOINT, FORM);
    assert_eq!(body, "refresh_token=api%2Ftoken");
    let twin = csp().base_url("https://console.tanzu.broadcom.com/");
    sent(
        &twin,
        &ENDPOINT.replace("cloud.vmware", "tanzu.broadcom"),
        FORM,
    );
}

#[test]
fn a_session_needs_nothing_to_start_from_but_an_api_token() {
    let good = Canned::new(
        200,
        r#"{"access_token":"A","expires_in":1799,"token_type":"bearer"}"#,
    );
    let token = exchange(&csp(), None, &good).token();
    assert_eq!(
        token.lifetime(),
        Token::new("")
            .with_lifetime(Duration::from_secs(1799))
            .lifetime()
    );
    let outcome = exchange(
        &VmwareCsp::api_token("", ["https://vmc.vmware.com"]),
        None,
        &good,
    );
    assert!(outcome.request.is_none());
    assert_eq!(outcome.error().kind(), FailureKind::Misconfigured);
}

#[test]
fn the_api_token_in_a_reply_is_ignored_whether_it_is_the_same_or_not() {
    for echo in ["api/token", "another"] {
        let reply = format!(r#"{{"access_token":"A","refresh_token":"{echo}"}}"#);
        let token = exchange(&csp(), None, &Canned::new(200, reply)).token();
        assert_eq!(texts(&token), (Some("A"), None));
    }
}

#[test]
fn a_refusal_is_told_by_a_prefix_of_which_nothing_is_shown() {
    let error = exchange(&csp(), None, &Canned::new(400, CSP_REFUSAL)).error();
    assert_eq!(
        error.to_string(),
        "the API token is not valid, or not any more: make a new one (status 400, invalid_grant)"
    );
}

#[test]
fn the_token_goes_into_either_header_or_both() {
    assert_headers(&csp().profile(), &["authorization: Bearer t"]);
    let only = csp().only_csp_auth_token().profile();
    assert_headers(&only, &["csp-auth-token: t"]);
    let also = csp().also_csp_auth_token().profile();
    assert_headers(&also, &["authorization: Bearer t", "csp-auth-token: t"]);
}

#[test]
fn the_profile_spends_nothing() {
    let profile = csp().profile();
    assert_eq!(profile.rotation, Rotation::Never);
    assert_eq!(profile.lost_reply_rule(), LostReply::Harmless);
    assert_eq!(profile.lifetime, Some(Duration::from_secs(1799)));
    assert_origins(&profile, &["https://vmc.vmware.com:443"]);
}

#[test]
fn two_api_tokens_are_two_sessions() {
    let other = VmwareCsp::api_token("other", ["https://vmc.vmware.com"]);
    assert_ne!(csp().profile().session(), other.profile().session());
    assert_eq!(csp().profile().session(), csp().profile().session());
    let account = csp().profile().session().parts().account.clone();
    assert!(!account.contains("api"), "{account}");
    let named = |provider: VmwareCsp| provider.account("ops").profile().session();
    assert_eq!(named(csp()), named(other));
}

/// A place where somebody may put another API token, or none.
fn place(text: Option<&'static str>) -> (Arc<Mutex<Option<&'static str>>>, Credential) {
    let place = Arc::new(Mutex::new(text));
    let look = Arc::clone(&place);
    let credential = Credential::looked_up(move || {
        let text = look.lock().unwrap();
        let text = text.ok_or_else(|| ProviderError::misconfigured("nothing is there"))?;
        Ok(text.into())
    });
    (place, credential)
}

#[test]
fn an_api_token_that_is_looked_up_is_the_one_of_each_exchange() {
    let (place, credential) = place(Some("one"));
    let provider = VmwareCsp::api_token(credential, ["https://vmc.vmware.com"]);
    assert_eq!(sent(&provider, ENDPOINT, FORM).1, "api_token=one");
    *place.lock().unwrap() = Some("two");
    assert_eq!(sent(&provider, ENDPOINT, FORM).1, "api_token=two");
    *place.lock().unwrap() = None;
    let outcome = exchange(&provider, None, &Canned::new(200, "{}"));
    assert!(outcome.request.is_none());
    assert_eq!(outcome.error().to_string(), "nothing is there");
}

#[test]
fn api_tokens_that_cannot_be_looked_up_share_no_session() {
    let session = |credential| {
        let provider = VmwareCsp::api_token(credential, ["https://vmc.vmware.com"]);
        provider.profile().session()
    };
    assert!(session(place(None).1) != session(place(None).1));
    assert!(session(place(Some("a")).1) != session(place(Some("b")).1));
    assert!(session(place(Some("a")).1) == session(Credential::from("a")));
}
