//! Who may see a token.

use std::{fmt, net::IpAddr};

use http::{
    Uri,
    uri::{Authority, Scheme},
};

use super::ProviderError;

/// A scheme, a host and a port (RFC 6454).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    https: bool,
    host: Box<str>,
    port: u16,
    /// Host and port as nearly every request spells them, so that most are told by their bytes.
    spelling: Box<str>,
}

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

// === impl Origin ===

impl Origin {
    /// Whether a URI with these parts is spelled as this origin is. If not, it may be at this origin
    /// all the same.
    #[inline]
    fn is_spelled(&self, https: bool, authority: &str) -> bool {
        authority == &*self.spelling && https == self.https
    }

    /// Whether this is the origin of `uri`, which must be absolute.
    pub(crate) fn is_origin_of(&self, scheme: &Scheme, authority: &Authority) -> bool {
        let https = *scheme == Scheme::HTTPS;
        let port = port(authority, https);
        self.is(scheme.as_str(), authority.host(), port)
    }

    /// Whether this is the origin with these parts; `scheme` is in lower case.
    fn is(&self, scheme: &str, host: &str, port: Option<u16>) -> bool {
        scheme == self.scheme() && port == Some(self.port) && self.host.eq_ignore_ascii_case(host)
    }

    /// As a URL begins that is at this origin: in lower case, and with a port only where it is not the
    /// scheme's own.
    #[cfg_attr(not(feature = "dpop"), allow(dead_code, reason = "proofs name it"))]
    pub(crate) fn spelled(&self) -> (&'static str, &str) {
        (self.scheme(), &self.spelling)
    }

    fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    fn parse(text: &str, plain_http_anywhere: bool) -> Result<Self, ProviderError> {
        let uri: Uri = text
            .parse()
            .map_err(|_| bad(text, "it is not a URL such as https://api.example.com"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(bad(
                text,
                "it needs a scheme and a host, as in https://api.example.com",
            ));
        };
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(bad(text, "it must be a bare host, with a port at most"));
        }
        if authority.host().contains('*') {
            return Err(bad(text, "there are no wildcards; name each host"));
        }
        let https = *scheme == Scheme::HTTPS;
        if !https && *scheme != Scheme::HTTP {
            return Err(bad(text, "its scheme must be https"));
        }
        if !https && !plain_http_anywhere && !is_loopback(authority.host()) {
            return Err(bad(
                text,
                "plain http would show the token to the network; \
                 use https (plain http is for loopback addresses only)",
            ));
        }
        let port = port(authority, https)
            .ok_or_else(|| bad(text, "its port must be a number up to 65535"))?;
        let host = authority.host().to_ascii_lowercase();
        let spelling = match default_port(https) == port {
            true => host.clone(),
            false => format!("{host}:{port}"),
        };
        Ok(Self {
            https,
            host: host.into(),
            port,
            spelling: spelling.into(),
        })
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme(), self.host, self.port)
    }
}

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
        Self::declared(
            origins
                .iter()
                .map(|text| Origin::parse(text.as_ref(), false))
                .collect(),
        )
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

/// The port, or the scheme's own where there is none. One that is there and cannot be read
/// ("host:", "host:99999") is no port.
fn port(authority: &Authority, https: bool) -> Option<u16> {
    match authority.port() {
        Some(port) => Some(port.as_u16()),
        None if authority.as_str().ends_with(authority.host()) => Some(default_port(https)),
        None => None,
    }
}

const fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// Whether `host`, as a URL spells it, is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The host is shown: it was written by the application's author. Nothing before an `@` is, and
/// nothing behind a `?`.
fn bad(text: &str, why: &'static str) -> ProviderError {
    let shown = match (text.rsplit_once('@'), text.split_once('?')) {
        (None, None) => text,
        (Some((_, host)), None) => host,
        (None, Some((host, _))) => host,
        // Either may be part of the other's secret.
        (Some(_), Some(_)) => "…",
    };
    ProviderError::misconfigured(format!("the origin {shown:?} cannot be used: {why}"))
}

#[cfg(test)]
mod tests;
