//! What an authorization server says beside its tokens: its metadata, and the way back from a login. A
//! part of the module `oauth2`, for what is private there.

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::{
    callback::{Callback, Expected},
    harness::Canned,
    metadata::Metadata,
    well_known::lifetime,
};
use crate::{
    fuzz::claims::{beside, says_nothing, split_line},
    token::Secret,
};

const ISSUER: &str = "https://id.example.com";
const STATE: &str = "the-state-of-this-login";

/// A line for `Cache-Control`, and the document: one that names its issuer, whose endpoints are https.
pub(crate) fn metadata(input: &[u8]) {
    let (cache, body) = split_line(input);
    let mut headers = HeaderMap::new();
    if let Ok(cache) = HeaderValue::from_str(cache) {
        headers.insert(header::CACHE_CONTROL, cache);
    }
    let kept = lifetime(&headers).as_secs();
    assert!((300..=7 * 24 * 60 * 60).contains(&kept), "{kept}");
    let reply = Canned::new(200, body).reply();
    match Metadata::of_reply(&reply, ISSUER) {
        Ok(metadata) => {
            beside(|| {
                let text = String::from_utf8_lossy(body);
                let read: Option<Value> = serde_json::from_slice(body).ok();
                let is_there_once = text.matches("issuer\"").count() == 1;
                let same = read.is_none_or(|read| read["issuer"] == ISSUER);
                assert!(same || !is_there_once, "{text}");
            });
            for mtls in [false, true] {
                let found = metadata.of(mtls);
                let all = [&found.revocation, &found.authorization, &found.device];
                let all = all.into_iter().flatten().chain([&found.token]);
                for endpoint in all {
                    // A scheme may be spelled in any case (RFC 3986, section 3.1).
                    let (scheme, _) = endpoint.url().split_once("://").unwrap_or_default();
                    assert!(scheme.eq_ignore_ascii_case("https"), "{}", endpoint.url());
                }
            }
        }
        Err(error) => says_nothing(&error),
    }
}

/// The address that a browser comes back to: a code of this login, or an error that shows nothing.
pub(crate) fn callback(input: &[u8]) {
    let address = String::from_utf8_lossy(input);
    let state = Secret::from(STATE);
    let expected = Expected {
        state: &state,
        issuer: Some(ISSUER),
        names_issuer: true,
    };
    match Callback::read(&address).code(&expected) {
        Ok(code) => {
            assert!(!code.is_empty());
            let said = |name: &str, wanted: &str| {
                let query = address.split('#').next().unwrap_or_default();
                let query = query.split_once('?').map_or(query, |(_, query)| query);
                beside(|| {
                    let pairs = form_urlencoded::parse(query.as_bytes());
                    let values = pairs.filter(|(known, _)| known == name);
                    values.map(|(_, value)| value).collect::<Vec<_>>() == [wanted]
                })
            };
            assert!(said("state", STATE) && said("iss", ISSUER), "{address}");
        }
        Err(error) => says_nothing(&error),
    }
}
