//! The origins of a provider, and which of them a request goes to.

use http::Uri;

use super::Origin;
use crate::provider::ProviderError;

/// The origins that may see a session's tokens.
///
/// Parsed from URLs such as `https://api.example.com`, of which scheme, host and port count: there
/// are no wildcards, and a path is ignored. Plain http is accepted for a loopback address only. A
/// list that cannot be parsed keeps its error, which is the answer to every call.
///
/// A request to any other origin is answered with an error that [names](crate::Error::is_origin) it,
/// and nothing is sent. Either declare the origin, or send the request without a token: one at a time
/// with [`Bare`](crate::attach::Bare), or all of them with
/// [`send_bare_elsewhere`](crate::layer::AuthLayerBuilder::send_bare_elsewhere). A request whose URI
/// is only a path gets the token: its inner service was built for one peer.
///
/// A vendor may say with the token where its API is: see
/// [`and_those_of_tokens`](Self::and_those_of_tokens).
///
/// ```
/// use tower_reauth::provider::Origins;
///
/// assert!(Origins::from(["https://api.example.com", "http://127.0.0.1:8080"]).check().is_ok());
/// assert!(Origins::from(["http://api.example.com"]).check().is_err());
/// assert!(Origins::none().check().is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Origins {
    declared: Box<[Origin]>,
    /// Why they cannot be used.
    fault: Option<ProviderError>,
    come_with_tokens: bool,
}

/// Which of the declared origins a request goes to: a small number that is cheap to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OriginIndex(u16);

// === impl Origins ===

impl Origins {
    /// No origin at all: every call is answered with an error that names the fix.
    #[must_use]
    pub fn none() -> Self {
        Self::declared(Ok(Box::default()))
    }

    fn declared(declared: Result<Box<[Origin]>, ProviderError>) -> Self {
        let (declared, fault) = match declared {
            Ok(declared) => (declared, None),
            Err(fault) => (Box::default(), Some(fault)),
        };
        Self {
            declared,
            fault,
            come_with_tokens: false,
        }
    }

    /// These, and for each token those that [came with it](crate::Token::with_origin): for a vendor
    /// that says with the token where its API is, such as Salesforce with `instance_url`.
    ///
    /// What comes has to be https. A loopback address may be plain http where one of these is that as
    /// well, as it is in tests.
    ///
    /// ```
    /// use tower_reauth::provider::Origins;
    ///
    /// assert!(Origins::none().and_those_of_tokens().check().is_ok());
    /// ```
    #[must_use]
    pub fn and_those_of_tokens(mut self) -> Self {
        self.come_with_tokens = true;
        self
    }

    /// Parses origins, plain http to any host among them: whoever can listen on the way reads the
    /// token. For a mesh that encrypts below http.
    pub fn danger_allowing_plain_http<I>(origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let origins = origins.into_iter();
        Self::declared(
            origins
                .map(|text| Origin::parse(text.as_ref(), true))
                .collect(),
        )
    }

