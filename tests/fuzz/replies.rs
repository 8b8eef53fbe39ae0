//! What a token endpoint answers.

use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::claims::{beside, says_nothing, shows_nothing, split_line};
use crate::{
    Token,
    clock::Moment,
    oauth2::{
        OAuth2,
        harness::{Canned, SENT_AT, exchange, saved},
        wire::{Grant, Json, Names, decision, issued, oauth_failure, oauth_token},
    },
    provider::{FailureKind, TokenReply},
    token::expiry::{self, Age},
    vendor::{Dressipi, Immersve, Marketiger3D, VmwareCsp},
};

const NAMES: Names = Names {
    access: "access_token",
    refresh: Some("refresh_token"),
    lifetime: Some("expires_in"),
    refresh_lifetimes: &["refresh_expires_in", "data.refresh_expires_in"],
    token_type: Some("token_type"),
    scope: Some("scope"),
};

/// `200` or the like, and `cut` behind it where the body breaks off; then the body.
fn canned(input: &[u8]) -> Canned {
    let (head, body) = split_line(input);
    let (status, cut) = head.split_once(' ').unwrap_or((head, ""));
    let status = status
        .parse()
        .ok()
        .filter(|status| (200..=599).contains(status));
    let canned = Canned::new(status.unwrap_or(200), body);
    if cut.is_empty() {
        canned
    } else {
        canned.broken_off()
    }
}

fn reply(input: &[u8]) -> TokenReply {
    canned(input).reply()
}

/// The tokens of a success: what can be used is, and what cannot is saved.
pub(super) fn token(input: &[u8]) {
    let reply = reply(input);
    match issued(&reply, &NAMES) {
        Ok(token) => {
            shows_nothing(&token);
            assert!(reply.is_complete() && token.access_token().is_some());
            lives_within_reason(&token);
        }
        Err(error) => {
            says_nothing(&error);
            let kinds = [FailureKind::UnknownOutcome, FailureKind::Misconfigured];
            assert!(kinds.contains(&error.kind()), "{error}");
            if let (_, Some(refresh)) = saved(&error) {
                assert!(!refresh.is_empty());
            } else if let Some(refresh) = read_again(reply.body(), "refresh_token") {
                panic!("the refresh token {refresh:?} was lost");
            }
        }
    }
}

/// A text of a whole JSON object, as another reader finds it; none where it is there twice.
fn read_again(body: &[u8], name: &str) -> Option<String> {
    beside(|| {
        let value: Value = serde_json::from_slice(body).ok()?;
        let once = is_there_once(body, name);
        let text = value.get(name)?.as_str()?;
        (once && !text.is_empty()).then(|| text.to_owned())
    })
}

/// Whether no other spelling of `name`, and no second one, is in `body`.
fn is_there_once(body: &[u8], name: &str) -> bool {
    let text = String::from_utf8_lossy(body);
    text.matches(name).count() == 1 && !text.contains("\\u")
}

/// The times of a token, whatever was said of them.
fn lives_within_reason(token: &Token) {
    let longest = Duration::from_secs(10 * 366 * 86_400);
    let now = SENT_AT.after(Duration::from_secs(1));
    for age in [
        Age::Fresh {
            asked_at: SENT_AT,
            now,
        },
        Age::Seed { now },
    ] {
        for expiry in [
            expiry::access(token, age, None),
            expiry::refresh(token, age, None),
        ] {
            let ends = expiry.map_or(Moment::PAST, |expiry| expiry.at);
            assert!(ends.remaining(now) <= longest, "{expiry:?}");
            assert!(
                expiry.is_none_or(|expiry| expiry.lifetime <= longest),
                "{expiry:?}"
            );
        }
    }
}

/// An answer that is no success. Only a complete 4xx, or an error in a 200, is the end of a login,
/// and only by its code.
pub(super) fn error(input: &[u8]) {
    let reply = reply(input);
    let code = read_again(reply.body(), "error");
    for grant in [Grant::RefreshToken, Grant::ClientCredentials] {
        let errors = [
            Some(oauth_failure(&reply, grant)),
            oauth_token(&reply, &NAMES, grant).err(),
        ];
        for error in errors.into_iter().flatten() {
            says_nothing(&error);
            if error.kind() == FailureKind::Refused {
                assert!(
                    reply.is_complete() && grant == Grant::RefreshToken,
                    "{error}"
                );
                assert!(!reply.status().is_server_error(), "{error}");
                assert!(
                    code.as_deref().is_none_or(|code| code == "invalid_grant"),
                    "{error}"
                );
            }
        }
    }
    if let Some(json) = decision(&reply, &["error"]) {
        assert!(json.fault().is_none() && reply.status().is_client_error());
    }
    says_nothing(&reply.failure());
    if let Err(error) = reply.json::<Vec<u8>>() {
        says_nothing(&error);
    }
}

