//! Where a token goes on a request.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, InvalidHeaderValue},
};

use super::{Prover, ProviderError};
use crate::{
    lane::{Lane, Lanes},
    token::{Secret, ZeroizingText},
};

/// Where a token goes: one or more headers.
///
/// ```
/// use http::HeaderName;
/// use tower_reauth::provider::Placement;
///
/// // `Authorization: Bearer …`, as nearly everywhere:
/// let placement = Placement::bearer();
/// // The bare token in a vendor's header, with an API key beside it:
/// let placement = Placement::header(HeaderName::from_static("x-vendor-jwt"))
///     .and_fixed(HeaderName::from_static("x-api-key"), "k3y");
/// ```
#[derive(Clone, Debug)]
pub struct Placement(Vec<(HeaderName, Template)>);

#[derive(Clone, Debug)]
enum Template {
    Bearer,
    Bound,
    Bare,
    Fixed(Secret),
}

/// Headers made ready once for each token: marked sensitive, zeroed when the last clone is dropped.
///
/// Each lane has values that are counted apart from those of the others, and all share their bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    /// Not in place: a snapshot is moved about, and copied to be looked after later.
    lanes: Arc<Lanes<OfLane>>,
    /// What makes the one header more that is another one for each request, where the token is bound
    /// to a key.
    prover: Option<Arc<dyn Prover>>,
}

/// The headers of one lane. Most tokens go into `Authorization` and nowhere else: what has to be known of
/// a header's name to insert it, the compiler knows of that one.
#[derive(Clone, Debug, Default)]
struct OfLane {
    authorization: Option<HeaderValue>,
    others: Vec<(HeaderName, HeaderValue)>,
}

// === impl Placement ===

impl Placement {
    /// `Authorization: Bearer <token>` (RFC 6750, section 2.1).
    #[must_use]
    pub fn bearer() -> Self {
        Self(vec![(AUTHORIZATION, Template::Bearer)])
    }

    /// The bare token in the header `name`.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        Self(vec![(name, Template::Bare)])
    }

    /// `Authorization: Bearer <token>` as well.
    #[must_use]
    pub fn and_bearer(self) -> Self {
        self.and(AUTHORIZATION, Template::Bearer)
    }

    /// The bare token in the header `name` as well.
    #[must_use]
    pub fn and_header(self, name: HeaderName) -> Self {
        self.and(name, Template::Bare)
    }

    /// A header that is always the same and secret as well, such as an API key.
    #[must_use]
    pub fn and_fixed(self, name: HeaderName, value: impl Into<Secret>) -> Self {
        self.and(name, Template::Fixed(value.into()))
    }

    /// A header named twice keeps the later meaning.
    fn and(mut self, name: HeaderName, template: Template) -> Self {
        self.0.retain(|(existing, _)| *existing != name);
        self.0.push((name, template));
        self
    }

    /// Whether what is fixed can be sent at all.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, naming the header.
    pub(crate) fn check(&self) -> Result<(), ProviderError> {
        let broken = self.0.iter().find(|(_, template)| match template {
            Template::Fixed(value) => sensitive(&template.text(value)).is_err(),
            Template::Bearer | Template::Bound | Template::Bare => false,
        });
        match broken {
            None => Ok(()),
            Some((name, _)) => Err(ProviderError::misconfigured(format!(
                "the fixed value of the header {name} holds bytes that no header may hold"
            ))),
        }
    }

    /// The same for tokens that are bound to a key, whose scheme is another one (RFC 9449, section
    /// 7.1).
    pub(crate) fn of_bound_tokens(mut self) -> Self {
        for (_, template) in &mut self.0 {
            if matches!(template, Template::Bearer) {
                *template = Template::Bound;
            }
        }
        self
    }

    /// Whether `headers` hold one of these already.
    pub(crate) fn is_on(&self, headers: &HeaderMap) -> bool {
        self.0.iter().any(|(name, _)| headers.contains_key(name))
    }

    /// The headers for `access`.
    ///
    /// # Errors
    ///
    /// The token, or a fixed value, holds bytes that no header may hold.
    pub(crate) fn headers(&self, access: &Secret) -> Result<Headers, InvalidHeaderValue> {
        let texts = self
            .0
            .iter()
            .map(|(name, template)| (name, template.text(access)));
        let texts: Vec<_> = texts.collect();
        let copy = || {
            let mut of_lane = OfLane::default();
            for (name, text) in &texts {
                let value = sensitive(text)?;
                match **name == AUTHORIZATION {
                    true => of_lane.authorization = Some(value),
                    false => of_lane.others.push(((*name).clone(), value)),
                }
            }
            Ok(of_lane)
        };
        let lanes = Lanes::try_new(copy)?;
        Ok(Headers {
            lanes: Arc::new(lanes),
            prover: None,
        })
    }
}

