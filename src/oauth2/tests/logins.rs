//! Logins in a browser.

use std::{
    sync::Arc,
    task::{Context, Waker},
};

use super::{
    super::harness::Canned,
    ENDPOINT, SUCCESS,
    stage::{Silent, Stage},
};
use crate::{
    oauth2::{Authorization, OAuth2, PendingLogin},
    provider::{FailureKind, TokenClient},
};

fn authorization() -> Authorization {
    OAuth2::refresh_token(ENDPOINT, "client id")
        .scope(["a", "b"])
        .resource(["urn:r"])
        .authorization("http://127.0.0.1:1/back")
        .endpoint("https://id.example/authorize?p=1")
        .issuer("https://id.example")
}

fn begin(stage: &Stage) -> PendingLogin {
    let client = stage.client();
    stage
        .run(authorization().begin(&client))
        .expect("an address")
}

fn parameter(url: &str, name: &str) -> String {
    let (_, query) = url.split_once('?').expect("a query");
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let pair = pairs.find(|(known, _)| known == name);
    pair.expect("the parameter").1.into_owned()
}

#[test]
fn the_address_of_a_login_holds_what_the_standard_asks_for_and_a_secret_of_its_own() {
    let stage = Stage::new([]);
    let [login, other] = [(); 2].map(|()| begin(&stage));
    let url = login.url();
    assert!(
        url.starts_with("https://id.example/authorize?p=1&response_type=code&"),
        "{url}"
    );
    for (name, expected) in [
        ("client_id", "client id"),
        ("redirect_uri", "http://127.0.0.1:1/back"),
        ("scope", "a b"),
        ("resource", "urn:r"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(parameter(url, name), expected);
    }
    for unguessable in ["state", "code_challenge"] {
        let [one, two] = [url, other.url()].map(|url| parameter(url, unguessable));
        assert_ne!(one, two);
        assert!(one.len() >= 22, "{one}");
    }
    assert_eq!(stage.asked(), [""; 0]);
    assert!(!format!("{login:?}").contains(&parameter(url, "state")));
}

#[test]
fn no_format_of_a_login_shows_what_is_asked_for_with_it() {
    let hinted = authorization()
        .parameter("id_token_hint", "canary")
        .endpoint("https://id.example/authorize?tenant=canary");
    for shown in [format!("{hinted:?}"), format!("{hinted:#?}")] {
        assert!(shown.contains("id_token_hint"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn a_code_is_redeemed_with_the_verifier_of_its_login() {
    let stage = Stage::new([Canned::new(200, SUCCESS)]);
    let login = begin(&stage);
    let state = parameter(login.url(), "state");
    let client = stage.client();
    let callback = format!("http://127.0.0.1:1/back?code=canary%2Fc&state={state}");
    let token = stage
        .run(login.redeem(&client, &callback))
        .expect("a token");
    assert!(token.refresh_token().is_some());
    let form = &stage.forms()[0];
    assert!(form.starts_with("grant_type=authorization_code&code=canary%2Fc&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fback&code_verifier="), "{form}");
    assert!(
        form.ends_with("&resource=urn%3Ar&client_id=client+id"),
        "{form}"
    );
    // What was sent proves what was announced.
    let verifier = parameter(&format!("?{form}"), "code_verifier");
    let digest = <sha2::Sha256 as sha2::Digest>::digest(verifier);
    let digest = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, digest);
    assert_eq!(digest, parameter(login.url(), "code_challenge"));
}

#[test]
fn a_callback_of_somebody_else_sends_nothing() {
    let stage = Stage::new([]);
    let login = begin(&stage);
    let state = parameter(login.url(), "state");
    let client = stage.client();
    for callback in [
        "code=canary&state=canary".to_owned(),
        format!("code=canary&state={state}&iss=https://evil.example"),
        format!("error=access_denied&state={state}"),
    ] {
        let error = stage.run(login.redeem(&client, &callback));
        assert_eq!(error.expect_err("refused").kind(), FailureKind::Refused);
    }
    assert_eq!(stage.asked(), [""; 0]);
}

#[test]
fn a_code_that_is_no_longer_good_asks_for_another_login() {
    let stage = Stage::new([Canned::new(400, r#"{"error":"invalid_grant"}"#)]);
    let login = begin(&stage);
    let callback = format!("code=canary&state={}", parameter(login.url(), "state"));
    let client = stage.client();
    let error = stage
        .run(login.redeem(&client, &callback))
        .expect_err("too late");
    assert_eq!(error.kind(), FailureKind::Refused);
}

#[test]
fn a_code_that_has_become_a_token_is_never_sent_again() {
    let down = Canned::new(429, "");
    let stage = Stage::new([down, Canned::new(200, SUCCESS)]);
    let login = begin(&stage);
    let callback = format!("code=canary&state={}", parameter(login.url(), "state"));
    let client = stage.client();
    let error = stage.run(login.redeem(&client, &callback));
    assert_eq!(error.expect_err("down").kind(), FailureKind::Throttled);
    // Given up in the middle, before anything was sent.
    drop(login.redeem(&client, &callback));
    assert!(stage.run(login.redeem(&client, &callback)).is_ok());
    // A server that sees the code twice takes back all that it gave for it.
    let error = stage.run(login.redeem(&client, &callback));
    let error = error.expect_err("a page that is loaded again");
    assert_eq!(error.kind(), FailureKind::Refused);
    assert_eq!(stage.asked().len(), 2);
}

#[test]
fn two_callbacks_at_once_send_one_code() {
    let stage = Stage::new([Canned::new(200, SUCCESS)]);
    let login = begin(&stage);
    let callback = format!("code=canary&state={}", parameter(login.url(), "state"));
    let held = TokenClient::new(Arc::new(Silent), stage.clock());
    let mut first = std::pin::pin!(login.redeem(&held, &callback));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let client = stage.client();
    let error = stage.run(login.redeem(&client, &callback));
    assert_eq!(error.expect_err("both").kind(), FailureKind::Transient);
    assert_eq!(stage.asked(), [""; 0]);
}

#[test]
fn a_login_that_is_not_set_up_begins_nowhere() {
    let stage = Stage::new([]);
    let client = stage.client();
    let bare = || OAuth2::refresh_token(ENDPOINT, "id").authorization("http://127.0.0.1/back");
    for wrong in [
        bare(),
        bare().endpoint("id.example"),
        authorization().parameter("state", "x"),
        authorization()
            .parameter("prompt", "x")
            .parameter("prompt", "y"),
    ] {
        let error = stage.run(wrong.begin(&client)).expect_err("a setting");
        assert_eq!(error.kind(), FailureKind::Misconfigured);
    }
}
