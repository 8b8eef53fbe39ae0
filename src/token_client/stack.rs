//! One token request, from the check of its address to the last byte of the reply.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, Uri,
    header::{ACCEPT, AUTHORIZATION, USER_AGENT},
    uri::Scheme,
};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
use tower_http::set_header::{SetRequestHeader, SetRequestHeaderLayer};

use super::{
    Limits, arrived,
    body::{Body, LastCall, Watch},
    limit::Limit,
    proof,
};
use crate::{
    clock::Clock,
    provider::{ProviderError, SendBefore, SendFuture, TokenReply, is_loopback},
};

/// What is behind an [`HttpTokenClient`](super::HttpTokenClient), its type hidden.
pub(super) trait Stack: Send + Sync {
    fn send(&self, request: Request<Bytes>, clock: Arc<dyn Clock>, limits: Limits) -> SendFuture;
}

/// The layers around a service. The mutex is held for a clone only; it lets in services that are
/// not `Sync`.
pub(super) struct Around<S>(Mutex<WithHeaders<S>>);

type WithHeaders<S> = SetRequestHeader<SetRequestHeader<S, HeaderValue>, HeaderValue>;

/// What is known about whether a request was sent.
struct Sending {
    /// Where to, for errors.
    place: String,
    body: Watch,
    /// Whether an unread body proves that no credential left.
    body_is_proof: bool,
}

// === impl Around ===

impl<S> Around<S> {
    pub(super) fn new(service: S) -> Self {
        const AGENT: HeaderValue =
            HeaderValue::from_static(concat!("tower-reauth/", env!("CARGO_PKG_VERSION")));
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let service = ServiceBuilder::new()
            .layer(SetRequestHeaderLayer::if_not_present(USER_AGENT, AGENT))
            .layer(SetRequestHeaderLayer::if_not_present(ACCEPT, JSON))
            .service(service);
        Self(Mutex::new(service))
    }
}

impl<S, B> Stack for Around<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    fn send(&self, request: Request<Bytes>, clock: Arc<dyn Clock>, limits: Limits) -> SendFuture {
        let service = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(exchange(service.clone(), request, clock, limits))
    }
}

async fn exchange<S, B>(
    mut service: S,
    request: Request<Bytes>,
    clock: Arc<dyn Clock>,
    limits: Limits,
) -> Result<TokenReply, ProviderError>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: http_body::Body,
{
    check(request.uri())?;
    let mut limit = Limit::new(limits.timeout)?;
    match limit.within(service.ready()).await {
        Some(Ok(_)) => {}
        Some(Err(error)) => return Err(not_sent(&place(request.uri()), error.into())),
        None => return Err(ProviderError::transient(NOT_READY)),
    }
    let last_call = LastCall::of(request.extensions().get::<SendBefore>(), &clock);
    if last_call.is_over() {
        return Err(ProviderError::transient(TOO_LATE));
    }
    if let Some(answers_within) = last_call.answers_within() {
        limit.shorten(answers_within);
    }
    let (request, sending) = prepare(request, last_call);
    let sent_at = clock.now();
    limit.expects_answer();
    let response = match limit.within(service.call(request)).await {
        Some(Ok(response)) => response,
        Some(Err(error)) => return Err(sending.failed(error.into())),
        None => return Err(sending.timed_out()),
    };
    let received_at = clock.now();
    let (head, body) = response.into_parts();
    let (body, complete) = arrived::read(body, &mut limit, limits.max_reply_bytes).await;
    Ok(TokenReply::new(
        head,
        body,
        complete,
        (sent_at, received_at),
    ))
}

// === impl Sending ===

impl Sending {
    fn failed(self, error: BoxError) -> ProviderError {
        // Only where it is the error itself: one behind it may be another session's, of a layer
        // that this client is wrapped in.
        if let Some(verdict) = error.downcast_ref::<ProviderError>() {
            return verdict.clone();
        }
        let unread = self.body.withdraw();
        let unsent = unread || proof::was_held_back(&*error);
        if unsent && let Some(misconfigured) = proof::misconfiguration(&*error) {
            return misconfigured;
        }
        if (unread && self.body_is_proof) || proof::is_connect_failure(&*error) {
            return not_sent(&self.place, error);
        }
        ProviderError::unknown_outcome("the connection broke before the token endpoint answered")
            .because(error)
    }

    fn timed_out(self) -> ProviderError {
        if self.body.withdraw() && self.body_is_proof {
            return ProviderError::transient(format!(
                "the token endpoint at {} was not reached within the time limit",
                self.place
            ));
        }
        ProviderError::unknown_outcome("the token endpoint did not answer within the time limit")
    }
}

// === helpers ===

/// Refuses an address that would show the credential to others. Nothing of the address is shown
/// but its host: a query may hold secrets.
fn check(uri: &Uri) -> Result<(), ProviderError> {
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(ProviderError::misconfigured(
            "the URL of a token request needs a scheme and a host, as in https://id.example.com/token",
        ));
    };
    let host = authority.host();
    if host.is_empty() || authority.as_str().contains('@') {
        return Err(ProviderError::misconfigured(
            "the URL of a token request must have a bare host, with a port at most; \
             send a name and password in the authorization header",
        ));
    }
    if *scheme == Scheme::HTTPS || (*scheme == Scheme::HTTP && is_loopback(host)) {
        return Ok(());
    }
    Err(ProviderError::misconfigured(format!(
        "a token request to {host:?} would show its credential to the network: use https \
         (plain http is for loopback addresses only)"
    )))
}

fn prepare(request: Request<Bytes>, last_call: LastCall) -> (Request<Body>, Sending) {
    let (mut head, bytes) = request.into_parts();
    let body_is_proof = !bytes.is_empty() && !head_may_tell(&head.uri, &head.headers);
    if let Some(value) = head.headers.get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
    }
    let (body, watch) = Body::new(bytes, last_call);
    let sending = Sending {
        place: place(&head.uri),
        body: watch,
        body_is_proof,
    };
    (Request::from_parts(head, body), sending)
}

/// Whether the head of a request may hold a credential: then a vendor may act on it before, or
/// without, the body.
fn head_may_tell(uri: &Uri, headers: &HeaderMap) -> bool {
    let secret = |(name, value): (_, &HeaderValue)| value.is_sensitive() || name == AUTHORIZATION;
    uri.query().is_some() || headers.iter().any(secret)
}

fn not_sent(place: &str, error: BoxError) -> ProviderError {
    let message = format!("the token endpoint at {place} was not reached, and nothing was sent");
    ProviderError::transient(message).because(error)
}

/// Host and port of a URL that was [checked](check), so no name and password are among them.
fn place(uri: &Uri) -> String {
    uri.authority().map(ToString::to_string).unwrap_or_default()
}

const NOT_READY: &str = "the token client was not ready within the time limit; nothing was sent";
const TOO_LATE: &str = "the time for the exchange was over before the token request could be sent, \
                        and nothing was sent";