// === impl Template ===

impl Template {
    /// The header's value, where the token is `access`.
    fn text(&self, access: &Secret) -> ZeroizingText {
        match self {
            Self::Bearer => ZeroizingText::joined("Bearer ", access),
            Self::Bound => ZeroizingText::joined("DPoP ", access),
            Self::Bare => ZeroizingText::joined("", access),
            Self::Fixed(value) => ZeroizingText::joined("", value),
        }
    }
}

// === impl Headers ===

impl Headers {
    /// Puts those of a thread's lane into `map`, in place of what is there under their names.
    #[inline]
    pub(crate) fn put(&self, lane: Lane, map: &mut HeaderMap) {
        let OfLane {
            authorization,
            others,
        } = self.lanes.of(lane);
        if let Some(value) = authorization {
            map.insert(AUTHORIZATION, value.clone());
        }
        for (name, value) in others {
            map.insert(name, value.clone());
        }
    }

    /// These, and a proof on each request.
    pub(crate) fn proven_by(self, prover: Arc<dyn Prover>) -> Self {
        Self {
            prover: Some(prover),
            ..self
        }
    }

    /// What proves on each request that its sender holds the key of the token, if it has one.
    pub(crate) fn prover(&self) -> Option<&dyn Prover> {
        self.prover.as_deref()
    }
}

impl Default for Placement {
    fn default() -> Self {
        Self::bearer()
    }
}

/// A header value of this text, which `http` clones by a reference count.
fn sensitive(text: &ZeroizingText) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(text.counted_apart())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(headers: &Headers) -> HeaderMap {
        let mut map = HeaderMap::new();
        headers.put(Lane::current(), &mut map);
        map
    }

    #[test]
    fn headers_are_sensitive_and_redacted() {
        let csp = HeaderName::from_static("csp-auth-token");
        let headers = Placement::bearer()
            .and_header(csp)
            .headers(&Secret::from("canary"))
            .unwrap();
        let own = put(&headers);
        assert_eq!(own[AUTHORIZATION], "Bearer canary");
        assert_eq!(own["csp-auth-token"], "canary");
        assert!(own.values().all(HeaderValue::is_sensitive));
        assert!(!format!("{headers:?}").contains("canary"));
    }

    #[test]
    fn bytes_that_break_a_header_are_an_error() {
        for bad in ["a\r\nb: c", "a\nb", "a\0b"] {
            assert!(
                Placement::bearer().headers(&Secret::from(bad)).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn each_thread_finds_the_same_text_which_is_there_once() {
        let headers = Placement::bearer()
            .headers(&Secret::from("canary"))
            .unwrap();
        let text = |headers: &Headers| put(headers)[AUTHORIZATION].as_bytes().as_ptr().addr();
        let here = text(&headers);
        for _ in 0..8 {
            let there = std::thread::scope(|scope| scope.spawn(|| text(&headers)).join());
            assert_eq!(there.unwrap(), here);
        }
    }

    #[test]
    fn a_header_named_twice_is_there_once() {
        let name = HeaderName::from_static("x-token");
        let placement = Placement::header(name.clone()).and_fixed(name, "later");
        let headers = placement.headers(&Secret::from("t")).unwrap();
        let own = put(&headers);
        assert_eq!(own.len(), 1);
        assert_eq!(own["x-token"], "later");
    }
}
