//! Servers that are found by their issuer.

use std::{
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use super::{
    super::harness::Canned,
    SUCCESS,
    stage::{Silent, Stage},
};
use crate::{
    Provider,
    oauth2::{ClientAuth, OAuth2, Server},
    provider::{FailureKind, ProviderError, Reason, TokenClient},
};

const ISSUER: &str = "https://id.example/tenant";
const FIRST: &str = "https://id.example/.well-known/oauth-authorization-server/tenant";
const SECOND: &str = "https://id.example/tenant/.well-known/openid-configuration";

fn provider() -> OAuth2 {
    OAuth2::refresh_token(Server::discover(ISSUER), "id")
}

fn document(token_endpoint: &str) -> Canned {
    let text = format!(r#"{{"issuer":"{ISSUER}","token_endpoint":"{token_endpoint}"}}"#);
    Canned::new(200, text)
}

fn token() -> Canned {
    Canned::new(200, SUCCESS)
}

fn not_found() -> Canned {
    Canned::new(404, "canary")
}

fn error_of(issuer: &str, replies: Vec<Canned>) -> ProviderError {
    let provider = OAuth2::refresh_token(Server::discover(issuer), "id");
    let stage = Stage::new(replies);
    stage
        .exchange(&provider, Reason::First)
        .expect_err("no metadata")
}

const T1: &str = "https://id.example/t1";
const T2: &str = "https://id.example/t2";

#[test]
fn metadata_are_looked_for_between_host_and_path_and_then_behind_the_path() {
    let stage = Stage::new([not_found(), document(T1), token(), token()]);
    let provider = provider();
    for _ in 0..2 {
        assert!(stage.exchange(&provider, Reason::First).is_ok());
    }
    assert_eq!(stage.asked(), [FIRST, SECOND, T1, T1], "and read once");

    let root = OAuth2::refresh_token(Server::discover("https://id.example/"), "id");
    let stage = Stage::new([not_found(), not_found()]);
    let error = stage
        .exchange(&root, Reason::First)
        .expect_err("nothing there");
    assert_eq!(error.kind(), FailureKind::Misconfigured);
    assert_eq!(
        stage.asked(),
        [
            "https://id.example/.well-known/oauth-authorization-server",
            "https://id.example/.well-known/openid-configuration",
        ]
    );
    let session = Provider::profile(&root).session();
    assert_eq!(session.parts().base_url, "https://id.example/");
}

#[test]
fn metadata_of_another_issuer_are_not_used() {
    for other in [
        "https://id.example/tenant/",
        "https://id.example/Tenant",
        "https://evil.example",
        "",
    ] {
        let text = format!(r#"{{"issuer":"{other}","token_endpoint":"{T1}"}}"#);
        let error = error_of(ISSUER, vec![Canned::new(200, text)]);
        assert_eq!(error.kind(), FailureKind::Misconfigured, "{other}");
    }
    let without = Canned::new(200, format!(r#"{{"token_endpoint":"{T1}"}}"#));
    assert_eq!(
        error_of(ISSUER, vec![without]).kind(),
        FailureKind::Misconfigured
    );
}

#[test]
fn metadata_that_cannot_be_used_are_told_from_those_that_cannot_be_had() {
    let misconfigured = [
        Canned::new(200, "<html>canary"),
        Canned::new(200, format!(r#"{{"issuer":"{ISSUER}"}}"#)),
        document("http://id.example/t1"),
        document("http://127.0.0.1/t1"),
        document("t1"),
    ];
    for reply in misconfigured {
        let error = error_of(ISSUER, vec![reply.clone()]);
        assert_eq!(error.kind(), FailureKind::Misconfigured, "{reply:?}");
    }
    for reply in [
        Canned::new(503, "canary"),
        Canned::new(429, ""),
        document(T1).broken_off(),
    ] {
        let error = error_of(ISSUER, vec![reply.clone()]);
        assert_eq!(error.kind(), FailureKind::Transient, "{reply:?}");
    }
}

#[test]
fn an_issuer_that_is_no_https_url_is_asked_nothing() {
    for wrong in [
        "http://id.example",
        "id.example",
        "https://",
        "https://id.example?x=1",
        "https://id.example#x",
        "https://a:b@id.example",
        "ftp://id.example",
        "",
    ] {
        let error = error_of(wrong, Vec::new());
        assert_eq!(error.kind(), FailureKind::Misconfigured, "{wrong}");
        assert!(error.to_string().contains("issuer"), "{error}");
    }
}

#[test]
fn metadata_are_read_again_when_their_time_is_over_and_used_on_where_that_fails() {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let stage = Stage::new([
        document(T1).header("cache-control", "public, Max-Age=600"),
        token(),
        token(),
        document(T2),
        token(),
    ]);
    let provider = provider();
    let exchange = || assert!(stage.exchange(&provider, Reason::Due).is_ok());
    exchange();
    stage.advance(minutes(9));
    exchange();
    stage.advance(minutes(1));
    exchange();
    assert_eq!(stage.asked(), [FIRST, T1, T1, FIRST, T2]);

    // A day where nothing is said; then the server is down, and asked again a minute later.
    stage.advance(minutes(24 * 60));
    stage.next([
        Canned::new(503, ""),
        token(),
        token(),
        document(T1),
        token(),
    ]);
    exchange();
    exchange();
    stage.advance(minutes(1));
    exchange();
    assert_eq!(stage.asked()[5..], [FIRST, T2, T2, FIRST, T1]);

    // So it is where the document is gone, but not where it is another one.
    stage.advance(minutes(24 * 60));
    stage.next([not_found(), not_found(), token()]);
    exchange();
    assert_eq!(stage.asked()[10..], [FIRST, SECOND, T1]);
    stage.advance(minutes(1));
    stage.next([Canned::new(200, r#"{"issuer":"https://evil.example"}"#)]);
    let error = stage.exchange(&provider, Reason::Due).expect_err("another");
    assert_eq!(error.kind(), FailureKind::Misconfigured);
    stage.next([Canned::new(200, r#"{"issuer":"https://evil.example"}"#)]);
    let error = stage.exchange(&provider, Reason::Due).expect_err("still");
    assert_eq!(error.kind(), FailureKind::Misconfigured);
}

#[test]
fn a_lifetime_of_metadata_is_at_least_five_minutes_and_at_most_a_week() {
    for (says, minutes) in [
        ("max-age=1", 5),
        ("no-store", 24 * 60),
        ("max-age=99999999", 7 * 24 * 60),
    ] {
        let stage = Stage::new([document(T1).header("cache-control", says), token(), token()]);
        let provider = provider();
        assert!(stage.exchange(&provider, Reason::Due).is_ok());
        stage.advance(Duration::from_secs(60 * minutes - 1));
        assert!(stage.exchange(&provider, Reason::Due).is_ok());
        stage.advance(Duration::from_secs(1));
        stage.next([document(T2), token()]);
        assert!(stage.exchange(&provider, Reason::Due).is_ok());
        assert_eq!(stage.asked()[3..], [FIRST, T2], "{says}");
    }
}

#[test]
fn metadata_are_read_again_where_the_endpoint_is_gone_or_does_not_know_the_client() {
    let unknown = || Canned::new(401, r#"{"error":"invalid_client"}"#);
    for complaint in [not_found(), unknown()] {
        let stage = Stage::new([document(T1), complaint.clone(), document(T2), token()]);
        let provider = provider();
        // Not the document of a moment ago.
        let error = stage.exchange(&provider, Reason::Due);
        assert_eq!(error.expect_err("gone").kind(), FailureKind::Misconfigured);
        assert_eq!(stage.asked(), [FIRST, T1]);
        stage.advance(Duration::from_secs(60));
        let stage_two = Stage::new([complaint, document(T2), token()]);
        stage_two.advance(Duration::from_secs(60));
        assert!(stage_two.exchange(&provider, Reason::Due).is_ok());
        assert_eq!(stage_two.asked(), [T1, FIRST, T2]);
    }
}

#[test]
fn a_client_that_is_unknown_is_asked_for_once_where_nothing_has_changed() {
    let unknown = || Canned::new(401, r#"{"error":"invalid_client"}"#);
    let provider = provider();
    assert!(
        Stage::new([document(T1), token()])
            .exchange(&provider, Reason::Due)
            .is_ok()
    );
    let stage = Stage::new([unknown(), document(T1), unknown()]);
    stage.advance(Duration::from_secs(60));
    for _ in 0..2 {
        let error = stage.exchange(&provider, Reason::Due);
        assert_eq!(
            error.expect_err("unknown").kind(),
            FailureKind::Misconfigured
        );
    }
    assert_eq!(stage.asked(), [T1, FIRST, T1]);
}

#[test]
fn while_one_reads_metadata_again_the_others_go_by_the_old_ones() {
    let stage = Stage::new([document(T1), token(), token()]);
    let provider = provider();
    assert!(stage.exchange(&provider, Reason::Due).is_ok());
    stage.advance(Duration::from_secs(24 * 60 * 60));
    let client = TokenClient::new(Arc::new(Silent), stage.clock());
    let authorization = provider.authorization("http://127.0.0.1/back");
    let authorization = authorization.endpoint("https://id.example/a");
    let mut reading = std::pin::pin!(authorization.begin(&client));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(reading.as_mut().poll(&mut cx).is_pending());
    assert!(stage.exchange(&provider, Reason::Due).is_ok());
    assert_eq!(stage.asked(), [FIRST, T1, T1]);
    // Whoever was at it has given up.
    stage.advance(Duration::from_secs(60));
    stage.next([document(T2), token()]);
    assert!(stage.exchange(&provider, Reason::Due).is_ok());
    assert_eq!(stage.asked()[3..], [FIRST, T2]);
}

#[test]
fn metadata_that_cannot_be_read_again_are_asked_for_once_a_minute() {
    let unknown = || Canned::new(401, r#"{"error":"invalid_client"}"#);
    for failure in [
        vec![Canned::new(503, "")],
        vec![not_found(), not_found()],
        vec![Canned::new(200, "<html>canary")],
    ] {
        let provider = provider();
        let stage = Stage::new([document(T1), token()]);
        assert!(stage.exchange(&provider, Reason::Due).is_ok());
        stage.advance(Duration::from_secs(60));
        let asked = failure.len() + 2;
        stage.next([unknown()].into_iter().chain(failure).chain([unknown()]));
        for _ in 0..2 {
            let error = stage.exchange(&provider, Reason::Due);
            let error = error.expect_err("unknown");
            assert_eq!(error.kind(), FailureKind::Misconfigured);
        }
        assert_eq!(stage.asked().len(), 2 + asked);
        stage.advance(Duration::from_secs(60));
        stage.next([unknown(), document(T2), token()]);
        assert!(stage.exchange(&provider, Reason::Due).is_ok());
    }
}

#[test]
fn a_client_with_a_certificate_uses_the_addresses_for_such_clients() {
    let alias = "https://mtls.id.example/t";
    let text = format!(
        r#"{{"issuer":"{ISSUER}","token_endpoint":"{T1}",
            "mtls_endpoint_aliases":{{"token_endpoint":"{alias}"}}}}"#
    );
    let thumbprint = ClientAuth::Mtls("a".repeat(43));
    for (auth, expected) in [(thumbprint, alias), (ClientAuth::None, T1)] {
        let provider = provider().client_auth(auth);
        let stage = Stage::new([Canned::new(200, &*text), token()]);
        assert!(stage.exchange(&provider, Reason::Due).is_ok());
        assert_eq!(stage.asked(), [FIRST, expected]);
    }
}
