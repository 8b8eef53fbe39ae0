use super::*;

fn dressipi() -> Dressipi {
    Dressipi::new("https://shop.example/api/", "client id")
}

const ENDPOINT: &str = "https://shop.example/api/oauth/token";

#[test]
fn a_refresh_names_the_constant_redirect() {
    let (headers, body) = sent(&dressipi(), ENDPOINT, FORM);
    assert_eq!(
        body,
        "grant_type=refresh_token&refresh_token=old--refresh%2B%2F%3D&client_id=client+id\
         &redirect_uri=urn%3Aietf%3Awg%3Aoauth%3A2.0%3Aoob%3Aauto"
    );
    assert!(!headers.contains_key("x-api-key"));
    assert!(!headers.contains_key("x-dressipi-jwt"));
}

#[test]
fn the_key_and_the_old_token_are_sent_where_asked_for() {
    let (headers, _) = sent(&dressipi().api_key("key").send_old_token(), ENDPOINT, FORM);
    assert_eq!(headers["x-api-key"], "key");
    assert_eq!(headers["x-dressipi-jwt"], "old/access");
    assert!(headers["x-api-key"].is_sensitive() && headers["x-dressipi-jwt"].is_sensitive());

    let seed = Some(Token::from_refresh_token("r"));
    let request = exchange(&dressipi().send_old_token(), seed, &Canned::new(200, "{}")).request();
    assert!(!request.headers().contains_key("x-dressipi-jwt"));
}

#[test]
fn a_key_that_is_no_header_value_sends_nothing() {
    let last = Some(Token::from_refresh_token("r"));
    let outcome = exchange(
        &dressipi().api_key("canary\n"),
        last,
        &Canned::new(200, "{}"),
    );
    assert!(outcome.request.is_none());
    assert_eq!(outcome.error().kind(), FailureKind::Misconfigured);
}

#[test]
fn the_profile_waits_for_no_refusal() {
    let profile = dressipi().api_key("key").profile();
    assert!(profile.refusal.is_never());
    assert_eq!(profile.rotation, Rotation::May);
    assert_eq!(profile.lifetime, Some(Duration::from_secs(86_400)));
    assert_origins(&profile, &["https://shop.example:443"]);
    assert_headers(&profile, &["x-api-key: key", "x-dressipi-jwt: t"]);
    let session = profile.session();
    assert_eq!(session.parts().client, "client id");
    assert_eq!(session.parts().base_url, "https://shop.example/api");
}
