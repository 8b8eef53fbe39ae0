use http::{HeaderValue, StatusCode, Version};

use super::*;

fn response(status: u16, headers: &[(&'static str, &'static [u8])]) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value).unwrap();
        response.headers_mut().append(*name, value);
    }
    response
}

fn challenged(challenges: &[&'static str]) -> bool {
    let headers = challenges
        .iter()
        .map(|challenge| ("www-authenticate", challenge.as_bytes()));
    let headers: Vec<_> = headers.collect();
    refuses(&response(401, &headers), &Refusal::default())
}

fn grpc(status: u16, headers: &[(&'static str, &'static [u8])], refusal: &Refusal) -> bool {
    let mut response = response(status, headers);
    *response.version_mut() = Version::HTTP_2;
    refuses(&response, refusal)
}

#[test]
fn a_401_is_a_refusal_whatever_it_says_of_the_token() {
    assert!(challenged(&[]), "no challenge");
    assert!(challenged(&["Bearer"]), "no error");
    assert!(challenged(&[r#"Bearer realm="api""#]));
    assert!(challenged(&[r#"Bearer error="invalid_token""#]));
    assert!(challenged(&[r#"Bearer error="a_vendors_own""#]));
    assert!(challenged(&[r#"Basic realm="x""#]), "another scheme");
}

#[test]
fn a_401_that_asks_for_more_scope_is_no_refusal_of_the_token() {
    for challenges in [
        &[r#"Bearer error="insufficient_scope""#][..],
        &[r#"bEARER realm="a, b", ERROR=insufficient_scope, scope="x y""#],
        &[r#"Bearer error="insufficient\_scope""#],
        &[r#"Basic realm="x", Bearer error="insufficient_scope", Digest nonce="n""#],
        &[r#"Basic realm="x""#, r#"Bearer error="insufficient_scope""#],
        &[r#"DPoP error="insufficient_scope", algs="ES256""#],
        &[
            r#"DPoP error="insufficient_scope""#,
            r#"Bearer error="insufficient_scope""#,
        ],
    ] {
        assert!(!challenged(challenges), "{challenges:?}");
    }
}

#[test]
fn a_challenge_for_another_scheme_or_inside_a_text_does_not_speak_for_ours() {
    assert!(challenged(&[r#"Digest error="insufficient_scope""#]));
    assert!(challenged(&[
        r#"Bearer realm="Bearer error=\"insufficient_scope\"""#
    ]));
    assert!(challenged(&[
        r#"Bearer error_description="insufficient_scope""#
    ]));
}

#[test]
fn of_several_challenges_one_that_refuses_the_token_is_enough() {
    let scope = r#"Bearer realm="a", error="insufficient_scope""#;
    let token = r#"Bearer realm="b", error="invalid_token""#;
    assert!(challenged(&[scope, token]));
    assert!(challenged(&[token, scope]));
    assert!(challenged(&[scope, "Bearer"]));
    let both = r#"Bearer error="insufficient_scope", Bearer error="invalid_token""#;
    assert!(challenged(&[both]));
    let both = r#"DPoP error="invalid_token", Bearer error="insufficient_scope""#;
    assert!(challenged(&[both]));
    let twice = r#"Bearer error="insufficient_scope", error="invalid_token""#;
    assert!(challenged(&[twice]));
}

#[test]
fn a_challenge_that_cannot_be_read_is_a_refusal() {
    let scope = r#"Bearer error="insufficient_scope""#;
    for bad in [
        "",
        "=",
        "Bearer error=\"insufficient_scope",
        "Bearer a b c",
        "Negotiate YQ==",
    ] {
        assert!(challenged(&[bad]), "{bad}");
    }
    assert!(challenged(&[scope, "Negotiate YQ=="]));
    let headers: &[(_, &[u8])] = &[
        ("www-authenticate", scope.as_bytes()),
        ("www-authenticate", b"Bearer realm=\"\xff\""),
    ];
    assert!(refuses(&response(401, headers), &Refusal::default()));
}

#[test]
fn the_profile_says_which_statuses_refuse_and_a_challenge_may_deny_it() {
    let refusal = Refusal::statuses([403, 419, 400].map(|s| StatusCode::from_u16(s).unwrap()));
    for status in [403, 419, 400] {
        assert!(refuses(&response(status, &[]), &refusal), "{status}");
    }
    assert!(!refuses(&response(401, &[]), &refusal));
    let scope: (_, &[u8]) = ("www-authenticate", br#"Bearer error="insufficient_scope""#);
    assert!(
        !refuses(&response(403, &[scope]), &refusal),
        "RFC 6750's own form"
    );
}

#[test]
fn grpc_refuses_by_its_own_status_and_then_http_has_no_say() {
    let refusal = Refusal::default();
    for content in [
        &b"application/grpc"[..],
        b"application/grpc+proto",
        b"Application/gRPC; a=b",
    ] {
        let content: (_, &'static [u8]) = ("content-type", content);
        assert!(grpc(200, &[content, ("grpc-status", b"16")], &refusal));
        for other in [&b"0"[..], b"7", b"14", b"160", b"1"] {
            let other: (_, &'static [u8]) = ("grpc-status", other);
            assert!(!grpc(200, &[content, other], &refusal), "{other:?}");
            assert!(!grpc(401, &[content, other], &refusal), "{other:?}");
        }
    }
}

#[test]
fn grpc_without_a_status_in_its_headers_is_judged_by_that_of_http() {
    let refusal = Refusal::default();
    let content: (_, &[u8]) = ("content-type", b"application/grpc");
    let html: (_, &[u8]) = ("content-type", b"text/html");
    assert!(!grpc(200, &[content], &refusal), "committed");
    assert!(grpc(401, &[content], &refusal), "a gateway that knows gRPC");
    assert!(grpc(401, &[html], &refusal), "a gateway that does not");
    for other in [
        &b"text/html"[..],
        b"application/grpc-web",
        b"application/grpcs",
    ] {
        let other: (_, &'static [u8]) = ("content-type", other);
        assert!(!grpc(200, &[other, ("grpc-status", b"16")], &refusal));
    }
    assert!(!grpc(200, &[("grpc-status", b"16")], &refusal));
}

#[test]
fn where_nothing_is_a_refusal_grpc_is_none_either_and_http_1_carries_no_grpc() {
    let headers: &[(_, &[u8])] = &[
        ("content-type", b"application/grpc"),
        ("grpc-status", b"16"),
    ];
    assert!(!grpc(200, headers, &Refusal::never()));
    assert!(!refuses(&response(200, headers), &Refusal::default()));
}

#[test]
fn what_a_profile_finds_and_what_is_marked_refuses_in_grpc_too() {
    let headers: &[(_, &[u8])] = &[
        ("content-type", b"application/grpc"),
        ("grpc-status", b"7"),
        ("x-reason", b"expired"),
    ];
    assert!(!grpc(200, headers, &Refusal::default()));
    let told = Refusal::default().or_when(|_, headers| headers.contains_key("x-reason"));
    assert!(grpc(200, headers, &told));
    let mut marked = response(200, headers);
    *marked.version_mut() = Version::HTTP_2;
    marked.extensions_mut().insert(Refused);
    assert!(refuses(&marked, &Refusal::default()));
    assert!(!refuses(&marked, &Refusal::never()));
}

#[test]
fn a_profile_may_find_refusals_in_several_ways() {
    let refusal = Refusal::default()
        .or_when(|status, _| status == 419)
        .or_when(|_, headers| headers.contains_key("x-expired"));
    assert!(refuses(&response(401, &[]), &refusal));
    assert!(refuses(&response(419, &[]), &refusal));
    assert!(refuses(&response(200, &[("x-expired", b"1")]), &refusal));
    assert!(!refuses(&response(403, &[]), &refusal));
}

#[test]
fn without_a_status_that_refuses_marks_and_grpc_still_do() {
    let none = Refusal::statuses([]);
    assert!(!refuses(&response(401, &[]), &none));
    let mut marked = response(200, &[]);
    marked.extensions_mut().insert(Refused);
    assert!(refuses(&marked, &none));
    let headers: &[(_, &[u8])] = &[
        ("content-type", b"application/grpc"),
        ("grpc-status", b"16"),
    ];
    assert!(grpc(200, headers, &none));
    assert!(!none.is_never());
}

fn fault(challenges: &[&'static str]) -> Option<ProofFault> {
    let headers = challenges
        .iter()
        .map(|challenge| ("www-authenticate", challenge.as_bytes()));
    let headers: Vec<_> = headers.collect();
    of_proof(&response(401, &headers))
}

#[test]
fn a_challenge_of_the_proof_is_found_beside_those_of_other_schemes() {
    for challenges in [
        &[r#"DPoP error="use_dpop_nonce", error_description="x""#][..],
        &[r#"dpop realm="a, b", ERROR=use_dpop_nonce"#],
        &[r#"Bearer error="invalid_token", DPoP algs="ES256 PS256", error="use_dpop_nonce""#],
        &[r#"DPoP error="use_dpop_nonce", Bearer"#],
        &[
            r#"Bearer realm="x""#,
            r#"DPoP error="use_dpop_nonce", unknown=1"#,
        ],
        &[r#"DPoP error="invalid_dpop_proof", DPoP error="use_dpop_nonce""#],
    ] {
        assert_eq!(fault(challenges), Some(ProofFault::Nonce), "{challenges:?}");
    }
    let invalid = [r#"Bearer, DPoP error="invalid_dpop_proof", algs="ES256""#];
    assert_eq!(fault(&invalid), Some(ProofFault::Invalid));
}

#[test]
fn nothing_else_is_a_challenge_of_the_proof() {
    for challenges in [
        &[][..],
        &["DPoP"],
        &[r#"DPoP error="invalid_token""#],
        &[r#"Bearer error="use_dpop_nonce""#],
        &[r#"Bearer error_description="DPoP error=\"use_dpop_nonce\"""#],
        &[r#"DPoP error="use_dpop_nonce", error="invalid_token""#],
        &[r#"DPoP errors="use_dpop_nonce""#],
        &["=,;"],
    ] {
        assert_eq!(fault(challenges), None, "{challenges:?}");
    }
    let header: (_, &[u8]) = ("www-authenticate", br#"DPoP error="use_dpop_nonce""#);
    assert_eq!(of_proof(&response(403, &[header])), None, "another status");
}