/// Each vendor's adapter, from its reply to its token. The test transport sees to it that no error
/// shows anything.
pub(super) fn adapter(input: &[u8]) {
    let Some((which, rest)) = input.split_first() else {
        return;
    };
    let canned = canned(rest);
    let last = Some(Token::from_pair("canary-access", "canary-refresh"));
    let outcome = match which % 6 {
        0 => exchange(&Immersve::new("id", "https://app.example"), last, &canned),
        1 => exchange(
            &Dressipi::new("https://shop.example/api", "id"),
            last,
            &canned,
        ),
        2 => exchange(&Marketiger3D::new(), last, &canned),
        3 => exchange(
            &VmwareCsp::api_token("canary", ["https://vmc.vmware.com"]),
            None,
            &canned,
        ),
        4 => exchange(
            &OAuth2::refresh_token("https://id.example/token", "id"),
            last,
            &canned,
        ),
        _ => {
            let credentials =
                OAuth2::client_credentials("https://id.example/token", "id", "canary");
            exchange(&credentials, None, &canned)
        }
    };
    match &outcome.result {
        Ok(token) => lives_within_reason(token),
        Err(error) => {
            let for_good = error.kind() == FailureKind::Refused;
            assert!(
                !for_good || canned.status < 500,
                "a 5xx is no verdict: {error}"
            );
        }
    }
}

/// A value where a lifetime belongs: a number of seconds, a text of one, or unknown.
pub(super) fn expires_in(input: &[u8]) {
    let body = [br#"{"expires_in":"#, input, b"}"].concat();
    let json = Json::read(&body, &["expires_in"]);
    let lifetime = json.lifetime("expires_in");
    assert!(lifetime.is_none_or(|lifetime| !lifetime.is_zero()));
    let mut token = Token::new("access");
    if let Some(lifetime) = lifetime {
        token = token.with_lifetime(lifetime);
    }
    lives_within_reason(&token);
    let Some(Value::Number(number)) = beside(|| serde_json::from_slice::<Value>(input).ok()) else {
        return;
    };
    let seconds = number.as_f64().unwrap_or_default();
    let stated = (seconds >= 1e-9).then(|| Duration::from_secs_f64(seconds.min(3_155_760_000.0)));
    assert_eq!(lifetime, stated, "{number}");
}

/// A token that may be a JWT: its times are those that a library for JWTs finds.
pub(super) fn jwt(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let token = Token::from_pair(text, text);
    lives_within_reason(&token);
    let found = expiry::access(&token, Age::Seed { now: SENT_AT }, None);
    let Some(exp) = beside(|| decoded(text)) else {
        return;
    };
    if (1.0..253_402_300_799.0).contains(&exp) {
        let ahead = Duration::from_secs_f64(exp).saturating_sub(SENT_AT.unix());
        let found = found.expect("an exp").at.remaining(SENT_AT);
        let longest = Duration::from_secs(10 * 366 * 86_400);
        assert_eq!(found.as_secs(), ahead.min(longest).as_secs(), "{exp}");
    } else {
        assert_eq!(found, None, "{exp}");
    }
}

fn decoded(token: &str) -> Option<f64> {
    #[derive(serde::Deserialize)]
    struct Times {
        exp: f64,
        #[serde(default, rename = "iat")]
        _iat: Option<f64>,
    }
    let header = jsonwebtoken::decode_header(token).ok()?;
    let mut rules = jsonwebtoken::Validation::new(header.alg);
    rules.insecure_disable_signature_validation();
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let key = jsonwebtoken::DecodingKey::from_secret(&[]);
    let times = jsonwebtoken::decode::<Times>(token, &key, &rules).ok()?;
    Some(times.claims.exp)
}

/// The walk that keeps what had arrived, beside serde_json's own reading of what is whole.
pub(super) fn walk(input: &[u8]) {
    const WANTED: [&str; 5] = ["access", "refresh", "ttl", "ok", "data.inner"];
    let json = Json::read(input, &WANTED);
    let bare = input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input);
    let Some(value) = beside(|| serde_json::from_slice::<Value>(bare).ok()) else {
        // Values that nothing can hold are stepped over (1e999, half a surrogate pair, a hundred
        // lists in each other), where they end as JSON has it.
        let steps_over = beside(|| serde_json::from_slice::<IgnoredAny>(bare).is_ok());
        assert!(json.fault().is_some() || steps_over, "whole, and no JSON");
        return;
    };
    assert_eq!(json.fault().is_none(), value.is_object());
    for path in WANTED {
        let (object, name) = path.split_once('.').unwrap_or(("", path));
        if !is_there_once(bare, name) || !(object.is_empty() || is_there_once(bare, object)) {
            continue;
        }
        let holder = if object.is_empty() {
            Some(&value)
        } else {
            value.get(object)
        };
        let found = holder.and_then(|holder| holder.get(name));
        let text = found
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        assert_eq!(json.text(path), text, "{path}");
        assert_eq!(json.flag(path), found.and_then(Value::as_bool), "{path}");
        let odd = found.is_some_and(|it| !it.is_null() && !it.is_string());
        assert_eq!(json.is_no_text(path), odd, "{path}");
    }
}
