//! One table of adapters, and what bad replies do to each of them.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header::CONTENT_TYPE};

use super::{Dressipi, Immersve, Marketiger3D, VmwareCsp};
use crate::{
    Provider, Token,
    lane::Lane,
    oauth2::{
        OAuth2,
        harness::{CANARY, Canned, Outcome, exchange, saved, texts},
    },
    provider::{BoxProvider, FailureKind, LostReply, Profile, ProviderError, Rotation},
    token::Secret,
};

/// An adapter, and replies in its vendor's form.
struct Specimen {
    name: &'static str,
    provider: BoxProvider,
    /// A success with these JSON values as access and refresh token.
    success: fn(&str, &str) -> String,
    /// Whether the refresh token of a reply is one.
    takes_refresh: bool,
    refusals: Vec<Canned>,
}

mod dressipi;
mod immersve;
mod marketiger;
mod vmware_csp;

const ACCESS: &str = "canary-access";
const REFRESH: &str = "canary-refresh";
const OLD_ACCESS: &str = "canary-old-access";

fn specimens() -> [Specimen; 6] {
    [
        oauth_session(),
        oauth_client(),
        immersve(),
        dressipi(),
        marketiger(),
        vmware_csp(),
    ]
}

fn oauth_session() -> Specimen {
    let provider = OAuth2::refresh_token("https://id.example/token", "client");
    let refusal = r#"{"error":"invalid_grant","error_description":"canary"}"#;
    Specimen {
        name: "oauth2 refresh",
        provider: BoxProvider::new(provider),
        success: |access, refresh| {
            format!(
                r#"{{"refresh_token":{refresh},"token_type":"Bearer","access_token":{access},"expires_in":86400}}"#
            )
        },
        takes_refresh: true,
        refusals: vec![Canned::new(400, refusal)],
    }
}

fn oauth_client() -> Specimen {
    let provider = OAuth2::client_credentials("https://id.example/token", "client", "canary");
    Specimen {
        name: "oauth2 client",
        provider: BoxProvider::new(provider),
        takes_refresh: false,
        refusals: Vec::new(),
        ..oauth_session()
    }
}

fn dressipi() -> Specimen {
    let provider = Dressipi::new("https://shop.example/api", "client").api_key("canary");
    Specimen {
        name: "dressipi",
        provider: BoxProvider::new(provider),
        ..oauth_session()
    }
}

