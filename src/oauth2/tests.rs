mod asking;
mod assertions;
mod device;
mod logins;
mod metadata;
mod stage;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{
    Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};

use super::{
    ClientAuth, OAuth2,
    harness::{CANARY, Canned, SENT_AT, exchange, revoke, saved, texts},
};
use crate::{
    Provider, Token,
    provider::{Credential, FailureKind, LostReply, Placement, ProviderError, Rotation},
};

const ENDPOINT: &str = "https://id.example/token?p=1";
const SUCCESS: &str = r#"{"access_token":"A","token_type":"bearer","expires_in":"3600.0",
    "refresh_token":"R","refresh_expires_in":7200,"scope":"a b","id_token":"canary"}"#;

fn client() -> OAuth2 {
    OAuth2::client_credentials(ENDPOINT, "client id", "canary%")
}

fn session() -> OAuth2 {
    OAuth2::refresh_token(ENDPOINT, "client id")
}

fn seed() -> Option<Token> {
    Some(Token::from_refresh_token("canary/old"))
}

fn body(provider: &OAuth2) -> String {
    let request = exchange(provider, seed(), &Canned::new(200, SUCCESS)).request();
    String::from_utf8(request.body().to_vec()).expect("a form")
}

/// What a 400 with this code means to both grants.
fn kinds(code: &str) -> [FailureKind; 2] {
    let reply = Canned::new(
        400,
        format!(r#"{{"error":"{code}","error_description":"canary"}}"#),
    );
    [session(), client()].map(|provider| {
        let error = exchange(&provider, seed(), &reply).error();
        assert_eq!(error.http_status(), Some(StatusCode::BAD_REQUEST));
        assert!(
            error
                .vendor_said()
                .is_some_and(|said| said.expose().contains(CANARY))
        );
        error.kind()
    })
}

#[test]
fn a_refresh_is_a_form_with_the_client_in_it() {
    let provider = session().scope(["a", "b"]).extra("audience", "api");
    let request = exchange(&provider, seed(), &Canned::new(200, SUCCESS)).request();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), ENDPOINT);
    assert_eq!(
        request.headers()[CONTENT_TYPE],
        "application/x-www-form-urlencoded"
    );
    assert!(!request.headers().contains_key(AUTHORIZATION));
    assert_eq!(
        request.body(),
        "grant_type=refresh_token&refresh_token=canary%2Fold&scope=a+b&audience=api&client_id=client+id"
    );
}

#[test]
fn a_refresh_asks_for_no_more_than_was_granted() {
    for (granted, asked) in [
        (None, "&scope=a+b&"),
        (Some("b a c"), "&scope=a+b&"),
        (Some("b c"), "&scope=b&"),
        (Some("ab"), "&scope=a+b&"),
        (Some("a,b"), "&scope=a+b&"),
    ] {
        let last = Token::from_refresh_token("canary");
        let last = match granted {
            Some(granted) => last.with_scope(granted),
            None => last,
        };
        let provider = session().scope(["a", "b"]);
        let request = exchange(&provider, Some(last), &Canned::new(200, SUCCESS)).request();
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        assert!(body.contains(asked), "{granted:?}: {body}");
    }
}

#[test]
fn a_secret_that_is_looked_up_is_the_one_of_each_request() {
    let count = Arc::new(AtomicUsize::new(0));
    let looks = Arc::clone(&count);
    let secret = Credential::looked_up(move || match looks.fetch_add(1, SeqCst) {
        2 => Err(ProviderError::misconfigured("nothing is there")),
        look => Ok(format!("canary{look}").into()),
    });
    let provider = session()
        .client_auth(ClientAuth::Post(secret))
        .revocation_endpoint("https://id.example/revoke");
    assert!(body(&provider).contains("&client_secret=canary0"));
    let last = || Some(Token::from_pair("a", "r"));
    let revoked = revoke(&provider, last(), &Canned::new(200, "")).request;
    let revoked = String::from_utf8(revoked.unwrap().body().to_vec()).unwrap();
    assert!(revoked.contains("client_secret=canary1"), "{revoked}");
    assert_not_sent(&provider);
    assert!(body(&provider).contains("&client_secret=canary3"));
}

