use std::time::Duration;

use http::Uri;

use super::{json::Json, request::*, *};
use crate::{provider::FailureKind, token::Secret};

const WANTED: [&str; 5] = ["access", "refresh", "ttl", "ok", "data.inner"];

fn read(body: &str) -> Json {
    Json::read(body.as_bytes(), &WANTED)
}

fn ttl(literal: &str) -> Option<Duration> {
    read(&format!(r#"{{"ttl":{literal},"ok":true}}"#)).lifetime("ttl")
}

#[test]
fn a_truncated_object_yields_every_text_whose_quote_had_arrived() {
    let whole = r#"{"access":"A\u0041","x":[1,{"refresh":"no"}],"data":{"y":null,"inner":"I"},"refresh":"R"}"#;
    let ends = [
        ("access", r#""A\u0041""#),
        ("data.inner", r#""I""#),
        ("refresh", r#""R""#),
    ];
    for cut in 0..whole.len() {
        let json = read(&whole[..cut]);
        for (name, literal) in ends {
            let end = whole.find(literal).expect("it is there") + literal.len();
            assert_eq!(json.text(name).is_some(), cut >= end, "{name} at {cut}");
        }
        assert!(json.fault().is_some(), "{cut}");
    }
    let json = read(whole);
    assert_eq!(json.fault(), None);
    assert_eq!(json.text("access"), Some("AA"));
}

#[test]
fn a_value_of_the_wrong_type_hides_no_other() {
    for wrong in [
        "1",
        "-1.5",
        "true",
        "null",
        "[]",
        r#"{"refresh":"no"}"#,
        r#"[["deep"]]"#,
    ] {
        let json = read(&format!(r#"{{"access":{wrong},"refresh":"R"}}"#));
        assert_eq!(json.fault(), None, "{wrong}");
        assert_eq!(json.text("access"), None, "{wrong}");
        assert_eq!(json.text("refresh"), Some("R"), "{wrong}");
        assert_eq!(json.is_no_text("access"), wrong != "null", "{wrong}");
    }
    let json = read(r#"{"data":"no object","refresh":"R"}"#);
    assert_eq!(
        (json.text("data.inner"), json.text("refresh")),
        (None, Some("R"))
    );
}

#[test]
fn a_member_is_wanted_where_it_belongs_and_nowhere_else() {
    let json =
        read(r#"{"inner":"1","data":{"access":"2","data":{"inner":"3"}},"x":{"refresh":"4"}}"#);
    for name in WANTED {
        assert_eq!(json.text(name), None, "{name}");
    }
}

#[test]
fn a_value_that_cannot_be_decoded_hides_no_other() {
    let cases: [&[u8]; 3] = [
        br#"{"access":"\ud800","refresh":"R"}"#,
        br#"{"access":1e999,"refresh":"R"}"#,
        b"{\"access\":\"\xFF\",\"refresh\":\"R\"}",
    ];
    for body in cases {
        let json = Json::read(body, &WANTED);
        assert_eq!(json.text("refresh"), Some("R"), "{body:?}");
        assert!(json.is_no_text("access"), "{body:?}");
    }
}

#[test]
fn what_is_no_object_is_told_apart() {
    let cases = [
        ("", "the reply is empty"),
        (" \r\n", "the reply is empty"),
        ("{", "the reply's JSON ends too early"),
        ("<html>", "the reply is not JSON"),
        ("{} {}", "the reply is not JSON"),
        ("{\"access\": nope}", "the reply is not JSON"),
        ("[]", "the reply is not a JSON object"),
        ("\"text\"", "the reply is not a JSON object"),
        ("null", "the reply is not a JSON object"),
    ];
    for (body, words) in cases {
        assert_eq!(
            read(body).fault().map(|fault| fault.words()),
            Some(words),
            "{body}"
        );
    }
    assert_eq!(read("\u{feff}{\"access\":\"A\"}").text("access"), Some("A"));
}

#[test]
fn nesting_of_any_depth_is_stepped_over() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for name in ["x", "access", "data"] {
        let json = read(&format!(r#"{{"{name}":{deep},"refresh":"R"}}"#));
        assert_eq!(json.text("refresh"), Some("R"), "{name}");
    }
    assert!(read(&"[".repeat(100_000)).fault().is_some());
}

#[test]
fn of_a_member_that_is_there_twice_the_last_readable_value_counts() {
    let json = read(r#"{"refresh":"1","refresh":"2","refresh":null,"refresh":[]}"#);
    assert_eq!(json.text("refresh"), Some("2"));
}

#[test]
fn a_lifetime_is_any_positive_number() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for good in [
        "1799",
        "1799.0",
        "1.799e3",
        r#""1799""#,
        r#"" 1799 ""#,
        r#""1799.0""#,
    ] {
        assert_eq!(ttl(good), seconds(1799), "{good}");
    }
    assert_eq!(ttl("0.5"), Some(Duration::from_millis(500)));
    for unknown in [
        "0",
        "-1",
        "-0.0",
        "1e-300",
        "1e999",
        "null",
        "true",
        "[1799]",
        "{}",
        r#""""#,
        r#""soon""#,
        r#""inf""#,
        r#""NaN""#,
        r#""infinity""#,
        r#""0""#,
        r#""-5""#,
        r#""1799s""#,
        r#""e""#,
    ] {
        assert_eq!(ttl(unknown), None, "{unknown}");
    }
    for huge in [
        "18446744073709551615",
        "1e300",
        r#""1e999""#,
        r#""99999999999999999999""#,
    ] {
        assert!(ttl(huge) > seconds(10 * 366 * 86_400), "{huge}");
    }
}

#[test]
fn a_number_that_may_go_on_is_none() {
    assert_eq!(read(r#"{"ttl":17"#).lifetime("ttl"), None);
    for closed in [
        r#"{"ttl":17,"#,
        r#"{"ttl":17,"acc"#,
        r#"{"ttl":17 "#,
        r#"{"ttl":17,"x":12"#,
    ] {
        assert!(read(closed).lifetime("ttl").is_some(), "{closed}");
    }
}

#[test]
fn forms_and_objects_are_encoded_in_one_buffer() {
    let uri = Uri::from_static("https://id.example/token");
    let pairs = [("grant_type", "refresh_token"), ("t", "a--b+/=&é \"\\\n")];
    let form = post_form(uri.clone(), &pairs).expect("a request");
    assert_eq!(
        form.body(),
        "grant_type=refresh_token&t=a--b%2B%2F%3D%26%C3%A9+%22%5C%0A"
    );
    let json = post_json(uri, &pairs).expect("a request");
    assert_eq!(
        json.body(),
        r#"{"grant_type":"refresh_token","t":"a--b+/=&é \"\\\n"}"#
    );
}

#[test]
fn no_parameter_is_sent_twice() {
    let uri = Uri::from_static("https://id.example/token");
    let error = post_form(uri, &[("a", "1"), ("b", "2"), ("a", "3")]).expect_err("twice");
    assert_eq!(error.kind(), FailureKind::Misconfigured);
}

#[test]
fn basic_credentials_are_form_encoded_before_they_are_joined() {
    let value = basic("client id", &Secret::from("s%+&:é")).expect("a header");
    // base64 of `client+id:s%25%2B%26%3A%C3%A9`
    assert_eq!(value, "Basic Y2xpZW50K2lkOnMlMjUlMkIlMjYlM0ElQzMlQTk=");
    assert!(value.is_sensitive());
}

#[test]
fn an_endpoint_is_a_url_with_a_host_and_no_password() {
    for good in [
        "https://id.example/token?p=1",
        "http://127.0.0.1:1/t",
        "https://[::1]",
    ] {
        assert!(Endpoint::whole(good).uri("").is_ok(), "{good}");
    }
    for bad in [
        "",
        "id.example",
        "/token",
        "ftp://id.example",
        "https://",
        "https://:80/",
        "https://canary:canary@id.example",
        "https://id.example/#canary",
    ] {
        let endpoint = Endpoint::whole(bad);
        let error = endpoint.uri("").expect_err(bad);
        assert_eq!(error.kind(), FailureKind::Misconfigured, "{bad}");
        assert!(
            !format!("{error}{endpoint:?}{}", endpoint.url()).contains("canary"),
            "{bad}"
        );
    }
    let base = Endpoint::base("https://api.example/v2/");
    assert_eq!(
        base.uri("/token").expect("a URL"),
        "https://api.example/v2/token"
    );
    assert!(
        Endpoint::base("https://api.example/?q")
            .uri("/token")
            .is_err()
    );
}
