//! What a server says about itself (RFC 8414, OpenID Connect Discovery).

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header::ACCEPT, uri::Scheme};

use super::{
    server::Endpoints,
    well_known::{lifetime, well_known},
    wire::{Endpoint, Json},
};
use crate::{
    clock::Moment,
    provider::{FailureKind, ProviderError, TokenClient, TokenReply},
};

/// One issuer's metadata, read when it is needed.
pub(super) struct Discovery {
    issuer: Box<str>,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone)]
struct Kept {
    metadata: Metadata,
    /// When it was last asked for, with whatever success.
    asked_at: Moment,
    until: Moment,
}

#[derive(Clone)]
pub(super) struct Metadata {
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
        // One reads it again, and the others go by it meanwhile.
        let meanwhile = now.after(AGAIN);
        if let Some(kept) = &kept {
            self.change_until(kept.until, meanwhile);
        }
        let error = match self.read(client).await {
            Ok(Some(metadata)) => return Ok(metadata.of(mtls)),
            Ok(None) => ProviderError::misconfigured(
                "the issuer has no metadata at either of its well-known addresses: \
                 check the issuer, or name the token endpoint",
            ),
            // The server says something that cannot be right.
            Err(error) if error.kind() == FailureKind::Misconfigured => {
                self.change_until(meanwhile, now);
                return Err(error);
            }
            Err(error) => error,
        };
        // What was true an hour ago is a better guess than nothing.
        Ok(kept.ok_or(error)?.metadata.of(mtls))
    }

    /// Unless somebody else has changed it, or has read the document.
    fn change_until(&self, known: Moment, new: Moment) {
        if let Some(kept) = &mut *self.kept()
            && kept.until == known
        {
            kept.until = new;
        }
    }

    fn was_asked_in_vain(&self, now: Moment) {
        if let Some(kept) = &mut *self.kept() {
            kept.asked_at = now;
        }
    }

    /// The addresses where they differ from `known`, which did not do; read again unless that was
    /// tried a moment ago.
    pub(super) async fn changed(
        &self,
        client: &TokenClient,
        mtls: bool,
        known: &Endpoints,
    ) -> Option<Arc<Endpoints>> {
        let kept = self.kept().clone();
        let fresh = kept.filter(|kept| !kept.asked_at.after(AGAIN).reached(client.now()));
        let metadata = match fresh {
            // By somebody else, perhaps, who met the same.
            Some(kept) => kept.metadata,
            None => match self.read(client).await {
                Ok(Some(metadata)) => metadata,
                Ok(None) | Err(_) => {
                    self.was_asked_in_vain(client.now());
                    return None;
                }
            },
        };
        Some(metadata.of(mtls)).filter(|endpoints| endpoints.differs_from(known))
    }

    /// Reads and keeps the document. None where there is none.
    async fn read(&self, client: &TokenClient) -> Result<Option<Metadata>, ProviderError> {
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
                asked_at: client.now(),
                until: reply.sent_at().after(lifetime(reply.headers())),
            });
            return Ok(Some(metadata));
        }
        Ok(None)
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
    pub(super) fn of(&self, mtls: bool) -> Arc<Endpoints> {
        Arc::clone(if mtls { &self.mtls } else { &self.usual })
    }

    pub(super) fn of_reply(reply: &TokenReply, issuer: &str) -> Result<Self, ProviderError> {
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
