//! Whether a response refuses the token that was sent. Pure.
//!
//! For nearly every response this is a look at its version and status. Headers are looked at where
//! the status refuses, where HTTP/2 may carry gRPC, and where the
//! [profile](crate::provider::Refusal::or_when) asks for it. [`Refused`] says it from within.

use http::{HeaderMap, Response, StatusCode, header::WWW_AUTHENTICATE};
use http_auth::{ChallengeRef, parser::ChallengeParser};

use crate::{
    grpc::{self, Head},
    provider::{ProofFault, Refusal},
};

/// Response extension: the token was refused, whatever the status says.
///
/// It is heard unless the profile says that [nothing is a refusal](crate::provider::Refusal::never).
/// Left on a response by a service inside of the layer that knows better than its head tells:
/// [`PeekLayer`](crate::peek::PeekLayer), or one of your own.
///
/// ```
/// use http_body_util::Full;
/// use tower::ServiceBuilder;
/// use tower_reauth::{AuthLayer, peek::Refused, provider::FixedToken};
/// # let client = tower::service_fn(|_: http::Request<Full<bytes::Bytes>>| async {
/// #     Ok::<_, std::io::Error>(http::Response::new(Full::<bytes::Bytes>::default()))
/// # });
/// # let auth = AuthLayer::new(FixedToken::bearer("t0ken").origins(["https://api.example.com"]));
///
/// // With the type of the inner service's body.
/// fn told(mut response: http::Response<Full<bytes::Bytes>>) -> http::Response<Full<bytes::Bytes>> {
///     if response.headers().contains_key("x-session-ended") {
///         response.extensions_mut().insert(Refused);
///     }
///     response
/// }
/// let service = ServiceBuilder::new().layer(auth).map_response(told).service(client);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused;

/// Whether `response` says that the token is not good.
#[inline]
pub(crate) fn refuses<B>(response: &Response<B>, refusal: &Refusal) -> bool {
    let passes = passes_by_its_head(response, refusal);
    // A client may leave something on each response, such as where it came from.
    !(passes && response.extensions().is_empty()) && refuses_looked_at(response, passes, refusal)
}

/// Whether version and status tell that the head does not refuse the token. They do of nearly every
/// response that does not.
#[inline]
fn passes_by_its_head<B>(response: &Response<B>, refusal: &Refusal) -> bool {
    !grpc::may_be_in(response.version()) && refusal.passes(response.status())
}

#[inline(never)]
fn refuses_looked_at<B>(response: &Response<B>, passes: bool, refusal: &Refusal) -> bool {
    if refusal.is_never() {
        return false;
    }
    (!passes && refuses_by_its_head(response, refusal))
        || response.extensions().get::<Refused>().is_some()
}

fn refuses_by_its_head<B>(response: &Response<B>, refusal: &Refusal) -> bool {
    let (status, headers) = (response.status(), response.headers());
    let by_rule = match grpc::head(response) {
        Head::Ended { unauthenticated } => unauthenticated,
        Head::Foreign => refusal.has_status(status) && !lacks_scope_only(headers),
    };
    by_rule || refusal.is_when(status, headers)
}

/// Whether `response`, which does not refuse the token, speaks for it. A failure and a limit may come
/// from before anybody has looked at the token.
#[inline]
pub(crate) fn speaks_for_it<B>(response: &Response<B>) -> bool {
    let status = response.status();
    // Nearly every status is told by the first comparison.
    status < StatusCode::TOO_MANY_REQUESTS
        || (status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error())
}

/// Whether all that is asked of a token is more scope, which a newer one would not have either
/// (RFC 6750, section 3.1). What cannot be read asks for anything.
#[cold]
fn lacks_scope_only(headers: &HeaderMap) -> bool {
    let mut lacks_scope = false;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(header) = header.to_str() else {
            return false;
        };
        for challenge in ChallengeParser::new(header) {
            match challenge {
                Ok(challenge) if !is_of_tokens(challenge.scheme) => {}
                Ok(challenge) if asks_for_scope(&challenge) => lacks_scope = true,
                Ok(_) | Err(_) => return false,
            }
        }
    }
    lacks_scope
}

/// Whether a scheme challenges a token, wherever the vendor wants it placed. An answer may hold both
/// (RFC 9449, section 7.2).
fn is_of_tokens(scheme: &str) -> bool {
    ["Bearer", "DPoP"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
}

/// What `response` finds wrong with the proof that went with a token (RFC 9449, sections 7.1 and 9).
/// It says nothing of the token then, whatever a challenge of another scheme beside it says.
#[cold]
pub(crate) fn of_proof<B>(response: &Response<B>) -> Option<ProofFault> {
    if response.status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    let mut fault = None;
    for header in response.headers().get_all(WWW_AUTHENTICATE) {
        let challenges = ChallengeParser::new(header.to_str().unwrap_or_default());
        // What cannot be read says nothing, and nor does what stands behind it.
        let of_proofs = challenges
            .map_while(Result::ok)
            .filter(|challenge| challenge.scheme.eq_ignore_ascii_case("DPoP"));
        for challenge in of_proofs {
            match () {
                () if asks_for(&challenge, "use_dpop_nonce") => return Some(ProofFault::Nonce),
                () if asks_for(&challenge, "invalid_dpop_proof") => {
                    fault = Some(ProofFault::Invalid)
                }
                () => {}
            }
        }
    }
    fault
}

fn asks_for_scope(challenge: &ChallengeRef<'_>) -> bool {
    asks_for(challenge, INSUFFICIENT_SCOPE)
}

fn asks_for(challenge: &ChallengeRef<'_>, wanted: &str) -> bool {
    let mut errors = challenge
        .params
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("error"));
    errors.next().is_some_and(|(_, error)| error.to_unescaped() == wanted)
        // An attribute that is there twice (section 3 forbids it) says nothing.
        && errors.next().is_none()
}

const INSUFFICIENT_SCOPE: &str = "insufficient_scope";

#[cfg(test)]
mod tests;