#[test]
fn the_client_authenticates_in_one_way_at_a_time() {
    let request = exchange(&client(), None, &Canned::new(200, SUCCESS)).request();
    // base64 of `client+id:canary%25`
    assert_eq!(
        request.headers()[AUTHORIZATION],
        "Basic Y2xpZW50K2lkOmNhbmFyeSUyNQ=="
    );
    assert!(request.headers()[AUTHORIZATION].is_sensitive());
    assert_eq!(request.body(), "grant_type=client_credentials");

    let post = client().client_auth(ClientAuth::Post("canary%".into()));
    let request = exchange(&post, None, &Canned::new(200, SUCCESS)).request();
    assert!(!request.headers().contains_key(AUTHORIZATION));
    assert_eq!(
        request.body(),
        "grant_type=client_credentials&client_id=client+id&client_secret=canary%25"
    );

    for second in ["client_secret", "client_assertion", "client_assertion_type"] {
        assert_not_sent(&client().extra(second, "canary"));
    }
    let public = session()
        .client_auth(ClientAuth::None)
        .extra("client_assertion", "x");
    assert!(body(&public).contains("&client_assertion=x"));
}

#[test]
fn settings_that_make_no_sense_send_nothing() {
    assert_not_sent(&client().extra("a", "1").extra("a", "2"));
    assert_not_sent(&client().extra("grant_type", "password"));
    assert_not_sent(&session().extra("refresh_token", "other"));
    assert_not_sent(&OAuth2::refresh_token(
        "https://canary:canary@id.example/",
        "client",
    ));
    assert_not_sent(&OAuth2::refresh_token("id.example/token", "client"));
    let fixed = Placement::bearer().and_fixed(CONTENT_TYPE, "canary\n");
    assert_not_sent(&session().placement(fixed));
}

#[track_caller]
fn assert_not_sent(provider: &OAuth2) {
    let outcome = exchange(provider, seed(), &Canned::new(200, SUCCESS));
    assert!(outcome.request.is_none());
    assert_eq!(outcome.error().kind(), FailureKind::Misconfigured);
    assert!(!format!("{provider:?}{:?}", Provider::profile(provider)).contains(CANARY));
}

#[test]
fn all_of_a_reply_gets_into_the_token() {
    let token = exchange(&session(), seed(), &Canned::new(201, SUCCESS)).token();
    let expected = Token::from_pair("A", "R")
        .with_lifetime(Duration::from_secs(3600))
        .with_refresh_lifetime(Duration::from_secs(7200));
    assert_eq!(texts(&token), (Some("A"), Some("R")));
    assert_eq!(token.lifetime(), expected.lifetime());
    assert_eq!(token.refresh_lifetime(), expected.refresh_lifetime());
    assert_eq!(
        (token.token_type(), token.scope()),
        (Some("bearer"), Some("a b"))
    );
    assert_eq!(token.asked_at(), Some(SENT_AT));
    assert!(token.extra("id_token").is_none(), "nobody asked for it");
}

#[test]
fn a_client_with_credentials_of_its_own_takes_no_refresh_token() {
    let token = exchange(&client(), None, &Canned::new(200, SUCCESS)).token();
    assert_eq!(texts(&token), (Some("A"), None));
}

