//! What stands in the headers of a response.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header};

use super::claims::{MARKER, beside, split_line};
use crate::{
    challenge,
    grpc::Patience,
    oauth2::harness::SENT_AT,
    peek::PeekLayer,
    provider::{Refusal, TokenReply},
};

/// Headers of this name, one for each line that can be one. A map of headers takes what memory it takes,
/// and servers may send a hundred.
fn headers(name: HeaderName, input: &[u8]) -> HeaderMap {
    beside(|| {
        let lines = input.split(|byte| *byte == b'\n');
        let values = lines.filter_map(|line| HeaderValue::from_bytes(line).ok());
        let mut headers = HeaderMap::new();
        for value in values.take(100) {
            headers.append(name.clone(), value);
        }
        headers
    })
}

/// Challenges in one header or several. Only one that says so lacks nothing but scope.
pub(super) fn challenge(input: &[u8]) {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    *response.headers_mut() = headers(header::WWW_AUTHENTICATE, input);
    let refused = challenge::refuses(&response, &Refusal::default());
    let text: String = String::from_utf8_lossy(input).replace('\\', "");
    assert!(refused || text.contains("insufficient_scope"));
    let forbidden = Refusal::statuses([StatusCode::FORBIDDEN]);
    assert!(!challenge::refuses(&response, &forbidden), "another status");
}

/// A line for `Date`, and one for `Retry-After`: seconds or a date.
pub(super) fn retry_after(input: &[u8]) {
    let (date, rest) = split_line(input);
    let mut response = Response::new(());
    let headers = response.headers_mut();
    if let Ok(date) = HeaderValue::from_str(date) {
        headers.insert(header::DATE, date);
    }
    let Ok(value) = HeaderValue::from_bytes(rest) else {
        return;
    };
    headers.insert(header::RETRY_AFTER, value.clone());
    let (head, ()) = response.into_parts();
    let body = zeroize::Zeroizing::default();
    let delay = TokenReply::new(head, body, true, (SENT_AT, SENT_AT)).retry_after();
    let text = value.to_str().unwrap_or_default().trim();
    if let Ok(seconds) = text.parse::<u64>() {
        let signed = text.starts_with('+');
        assert_eq!(
            delay,
            (!signed).then(|| Duration::from_secs(seconds)),
            "{text}"
        );
    } else if let Ok(at) = httpdate::parse_http_date(text) {
        let at_least = at.duration_since(SENT_AT.wall()).unwrap_or_default();
        let delay = delay.expect("a date is a delay");
        let unknown = httpdate::parse_http_date(date).is_err();
        assert!(!unknown || delay == at_least, "{text}: {delay:?}");
    } else {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        assert_eq!(delay.is_some(), digits, "{text}");
    }
}

/// The status and message of a gRPC call, and the deadline of one.
pub(super) fn grpc(input: &[u8]) {
    let (status, timeout) = split_line(input);
    let mut response = Response::new(());
    *response.version_mut() = Version::HTTP_2;
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    if let Ok(status) = HeaderValue::from_str(status) {
        headers.insert("grpc-status", status);
    }
    *response.headers_mut() = headers.clone();
    let refused = challenge::refuses(&response, &Refusal::default());
    assert!(!refused || status.trim() == "16", "{status:?}");
    if let Ok(timeout) = HeaderValue::from_bytes(timeout) {
        headers.insert("grpc-timeout", timeout);
        let patience = Patience::of(&headers, SENT_AT);
        let _ = patience.left(SENT_AT.after(Duration::from_secs(1)));
        if let Ok(()) = patience.pass_on(&mut headers, SENT_AT) {
            let again = Patience::of(&headers, SENT_AT);
            assert!(again.left(SENT_AT) <= patience.left(SENT_AT));
        }
    }
}

/// Whether a response's body is looked at, and what is said of it.
pub(super) fn content_type(input: &[u8]) {
    let peek = PeekLayer::new(|_| true);
    assert!(!format!("{peek:?}").contains(MARKER));
    let mut headers = headers(header::CONTENT_TYPE, input);
    let wanted = peek.wants(StatusCode::OK, &headers);
    let text = String::from_utf8_lossy(input).to_ascii_lowercase();
    assert!(!wanted || text.contains("json"), "{text}");
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert!(!peek.wants(StatusCode::OK, &headers), "compressed");
}
