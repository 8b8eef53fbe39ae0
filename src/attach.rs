//! Putting the token on a request, and deciding whether it may go there.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, uri::Authority};

use crate::{
    challenge,
    clock::Moment,
    error::Error,
    lane::Lane,
    provider::{
        Headers, Heard, OriginIndex, Origins, Profile, ProviderError, Target, TokenRequest, Told,
    },
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
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    /// Why no request can be served at all.
    pub(crate) blocked: Option<Error>,
    pub(crate) undeclared: Undeclared,
    /// Whether headers that the caller set itself, under a name of ours, are kept.
    pub(crate) respects_existing: bool,
    /// What the layer's own token requests are known by.
    pub(crate) own: Option<TokenRequest>,
    /// Whether a request without extensions is decided by its origin alone.
    by_origin_alone: bool,
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
    /// Its origin is not declared, and may have come with the token.
    AsItsTokenSays,
    Bare,
    Refused(Error),
}

// === impl Policy ===

impl Policy {
    /// The policy of a layer whose token requests are known by `own`; `blocked` is why it can serve no
    /// request, if it cannot.
    pub(crate) fn of_layer(self, own: TokenRequest, blocked: Option<Error>) -> Self {
        Self {
            by_origin_alone: blocked.is_none() && !self.respects_existing,
            blocked,
            own: Some(own),
            ..self
        }
    }
}

/// Where `request` goes with the token, if that can be told at once: most requests have no extensions,
/// and spell their origin as it was declared.
// Always: `inline` alone leaves it to the program that it is built in, and a call costs a tenth more.
#[inline(always)]
pub(crate) fn admit_plain<B>(
    request: &Request<B>,
    profile: &Profile,
    policy: &Policy,
) -> Option<OriginIndex> {
    match policy.by_origin_alone && request.extensions().is_empty() {
        true => profile.origins.find_spelled(request.uri()),
        false => None,
    }
}

/// Decides about a request of any kind.
pub(crate) fn admit<B>(request: &Request<B>, profile: &Profile, policy: &Policy) -> Admission {
    let (extensions, uri, headers) = (request.extensions(), request.uri(), request.headers());
    admit_parts(extensions, uri, headers, profile, policy)
}

#[inline(never)]
fn admit_parts(
    extensions: &Extensions,
    uri: &Uri,
    headers: &HeaderMap,
    profile: &Profile,
    policy: &Policy,
) -> Admission {
    if let Some(error) = &policy.blocked {
        return Admission::Refused(error.clone());
    }
    let asked = asked_for(extensions, policy);
    asked.unwrap_or_else(|| {
        let spelled = profile.origins.find_spelled(uri);
        let origin = spelled.or_else(|| profile.origins.find(uri));
        admit_to(origin, headers, profile, policy, || not_declared(uri))
    })
}

/// Decides about a request to `origin`, none where it is not declared. The error says which it is.
pub(crate) fn admit_to(
    origin: Option<OriginIndex>,
    headers: &HeaderMap,
    profile: &Profile,
    policy: &Policy,
    error: impl FnOnce() -> Error,
) -> Admission {
    if policy.respects_existing && profile.placement.is_on(headers) {
        return Admission::Bare;
    }
    match origin {
        Some(origin) => Admission::WithToken(origin),
        None if profile.origins.come_with_tokens() => Admission::AsItsTokenSays,
        None => undeclared(policy, error),
    }
}

/// Decides about a request to an origin that nobody has declared.
pub(crate) fn undeclared(policy: &Policy, error: impl FnOnce() -> Error) -> Admission {
    match policy.undeclared {
        Undeclared::SendBare => Admission::Bare,
        Undeclared::Refuse => Admission::Refused(error()),
    }
}

/// The origin of a request that the very token which goes onto it has brought, found by `find`.
pub(crate) fn origin_of_token(
    profile: &Profile,
    brought: &Origins,
    find: impl FnOnce(&Origins) -> Option<OriginIndex>,
) -> Option<OriginIndex> {
    find(brought).map(|found| profile.origins.behind(found))
}

