use std::error::Error as StdError;

use http::{HeaderValue, Response};
use serde::Deserialize;

use super::*;
use crate::provider::FailureKind;

const CANARY: &str = "canary-4711";
/// 1994-11-06 08:49:37 UTC, the date that RFC 9110 uses.
const UNIX: Duration = Duration::from_secs(784_111_777);

/// A reply whose body and headers hold a canary, received at [`UNIX`].
fn reply(status: u16, body: &str) -> TokenReply {
    let response = Response::builder().status(status);
    let response = response.header("set-cookie", CANARY).body(());
    let (head, ()) = response.expect("a response").into_parts();
    let now = Moment::new(Duration::from_secs(9), UNIX);
    let body = Zeroizing::new(format!("{body}{CANARY}").into_bytes());
    TokenReply::new(head, body, true, (now, now))
}

fn with(mut reply: TokenReply, name: http::HeaderName, value: &str) -> TokenReply {
    let value = HeaderValue::from_str(value).expect("a header value");
    reply.headers.insert(name, value);
    reply
}

fn broken_off(mut reply: TokenReply) -> TokenReply {
    reply.complete = false;
    reply
}

/// The kind of `error`, checked to keep what the vendor said and to show nothing of it.
fn kind(error: &ProviderError) -> FailureKind {
    let said = error.vendor_said().expect("what the vendor said");
    assert!(said.expose().contains(CANARY));
    let mut next: Option<&dyn StdError> = Some(error);
    while let Some(shown) = next {
        let text = format!("{shown} {shown:?} {shown:#?}");
        assert!(!text.contains(CANARY), "{text}");
        next = shown.source();
    }
    error.kind()
}

// === success and failure ===

#[test]
fn a_complete_2xx_is_a_success() {
    for status in [200, 201, 204, 299] {
        assert!(reply(status, "").success().is_ok(), "{status}");
    }
}

#[test]
fn each_status_is_its_kind_of_failure() {
    use FailureKind::{Misconfigured, Throttled, Transient, UnknownOutcome};

    for (kinds, statuses) in [
        (Throttled, &[429][..]),
        (Transient, &[408, 409, 423, 425]),
        (Misconfigured, &[400, 401, 403, 404, 410, 422, 451, 499]),
        (Misconfigured, &[301, 307, 308]),
        (UnknownOutcome, &[500, 501, 502, 503, 504, 599]),
        (UnknownOutcome, &[101, 300, 302, 303, 304, 600, 999]),
    ] {
        for &status in statuses {
            let error = reply(status, "").success().expect_err("a failure");
            assert_eq!(kind(&error), kinds, "{status}");
            assert_eq!(error.http_status().expect("a status"), status);
        }
    }
}

#[test]
fn no_status_alone_says_refused_for_good() {
    for status in 100..=999 {
        let error = reply(status, "invalid_grant").failure();
        assert_ne!(kind(&error), FailureKind::Refused, "{status}");
    }
}

#[test]
fn a_reply_that_broke_off_proves_nothing_whatever_its_status() {
    for status in [200, 302, 400, 401, 408, 429, 500] {
        let error = broken_off(reply(status, "")).success();
        let error = error.expect_err("a failure");
        assert_eq!(kind(&error), FailureKind::UnknownOutcome, "{status}");
    }
}

#[test]
fn the_delay_that_a_vendor_asks_for_is_kept() {
    for status in [408, 429, 503] {
        let error = with(reply(status, ""), RETRY_AFTER, "7").failure();
        assert_eq!(error.delay(), Some(Duration::from_secs(7)), "{status}");
    }
    assert_eq!(reply(429, "").failure().delay(), None);
}

#[test]
fn a_reply_shows_sizes_only() {
    let shown = format!("{:#?}", reply(200, ""));
    assert!(shown.contains("200") && shown.contains("11"), "{shown}");
    assert!(!shown.contains(CANARY), "{shown}");
}

