use http::Method;

use super::*;
use crate::{
    Provider,
    oauth2::{
        ClientAuth,
        harness::{Canned, exchange, saved, texts},
    },
    provider::FailureKind,
};

const ENDPOINT: &str = "https://id.example/token?p=1";

fn bound() -> OAuth2 {
    OAuth2::refresh_token(ENDPOINT, "client")
        .client_auth(ClientAuth::None)
        .dpop()
}

fn seed(key: &DpopKey) -> Option<Token> {
    Some(Token::from_refresh_token("old").with_dpop_key(key))
}

fn reply(token_type: &str) -> Canned {
    let body = format!(r#"{{"access_token":"A",{token_type}"refresh_token":"R","expires_in":60}}"#);
    Canned::new(200, body)
}

#[test]
fn a_token_comes_with_the_key_that_it_was_asked_for_with() {
    let key = DpopKey::generate().unwrap();
    for spelt in ["DPoP", "dpop"] {
        let reply = reply(&format!(r#""token_type":"{spelt}","#));
        let token = exchange(&bound(), seed(&key), &reply).token();
        assert_eq!(texts(&token), (Some("A"), Some("R")));
        assert_eq!(token.dpop_key().unwrap().as_ref(), Some(&key));
        let own = bound().dpop_key(key.clone());
        let token = exchange(&own, seed(&key), &reply).token();
        assert_eq!(token.dpop_key().unwrap(), None, "the application keeps it");
    }
}

#[test]
fn a_token_of_another_type_is_refused_and_what_came_with_it_is_saved_with_its_key() {
    let key = DpopKey::generate().unwrap();
    for token_type in [r#""token_type":"Bearer","#, r#""token_type":"N_A","#, ""] {
        let error = exchange(&bound(), seed(&key), &reply(token_type)).error();
        assert_eq!(error.kind(), FailureKind::Misconfigured, "{token_type}");
        assert_eq!(saved(&error), (None, Some("R")), "{token_type}");
        let saved = error.salvaged().unwrap();
        assert_eq!(saved.dpop_key().unwrap().as_ref(), Some(&key));
    }
}

#[test]
fn a_bound_token_is_not_taken_where_none_was_asked_for() {
    let provider = OAuth2::refresh_token(ENDPOINT, "client");
    let seed = Some(Token::from_refresh_token("old"));
    let error = exchange(&provider, seed, &reply(r#""token_type":"DPoP","#)).error();
    assert_eq!(error.kind(), FailureKind::Misconfigured);
    assert_eq!(saved(&error), (None, Some("R")));
}

#[test]
fn a_token_request_has_one_proof_that_is_made_for_it() {
    let key = DpopKey::generate().unwrap();
    let reply = reply(r#""token_type":"DPoP","#);
    let request = exchange(&bound(), seed(&key), &reply).request();
    assert_eq!(request.method(), Method::POST);
    let proofs: Vec<_> = request.headers().get_all(PROOF).iter().collect();
    assert_eq!(proofs.len(), 1);
    assert!(proofs[0].is_sensitive());
    assert!(proofs[0].to_str().unwrap().starts_with(key.header()));
}

#[test]
fn a_key_of_the_application_is_part_of_who_a_session_is() {
    let identity = |provider: &OAuth2| Provider::profile(provider).parts.binding;
    let key = DpopKey::generate().unwrap();
    assert_eq!(identity(&OAuth2::refresh_token(ENDPOINT, "client")), "");
    assert_eq!(identity(&bound().dpop_key(key.clone())), key.thumbprint());
    // Whatever key each session has, its tokens are none of those that anybody may use.
    assert_eq!(identity(&bound()), "dpop");
}

#[test]
fn no_format_of_a_provider_shows_a_key() {
    let key = DpopKey::generate().unwrap();
    let secret = &key.text().expose()[48..64];
    let provider = bound().dpop_key(key.clone());
    let profile = Provider::profile(&provider);
    let token = Token::new("A").with_dpop_key(&key);
    let prover = profile.binding.as_ref().unwrap().prover(&token).unwrap();
    for shown in [
        format!("{provider:?}"),
        format!("{profile:#?}"),
        format!("{prover:?}"),
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_key_that_was_kept_and_cannot_be_read_is_an_error_and_no_other_key() {
    let broken = Token::from_refresh_token("old").with_key(Some("bm8ga2V5".into()));
    let reply = reply(r#""token_type":"DPoP","#);
    let provider = bound();
    let outcome = exchange(&provider, Some(broken), &reply);
    assert_eq!(outcome.error().kind(), FailureKind::Misconfigured);
}
