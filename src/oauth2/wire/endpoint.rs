//! The address that a setting names.

use std::fmt;

use http::{Uri, uri::Scheme};

use crate::provider::{Origins, ProviderError};

/// Where token requests go: a URL as somebody wrote it, checked. A bad one keeps its error, which
/// is the answer to every exchange. `Debug` shows where it is and no more: a query, or a name and
/// password, may hold secrets.
#[derive(Clone)]
pub(crate) struct Endpoint {
    url: Result<Box<str>, ProviderError>,
    origins: Origins,
}

// === impl Endpoint ===

impl Endpoint {
    /// A whole URL, which may hold a query (RFC 6749, section 3.2).
    pub(crate) fn whole(url: &str) -> Self {
        Self::new(
            url,
            &['#'],
            "the token endpoint is not a URL such as \"https://id.example.com/token\"",
        )
    }

    /// A whole URL that tokens are revoked at (RFC 7009, section 2).
    pub(crate) fn revocation(url: &str) -> Self {
        Self::new(
            url,
            &['#'],
            "the revocation endpoint is not a URL such as \"https://id.example.com/revoke\"",
        )
    }

    /// A whole URL that a browser is sent to (RFC 6749, section 3.1).
    pub(crate) fn authorization(url: &str) -> Self {
        Self::new(
            url,
            &['#'],
            "the authorization endpoint is not a URL such as \"https://id.example.com/authorize\"",
        )
    }

    /// A whole URL that logins on another device begin at (RFC 8628, section 3.1).
    pub(crate) fn device(url: &str) -> Self {
        Self::new(
            url,
            &['#'],
            "the device authorization endpoint is not a URL such as \"https://id.example.com/device\"",
        )
    }

    /// The part of a URL that paths are appended to.
    pub(crate) fn base(url: &str) -> Self {
        let url = url.trim_end_matches('/');
        Self::new(
            url,
            &['#', '?'],
            "the base URL is not a URL such as \"https://api.example.com\"",
        )
    }

    fn new(url: &str, forbidden: &[char], complaint: &'static str) -> Self {
        let good = !url.contains(forbidden) && is_absolute(url);
        let complain = || ProviderError::misconfigured(complaint);
        Self {
            url: good.then(|| url.into()).ok_or_else(complain),
            origins: Origins::from([url]),
        }
    }

    /// The address of `path` below it.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where the URL is a bad one.
    pub(crate) fn uri(&self, path: &str) -> Result<Uri, ProviderError> {
        let url = self.url.as_deref().map_err(Clone::clone)?;
        format!("{url}{path}")
            .parse()
            .map_err(|_| ProviderError::misconfigured("the address of the endpoint is not a URL"))
    }

    /// The URL, for a session's identity. A bad one never has a session.
    pub(crate) fn url(&self) -> &str {
        self.url.as_deref().unwrap_or_default()
    }

    /// Its own origin, for vendors whose API is where their tokens come from.
    pub(crate) fn origins(&self) -> Origins {
        self.origins.clone()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// Whether `url` has a scheme that HTTP is spoken over, and a host with a port at most.
fn is_absolute(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let spoken =
        matches!(uri.scheme(), Some(scheme) if *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP);
    let bare = |authority: &http::uri::Authority| {
        !authority.as_str().contains('@') && !authority.host().is_empty()
    };
    spoken && uri.authority().is_some_and(bare)
}
