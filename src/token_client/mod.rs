//! The client that token requests travel on.
//!
//! Providers see it as a [`TokenClient`]. Behind that handle is an
//! [`HttpTokenClient`]: the built-in one (feature `https`), or any tower service that you give.
//! It is plain, unauthenticated, and never the client that the layer wraps.
//!
//! # What it does to a request
//!
//! - It refuses, before anything is sent, an address that is not https (loopback excepted) or has
//!   a name and password in it.
//! - It adds `user-agent` and `accept: application/json` where the request has none.
//! - It sends the request **once**. A rotating refresh token that is sent twice can end a session,
//!   so there are no retries, no redirects, and no idle connections: one that the server has just
//!   closed swallows a request and leaves nobody knowing whether it was processed.
//! - It limits each try to [10 seconds](HttpTokenClient::timeout) for head and body together, and
//!   the body to [1 MiB](HttpTokenClient::max_reply_bytes). A body that is cut short by a limit or
//!   a broken connection is handed over as far as it came: it may hold the only copy of a new
//!   refresh token.
//!
//! # How it knows whether anything was sent
//!
//! A failed try is *transient* where the request provably never left, and an *unknown outcome*
//! everywhere else. There are two proofs:
//!
//! - Nobody has read the [`Body`]. That holds for any client, and proves nothing where the body is
//!   empty or the head may hold the credential: a query, an `authorization` header, or another
//!   header marked sensitive.
//! - The client's error, or one behind it, says that no connection came up: `is_connect` of
//!   hyper-util's error (known with feature `https`), or an I/O error such as *connection refused*.
//!
//! # What a service of your own must do
//!
//! Send each request once, follow no redirects, and keep idle connections short or not at all.
//! Its errors become the `source` of ours, so they must not show the request. Where it knows
//! better than these rules what a failure means, its error is a
//! [`ProviderError`](crate::provider::ProviderError), which is passed on.
//!
//! # TLS of your own
//!
//! A corporate CA, for example, or a certificate that the client shows, is a setting of the built-in
//! client: [`HttpTokenClient::with_tls`].
//!
//! ```no_run
//! # #[cfg(not(feature = "https"))]
//! # fn main() {}
//! # #[cfg(feature = "https")]
//! # fn main() -> Result<(), tower_reauth::BoxError> {
//! use tower_reauth::{AuthLayer, token_client::{HttpTokenClient, Tls}, vendor::VmwareCsp};
//!
//! let tls = Tls::new().roots_pem(std::fs::read("corporate-ca.pem")?)?;
//! let auth = AuthLayer::builder(VmwareCsp::api_token("your-api-token", ["https://vmc.vmware.com"]))
//!     .token_client(HttpTokenClient::with_tls(tls)?)
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! The client that the layer wraps is yours as well, and needs the same root certificates.
//!
//! # What is zeroed
//!
//! The buffer that a reply is collected in, and a request body made from a buffer that zeroes
//! itself. The buffers of hyper and of the TLS library are out of reach.

mod arrived;
mod body;
#[cfg(feature = "https")]
mod builtin;
mod limit;
#[cfg(any(test, not(feature = "https")))]
mod missing;
mod proof;
mod stack;
#[cfg(test)]
mod tests;
#[cfg(feature = "https")]
mod tls;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use tower::{BoxError, Service};

pub use self::body::Body;
#[cfg(feature = "https")]
use self::builtin::Builtin as Standard;
#[cfg(not(feature = "https"))]
use self::missing::Missing as Standard;
use self::stack::{Around, Stack};
#[cfg(feature = "https")]
pub use self::tls::{ClientCertificate, Tls};
use crate::{
    clock::{Clock, SystemClock},
    provider::{SendFuture, TokenClient, Transport},
};

/// An HTTP client for token requests, with its limits. Cheap to clone.
///
/// ```
/// use std::time::Duration;
/// use http::{Request, Response};
/// use tower_reauth::token_client::{Body, HttpTokenClient};
///
/// let canned = tower::service_fn(|_: Request<Body>| async {
///     Ok::<_, std::io::Error>(Response::new(String::from("{}")))
/// });
/// let client = HttpTokenClient::over(canned).timeout(Duration::from_secs(3));
/// ```
#[derive(Clone)]
pub struct HttpTokenClient {
    stack: Arc<dyn Stack>,
    limits: Limits,
}

/// What one try may cost.
#[derive(Clone, Copy, Debug)]
struct Limits {
    timeout: Duration,
    max_reply_bytes: usize,
}

// === impl HttpTokenClient ===

impl HttpTokenClient {
    /// The built-in client: HTTP/1.1 over hyper-util, with rustls, ring and the Mozilla root
    /// certificates. It is built at first use, so this cannot fail and needs no runtime.
    #[cfg(feature = "https")]
    #[must_use]
    pub fn builtin() -> Self {
        Self::default()
    }

    /// A client over a tower service of your own.
    ///
    /// It takes `Request<`[`Body`]`>` and gives `Response<B>` for any body type `B`; it is `Clone`
    /// and `Send`, its future is `Send`, its error converts into a boxed one. What it must do
    /// besides is in the [module's documentation](self).
    #[must_use]
    pub fn over<S>(service: S) -> Self
    where
        Self: From<S>,
    {
        Self::from(service)
    }

    /// The time limit of one try, from the first look at the service to the last byte of the
    /// reply: 10 seconds where nothing is set. It needs tokio's timer.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limits.timeout = limit;
        self
    }

    /// How many bytes of a reply's body are read: 1 MiB where nothing is set. A reply of exactly
    /// this size is complete, a larger one is not.
    #[must_use]
    pub fn max_reply_bytes(mut self, limit: usize) -> Self {
        self.limits.max_reply_bytes = limit;
        self
    }

    /// This client as providers get it, on the system's clock, for what an application asks a server
    /// by itself: [a login](crate::oauth2::OAuth2::authorization), for instance.
    #[must_use]
    pub fn handle(self) -> TokenClient {
        self.handle_on(SystemClock)
    }

    /// The same on another clock.
    #[must_use]
    pub fn handle_on(self, clock: impl Clock) -> TokenClient {
        TokenClient::new(self.into_transport(), Arc::new(clock))
    }

    pub(crate) fn into_transport(self) -> Arc<dyn Transport> {
        Arc::new(self)
    }

    fn with_stack(stack: impl Stack + 'static) -> Self {
        Self {
            stack: Arc::new(stack),
            limits: Limits::default(),
        }
    }
}

impl Default for HttpTokenClient {
    /// The built-in client. Without feature `https` there is none, and every request is answered
    /// with an error that says so.
    fn default() -> Self {
        Self::with_stack(Standard)
    }
}

impl<S, B> From<S> for HttpTokenClient
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    fn from(service: S) -> Self {
        Self::with_stack(Around::new(service))
    }
}

impl Transport for HttpTokenClient {
    fn send(&self, request: Request<Bytes>, clock: &Arc<dyn Clock>) -> SendFuture {
        self.stack.send(request, Arc::clone(clock), self.limits)
    }

    fn limit(&self) -> Duration {
        self.limits.timeout
    }
}

impl fmt::Debug for HttpTokenClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTokenClient")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            max_reply_bytes: 1024 * 1024,
        }
    }
}