#[test]
fn a_lifetime_that_makes_no_sense_is_unknown() {
    for odd in ["0", "-1", "null", "[]", r#""soon""#, "1e999"] {
        let reply = format!(r#"{{"access_token":"A","expires_in":{odd},"refresh_token":"R"}}"#);
        let token = exchange(&session(), seed(), &Canned::new(200, reply)).token();
        assert_eq!(token.lifetime(), Token::new("A").lifetime(), "{odd}");
        assert_eq!(texts(&token), (Some("A"), Some("R")), "{odd}");
    }
}

#[test]
fn a_token_of_an_unknown_type_is_not_used_and_the_refresh_token_is_saved() {
    for unknown in [r#""DPoP""#, r#""N_A""#, r#""mac""#, "7", "[]"] {
        let reply =
            format!(r#"{{"access_token":"canary","token_type":{unknown},"refresh_token":"R"}}"#);
        let error = exchange(&session(), seed(), &Canned::new(200, reply)).error();
        assert_eq!(error.kind(), FailureKind::Misconfigured, "{unknown}");
        assert_eq!(saved(&error), (None, Some("R")), "{unknown}");
        assert!(error.vendor_said().is_none(), "it is made of tokens");
    }
    for known in [r#""Bearer""#, r#""bearer""#, r#""BEARER""#, "null", r#""""#] {
        let reply = format!(r#"{{"access_token":"A","token_type":{known}}}"#);
        let token = exchange(&session(), seed(), &Canned::new(200, reply)).token();
        assert_eq!(texts(&token), (Some("A"), None), "{known}");
    }
}

#[test]
fn a_token_whose_type_did_not_arrive_is_not_used() {
    let cut = r#"{"access_token":"canary","refresh_token":"R","token_ty"#;
    let error = exchange(&session(), seed(), &Canned::new(200, cut)).error();
    assert_eq!(saved(&error), (None, Some("R")));
    let whole = Canned::new(200, r#"{"access_token":"A","refresh_token":"R"}"#).broken_off();
    let error = exchange(&session(), seed(), &whole).error();
    assert_eq!(saved(&error), (Some("A"), Some("R")));
}

#[test]
fn only_a_refresh_token_is_refused_for_good() {
    let [refreshing, own] = kinds("invalid_grant");
    assert_eq!(refreshing, FailureKind::Refused);
    assert_eq!(own, FailureKind::Misconfigured);
}

#[test]
fn codes_about_the_client_are_settings() {
    for code in [
        "invalid_client",
        "unauthorized_client",
        "invalid_request",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",
        "canary_unknown",
        "INVALID_GRANT",
        "invalid_grant: canary",
    ] {
        assert_eq!(kinds(code), [FailureKind::Misconfigured; 2], "{code}");
    }
    let reply = Canned::new(401, r#"{"error":"invalid_client"}"#)
        .header("www-authenticate", "Basic realm=\"canary\"");
    let error = exchange(&client(), None, &reply).error();
    assert_eq!(error.kind(), FailureKind::Misconfigured);
    assert!(
        error.to_string().ends_with("(status 401, invalid_client)"),
        "{error}"
    );
}

#[test]
fn codes_that_ask_to_wait_are_transient() {
    for code in ["temporarily_unavailable", "slow_down", "server_error"] {
        assert_eq!(kinds(code), [FailureKind::Transient; 2], "{code}");
        let reply = Canned::new(400, format!(r#"{{"error":"{code}"}}"#)).header("retry-after", "7");
        let error = exchange(&session(), seed(), &reply).error();
        assert_eq!(error.delay(), Some(Duration::from_secs(7)), "{code}");
    }
}

#[test]
fn a_known_code_in_a_success_without_tokens_counts() {
    let reply = Canned::new(200, r#"{"error":"invalid_grant"}"#);
    assert_eq!(
        exchange(&session(), seed(), &reply).error().kind(),
        FailureKind::Refused
    );
    let reply = Canned::new(200, r#"{"error":"canary"}"#);
    assert_eq!(
        exchange(&session(), seed(), &reply).error().kind(),
        FailureKind::UnknownOutcome
    );
    let reply = Canned::new(200, r#"{"error":"invalid_grant","refresh_token":"R"}"#);
    let error = exchange(&session(), seed(), &reply).error();
    assert_eq!(
        (error.kind(), saved(&error)),
        (FailureKind::UnknownOutcome, (None, Some("R")))
    );
    let reply = Canned::new(200, r#"{"error":"invalid_grant"}"#).broken_off();
    assert_eq!(
        exchange(&session(), seed(), &reply).error().kind(),
        FailureKind::UnknownOutcome
    );
}

#[test]
fn a_server_error_is_transient_only_where_that_was_promised() {
    let reply = Canned::new(503, r#"{"error":"invalid_grant"}"#).header("retry-after", "5");
    assert_eq!(
        exchange(&session(), seed(), &reply).error().kind(),
        FailureKind::UnknownOutcome
    );
    let promised = session().server_errors_are_transient();
    let error = exchange(&promised, seed(), &reply).error();
    assert_eq!(error.kind(), FailureKind::Transient);
    assert_eq!(error.delay(), Some(Duration::from_secs(5)));
    let error = exchange(&promised, seed(), &reply.broken_off()).error();
    assert_eq!(error.kind(), FailureKind::UnknownOutcome);
}

#[test]
fn everything_that_makes_tokens_different_is_in_the_identity() {
    let provider = session()
        .scope(["b", "a"])
        .extra("resource", "https://one.example")
        .extra("audience", "two")
        .extra("tenant", "t&1");
    let profile = Provider::profile(&provider);
    let id = profile.session();
    let parts = id.parts();
    assert_eq!(parts.vendor, "oauth2");
    assert_eq!(parts.base_url, ENDPOINT);
    assert_eq!(parts.client, "client id");
    assert_eq!(parts.account, "tenant=t%261");
    assert_eq!(parts.scope, "b a");
    assert_eq!(parts.resource, ["https://one.example"]);
    assert_eq!(parts.audience, ["two"]);
    let other = Provider::profile(&provider.clone().extra("tier", "1"));
    assert_ne!(other.session(), id);
}

#[test]
fn the_profile_is_what_the_settings_say() {
    let profile = Provider::profile(&client().origins(["https://api.example"]));
    assert_eq!(profile.rotation, Rotation::Never);
    assert_eq!(profile.lost_reply_rule(), LostReply::Harmless);
    assert!(profile.origins.check().is_ok());

    let profile = Provider::profile(&session());
    assert_eq!(profile.rotation, Rotation::May);
    assert_eq!(profile.lost_reply_rule(), LostReply::LastResort);
    assert!(
        profile.origins.check().is_err(),
        "nobody said where the API is"
    );

    let grace = LostReply::ReplayWithin(Duration::from_secs(30));
    let profile = Provider::profile(&session().rotation(Rotation::Must).lost_reply(grace));
    assert_eq!(
        (profile.rotation, profile.lost_reply_rule()),
        (Rotation::Must, grace)
    );
}

#[test]
fn what_is_revoked_is_the_refresh_token_and_the_access_token_where_there_is_no_other() {
    let session = session()
        .client_auth(ClientAuth::Post("canary%".into()))
        .revocation_endpoint("https://id.example/revoke")
        .scope(["a"])
        .extra("audience", "api");
    let pair = Some(Token::from_pair("canary.access", "canary/old"));
    let request = revoke(&session, pair, &Canned::new(200, "")).request();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "https://id.example/revoke");
    assert_eq!(
        request.body(),
        "token=canary%2Fold&token_type_hint=refresh_token\
         &client_id=client+id&client_secret=canary%25"
    );
    let client = client().revocation_endpoint("https://id.example/revoke");
    let access = Some(Token::new("canary.access"));
    let request = revoke(&client, access, &Canned::new(200, "")).request();
    assert_eq!(
        request.headers()[AUTHORIZATION],
        "Basic Y2xpZW50K2lkOmNhbmFyeSUyNQ=="
    );
    assert_eq!(
        request.body(),
        "token=canary.access&token_type_hint=access_token"
    );
}

#[test]
fn the_answers_to_a_revocation_mean_what_the_standard_says() {
    let provider = session().revocation_endpoint("https://id.example/revoke");
    let answer = |canned: &Canned| revoke(&provider, seed(), canned);
    // The status is the answer, whatever is in the body or left of it.
    for body in ["", "canary", "{"] {
        answer(&Canned::new(200, body)).result.expect("revoked");
        let broken = Canned::new(200, body).broken_off();
        answer(&broken).result.expect("revoked");
    }
    let busy = Canned::new(503, "canary").header("retry-after", "7");
    let error = answer(&busy).error();
    assert_eq!(error.kind(), FailureKind::Transient);
    assert_eq!(error.delay(), Some(Duration::from_secs(7)));
    let failed = answer(&Canned::new(500, "canary")).error();
    assert_eq!(failed.kind(), FailureKind::UnknownOutcome);
    for code in [
        "unsupported_token_type",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
    ] {
        let said = format!(r#"{{"error":"{code}","error_description":"canary"}}"#);
        let error = answer(&Canned::new(400, said)).error();
        assert_eq!(
            error.kind(),
            FailureKind::Misconfigured,
            "{code}: never the session"
        );
    }
}

#[test]
fn a_revocation_without_an_endpoint_names_the_setting() {
    let reply = Canned::new(200, "");
    let missing = revoke(&session(), seed(), &reply);
    assert!(missing.request.is_none());
    let error = missing.error();
    assert_eq!(error.kind(), FailureKind::Misconfigured);
    assert!(error.to_string().contains("revocation_endpoint"), "{error}");
    let bad = session().revocation_endpoint("id.example/canary");
    let error = revoke(&bad, seed(), &reply).error();
    assert!(error.to_string().contains("revocation endpoint"), "{error}");
    assert_eq!(error.kind(), FailureKind::Misconfigured);
}
