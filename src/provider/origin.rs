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
/// ```
/// use tower_reauth::provider::Origins;
///
/// assert!(Origins::from(["https://api.example.com", "http://127.0.0.1:8080"]).check().is_ok());
/// assert!(Origins::from(["http://api.example.com"]).check().is_err());
/// assert!(Origins::none().check().is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Origins(Result<Box<[Origin]>, ProviderError>);

/// Which of the declared origins a request goes to: a small number that is cheap to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OriginIndex(u16);

// === impl Origin ===

impl Origin {
    /// Whether a URI with these parts is spelled as this origin is. If not, it may be at this origin
    /// all the same.
    #[inline]
    fn is_spelled(&self, scheme: &Scheme, authority: &str) -> bool {
        authority == &*self.spelling
            && match self.https {
                true => scheme.as_str() == "https",
                false => scheme.as_str() == "http",
            }
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
        Self(Ok(Box::default()))
    }

    /// Parses origins, plain http to any host among them: whoever can listen on the way reads the
    /// token. For a mesh that encrypts below http.
    pub fn danger_allowing_plain_http<I>(origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self(
            origins
                .into_iter()
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
        match &self.0 {
            Err(error) => Err(error.clone()),
            Ok(origins) if origins.is_empty() => Err(ProviderError::misconfigured(
                "no origins are declared, so no server may see the token: \
                 name those of the API with `.origins([\"https://…\"])`",
            )),
            Ok(origins) => Ok(origins),
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
    #[inline]
    pub(crate) fn find_spelled(&self, uri: &Uri) -> Option<OriginIndex> {
        let (scheme, authority) = (uri.scheme()?, uri.authority()?.as_str());
        self.position(|origin| origin.is_spelled(scheme, authority))
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

    #[inline]
    fn position(&self, is_it: impl FnMut(&Origin) -> bool) -> Option<OriginIndex> {
        let origins = self.0.as_deref().unwrap_or_default();
        let found = origins.iter().position(is_it)?;
        u16::try_from(found).ok().map(OriginIndex)
    }
}

impl<T: AsRef<str>, const N: usize> From<[T; N]> for Origins {
    fn from(origins: [T; N]) -> Self {
        Self(
            origins
                .iter()
                .map(|text| Origin::parse(text.as_ref(), false))
                .collect(),
        )
    }
}

impl<T: AsRef<str>> From<&[T]> for Origins {
    fn from(origins: &[T]) -> Self {
        Self(
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
    /// The peer of requests without an authority, whichever it is.
    pub(crate) const PEER: OriginIndex = OriginIndex(u16::MAX);

    /// The peer of the service with this number. Those beyond the last number share one.
    pub(crate) fn peer(number: u16) -> Self {
        Self(u16::MAX - number.min(PEERS - 1))
    }

    /// This origin, or `peer` where it is whichever peer the service has.
    #[inline]
    pub(crate) fn through(self, peer: Self) -> Self {
        if self == Self::PEER { peer } else { self }
    }

    pub(crate) const fn number(self) -> u16 {
        self.0
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
mod tests {
    use super::*;

    fn finds(declared: &str, uri: &str) -> bool {
        let origins = Origins::from([declared]);
        origins.check().expect("a good origin");
        origins.find(&uri.parse().expect("a good URI")).is_some()
    }

    #[test]
    fn what_is_found_by_its_bytes_is_found_by_its_parts_at_the_same_origin() {
        let declared = [
            "https://api.example.com",
            "https://API.example.com:443",
            "https://[::1]:8443",
        ];
        let origins = Origins::from(declared);
        for (uri, spelled) in [
            ("https://api.example.com/v1?q", true),
            ("https://[::1]:8443/", true),
            ("https://API.example.com/", false),
            ("https://api.example.com:443/", false),
            ("https://user@api.example.com/", false),
        ] {
            let uri = uri.parse().expect("a good URI");
            let by_bytes = origins.find_spelled(&uri);
            assert_eq!(by_bytes.is_some(), spelled, "{uri}");
            assert!(
                by_bytes.is_none() || by_bytes == origins.find(&uri),
                "{uri}"
            );
            assert!(origins.find(&uri).is_some(), "{uri}");
        }
        for stranger in [
            "http://api.example.com/",
            "https://api.example.com.evil/",
            "/path",
        ] {
            let uri = stranger.parse().expect("a good URI");
            assert_eq!(origins.find_spelled(&uri), None, "{stranger}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert!(finds(
            "https://api.example.com",
            "https://API.example.com:443/v1?q#f"
        ));
        assert!(finds(
            "https://api.example.com/ignored",
            "https://user@api.example.com/"
        ));
        assert!(finds(
            "https://[2001:db8::1]:8443",
            "https://[2001:DB8::1]:8443/"
        ));
        for other in [
            "http://api.example.com/",
            "https://api.example.com:444/",
            "https://api.example.com./",
            "https://api.example.com.evil.example/",
            "https://api.example.com@evil.example/",
            "https://evil.example/https://api.example.com",
            "ftp://api.example.com/",
        ] {
            assert!(!finds("https://api.example.com", other), "{other}");
        }
    }

    #[test]
    fn a_request_without_an_authority_is_at_its_one_peer() {
        let origins = Origins::from(["https://api.example.com"]);
        assert_eq!(
            origins.find(&Uri::from_static("/path")),
            Some(OriginIndex::PEER)
        );
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for good in [
            "http://127.0.0.1:80",
            "http://127.1.2.3",
            "http://[::1]:3",
            "http://localhost",
        ] {
            assert!(Origins::from([good]).check().is_ok(), "{good}");
        }
        for bad in [
            "http://10.0.0.1",
            "http://localhost.evil.example",
            "api.example.com",
            "https://",
            "https://*.example.com",
            "",
            "ws://x",
        ] {
            let error = Origins::from([bad]).check().expect_err(bad);
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
        }
        let meshed = Origins::danger_allowing_plain_http(["http://orders.mesh"]);
        assert!(
            meshed
                .find(&Uri::from_static("http://orders.mesh/1"))
                .is_some()
        );
    }

    #[test]
    fn an_origin_with_a_password_in_it_is_refused_without_showing_it() {
        let error = Origins::from(["https://user:canary@api.example.com"])
            .check()
            .expect_err("userinfo");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
