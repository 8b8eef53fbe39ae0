//! How a client proves to a token endpoint who it is.

use http::HeaderValue;

#[cfg(feature = "jwt")]
use super::jwt::PrivateKeyJwt;
use super::{Assertion, form::Form, wire};
use crate::{
    clock::Moment,
    provider::{Credential, ProviderError},
    token::Secret,
};

/// The client's authentication: one method for each request (RFC 6749, section 2.3).
///
/// What it needs is looked up, or signed, for every request anew: a secret that is changed while the
/// process runs is used from the next request on. `Debug` shows the method, not the secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuth {
    /// A public client, which has nothing to keep a secret with: its id goes into the body.
    None,
    /// The secret in `Authorization: Basic` (section 2.3.1): what every server must understand.
    Basic(Credential),
    /// The secret in the body, for servers that do not.
    Post(Credential),
    /// A JWT that somebody else signed for this client (RFC 7523, section 2.2), such as the token that
    /// Kubernetes projects into a pod. No assertion is sent twice, unless whoever issues it hands out
    /// the same one again.
    Assertion(Assertion),
    /// A JWT that is signed with the client's own key, for each request anew.
    #[cfg(feature = "jwt")]
    PrivateKeyJwt(Box<PrivateKeyJwt>),
    /// The certificate of the TLS connection (RFC 8705, section 2): give its SHA-256 thumbprint, and
    /// the layer a token client that shows it, such as that of `token_client::ClientCertificate`. Tokens
    /// are bound to the certificate, so the thumbprint is part of the session's identity, and the client
    /// that the layer wraps has to show the same one (section 3); that client is yours, and so is its
    /// certificate.
    ///
    /// Where the server's metadata names addresses of its own for such clients, those are used (section
    /// 5).
    Mtls(String),
}

/// What a proof is made for.
#[cfg_attr(
    not(feature = "jwt"),
    allow(dead_code, reason = "who signs nothing has no audience")
)]
pub(super) struct Occasion<'a> {
    pub(super) client_id: &'a str,
    pub(super) token_endpoint: &'a str,
    pub(super) issuer: Option<&'a str>,
    pub(super) now: Moment,
}

// === impl ClientAuth ===

impl ClientAuth {
    /// Adds to a request's parameters what it needs there. Gives what goes into `Authorization`.
    pub(super) fn add_to<'a>(
        &self,
        form: &mut Form<'a>,
        occasion: &Occasion<'a>,
    ) -> Result<Option<HeaderValue>, ProviderError> {
        let id = occasion.client_id;
        if id.is_empty() && self.needs_id() {
            return Err(ProviderError::misconfigured(
                "a client that proves itself has to say who it is: set `.client_id(..)`",
            ));
        }
        if let Self::Basic(secret) = self {
            return wire::basic(id, &secret.look_up()?).map(Some);
        }
        if !id.is_empty() {
            form.push("client_id", id);
        }
        match self {
            Self::None | Self::Basic(_) => {}
            Self::Post(secret) => form.push_secret("client_secret", secret.look_up()?),
            Self::Assertion(assertion) => push_assertion(form, assertion.at(occasion.now)?),
            #[cfg(feature = "jwt")]
            Self::PrivateKeyJwt(key) => push_assertion(form, key.sign(occasion)?),
            Self::Mtls(thumbprint) => check_mtls(thumbprint)?,
        }
        Ok(None)
    }

    /// Whether the server cannot tell from the proof whose it is.
    fn needs_id(&self) -> bool {
        !matches!(self, Self::None | Self::Assertion(_))
    }

    /// Whether a parameter of this name would be a second method beside it.
    pub(super) fn excludes(&self, name: &str) -> bool {
        let is_none = matches!(self, Self::None);
        !is_none && (name == "client_secret" || name.starts_with("client_assertion"))
    }

    pub(super) fn is_mtls(&self) -> bool {
        matches!(self, Self::Mtls(_))
    }

    /// What tokens are bound to.
    pub(super) fn binding(&self) -> &str {
        match self {
            Self::Mtls(thumbprint) => thumbprint,
            _ => "",
        }
    }
}

impl<C: Into<Credential>> From<C> for ClientAuth {
    /// A secret, in `Authorization: Basic`.
    fn from(secret: C) -> Self {
        Self::Basic(secret.into())
    }
}

#[cfg(feature = "jwt")]
impl From<PrivateKeyJwt> for ClientAuth {
    fn from(key: PrivateKeyJwt) -> Self {
        Self::PrivateKeyJwt(Box::new(key))
    }
}

fn push_assertion(form: &mut Form<'_>, assertion: Secret) {
    form.push("client_assertion_type", ASSERTION_TYPE);
    form.push_secret("client_assertion", assertion);
}

fn check_mtls(thumbprint: &str) -> Result<(), ProviderError> {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if thumbprint.len() != 43 || !thumbprint.bytes().all(is_base64url) {
        return Err(ProviderError::misconfigured(
            "the certificate's thumbprint is not a SHA-256 digest in base64url: \
             take that of `ClientCertificate::thumbprint`",
        ));
    }
    Ok(())
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
