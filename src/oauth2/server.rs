//! Where an authorization server is.

use std::sync::Arc;

#[cfg(feature = "serde")]
use super::well_known::well_known;
use super::{metadata::Discovery, wire::Endpoint};
use crate::provider::{ProviderError, TokenClient};

/// An authorization server: the address of its token endpoint, or its issuer, whose metadata says
/// where everything is.
///
/// A text is the token endpoint:
///
/// ```
/// use tower_reauth::oauth2::{OAuth2, Server};
///
/// let named = OAuth2::refresh_token("https://id.example.com/token", "orders");
/// let found = OAuth2::refresh_token(Server::discover("https://id.example.com"), "orders");
/// ```
///
/// Clones share what was read.
#[derive(Clone, Debug)]
pub struct Server(Place);

#[derive(Clone, Debug)]
enum Place {
    Known(Endpoint),
    Discovered(Arc<Discovery>),
}

/// The addresses of a server's endpoints, as far as they are known.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    pub(super) token: Endpoint,
    pub(super) revocation: Option<Endpoint>,
    pub(super) authorization: Option<Endpoint>,
    pub(super) device: Option<Endpoint>,
    /// As it is in the metadata, letter for letter.
    pub(super) issuer: Option<Box<str>>,
    /// Whether the server says who it is when it sends somebody back (RFC 9207).
    pub(super) names_issuer: bool,
}

// === impl Server ===

impl Server {
    /// The server whose token endpoint this is.
    #[must_use]
    pub fn at(token_endpoint: impl AsRef<str>) -> Self {
        Self(Place::Known(Endpoint::whole(token_endpoint.as_ref())))
    }

    /// The server of this issuer: an https URL without a query, or an http one on loopback, as the
    /// server writes it, for the two must be identical.
    ///
    /// Its metadata is read when the first token is asked for, from the address of RFC 8414 or else of
    /// OpenID Connect Discovery. It is kept for as long as the server allows (`Cache-Control:
    /// max-age`), at least five minutes and at most a week; a day where it says nothing. It is read again
    /// before that where the token endpoint is gone (404) or does not know the client (`invalid_client`),
    /// at most once a minute, and the token is then asked for once more if something has changed. Where
    /// it cannot be read again, what was read before is used on.
    #[must_use]
    pub fn discover(issuer: impl AsRef<str>) -> Self {
        Self(Place::Discovered(Arc::new(Discovery::new(issuer.as_ref()))))
    }

    /// The addresses as they are known now. Those for clients with a certificate come first where
    /// such a client asks (RFC 8705, section 5).
    pub(super) async fn endpoints(
        &self,
        client: &TokenClient,
        mtls: bool,
    ) -> Result<Arc<Endpoints>, ProviderError> {
        match &self.0 {
            Place::Known(token) => Ok(Arc::new(Endpoints {
                token: token.clone(),
                revocation: None,
                authorization: None,
                device: None,
                issuer: None,
                names_issuer: false,
            })),
            Place::Discovered(discovery) => discovery.endpoints(client, mtls).await,
        }
    }

    /// The addresses where they are others by now than `known`, which did not do.
    pub(super) async fn changed(
        &self,
        client: &TokenClient,
        mtls: bool,
        known: &Endpoints,
    ) -> Option<Arc<Endpoints>> {
        match &self.0 {
            Place::Known(_) => None,
            Place::Discovered(discovery) => discovery.changed(client, mtls, known).await,
        }
    }

    /// Whether it can be asked at all.
    #[cfg(feature = "serde")]
    pub(crate) fn check(&self) -> Result<(), ProviderError> {
        match &self.0 {
            Place::Known(token) => token.uri("").map(drop),
            Place::Discovered(discovery) => well_known(discovery.issuer()).map(drop),
        }
    }

    /// For a session's identity.
    pub(super) fn url(&self) -> &str {
        match &self.0 {
            Place::Known(token) => token.url(),
            Place::Discovered(discovery) => discovery.issuer(),
        }
    }
}

impl From<&str> for Server {
    fn from(token_endpoint: &str) -> Self {
        Self::at(token_endpoint)
    }
}

impl From<String> for Server {
    fn from(token_endpoint: String) -> Self {
        Self::at(token_endpoint)
    }
}

impl From<&String> for Server {
    fn from(token_endpoint: &String) -> Self {
        Self::at(token_endpoint)
    }
}

// === impl Endpoints ===

impl Endpoints {
    /// Whether a token would be asked for, or a client known, in another way.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        self.token.url() != other.token.url() || self.issuer != other.issuer
    }
}