/// Where a request that went to `origin` goes with a newer token: to the same, unless only the older
/// one had brought it.
pub(crate) fn origin_again(
    profile: &Profile,
    origin: OriginIndex,
    brought: &Origins,
    find: impl FnOnce(&Origins) -> Option<OriginIndex>,
) -> Option<OriginIndex> {
    match profile.origins.is_declared(origin) {
        true => Some(origin),
        false => origin_of_token(profile, brought, find),
    }
}

/// The error of a request to `uri`, which may not have the token.
#[cold]
pub(crate) fn not_declared(uri: &Uri) -> Error {
    let authority = uri.authority().map_or("", Authority::as_str);
    Error::origin(uri.scheme_str(), authority)
}

/// What a request's extensions ask for.
pub(crate) fn asked_for(extensions: &Extensions, policy: &Policy) -> Option<Admission> {
    if extensions.is_empty() {
        return None;
    }
    if policy.own.is_some() && extensions.get() == policy.own.as_ref() {
        // A token client that passes through the layer would wait for itself.
        return Some(Admission::Refused(Error::token_request_in_layer()));
    }
    extensions.get::<Bare>().map(|_| Admission::Bare)
}

/// Puts `headers` on `request`, in place of what is there under their names.
#[inline]
pub(crate) fn attach<B>(headers: &Headers, lane: Lane, request: &mut Request<B>) {
    headers.put(lane, request.headers_mut());
}

/// The proofs that go with one token to one origin: none, where it is bound to no key.
pub(crate) struct Proofs<'a> {
    pub(crate) headers: &'a Headers,
    pub(crate) origins: &'a Origins,
    /// Those that came with the token.
    pub(crate) brought: &'a Origins,
    pub(crate) origin: OriginIndex,
}

// === impl Proofs ===

impl Proofs<'_> {
    /// Puts the token on `request`, and a proof that is made for it.
    ///
    /// # Errors
    ///
    /// Those of [`proof`](Self::proof).
    pub(crate) fn attach<B>(
        &self,
        request: &mut Request<B>,
        told: Option<&Told>,
        now: Moment,
    ) -> Result<(), Error> {
        let proof = self.proof(request.method(), request.uri().path(), told, now)?;
        self.place(proof, request.headers_mut());
        Ok(())
    }

    /// The proof for a request, by what its server has `told` just now, or else before.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where the request does not say where it goes, and nothing else does.
    /// *Transient*, where the proof cannot be signed.
    pub(crate) fn proof(
        &self,
        method: &Method,
        path: &str,
        told: Option<&Told>,
        now: Moment,
    ) -> Result<Option<HeaderValue>, Error> {
        let Some(prover) = self.headers.prover() else {
            return Ok(None);
        };
        let origin = self.origins.at(self.origin, self.brought).ok_or_else(|| {
            Error::misconfigured(ProviderError::misconfigured(
                "a proof of possession names the whole address of its request, and this request \
                 holds a path only: send it to a whole address (of a gRPC client, `with_origin`), \
                 or declare the one origin that it can be for",
            ))
        })?;
        let proof = prover.prove(&Target {
            method,
            origin,
            path,
            now,
            told,
        });
        proof.map(Some).map_err(Error::exchange)
    }

    /// Puts the token and its proof in place of what is there under their names.
    pub(crate) fn place(&self, proof: Option<HeaderValue>, map: &mut HeaderMap) {
        self.headers.put(Lane::current(), map);
        if let Some(proof) = proof {
            map.insert(PROOF, proof);
        }
    }

    /// Takes note of what a response says of proofs. Gives what the next one has to look like, where
    /// the response asks for another one and not for another token.
    pub(crate) fn hear<B>(&self, response: &http::Response<B>, now: Moment) -> Option<Told> {
        let (prover, origin) = (
            self.headers.prover()?,
            self.origins.at(self.origin, self.brought)?,
        );
        prover.hear(&Heard {
            origin,
            headers: response.headers(),
            fault: challenge::of_proof(response),
            now,
        })
    }
}

/// Where a proof goes (RFC 9449, section 4.1).
pub(crate) const PROOF: HeaderName = HeaderName::from_static("dpop");
