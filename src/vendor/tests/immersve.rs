use super::*;

fn immersve() -> Immersve {
    Immersve::new("app \"1\"", "https://app.example")
}

fn code(status: u16, code: &str) -> Canned {
    Canned::new(
        status,
        format!(r#"{{"statusCode":{status},"errorCode":"{code}","reason":"canary"}}"#),
    )
}

fn error(canned: &Canned) -> ProviderError {
    exchange(&immersve(), Some(Token::from_refresh_token("r")), canned).error()
}

#[test]
fn a_refresh_is_json_with_the_origin_beside_it() {
    let (headers, body) = sent(&immersve(), "https://api.immersve.com/auth/token", JSON);
    assert_eq!(headers["origin"], "https://app.example");
    assert!(
        !headers.contains_key("x-account-id"),
        "that is for API calls"
    );
    assert_eq!(
        body,
        r#"{"refreshToken":"old--refresh+/=","clientApplicationId":"app \"1\""}"#
    );
    sent(
        &immersve().test_environment(),
        "https://test.immersve.com/auth/token",
        JSON,
    );
}

#[test]
fn only_an_expired_refresh_token_ends_the_session() {
    let expired = error(&code(403, "REFRESH_TOKEN_EXPIRED"));
    assert_eq!(expired.kind(), FailureKind::Refused);
    assert!(
        expired
            .to_string()
            .ends_with("(status 403, REFRESH_TOKEN_EXPIRED)"),
        "{expired}"
    );
    for wrong in ["CLIENT_APPLICATION_MISMATCH", "ORIGIN_NOT_ALLOWED"] {
        let error = error(&code(403, wrong));
        assert_eq!(error.kind(), FailureKind::Misconfigured);
        assert!(
            error.to_string().contains("`Immersve::new` (status 403, "),
            "{error}"
        );
        assert!(error.to_string().contains(wrong), "{error}");
    }
    for (status, other) in [
        (403, "FORBIDDEN"),
        (400, "INVALID_REQUEST_INPUT"),
        (403, "CANARY"),
    ] {
        assert_eq!(
            error(&code(status, other)).kind(),
            FailureKind::Misconfigured,
            "{other}"
        );
    }
}

#[test]
fn an_origin_or_an_account_that_is_no_header_value_sends_nothing() {
    let last = || Some(Token::from_refresh_token("r"));
    let settings = [
        Immersve::new("app", "https://app.example\n"),
        immersve().account_id("canary\r\nx: y"),
    ];
    for provider in settings {
        let outcome = exchange(&provider, last(), &Canned::new(200, "{}"));
        assert!(outcome.request.is_none());
        assert_eq!(outcome.error().kind(), FailureKind::Misconfigured);
    }
}

#[test]
fn the_profile_knows_both_environments() {
    let live = immersve().account_id("acc").profile();
    assert_origins(
        &live,
        &[
            "https://api.immersve.com:443",
            "https://api-sec.immersve.com:443",
        ],
    );
    let test = immersve().test_environment().profile();
    assert_origins(
        &test,
        &[
            "https://test.immersve.com:443",
            "https://test-sec.immersve.com:443",
        ],
    );
    let other = immersve().base_url("http://127.0.0.1:8080/x/").profile();
    assert_origins(&other, &["http://127.0.0.1:8080"]);
    let named = immersve()
        .base_url("https://x.example")
        .origins(["https://y.example"])
        .profile();
    assert_origins(&named, &["https://y.example:443"]);

    assert_headers(&live, &["authorization: Bearer t", "x-account-id: acc"]);
    assert_eq!(live.rotation, Rotation::Must);
    assert_eq!(live.lost_reply_rule(), LostReply::LastResort);
    assert!(live.refusal.has_status(StatusCode::UNAUTHORIZED));
    assert!(
        !live.refusal.has_status(StatusCode::FORBIDDEN),
        "a 403 is never expiry"
    );
    assert_eq!(live.refresh_lifetime, Some(Duration::from_secs(2_592_000)));
    let session = live.session();
    assert_eq!(
        (&*session.parts().account, &*session.parts().client),
        ("acc", "app \"1\"")
    );
    assert_ne!(session, test.session());
}
