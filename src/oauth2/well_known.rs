//! Where an issuer's metadata are, and for how long they are good: pure functions.

use std::time::Duration;

use http::{HeaderMap, Uri, header::CACHE_CONTROL, uri::Scheme};

use crate::provider::{ProviderError, is_loopback};

/// The two addresses of an issuer's metadata: the well-known part stands between host and path (RFC
/// 8414, section 3), or behind the path (OpenID Connect Discovery, section 4).
pub(super) fn well_known(issuer: &str) -> Result<[Uri; 2], ProviderError> {
    let complain = || {
        ProviderError::misconfigured(
            "the issuer is not a URL such as \"https://id.example.com\": \
             https (plain http on loopback only), no query, no fragment",
        )
    };
    // `Uri` would drop a fragment in silence.
    let uri: Uri = Some(issuer)
        .filter(|issuer| !issuer.contains(['?', '#', '@']))
        .and_then(|issuer| issuer.parse().ok())
        .ok_or_else(complain)?;
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(complain());
    };
    let host = authority.host();
    let is_plain_loopback = *scheme == Scheme::HTTP && is_loopback(host);
    if host.is_empty() || (*scheme != Scheme::HTTPS && !is_plain_loopback) {
        return Err(complain());
    }
    let path = uri.path().trim_end_matches('/');
    let at = |path: String| {
        let url = format!("{scheme}://{authority}{path}");
        url.parse().map_err(|_| complain())
    };
    Ok([
        at(format!("/.well-known/oauth-authorization-server{path}"))?,
        at(format!("{path}/.well-known/openid-configuration"))?,
    ])
}

/// How long a document is kept (RFC 9111, section 5.2.2.1).
pub(super) fn lifetime(headers: &HeaderMap) -> Duration {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let mut directives = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|directive| directive.trim().split_once('='));
    let max_age = directives
        .find(|(name, _)| name.trim_end().eq_ignore_ascii_case("max-age"))
        .and_then(|(_, seconds)| seconds.trim().trim_matches('"').parse().ok());
    max_age
        .map_or(USUALLY, Duration::from_secs)
        .clamp(AT_LEAST, AT_MOST)
}

const USUALLY: Duration = Duration::from_secs(24 * 60 * 60);
const AT_LEAST: Duration = Duration::from_secs(5 * 60);
const AT_MOST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
