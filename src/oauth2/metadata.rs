//! What a server says about itself (RFC 8414, OpenID Connect Discovery).

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, Request, Uri,
    header::{ACCEPT, CACHE_CONTROL},
    uri::Scheme,
};

use super::{
    server::Endpoints,
    wire::{Endpoint, Json},
};
use crate::{
    clock::Moment,
    provider::{FailureKind, ProviderError, TokenClient, TokenReply, is_loopback},
};

/// One issuer's metadata, read when it is needed.
pub(super) struct Discovery {
    issuer: Box<str>,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone)]
struct Kept {
    metadata: Metadata,
    read_at: Moment,
    until: Moment,
}

#[derive(Clone)]
struct Metadata {
    usual: Arc<Endpoints>,
    /// For clients with a certificate.
    mtls: Arc<Endpoints>,
}

// === impl Discovery ===

impl Discovery {
    pub(super) fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.into(),
            kept: Mutex::new(None),
        }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) async fn endpoints(
        &self,
        client: &TokenClient,
        mtls: bool,
    ) -> Result<Arc<Endpoints>, ProviderError> {
        let kept = self.kept().clone();
        let now = client.now();
        if let Some(kept) = &kept
            && !kept.until.reached(now)
        {
            return Ok(kept.metadata.of(mtls));
        }
        match self.read(client).await {
            Ok(metadata) => Ok(metadata.of(mtls)),
            // What was true an hour ago is a better guess than nothing, unless the server now says
            // something that cannot be right.
            Err(error) if error.kind() != FailureKind::Misconfigured => {
                let old = kept.ok_or(error)?;
                let mut now_kept = self.kept();
                if let Some(kept) = &mut *now_kept
                    && kept.until.reached(client.now())
                {
                    kept.until = client.now().after(AGAIN);
                }
                Ok(old.metadata.of(mtls))
            }
            Err(error) => Err(error),
        }
    }

    /// The addresses where they differ from `known`, which did not do; read again unless that was
    /// done a moment ago.
    pub(super) async fn changed(
        &self,
        client: &TokenClient,
        mtls: bool,
        known: &Endpoints,
    ) -> Option<Arc<Endpoints>> {
        let kept = self.kept().clone();
        let fresh = kept.filter(|kept| !kept.read_at.after(AGAIN).reached(client.now()));
        let metadata = match fresh {
            // By somebody else, perhaps, who met the same.
            Some(kept) => kept.metadata,
            None => self.read(client).await.ok()?,
        };
        Some(metadata.of(mtls)).filter(|endpoints| endpoints.differs_from(known))
    }

    async fn read(&self, client: &TokenClient) -> Result<Metadata, ProviderError> {
        for uri in well_known(&self.issuer)? {
            let mut request = Request::new(Bytes::new());
            *request.uri_mut() = uri;
            let json = http::HeaderValue::from_static("application/json");
            request.headers_mut().insert(ACCEPT, json);
            let reply = client.send(request).await.map_err(nothing_was_spent)?;
            if !reply.is_complete() || reply.status().is_server_error() || reply.status() == 429 {
                return Err(
                    ProviderError::transient("the server's metadata cannot be read now")
                        .retry_after(reply.retry_after())
                        .status(reply.status()),
                );
            }
            if reply.status() != 200 {
                continue;
            }
            let metadata = Metadata::of_reply(&reply, &self.issuer)?;
            *self.kept() = Some(Kept {
                metadata: metadata.clone(),
                read_at: client.now(),
                until: reply.sent_at().after(lifetime(reply.headers())),
            });
            return Ok(metadata);
        }
        Err(ProviderError::misconfigured(
            "the issuer has no metadata at either of its well-known addresses: \
             check the issuer, or name the token endpoint",
        ))
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery").finish_non_exhaustive()
    }
}

// === impl Metadata ===

impl Metadata {
    fn of(&self, mtls: bool) -> Arc<Endpoints> {
        Arc::clone(if mtls { &self.mtls } else { &self.usual })
    }