    /// The origins, or why there are none.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where one of them cannot be parsed or none was given.
    pub fn check(&self) -> Result<&[Origin], ProviderError> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None if self.declared.is_empty() && !self.come_with_tokens => {
                Err(ProviderError::misconfigured(
                    "no origins are declared, so no server may see the token: \
                     name those of the API with `.origins([\"https://…\"])`",
                ))
            }
            None => Ok(&self.declared),
        }
    }

    /// Which declared origin `uri` is at. A request without an authority is at the one peer that
    /// its service was built for.
    pub(crate) fn find(&self, uri: &Uri) -> Option<OriginIndex> {
        let Some(authority) = uri.authority() else {
            return Some(OriginIndex::PEER);
        };
        let scheme = uri.scheme()?;
        self.position(|origin| origin.is_origin_of(scheme, authority))
    }

    /// The same by comparing bytes: none as well where an origin is spelled in another way.
    // Always: see `attach::admit_plain`.
    #[inline(always)]
    pub(crate) fn find_spelled(&self, uri: &Uri) -> Option<OriginIndex> {
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        match &*self.declared {
            // Nearly every vendor has one.
            [only] => only
                .is_spelled(https, authority)
                .then_some(OriginIndex::FIRST),
            _ => self.find_among(https, authority),
        }
    }

    fn find_among(&self, https: bool, authority: &str) -> Option<OriginIndex> {
        self.position(|origin| origin.is_spelled(https, authority))
    }

    /// Which declared origin has these parts, as a parsed URL gives them.
    #[cfg(feature = "reqwest")]
    pub(crate) fn find_parts(
        &self,
        scheme: &str,
        host: &str,
        port: Option<u16>,
    ) -> Option<OriginIndex> {
        self.position(|origin| origin.is(scheme, host, port))
    }

    /// Whether a token may name further ones.
    pub(crate) fn come_with_tokens(&self) -> bool {
        self.come_with_tokens
    }

    /// The origins that `texts`, which came with a token, name; none where that is not to count.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, without the vendor's text, where one of them may not see a token.
    pub(crate) fn brought<'a>(
        &self,
        texts: impl Iterator<Item = &'a str>,
    ) -> Result<Self, ProviderError> {
        if !self.come_with_tokens {
            return Ok(Self::none());
        }
        let plain = self.declared.iter().any(|origin| !origin.https);
        let one = |text| {
            let origin = Origin::parse(text, false).ok();
            origin.filter(|origin| origin.https || plain)
        };
        let all: Option<Box<[Origin]>> = texts.map(one).collect();
        all.map(|all| Self::declared(Ok(all))).ok_or_else(|| {
            ProviderError::misconfigured(
                "an origin that came with the token may not see it, since it is no https URL",
            )
        })
    }

    /// The number of an origin that came with a token: behind those that are declared.
    pub(crate) fn behind(&self, brought: OriginIndex) -> OriginIndex {
        let declared = u16::try_from(self.declared.len()).unwrap_or(u16::MAX);
        OriginIndex(brought.0.saturating_add(declared).min(u16::MAX - PEERS))
    }

    /// Whether `origin` is the number of a declared one, or of a peer.
    pub(crate) fn is_declared(&self, origin: OriginIndex) -> bool {
        usize::from(origin.0) < self.declared.len() || origin.0 > u16::MAX - PEERS
    }

    /// The origin with this index, be it declared or `brought` by a token. A peer is at the only one
    /// that is declared; none where there are several.
    pub(crate) fn at<'a>(&'a self, index: OriginIndex, brought: &'a Self) -> Option<&'a Origin> {
        let index_here = usize::from(index.0);
        match &*self.declared {
            [only] if self.is_declared(index) => Some(only),
            declared => declared.get(index_here).or_else(|| {
                let index_there = index_here.checked_sub(declared.len())?;
                brought.declared.get(index_there)
            }),
        }
    }

    fn position(&self, is_it: impl FnMut(&Origin) -> bool) -> Option<OriginIndex> {
        let found = self.declared.iter().position(is_it)?;
        u16::try_from(found).ok().map(OriginIndex)
    }
}

impl<T: AsRef<str>, const N: usize> From<[T; N]> for Origins {
    fn from(origins: [T; N]) -> Self {
        Self::from(origins.as_slice())
    }
}

impl<T: AsRef<str>> From<&[T]> for Origins {
    fn from(origins: &[T]) -> Self {
        Self::declared(
            origins
                .iter()
                .map(|text| Origin::parse(text.as_ref(), false))
                .collect(),
        )
    }
}

impl<T: AsRef<str>> From<Vec<T>> for Origins {
    fn from(origins: Vec<T>) -> Self {
        Self::from(origins.as_slice())
    }
}

// === impl OriginIndex ===

impl OriginIndex {
    const FIRST: OriginIndex = OriginIndex(0);
    /// The peer of requests without an authority, whichever it is.
    pub(crate) const PEER: OriginIndex = OriginIndex(u16::MAX);

    /// The peer of the service with this number. Those beyond the last number share one.
    pub(crate) fn peer(number: u16) -> Self {
        Self(u16::MAX - number.min(PEERS - 1))
    }

    /// This origin, or `peer` where it is whichever peer the service has.
    pub(crate) fn through(self, peer: Self) -> Self {
        if self == Self::PEER { peer } else { self }
    }

    pub(crate) const fn number(self) -> u16 {
        self.0
    }

    pub(crate) const fn of_number(number: u16) -> Self {
        Self(number)
    }
}

/// Services that are told apart: far more than a process builds, and a bound on what is kept of them.
const PEERS: u16 = 1024;
