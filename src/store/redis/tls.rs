//! Whose certificates are trusted.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, Error, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::store::StoreError;

/// Mozilla's root certificates, or those of an authority of one's own.
#[derive(Clone, Default)]
pub(super) struct Tls {
    own: Option<RootCertStore>,
    built: OnceLock<Arc<ClientConfig>>,
}

// === impl Tls ===

impl Tls {
    /// Trusts the authorities in `pem`, and no others.
    pub(super) fn trusting(pem: &[u8]) -> Result<Self, StoreError> {
        let wrong = || {
            StoreError::misconfigured(
                "there is no certificate of an authority in what was given: it has to be PEM",
            )
        };
        let mut own = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| wrong())?;
            own.add(certificate).map_err(|_| wrong())?;
        }
        if own.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            own: Some(own),
            built: OnceLock::new(),
        })
    }

    /// Built at first use.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(built) = self.built.get() {
            return Ok(Arc::clone(built));
        }
        let roots = self.own.clone().unwrap_or_else(|| RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        });
        // Named, because a process may have two providers compiled in and rustls then picks none.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::clone(self.built.get_or_init(|| Arc::new(config))))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("own", &self.own.as_ref().map(RootCertStore::len))
            .finish_non_exhaustive()
    }
}
