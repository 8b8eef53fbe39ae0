//! Forms, JSON and headers, read strictly.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{AUTHORIZATION, AsHeaderName, CONTENT_TYPE},
};
use serde_json::{Map, Value};

/// The parameters of a form, none of them twice.
pub(super) struct Form(Vec<(String, String)>);

// === impl Form ===

impl Form {
    pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, String> {
        if !is_media_type(headers, "application/x-www-form-urlencoded") {
            return Err("the content type is not application/x-www-form-urlencoded".into());
        }
        Self::of_pairs(body)
    }

    /// The parameters of a query, none of them twice.
    pub(super) fn of_query(query: &str) -> Result<Self, String> {
        Self::of_pairs(query.as_bytes())
    }

    fn of_pairs(text: &[u8]) -> Result<Self, String> {
        let pairs: Vec<_> = form_urlencoded::parse(text).into_owned().collect();
        for (at, (name, _)) in pairs.iter().enumerate() {
            if pairs.iter().skip(at + 1).any(|(other, _)| other == name) {
                return Err("a parameter is there twice".into());
            }
        }
        Ok(Self(pairs))
    }

    /// The parameter's value; an empty one counts as missing (RFC 6749, section 3.2).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(it, _)| it == name)?;
        (!value.is_empty()).then_some(value)
    }

    pub(super) fn require(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("{name} is missing"))
    }
}

/// The JSON object in a body that says that it is JSON.
pub(super) fn json_object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, String> {
    if !is_media_type(headers, "application/json") {
        return Err("the content type is not application/json".into());
    }
    // The parser's own words could quote the body.
    serde_json::from_slice(body).map_err(|_| "the body is not a JSON object".into())
}

/// A member that has to be a string with something in it.
pub(super) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    let text = object.get(name).and_then(Value::as_str);
    text.filter(|it| !it.is_empty())
        .ok_or_else(|| format!("{name} is not a string, or missing, or empty"))
}

/// The value of a header that is there exactly once.
pub(super) fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next()?, values.next());
    second.is_none().then(|| first.to_str().ok()).flatten()
}

/// The token in `Authorization: Bearer`, whose scheme has no case (RFC 9110, section 11.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    token_of("bearer", headers)
}

/// The token in `Authorization` with this scheme.
pub(super) fn token_of<'a>(wanted: &str, headers: &'a HeaderMap) -> Option<&'a str> {
    let (scheme, token) = single(headers, AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then_some(token)
}

/// A reply in JSON.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    reply(status, "application/json", body.to_string())
}

pub(super) fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let content_type = HeaderValue::from_str(content_type);
    let content_type = content_type.unwrap_or(HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Whether a query string names a parameter that ought to be secret.
pub(super) fn names_a_secret(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| {
        let name = name.replace(['_', '-'], "").to_ascii_lowercase();
        SECRETS.contains(&name.as_str())
    })
}

fn is_media_type(headers: &HeaderMap, wanted: &str) -> bool {
    single(headers, CONTENT_TYPE).is_some_and(|value| {
        let (essence, _parameters) = value.split_once(';').unwrap_or((value, ""));
        essence.trim().eq_ignore_ascii_case(wanted)
    })
}

const SECRETS: [&str; 9] = [
    "accesstoken",
    "apitoken",
    "assertion",
    "clientassertion",
    "clientsecret",
    "codeverifier",
    "passcode",
    "password",
    "refreshtoken",
];
