//! The handle of the client that token requests travel on. Their answers are in `reply.rs`.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;

use super::{ProviderError, TokenReply};
use crate::clock::{Clock, Moment, Sleep};

/// The plain HTTP client for token requests, as an exchange hands it out.
///
/// It sends each request once: no redirects, no retries, https only (loopback excepted), within a
/// time and a size limit. It is never the client that the layer wraps. See
/// [`token_client`](crate::token_client) for what is behind it.
#[derive(Clone)]
pub struct TokenClient {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    until: Option<Moment>,
    mark: TokenRequest,
}

/// What is behind a [`TokenClient`].
pub(crate) trait Transport: Send + Sync {
    fn send(&self, request: Request<Bytes>, clock: &Arc<dyn Clock>) -> SendFuture;

    /// How long one request may take.
    fn limit(&self) -> Duration {
        Duration::ZERO
    }
}

pub(crate) type SendFuture =
    Pin<Box<dyn Future<Output = Result<TokenReply, ProviderError>> + Send>>;

/// In the extensions of every token request: whose it is, so that a layer which meets one of its own
/// on its way through itself can refuse it. Waiting for a token in order to ask for that token never
/// ends; another layer's token may well be what this one is asked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenRequest(u64);

/// In the extensions of a token request that must not be sent any more from this moment on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendBefore(pub(crate) Moment);

/// Behind the error of a layer that met a [`TokenRequest`]: it was not sent, whoever has read it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldBack;

// === impl TokenClient ===

impl TokenClient {
    pub(crate) fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self {
            transport,
            clock,
            until: None,
            mark: TokenRequest::next(),
        }
    }

    /// What its requests are known by.
    pub(crate) fn mark(&self) -> TokenRequest {
        self.mark
    }

    /// How long one request may take.
    pub(crate) fn limit(&self) -> Duration {
        self.transport.limit()
    }

    /// The same client, which sends nothing any more from `moment` on.
    pub(crate) fn until(&self, moment: Moment) -> Self {
        Self {
            until: Some(moment),
            ..self.clone()
        }
    }

    /// Sends one token request.
    ///
    /// # Errors
    ///
    /// *Misconfigured* where the request must not be sent (plain http to another host, no host),
    /// *transient* where it provably never left, *unknown outcome* where it may have arrived and
    /// no answer came back. An answer that broke off is no error here: see
    /// [`TokenReply::is_complete`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the request; whether it was processed is then unknown.
    pub async fn send(&self, mut request: Request<Bytes>) -> Result<TokenReply, ProviderError> {
        request.extensions_mut().insert(self.mark);
        if let Some(until) = self.until {
            request.extensions_mut().insert(SendBefore(until));
        }
        self.transport.send(request, &self.clock).await
    }

    /// What time it is for this session.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Waits, by the clock that this session goes by.
    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        self.clock.sleep(duration)
    }
}

impl fmt::Debug for TokenClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenClient").finish_non_exhaustive()
    }
}

// === impl TokenRequest ===

impl TokenRequest {
    /// One that no other client has.
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Relaxed))
    }
}

// === impl HeldBack ===

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the layer held the token request back")
    }
}

impl std::error::Error for HeldBack {}
