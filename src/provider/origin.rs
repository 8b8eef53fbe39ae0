//! One origin that may see a token, and how it is read. The list of them is in `list.rs`.

mod list;

use std::{fmt, net::IpAddr};

use http::{
    Uri,
    uri::{Authority, Scheme},
};

pub(crate) use self::list::OriginIndex;
pub use self::list::Origins;
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