// === JSON ===

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[expect(dead_code, reason = "it is only parsed")]
    expires_in: u64,
}

#[test]
fn a_reply_that_cannot_be_read_shows_nothing_of_itself() {
    for body in [
        "",
        "<html>",
        "{\"expires_in\": 1} ",
        "{\"expires_in\": \"canary-4711\"} ",
        "{\"canary-4711\": 1} ",
        "{\"expires_in\": \"",
        "[1, ",
    ] {
        let error = reply(200, body).json::<Wanted>().expect_err(body);
        assert_eq!(kind(&error), FailureKind::UnknownOutcome, "{body}");
        assert_eq!(error.http_status(), Some(StatusCode::OK));
    }
}

#[test]
fn bytes_that_are_not_text_are_an_error_and_no_panic() {
    let mut reply = reply(200, "");
    reply.body = Zeroizing::new([b"\xff\xfe{\x80".as_slice(), CANARY.as_bytes()].concat());
    let error = reply.json::<Wanted>().expect_err("no JSON");
    assert_eq!(kind(&error), FailureKind::UnknownOutcome);
}

#[test]
fn a_whole_object_is_read() {
    let mut reply = reply(200, "");
    reply.body = Zeroizing::new(b" {\"expires_in\": 60}\r\n".to_vec());
    assert!(reply.json::<Wanted>().is_ok());
}

// === Retry-After ===

fn delay(retry_after: &str, date: Option<&str>) -> Option<u64> {
    let mut reply = with(reply(429, ""), RETRY_AFTER, retry_after);
    if let Some(date) = date {
        reply = with(reply, DATE, date);
    }
    reply.retry_after().map(|delay| delay.as_secs())
}

#[test]
fn seconds_are_read_however_many() {
    assert_eq!(delay("0", None), Some(0));
    assert_eq!(delay("120", None), Some(120));
    assert_eq!(delay(" 120 ", None), Some(120));
    assert_eq!(delay("18446744073709551615", None), Some(u64::MAX));
    assert_eq!(delay("99999999999999999999999", None), Some(u64::MAX));
}

#[test]
fn dates_are_read_in_all_three_spellings() {
    for date in [
        "Sun, 06 Nov 1994 08:50:37 GMT",
        "Sunday, 06-Nov-94 08:50:37 GMT",
        "Sun Nov  6 08:50:37 1994",
    ] {
        assert_eq!(delay(date, None), Some(60), "{date}");
    }
}

#[test]
fn a_date_is_judged_by_the_clock_that_made_it() {
    let until = "Sun, 06 Nov 1994 08:50:37 GMT";
    let vendor_is_ahead = "Sun, 06 Nov 1994 08:50:07 GMT";
    assert_eq!(delay(until, Some(vendor_is_ahead)), Some(30));
    assert_eq!(delay(until, Some("yesterday")), Some(60));
}

#[test]
fn a_date_in_the_past_is_no_delay() {
    assert_eq!(delay("Sun, 06 Nov 1994 08:49:36 GMT", None), Some(0));
    assert_eq!(delay("Thu, 01 Jan 1970 00:00:00 GMT", None), Some(0));
}

#[test]
fn what_cannot_be_read_asks_for_nothing() {
    for junk in [
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "0x10",
        "1e3",
        "soon",
        "60s",
        "1, 2",
        "06 Nov 1994",
        "Sun, 99 Nov 1994 08:50:37 GMT",
        "Sun, 06 Nov 1994 08:50:37 +0100",
    ] {
        assert_eq!(delay(junk, None), None, "{junk:?}");
    }
    assert_eq!(reply(429, "").retry_after(), None);
    let mut odd = reply(429, "");
    let bytes = HeaderValue::from_bytes(b"\xff").expect("opaque bytes");
    odd.headers.insert(RETRY_AFTER, bytes);
    assert_eq!(odd.retry_after(), None);
}
