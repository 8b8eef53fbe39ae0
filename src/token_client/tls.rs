//! TLS with other roots than the usual ones, or with a certificate of the client's own.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sha2::{Digest, Sha256};

use super::{HttpTokenClient, builtin};
use crate::provider::ProviderError;

/// How the built-in client speaks TLS.
///
/// ```no_run
/// use tower_reauth::{
///     AuthLayer, BoxError,
///     oauth2::{ClientAuth, OAuth2, Server},
///     token_client::{ClientCertificate, HttpTokenClient, Tls},
/// };
///
/// # fn main() -> Result<(), BoxError> {
/// let certificate = ClientCertificate::from_pem(std::fs::read("tls.crt")?, std::fs::read("tls.key")?)?;
/// let auth = ClientAuth::Mtls(certificate.thumbprint());
/// let server = Server::discover("https://id.example.com");
/// let provider = OAuth2::client_credentials(server, "orders", auth).origins(["https://api.example.com"]);
///
/// let client = HttpTokenClient::with_tls(Tls::new().certificate(certificate))?;
/// let auth = AuthLayer::builder(provider).token_client(client).build()?;
/// # Ok(())
/// # }
/// ```
///
/// The client that the layer wraps is yours. Where tokens are bound to the certificate (RFC 8705,
/// section 3), it has to show the same one, else the API refuses every token.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Mozilla's, where there are none.
    roots: Vec<CertificateDer<'static>>,
    certificate: Option<ClientCertificate>,
}

/// A certificate that a client shows, and its key. `Debug` shows the thumbprint; the key is not
/// overwritten when it is dropped.
///
/// It is read once. A certificate that is renewed is another one: tokens that are bound to the old
/// one are refused with it (RFC 8705, section 6.3), so a new layer has to be made.
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

// === impl HttpTokenClient ===

impl HttpTokenClient {
    /// The built-in client with TLS of your own: a corporate CA, or a certificate of the client's.
    ///
    /// # Errors
    ///
    /// *Misconfigured* where the certificate and its key do not belong together.
    pub fn with_tls(tls: Tls) -> Result<Self, ProviderError> {
        let unusable = |error| {
            ProviderError::misconfigured(
                "TLS cannot be set up: the client's certificate and its key do not belong together, \
                 or are of a kind that is not known",
            )
            .because(error)
        };
        let config = tls.into_config().map_err(unusable)?;
        Ok(Self {
            stack: builtin::over(config),
            limits: super::Limits::default(),
        })
    }
}

// === impl Tls ===

impl Tls {
    /// Mozilla's roots, and no certificate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the certificates in this PEM, and those of earlier calls, in place of Mozilla's.
    ///
    /// # Errors
    ///
    /// *Misconfigured* where there is none in it, or one that cannot be read.
    pub fn roots_pem(mut self, pem: impl AsRef<[u8]>) -> Result<Self, ProviderError> {
        self.roots.extend(certificates(pem.as_ref())?);
        Ok(self)
    }

    /// Shows this certificate to servers that ask for one.
    #[must_use]
    pub fn certificate(mut self, certificate: ClientCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    fn into_config(self) -> Result<ClientConfig, rustls::Error> {
        let mut roots = RootCertStore::empty();
        if self.roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for root in self.roots {
            roots.add(root)?;
        }
        // Named, because a process may have two providers compiled in and rustls then picks none.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        match self.certificate {
            None => Ok(config.with_no_client_auth()),
            Some(ClientCertificate { chain, key }) => config.with_client_auth_cert(chain, key),
        }
    }
}

// === impl ClientCertificate ===

impl ClientCertificate {
    /// A certificate, with those between it and its root behind it, and its private key.
    ///
    /// # Errors
    ///
    /// *Misconfigured* where one of them is not there or cannot be read.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, ProviderError> {
        let key = PrivateKeyDer::from_pem_slice(key.as_ref()).map_err(|_| {
            ProviderError::misconfigured("the private key of the client's certificate is not PEM")
        })?;
        Ok(Self {
            chain: certificates(chain.as_ref())?,
            key,
        })
    }

    /// The SHA-256 digest of the certificate, as `x5t#S256` has it (RFC 8705, section 3.1): 43
    /// characters of base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let leaf: &[u8] = self.chain.first().map_or(&[], AsRef::as_ref);
        URL_SAFE_NO_PAD.encode(Sha256::digest(leaf))
    }
}

impl Clone for ClientCertificate {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("thumbprint", &self.thumbprint())
            .finish_non_exhaustive()
    }
}

/// One at least.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ProviderError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.ok().filter(|read| !read.is_empty()).ok_or_else(|| {
        ProviderError::misconfigured("there is no certificate in the PEM, or one that is broken")
    })
}
