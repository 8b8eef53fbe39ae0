//! Logins on another device.

use std::time::Duration;

use super::{super::harness::Canned, ENDPOINT, SUCCESS, stage::Stage};
use crate::{
    Token,
    oauth2::OAuth2,
    provider::{FailureKind, ProviderError},
};

const BEGUN: &str = r#"{"device_code":"canary/d","user_code":"WD-JB","expires_in":60,
    "verification_uri":"https://id.example/go","interval":7}"#;

fn says(code: &str) -> Canned {
    Canned::new(400, format!(r#"{{"error":"{code}"}}"#))
}

fn login(stage: &Stage) -> Result<Token, ProviderError> {
    let provider = OAuth2::refresh_token(ENDPOINT, "id")
        .scope(["a"])
        .resource(["urn:r"])
        .device_authorization_endpoint("https://id.example/device");
    let client = stage.client();
    let mut shown = Vec::new();
    let result = stage.run(provider.device_login(&client, |prompt| {
        assert!(!format!("{prompt:?}").contains("WD"));
        shown.push((prompt.user_code, prompt.verification_uri));
    }));
    if stage.asked().len() > 1 {
        assert_eq!(
            shown,
            [("WD-JB".to_owned(), "https://id.example/go".to_owned())]
        );
    }
    result
}

fn seconds(stage: &Stage) -> Vec<u64> {
    stage.waited().iter().map(Duration::as_secs).collect()
}

#[test]
fn a_device_asks_as_slowly_as_the_server_wants_until_somebody_has_logged_in() {
    let stage = Stage::new([
        Canned::new(200, BEGUN),
        says("authorization_pending"),
        says("slow_down"),
        says("authorization_pending"),
        Canned::new(200, SUCCESS),
    ]);
    let token = login(&stage).expect("a token");
    assert!(token.refresh_token().is_some());
    assert_eq!(seconds(&stage), [7, 7, 12, 12]);
    let forms = stage.forms();
    assert_eq!(forms[0], "scope=a&resource=urn%3Ar&client_id=id");
    assert_eq!(
        forms[1],
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code\
         &device_code=canary%2Fd&resource=urn%3Ar&client_id=id"
    );
    assert_eq!(stage.asked()[0], "https://id.example/device");
}

#[test]
fn a_device_asks_more_slowly_where_the_server_is_not_well() {
    let stage = Stage::new([
        Canned::new(200, BEGUN),
        Canned::new(503, ""),
        Canned::new(429, "").header("retry-after", "20"),
        Canned::new(200, SUCCESS),
    ]);
    assert!(login(&stage).is_ok());
    assert_eq!(seconds(&stage), [7, 14, 28]);
    // Without a word about how often, it is every five seconds.
    let begun = BEGUN.replace(r#","interval":7"#, "");
    let stage = Stage::new([Canned::new(200, begun), Canned::new(200, SUCCESS)]);
    assert!(login(&stage).is_ok());
    assert_eq!(seconds(&stage), [5]);
}

#[test]
fn a_device_stops_asking_when_the_code_is_over() {
    let pending = [(); 9].map(|()| says("authorization_pending"));
    let stage = Stage::new([Canned::new(200, BEGUN)].into_iter().chain(pending));
    let error = login(&stage).expect_err("nobody came");
    assert_eq!(error.kind(), FailureKind::Refused);
    assert_eq!(stage.waited().len(), 8, "56 of 60 seconds");
}

#[test]
fn a_login_on_a_device_that_is_refused_ends_it() {
    for code in ["expired_token", "access_denied", "invalid_grant"] {
        let stage = Stage::new([Canned::new(200, BEGUN), says(code)]);
        let error = login(&stage).expect_err("refused");
        assert_eq!(error.kind(), FailureKind::Refused, "{code}");
        assert!(error.to_string().contains(code), "{error}");
    }
    let stage = Stage::new([Canned::new(200, BEGUN), says("invalid_client")]);
    assert_eq!(
        login(&stage).expect_err("a setting").kind(),
        FailureKind::Misconfigured
    );
}

#[test]
fn a_beginning_that_cannot_be_read_shows_nobody_anything() {
    for (reply, kind) in [
        (Canned::new(200, "{}"), FailureKind::Transient),
        (
            Canned::new(200, &BEGUN[..80]).broken_off(),
            FailureKind::Transient,
        ),
        (says("unauthorized_client"), FailureKind::Misconfigured),
        (says("invalid_scope"), FailureKind::Misconfigured),
    ] {
        let stage = Stage::new([reply]);
        assert_eq!(login(&stage).expect_err("nothing begins").kind(), kind);
        assert!(stage.waited().is_empty());
    }
}
