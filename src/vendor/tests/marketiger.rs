use super::*;

fn play(canned: &Canned) -> Outcome {
    exchange(
        &Marketiger3D::new(),
        Some(Token::from_pair(OLD_ACCESS, "canary")),
        canned,
    )
}

#[test]
fn a_refresh_hands_back_both_tokens() {
    let uri = "https://devapi.marketiger3d.com/v2/Auth/RefreshToken";
    let (_, body) = sent(&Marketiger3D::new(), uri, JSON);
    assert_eq!(
        body,
        r#"{"accessToken":"old/access","refreshToken":"old--refresh+/="}"#
    );
}

#[test]
fn without_the_old_access_token_nothing_is_sent_and_the_error_says_what_to_do() {
    let seed = Some(Token::from_refresh_token("canary"));
    let outcome = exchange(&Marketiger3D::new(), seed, &Canned::new(200, "{}"));
    assert!(outcome.request.is_none());
    let error = outcome.error();
    assert_eq!(error.kind(), FailureKind::Refused);
    assert!(error.to_string().contains("`Token::from_pair`"), "{error}");
}

#[test]
fn an_unsuccessful_success_is_told_by_its_type() {
    let refused = r#"{"success":false,"error":{"type":"AUTHENTICATION","message":"canary"}}"#;
    assert_eq!(
        play(&Canned::new(200, refused)).error().kind(),
        FailureKind::Refused
    );
    for other in [
        r#"{"success":false}"#,
        r#"{"success":false,"data":null,"error":null}"#,
        r#"{"success":false,"error":"AUTHENTICATION"}"#,
        r#"{"success":false,"error":{"type":"CANARY"}}"#,
        r#"{"success":false,"error":{"type":"authentication"}}"#,
        r#"{"success":false,"error":{"type":"authentication: canary"}}"#,
    ] {
        let error = play(&Canned::new(200, other)).error();
        assert_eq!(error.kind(), FailureKind::Misconfigured, "{other}");
        let error = play(&Canned::new(200, other).broken_off()).error();
        assert_eq!(error.kind(), FailureKind::UnknownOutcome, "{other}");
    }
}

#[test]
fn tokens_in_an_envelope_that_announces_none_are_saved_and_not_trusted() {
    let data = r#""data":{"accessToken":"A","refreshToken":"R"}"#;
    for envelope in [
        "",
        r#""success":false,"#,
        r#""success":"true","#,
        r#""success":null,"#,
    ] {
        let error = play(&Canned::new(200, format!("{{{envelope}{data}}}"))).error();
        assert_eq!(error.kind(), FailureKind::UnknownOutcome, "{envelope}");
        assert_eq!(saved(&error), (Some("A"), Some("R")), "{envelope}");
    }
}

#[test]
fn a_refresh_token_beside_a_refusal_is_saved() {
    let refused =
        r#"{"success":false,"error":{"type":"AUTHENTICATION"},"data":{"refreshToken":"R"}}"#;
    let error = play(&Canned::new(200, refused)).error();
    assert_eq!(error.kind(), FailureKind::UnknownOutcome);
    assert_eq!(saved(&error), (None, Some("R")));
}

#[test]
fn the_profile_counts_on_twelve_hours() {
    let profile = Marketiger3D::default().profile();
    assert_origins(&profile, &["https://devapi.marketiger3d.com:443"]);
    assert_eq!(profile.rotation, Rotation::Must);
    assert_eq!(profile.refresh_lifetime, Some(Duration::from_secs(43_200)));
    assert_eq!(profile.lifetime, None);
    assert!(profile.refusal.has_status(StatusCode::UNAUTHORIZED));
    let other = Marketiger3D::new()
        .base_url("http://127.0.0.1:1/v2")
        .profile();
    assert_origins(&other, &["http://127.0.0.1:1"]);
    assert_ne!(profile.session(), other.session());
}