    fn of_reply(reply: &TokenReply, issuer: &str) -> Result<Self, ProviderError> {
        let json = Json::read(reply.body(), &NAMES);
        if json.fault().is_some() {
            return Err(ProviderError::misconfigured(
                "the server's metadata is not a JSON object: check the issuer",
            ));
        }
        // To the letter (RFC 8414, section 3.3): else anybody's document could name anybody's endpoints.
        if json.text(ISSUER) != Some(issuer) {
            return Err(ProviderError::misconfigured(
                "the metadata is that of another issuer than it was asked of, and is not used: \
                 write the issuer exactly as the server does",
            ));
        }
        let usual = endpoints(&json, issuer, |name| json.text(name))?;
        let mtls = endpoints(&json, issuer, |name| {
            let alias = ALIASES.iter().find(|(of, _)| *of == name);
            let alias = alias.and_then(|(_, alias)| json.text(alias));
            alias.or_else(|| json.text(name))
        })?;
        Ok(Self {
            usual: Arc::new(usual),
            mtls: Arc::new(mtls),
        })
    }
}

fn endpoints<'a>(
    json: &Json,
    issuer: &str,
    find: impl Fn(&'static str) -> Option<&'a str>,
) -> Result<Endpoints, ProviderError> {
    let endpoint = |name| {
        let url = find(name);
        url.map(|url| checked(url, issuer)).transpose()
    };
    let token = endpoint(TOKEN)?.ok_or_else(|| {
        ProviderError::misconfigured("the server's metadata names no token endpoint")
    })?;
    Ok(Endpoints {
        token,
        revocation: endpoint(REVOCATION)?,
        authorization: endpoint(AUTHORIZATION)?,
        device: endpoint(DEVICE)?,
        issuer: Some(issuer.into()),
        names_issuer: json.flag(NAMES_ISSUER) == Some(true),
    })
}

/// An address that secrets may go to: https, or loopback where the issuer is there itself.
fn checked(url: &str, issuer: &str) -> Result<Endpoint, ProviderError> {
    let endpoint = Endpoint::whole(url);
    let is_plain = endpoint.uri("")?.scheme() != Some(&Scheme::HTTPS);
    let issuer_is_plain = issuer.starts_with("http://");
    if is_plain && !issuer_is_plain {
        return Err(ProviderError::misconfigured(
            "the server's metadata names an endpoint without TLS, which is not used",
        ));
    }
    Ok(endpoint)
}

/// The two addresses of an issuer's metadata: the well-known part stands between host and path (RFC
/// 8414, section 3), or behind the path (OpenID Connect Discovery, section 4).
fn well_known(issuer: &str) -> Result<[Uri; 2], ProviderError> {
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
fn lifetime(headers: &HeaderMap) -> Duration {
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

/// A document was asked for, and no token: whatever went wrong, it can be asked for again.
fn nothing_was_spent(error: ProviderError) -> ProviderError {
    match error.kind() {
        FailureKind::UnknownOutcome => {
            ProviderError::transient("the server's metadata could not be read").because(error)
        }
        _ => error,
    }
}

const AGAIN: Duration = Duration::from_secs(60);
const USUALLY: Duration = Duration::from_secs(24 * 60 * 60);
const AT_LEAST: Duration = Duration::from_secs(5 * 60);
const AT_MOST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const ISSUER: &str = "issuer";
const TOKEN: &str = "token_endpoint";
const REVOCATION: &str = "revocation_endpoint";
const AUTHORIZATION: &str = "authorization_endpoint";
const DEVICE: &str = "device_authorization_endpoint";
const NAMES_ISSUER: &str = "authorization_response_iss_parameter_supported";
const ALIASES: [(&str, &str); 3] = [
    (TOKEN, "mtls_endpoint_aliases.token_endpoint"),
    (REVOCATION, "mtls_endpoint_aliases.revocation_endpoint"),
    (
        DEVICE,
        "mtls_endpoint_aliases.device_authorization_endpoint",
    ),
];
const NAMES: [&str; 9] = [
    ISSUER,
    TOKEN,
    REVOCATION,
    AUTHORIZATION,
    DEVICE,
    NAMES_ISSUER,
    ALIASES[0].1,
    ALIASES[1].1,
    ALIASES[2].1,
];
