use std::{collections::HashSet, time::Duration};

use http::Method;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::*;
use crate::{
    clock::Moment,
    provider::{Origin, Origins, Told},
};

const NOW: Moment = Moment::new(
    Duration::from_secs(7),
    Duration::from_millis(1_800_000_000_900),
);

fn origin(url: &str) -> Origin {
    Origins::from([url]).check().expect("an origin")[0].clone()
}

fn target<'a>(origin: &'a Origin, method: &'a Method, path: &'a str) -> Target<'a> {
    Target {
        method,
        origin,
        path,
        now: NOW,
        told: None,
    }
}

/// The claims of a proof whose signature is good for the key in its header, which is `key`.
fn claims(proof: &HeaderValue, key: &DpopKey) -> Map<String, Value> {
    let proof = proof.to_str().expect("text");
    let header = decode_header(proof).expect("a header");
    assert_eq!(header.typ.as_deref(), Some("dpop+jwt"));
    assert_eq!(header.alg, Algorithm::ES256);
    let jwk = header.jwk.expect("a key");
    assert!(proof.starts_with(key.header()));
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(&jwk).expect("a public key");
    let data = decode(proof, &key, &validation);
    data.expect("a good signature").claims
}

fn proven(target: &Target<'_>, ath: Option<&str>) -> Map<String, Value> {
    let key = DpopKey::generate().expect("a key");
    let proof = prove(&key, target, ath).expect("a proof");
    assert!(proof.is_sensitive());
    claims(&proof, &key)
}

#[test]
fn the_hash_of_an_access_token_is_that_of_the_standards_example() {
    // RFC 9449, section 7.1: figures 12 and 13.
    let access = Secret::from("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    assert_eq!(
        access_token_hash(&access),
        "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
    );
}

#[test]
fn a_proof_says_all_that_it_has_to_and_is_signed_by_its_key() {
    let origin = origin("https://api.example.com");
    let told = Told {
        nonce: Some("eyJ7S_zG.eyJH0-Z.HX4w-7v".into()),
        ahead: 0,
    };
    let target = Target {
        told: Some(&told),
        ..target(&origin, &Method::GET, "/orders/1")
    };
    let claims = proven(&target, Some("hash"));
    assert_eq!(claims["htm"], "GET");
    assert_eq!(claims["htu"], "https://api.example.com/orders/1");
    assert_eq!(claims["iat"], 1_800_000_000);
    assert_eq!(claims["ath"], "hash");
    assert_eq!(claims["nonce"], "eyJ7S_zG.eyJH0-Z.HX4w-7v");
    assert_eq!(claims.len(), 6, "{claims:?}");
}

#[test]
fn what_was_not_asked_for_is_left_out() {
    let origin = origin("https://id.example.com");
    let claims = proven(&target(&origin, &Method::POST, "/token"), None);
    assert!(!claims.contains_key("ath") && !claims.contains_key("nonce"));
}

#[test]
fn the_header_holds_the_public_key_and_nothing_of_the_private_one() {
    let key = DpopKey::generate().expect("a key");
    let (header, point) = key.header().split_at(key.header().len() - 1);
    assert_eq!(point, ".");
    let header = URL_SAFE_NO_PAD.decode(header).expect("base64");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    let jwk = header["jwk"].as_object().expect("a key");
    let members: Vec<_> = jwk.keys().map(String::as_str).collect();
    assert_eq!(members, ["crv", "kty", "x", "y"]);
}

#[test]
fn no_two_proofs_have_the_same_number() {
    let origin = origin("https://api.example.com");
    let target = target(&origin, &Method::GET, "/");
    let numbers = (0..500).map(|_| {
        let number = proven(&target, None)["jti"]
            .as_str()
            .expect("text")
            .to_owned();
        let bits = 8 * URL_SAFE_NO_PAD.decode(&number).expect("base64").len();
        assert!(bits >= 96, "section 4.2");
        number
    });
    assert_eq!(numbers.collect::<HashSet<_>>().len(), 500);
}

#[test]
fn an_address_is_spelled_as_servers_compare_it() {
    for (declared, path, expected) in [
        (
            "https://API.Example.com:443",
            "/A%2fb",
            "https://api.example.com/A%2fb",
        ),
        (
            "https://api.example.com:8443",
            "",
            "https://api.example.com:8443/",
        ),
        ("http://[::1]:80", "/", "http://[::1]/"),
        ("https://api.example.com", "*", "https://api.example.com"),
    ] {
        let origin = origin(declared);
        assert_eq!(address(&target(&origin, &Method::GET, path)), expected);
    }
}

#[test]
fn a_proof_goes_by_the_servers_clock_where_that_is_known() {
    let origin = origin("https://api.example.com");
    for (ahead, expected) in [(-600, 1_799_999_400), (600, 1_800_000_600), (i64::MIN, 0)] {
        let told = Told { nonce: None, ahead };
        let target = Target {
            told: Some(&told),
            ..target(&origin, &Method::GET, "/")
        };
        assert_eq!(issued_at(&target), expected);
    }
}