fn immersve() -> Specimen {
    let provider = Immersve::new("app", "https://app.example").account_id("canary");
    let refusal = r#"{"statusCode":403,"statusName":"Forbidden","errorCode":"REFRESH_TOKEN_EXPIRED","reason":"canary"}"#;
    Specimen {
        name: "immersve",
        provider: BoxProvider::new(provider),
        success: |access, refresh| {
            format!(r#"{{"accessToken":{access},"refreshToken":{refresh}}}"#)
        },
        takes_refresh: true,
        refusals: vec![Canned::new(403, refusal)],
    }
}

fn marketiger() -> Specimen {
    let refusal = r#"{"success":false,"error":{"type":"AUTHENTICATION","message":"canary"}}"#;
    Specimen {
        name: "marketiger3d",
        provider: BoxProvider::new(Marketiger3D::new()),
        success: |access, refresh| {
            format!(
                r#"{{"success":true,"data":{{"refreshToken":{refresh},"accessToken":{access}}}}}"#
            )
        },
        takes_refresh: true,
        refusals: [401, 400, 200]
            .map(|status| Canned::new(status, refusal))
            .into(),
    }
}

fn vmware_csp() -> Specimen {
    let provider = VmwareCsp::api_token("canary", ["https://vmc.vmware.com"]);
    Specimen {
        name: "vmware csp",
        provider: BoxProvider::new(provider),
        success: |access, refresh| {
            format!(
                r#"{{"id_token":"canary","token_type":"bearer","expires_in":1799,"scope":"s","access_token":{access},"refresh_token":{refresh}}}"#
            )
        },
        takes_refresh: false,
        refusals: vec![
            Canned::new(400, CSP_REFUSAL),
            Canned::new(404, CSP_REFUSAL),
            Canned::new(400, CSP_REFUSAL.replace("\"540\"", "540")),
        ],
    }
}

const CSP_REFUSAL: &str = r#"{"metadata":null,"traceId":"t","statusCode":400,"message":"invalid_grant: Invalid refresh token: xxxx...canary","requestId":"r","moduleCode":"540","cspErrorCode":"csp.x"}"#;

// === impl Specimen ===

impl Specimen {
    fn play(&self, canned: &Canned) -> Outcome {
        let last = Token::from_pair(OLD_ACCESS, "canary-old-refresh");
        exchange(&self.provider, Some(last), canned)
    }

    /// A success with both tokens as they should be.
    fn good(&self) -> String {
        self.with(&quoted(ACCESS), &quoted(REFRESH))
    }

    fn with(&self, access: &str, refresh: &str) -> String {
        (self.success)(access, refresh)
    }

    #[track_caller]
    fn fails(&self, canned: &Canned, kind: FailureKind) -> ProviderError {
        let error = self.play(canned).error();
        assert_eq!(
            error.kind(),
            kind,
            "{}: {error:?} from {canned:?}",
            self.name
        );
        error
    }

    /// Asserts that of the reply's tokens these were saved, and nothing else.
    #[track_caller]
    fn assert_saved(&self, error: &ProviderError, access: bool, refresh: bool) {
        let refresh = refresh && self.takes_refresh;
        let expected = (access.then_some(ACCESS), refresh.then_some(REFRESH));
        assert_eq!(saved(error), expected, "{}: {error:?}", self.name);
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[test]
fn a_good_reply_is_a_token() {
    for specimen in specimens() {
        let token = specimen.play(&Canned::new(200, specimen.good())).token();
        let refresh = specimen.takes_refresh.then_some(REFRESH);
        assert_eq!(texts(&token), (Some(ACCESS), refresh), "{}", specimen.name);
        assert!(token.asked_at().is_some(), "{}", specimen.name);
    }
}

#[test]
fn a_reply_cut_at_any_byte_loses_nothing_that_had_arrived() {
    for specimen in specimens() {
        let good = specimen.good();
        let end = |text| good.find(&quoted(text)).expect("it is there") + quoted(text).len();
        let (access, refresh) = (end(ACCESS), end(REFRESH));
        for cut in 0..good.len() {
            let canned = Canned::new(200, &good[..cut]);
            for canned in [canned.clone(), canned.broken_off()] {
                let error = specimen.fails(&canned, FailureKind::UnknownOutcome);
                specimen.assert_saved(&error, cut >= access, cut >= refresh);
            }
        }
        let whole = Canned::new(200, good).broken_off();
        let error = specimen.fails(&whole, FailureKind::UnknownOutcome);
        specimen.assert_saved(&error, true, true);
    }
}

#[test]
fn a_success_that_says_nothing_is_an_unknown_outcome() {
    let deep = format!("{{\"data\":{}", "{\"data\":".repeat(200_000));
    let bodies = [
        "",
        " ",
        "<html>canary</html>",
        "canary",
        "{}",
        "[]",
        "null",
        "7",
        "[{\"access_token\":\"canary\"}]",
        r#"{"error":"canary","errorCode":"canary"}"#,
        &deep,
        &"[".repeat(200_000),
        "\u{feff}",
    ];
    for specimen in specimens() {
        for body in bodies {
            let error = specimen.fails(&Canned::new(200, body), FailureKind::UnknownOutcome);
            specimen.assert_saved(&error, false, false);
            let said = error.vendor_said().is_some();
            assert_eq!(said, !body.is_empty(), "{body:.40}");
        }
        specimen.fails(&Canned::new(204, ""), FailureKind::UnknownOutcome);
        specimen.fails(
            &Canned::new(200, b"\xFF\xFE{}".as_slice()),
            FailureKind::UnknownOutcome,
        );
    }
}

#[test]
fn an_access_token_that_cannot_be_sent_is_never_used_and_the_refresh_token_is_saved() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let unusable = [
        r#""""#,
        "null",
        "7",
        "true",
        "[]",
        "{}",
        r#"["canary"]"#,
        &deep,
        r#""canary\r\nx-evil: 1""#,
        r#""canary\n""#,
        r#""canary\u0000""#,
        r#""canary\u007f""#,
        r#""\ud800canary""#,
        "1e999",
    ];
    for specimen in specimens() {
        for access in unusable {
            let body = specimen.with(access, &quoted(REFRESH));
            let error = specimen.fails(&Canned::new(200, body), FailureKind::UnknownOutcome);
            specimen.assert_saved(&error, false, true);
        }
    }
}

#[test]
fn a_refresh_token_that_cannot_be_read_is_no_missing_one() {
    for specimen in specimens().iter().filter(|specimen| specimen.takes_refresh) {
        for unreadable in ["7", "[]", "{}", "false", r#""\ud800""#] {
            let canned = Canned::new(200, specimen.with(&quoted(ACCESS), unreadable));
            let error = specimen.fails(&canned, FailureKind::UnknownOutcome);
            specimen.assert_saved(&error, true, false);
        }
        for missing in ["null", r#""""#] {
            let canned = Canned::new(200, specimen.with(&quoted(ACCESS), missing));
            let token = specimen.play(&canned).token();
            assert_eq!(texts(&token), (Some(ACCESS), None), "{}", specimen.name);
        }
    }
}

#[test]
fn a_reply_that_holds_live_tokens_is_not_kept_as_text() {
    for specimen in specimens() {
        let error = specimen
            .play(&Canned::new(200, specimen.good()).broken_off())
            .error();
        assert!(error.vendor_said().is_none(), "{}", specimen.name);
    }
}

#[test]
fn a_refusal_means_log_in_again() {
    for specimen in specimens() {
        for refusal in &specimen.refusals {
            let error = specimen.fails(refusal, FailureKind::Refused);
            let said = error.vendor_said().map(Secret::expose).unwrap_or_default();
            assert!(said.contains(CANARY), "it can be asked for");
        }
    }
}

#[test]
fn a_refusal_that_did_not_arrive_whole_is_none() {
    for specimen in specimens() {
        for refusal in &specimen.refusals {
            specimen.fails(&refusal.clone().broken_off(), FailureKind::UnknownOutcome);
            for cut in 0..refusal.body.len() {
                let mut cut_short = refusal.clone();
                cut_short.body.truncate(cut);
                let error = specimen.play(&cut_short).error();
                assert_ne!(
                    error.kind(),
                    FailureKind::Refused,
                    "{} at {cut}",
                    specimen.name
                );
                specimen.fails(&cut_short.broken_off(), FailureKind::UnknownOutcome);
            }
        }
    }
}

#[test]
fn a_refusal_with_another_status_is_no_verdict() {
    let others = [
        (500, FailureKind::UnknownOutcome),
        (502, FailureKind::UnknownOutcome),
        (503, FailureKind::UnknownOutcome),
        (408, FailureKind::Transient),
        (409, FailureKind::Transient),
        (425, FailureKind::Transient),
        (429, FailureKind::Throttled),
        (302, FailureKind::UnknownOutcome),
        (307, FailureKind::Misconfigured),
    ];
    for specimen in specimens() {
        for refusal in &specimen.refusals {
            for (status, kind) in others {
                let mut other = refusal.clone();
                other.status = status;
                let error = specimen.fails(&other, kind);
                assert_eq!(error.http_status().map(|it| it.as_u16()), Some(status));
            }
        }
    }
}

#[test]
fn a_4xx_that_nobody_documents_is_a_setting() {
    let bodies = [
        "",
        "<html>canary</html>",
        "[]",
        "[\"invalid_grant\"]",
        "null",
        "{}",
        r#"{"error":"canary"}"#,
        r#"{"errorCode":"canary"}"#,
        r#"{"error":{"type":"canary"}}"#,
        r#"{"error":["invalid_grant"]}"#,
        r#"{"errorCode":7,"error":7,"message":7}"#,
        r#"{"message":"canary invalid_grant: no"}"#,
        r#"{"message":" invalid_grant: canary"}"#,
        r#"{"message":"invalid_grant"}"#,
        r#"{"x":{"error":"invalid_grant","errorCode":"REFRESH_TOKEN_EXPIRED","message":"invalid_grant: "}}"#,
    ];
    for specimen in specimens() {
        for body in bodies {
            for status in [400, 401, 403, 404, 422] {
                specimen.fails(&Canned::new(status, body), FailureKind::Misconfigured);
            }
        }
    }
}

#[test]
fn a_pause_is_understood_in_both_forms() {
    let seconds = Canned::new(429, "canary").header("retry-after", "30");
    let date = Canned::new(429, "{}")
        .header("date", "Wed, 21 Oct 2026 07:28:00 GMT")
        .header("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT");
    for specimen in specimens() {
        for canned in [&seconds, &date] {
            let error = specimen.fails(canned, FailureKind::Throttled);
            assert_eq!(
                error.delay(),
                Some(Duration::from_secs(30)),
                "{}",
                specimen.name
            );
        }
        let error = specimen.fails(&Canned::new(429, ""), FailureKind::Throttled);
        assert_eq!(error.delay(), None, "{}", specimen.name);
    }
}

#[test]
fn no_adapter_shows_its_secrets() {
    for specimen in specimens() {
        let profile = specimen.provider.profile();
        let shown = format!("{profile:?} {profile:#?} {:?}", profile.session());
        assert!(!shown.contains(CANARY), "{shown}");
    }
    let shown = format!(
        "{:?} {:?} {:?} {:?}",
        VmwareCsp::api_token("canary", ["https://x.example"]).account("canary"),
        Dressipi::new("https://canary:canary@x.example", "client").api_key("canary"),
        OAuth2::client_credentials("https://id.example", "client", "canary").extra("x", "canary"),
        Immersve::new("app", "https://app.example").account_id("canary"),
    );
    assert!(!shown.contains(CANARY), "{shown}");
}

#[test]
fn a_bad_base_url_sends_nothing() {
    let bad = "https://canary:canary@api.example";
    let providers = [
        BoxProvider::new(Immersve::new("app", "https://app.example").base_url(bad)),
        BoxProvider::new(Dressipi::new(bad, "client")),
        BoxProvider::new(Marketiger3D::new().base_url(bad)),
        BoxProvider::new(VmwareCsp::api_token("t", ["https://x.example"]).base_url(bad)),
    ];
    for provider in providers {
        let last = Some(Token::from_pair("a", "r"));
        let outcome = exchange(&provider, last, &Canned::new(200, "{}"));
        assert!(outcome.request.is_none());
        assert_eq!(outcome.error().kind(), FailureKind::Misconfigured);
    }
}

#[test]
fn a_session_without_a_refresh_token_needs_a_login() {
    for specimen in specimens().iter().filter(|specimen| specimen.takes_refresh) {
        for last in [None, Some(Token::new("a"))] {
            let outcome = exchange(&specimen.provider, last, &Canned::new(200, "{}"));
            assert!(outcome.request.is_none(), "{}", specimen.name);
            assert_eq!(
                outcome.error().kind(),
                FailureKind::Refused,
                "{}",
                specimen.name
            );
        }
    }
}

/// Plays a good reply, and gives the headers and the body of the request after a look at the rest.
fn sent(provider: &impl Provider, uri: &str, content_type: &str) -> (HeaderMap, String) {
    let last = Token::from_pair("old/access", "old--refresh+/=");
    let outcome = exchange(provider, Some(last), &Canned::new(200, "{}"));
    let (head, body) = outcome.request().into_parts();
    assert_eq!(head.method, Method::POST);
    assert_eq!(head.uri, uri);
    assert_eq!(head.headers[CONTENT_TYPE], content_type);
    assert_eq!(head.headers["accept"], "application/json");
    assert!(!head.headers.contains_key("authorization"));
    (
        head.headers,
        String::from_utf8(body.to_vec()).expect("a text"),
    )
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// What the token `t` puts on a request, by name.
fn assert_headers(profile: &Profile, expected: &[&str]) {
    let headers = profile.placement.headers(&Secret::from("t"));
    let mut map = HeaderMap::new();
    headers.expect("headers").put(Lane::current(), &mut map);
    let value = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let shown = map
        .iter()
        .map(|(name, it)| format!("{name}: {}", value(it)));
    let mut shown: Vec<_> = shown.collect();
    shown.sort();
    assert_eq!(shown, expected);
}

/// Whether the profile's origins hold exactly these.
fn assert_origins(profile: &Profile, expected: &[&str]) {
    let origins = profile.origins.check().expect("origins");
    let shown: Vec<String> = origins.iter().map(|origin| format!("{origin:?}")).collect();
    assert_eq!(shown, expected);
}
