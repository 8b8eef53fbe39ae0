//! Replies that no vendor should send.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use tower_reauth::test_util::{Fault, RetryAfter};

use crate::site::{ALL, Kind, MINUTE, ROTATING, SECOND, Site, Verdict, settle, soon};

use Verdict::{LoginRequired, Misconfigured, Throttled, UnknownOutcome};

/// A success of this vendor with these JSON values in it.
fn success(kind: Kind, access: &str, refresh: &str) -> String {
    match kind {
        Kind::Immersve => format!(r#"{{"accessToken":{access},"refreshToken":{refresh}}}"#),
        Kind::Marketiger => format!(
            r#"{{"success":true,"data":{{"accessToken":{access},"refreshToken":{refresh}}}}}"#
        ),
        _ => format!(
            r#"{{"access_token":{access},"token_type":"Bearer","expires_in":1799,"refresh_token":{refresh}}}"#
        ),
    }
}

/// Bodies of a 200 that is none. All of them hold a canary that nobody may see.
fn junk(kind: Kind) -> Vec<(&'static str, String)> {
    let deep =
        |open: &str, close: &str| open.repeat(100_000) + "\"canary\"" + &close.repeat(100_000);
    let whole = success(kind, "\"canary\"", "\"canary\"");
    vec![
        ("empty", String::new()),
        ("html", "<html><body>canary</body></html>".into()),
        ("text", "canary".into()),
        (
            "truncated",
            success(kind, "\"canary", "")
                .split(",\"")
                .next()
                .unwrap()
                .into(),
        ),
        ("an open brace", "{".into()),
        ("deep arrays", deep("[", "]")),
        ("deep objects", deep(r#"{"a":"#, "}")),
        ("a deep token", success(kind, &deep("[", "]"), "null")),
        ("an array", format!("[{whole}]")),
        ("a string", r#""canary""#.into()),
        ("null", "null".into()),
        ("an empty object", "{}".into()),
        ("a number for a token", success(kind, "1", "null")),
        (
            "an object for a token",
            success(kind, r#"{"canary":"canary"}"#, "null"),
        ),
        (
            "an array for a token",
            success(kind, r#"["canary"]"#, "null"),
        ),
        ("null for a token", success(kind, "null", "null")),
        ("an empty token", success(kind, r#""""#, "null")),
        (
            "a token that breaks a line",
            success(kind, r#""canary\r\nx-canary: 1""#, "null"),
        ),
        (
            "a token with a zero in it",
            success(kind, r#""canary\u0000""#, "null"),
        ),
        (
            "half a surrogate pair",
            success(kind, r#""canary\ud800""#, "null"),
        ),
        ("other members", r#"{"canary":"canary"}"#.into()),
    ]
}

fn reply(status: u16, body: impl Into<Bytes>) -> Fault {
    let json = HeaderValue::from_static("application/json");
    Fault::Reply {
        status,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, json)]),
        body: body.into(),
    }
}

/// The reply comes when the token is dead. Callers are told `verdict`; when the vendor has
/// recovered and the layer may ask again, all is as it was.
async fn is(kind: Kind, name: &str, fault: Fault, verdict: Verdict) {
    let site = Site::of(kind).await;
    if ROTATING.contains(&kind) {
        site.serves(1).await;
    }
    let before = site.counters().token_requests;
    site.expire();
    site.vendor.faults().next(fault);
    assert_eq!(site.all_fail().await, verdict, "{kind:?}: {name}");
    let status = site.handle().status();
    assert!(!status.is_login_required(), "{kind:?}: {name}");
    assert_eq!(
        site.counters().token_requests,
        before + 1,
        "{kind:?}: {name}"
    );
    site.clock.advance(15 * MINUTE);
    site.serves(4).await;
    assert_eq!(
        site.counters().token_requests,
        before + 2,
        "{kind:?}: {name}"
    );
    site.was_healthy();
}

async fn junk_is_an_unknown_outcome(kind: Kind) {
    for (name, body) in junk(kind) {
        is(kind, name, reply(200, body), UnknownOutcome).await;
    }
}

#[tokio::test]
async fn junk_from_immersve_is_an_unknown_outcome() {
    junk_is_an_unknown_outcome(Kind::Immersve).await;
}

#[tokio::test]
async fn junk_from_dressipi_is_an_unknown_outcome() {
    junk_is_an_unknown_outcome(Kind::Dressipi).await;
}

#[tokio::test]
async fn junk_from_marketiger_is_an_unknown_outcome() {
    junk_is_an_unknown_outcome(Kind::Marketiger).await;
}

#[tokio::test]
async fn junk_from_vmware_csp_is_an_unknown_outcome() {
    junk_is_an_unknown_outcome(Kind::VmwareCsp).await;
}

#[tokio::test]
async fn junk_from_an_oauth_server_is_an_unknown_outcome() {
    junk_is_an_unknown_outcome(Kind::OauthSession).await;
    junk_is_an_unknown_outcome(Kind::OauthClient).await;
}

#[tokio::test]
async fn a_success_that_says_it_is_none_is_a_refusal_only_where_the_vendor_documents_it() {
    let unexplained = r#"{"success":false,"error":{"type":"canary"}}"#;
    for kind in ALL {
        let verdict = match kind {
            Kind::Marketiger => Misconfigured,
            _ => UnknownOutcome,
        };
        is(kind, "success: false", reply(200, unexplained), verdict).await;
    }
    let refusal = r#"{"success":false,"error":{"type":"AUTHENTICATION","message":"canary"}}"#;
    let site = Site::of(Kind::Marketiger).await;
    site.expire();
    site.vendor.faults().next(reply(200, refusal));
    assert_eq!(site.all_fail().await, LoginRequired);
}

#[tokio::test]
async fn a_body_without_an_end_in_size_is_cut_off() {
    for kind in ALL {
        let large = Fault::OversizedBody(1024 * 1024 + 1);
        is(kind, "one byte too many", large, UnknownOutcome).await;
        is(
            kind,
            "as many as may be",
            Fault::OversizedBody(1024 * 1024),
            UnknownOutcome,
        )
        .await;
        is(kind, "endless", Fault::EndlessBody, UnknownOutcome).await;
    }
}

#[tokio::test]
async fn what_is_not_http_is_an_unknown_outcome() {
    for kind in ALL {
        for raw in [
            &b"canary\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: canary\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"canary\":",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ncanary\r\n",
            b"HTTP/1.1 200 OK\r\nx-canary: \0\r\n\r\n",
            b"HTTP/1.1 ",
            b"",
        ] {
            let name = String::from_utf8_lossy(raw);
            is(
                kind,
                &name,
                Fault::Raw(Bytes::from_static(raw)),
                UnknownOutcome,
            )
            .await;
        }
    }
}

#[tokio::test]
async fn statuses_without_a_meaning_of_their_own_have_that_of_http() {
    for kind in ALL {
        for status in [500, 502, 503, 504, 302, 204, 299] {
            is(
                kind,
                &status.to_string(),
                reply(status, "canary"),
                UnknownOutcome,
            )
            .await;
        }
        for status in [401, 402, 410, 418, 301, 308] {
            is(
                kind,
                &status.to_string(),
                reply(status, "canary"),
                Misconfigured,
            )
            .await;
        }
        for status in [408, 425] {
            is(
                kind,
                &status.to_string(),
                reply(status, "canary"),
                Verdict::Transient,
            )
            .await;
        }
        let throttle = Fault::Throttle(RetryAfter::Seconds(60));
        is(kind, "429", throttle, Throttled).await;
        for absurd in ["canary", "-1", "", "99999999999999999999999999"] {
            let headers = [("retry-after".parse().unwrap(), absurd.parse().unwrap())];
            let (status, headers) = (429, HeaderMap::from_iter(headers));
            let body = Bytes::from("canary");
            let fault = Fault::Reply {
                status,
                headers,
                body,
            };
            let site = Site::of(kind).await;
            site.expire();
            site.vendor.faults().next(fault);
            assert_eq!(site.all_fail().await, Throttled, "{kind:?}: {absurd:?}");
            site.clock.advance(60 * MINUTE);
            site.serves(4).await;
            site.was_healthy();
        }
    }
}

#[tokio::test]
async fn bytes_that_stop_coming_are_given_up_and_the_reply_counts_as_lost() {
    for kind in ALL {
        let site = Site::impatient(kind).await;
        site.expire();
        // Each byte waits for a clock that nobody moves.
        site.vendor.faults().next(Fault::SlowBody(SECOND));
        assert_eq!(site.all_fail().await, UnknownOutcome, "{kind:?}");
        site.was_careful();
        site.clock.advance(11 * SECOND);
        if ROTATING.contains(&kind) {
            // Processed it was, as the last resort finds out.
            assert_eq!(site.all_fail().await, LoginRequired, "{kind:?}");
            assert_eq!(site.counters().spent_twice, 1, "{kind:?}");
        } else {
            site.serves(4).await;
            site.was_healthy();
        }
    }
}

#[tokio::test]
async fn bytes_that_come_slowly_are_waited_for() {
    for kind in ALL {
        let site = Site::of(kind).await;
        site.expire();
        site.vendor.faults().next(Fault::SlowBody(SECOND / 1000));
        let done = async {
            site.serves(4).await;
            true
        };
        let hands = async {
            loop {
                site.clock.advance(SECOND / 1000);
                settle().await;
            }
        };
        let served = async {
            tokio::select! {
                served = done => served,
                () = hands => false,
            }
        };
        assert!(soon(served).await, "{kind:?}");
        site.was_healthy();
    }
}

#[tokio::test]
async fn a_bad_reply_hurts_nobody_whose_token_is_good() {
    for kind in ALL {
        for (name, body) in junk(kind).into_iter().step_by(3) {
            let site = Site::of(kind).await;
            site.serves(1).await;
            let before = site.counters().token_requests;
            site.age();
            site.vendor.faults().next(reply(200, body));
            site.serves(8).await;
            let failure = site.handle().status().failure.expect("a failed exchange");
            assert_eq!(Verdict::of(&failure), UnknownOutcome, "{kind:?}: {name}");
            site.shows_no_secret(&failure);
            assert_eq!(
                site.counters().token_requests,
                before + 1,
                "{kind:?}: {name}"
            );
            site.expire();
            site.serves(8).await;
            site.was_healthy();
        }
    }
}
