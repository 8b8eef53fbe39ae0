//! Putting the token on a request, and deciding whether it may go there.

use http::{Extensions, HeaderMap, Request, Uri, uri::Authority};

use crate::{
    error::Error,
    provider::{Headers, OriginIndex, Profile, TokenRequest},
};

/// Request extension: send this one without a token.
///
/// ```
/// use tower_reauth::attach::Bare;
///
/// let mut request = http::Request::get("https://cdn.example.com/logo").body(()).expect("a constant");
/// request.extensions_mut().insert(Bare);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Bare;

/// How a layer decides about its requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) undeclared: Undeclared,
    /// Whether headers that the caller set itself, under a name of ours, are kept.
    pub(crate) respects_existing: bool,
}

/// What happens to a request whose origin is not declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Undeclared {
    /// It is answered with an error, and nothing is sent.
    #[default]
    Refuse,
    /// It is sent without a token.
    SendBare,
}

/// How a request is to be sent.
#[derive(Debug)]
pub(crate) enum Admission {
    WithToken(OriginIndex),
    Bare,
    Refused(Error),
}

/// Decides about `request`.
#[inline]
pub(crate) fn admit<B>(request: &Request<B>, profile: &Profile, policy: Policy) -> Admission {
    // Nearly every request: it asks for nothing, and spells its origin as it was declared.
    if request.extensions().is_empty()
        && !policy.respects_existing
        && let Some(origin) = profile.origins.find_spelled(request.uri())
    {
        return Admission::WithToken(origin);
    }
    let (uri, headers) = (request.uri(), request.headers());
    admit_any(request.extensions(), uri, headers, profile, policy)
}

/// The same for a request of any kind.
#[inline(never)]
fn admit_any(
    extensions: &Extensions,
    uri: &Uri,
    headers: &HeaderMap,
    profile: &Profile,
    policy: Policy,
) -> Admission {
    let asked = asked_for(extensions);
    asked.unwrap_or_else(|| {
        let origin = profile.origins.find(uri);
        admit_to(origin, headers, profile, policy, || {
            let authority = uri.authority().map_or("", Authority::as_str);
            Error::origin(uri.scheme_str(), authority)
        })
    })
}

/// Decides about a request to `origin`, none where it is not declared. The error says which it is.
pub(crate) fn admit_to(
    origin: Option<OriginIndex>,
    headers: &HeaderMap,
    profile: &Profile,
    policy: Policy,
    error: impl FnOnce() -> Error,
) -> Admission {
    if policy.respects_existing && profile.placement.is_on(headers) {
        return Admission::Bare;
    }
    match (origin, policy.undeclared) {
        (Some(origin), _) => Admission::WithToken(origin),
        (None, Undeclared::SendBare) => Admission::Bare,
        (None, Undeclared::Refuse) => Admission::Refused(error()),
    }
}

/// What a request's extensions ask for.
pub(crate) fn asked_for(extensions: &Extensions) -> Option<Admission> {
    if extensions.is_empty() {
        return None;
    }
    if extensions.get::<TokenRequest>().is_some() {
        // A token client that passes through the layer would wait for itself.
        return Some(Admission::Refused(Error::token_request_in_layer()));
    }
    extensions.get::<Bare>().map(|_| Admission::Bare)
}

/// Puts `headers` on `request`, in place of what is there under their names.
#[inline]
pub(crate) fn attach<B>(headers: &Headers, request: &mut Request<B>) {
    place(headers, request.headers_mut());
}

/// Puts `headers` into `map`, in place of what is there under their names.
#[inline]
pub(crate) fn place(headers: &Headers, map: &mut HeaderMap) {
    for (name, value) in headers.own() {
        map.insert(name.clone(), value.clone());
    }
}
