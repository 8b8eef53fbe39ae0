//! Refusals that are said in a body only.
//!
//! Some vendors refuse a token with a status that says something else, and say why in the body: a
//! 200 with `"success": false`, a 400 with `"error": "ExpiredToken"`. [`AuthLayer`](crate::AuthLayer)
//! judges a response by its head. [`PeekLayer`], put inside of it, looks at the beginning of the body
//! as well, hands the body on whole, and marks a response that refuses the token as [`Refused`].
//!
//! ```
//! use serde::Deserialize;
//! use tower::ServiceBuilder;
//! use tower_reauth::{AuthLayer, peek::{Glimpse, PeekLayer}, provider::FixedToken};
//! # use http_body_util::Full;
//! # let client = tower::service_fn(|_: http::Request<Full<bytes::Bytes>>| async {
//! #     Ok::<_, std::io::Error>(http::Response::new(Full::<bytes::Bytes>::default()))
//! # });
//! # let auth = AuthLayer::new(FixedToken::bearer("t0ken").origins(["https://api.example.com"]));
//!
//! #[derive(Deserialize)]
//! struct Failure { error: String }
//!
//! let peek = PeekLayer::new(|glimpse: &Glimpse<'_>| {
//!     glimpse.status() == 400
//!         && serde_json::from_slice(glimpse.body()).is_ok_and(|it: Failure| it.error == "ExpiredToken")
//! });
//! let service = ServiceBuilder::new().layer(auth).layer(peek).service(client);
//! ```
//!
//! A response that is marked makes its request be sent *again*. So look for what a vendor says
//! before it does anything, whatever the method.
//!
//! # What is looked at
//!
//! Responses that have a body, whose `Content-Type` is JSON, and that are not compressed;
//! [`only`](PeekLayer::only) says otherwise of the latter two. Others pass untouched, at the cost of
//! a look at two headers. Of a body that is looked at, 4 KiB are read at most
//! ([`cap`](PeekLayer::cap)); until they are there, or the body has ended, the response waits. So
//! leave out what streams. Frames, trailers and errors are handed on, empty frames excepted.
//!
//! # Cost
//!
//! For a response that is looked at: a box, a list of its frames, and a copy of the beginning of its
//! body.
//!
//! # Stacks
//!
//! Services over `http`, whose bodies give `Bytes`, get a response body of another type,
//! [`PeekBody`]. Around reqwest (feature `reqwest`) responses keep their type; in a chain of
//! reqwest-middleware use `PeekLayer::middleware` after that of the layer. Not around tonic's
//! channel: gRPC says it in a status, and a body of another type is not watched to its end.

mod body;
mod future;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
    response::Parts,
};
use http_body::Body;
use tower::{Layer, Service};

#[cfg(feature = "reqwest")]
pub(crate) use self::future::peek;
pub use self::{body::PeekBody, future::ResponseFuture};
pub use crate::challenge::Refused;

/// Marks responses whose body says that the token was refused. See the [module](self).
#[derive(Clone)]
pub struct PeekLayer(Arc<Looks>);

/// The service that [`PeekLayer`] makes.
#[derive(Clone, Debug)]
pub struct Peek<S> {
    pub(crate) inner: S,
    pub(crate) layer: PeekLayer,
}

/// What is seen of a response. `Debug` shows neither headers nor body, which may hold secrets.
#[derive(Clone, Copy)]
pub struct Glimpse<'a> {
    status: StatusCode,
    headers: &'a HeaderMap,
    body: &'a [u8],
    is_whole: bool,
}

#[derive(Clone)]
struct Looks {
    only: Arc<Only>,
    refuses: Arc<dyn Fn(&Glimpse<'_>) -> bool + Send + Sync>,
    cap: usize,
}

type Only = dyn Fn(StatusCode, &HeaderMap) -> bool + Send + Sync;

// === impl PeekLayer ===

impl PeekLayer {
    /// Marks the responses that `refuses` says it of.
    #[must_use]
    pub fn new(refuses: impl Fn(&Glimpse<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(Looks {
            only: Arc::new(is_plain_json),
            refuses: Arc::new(refuses),
            cap: CAP,
        }))
    }

    /// Looks at the bodies of these responses only, instead of those that are JSON and not
    /// compressed. The last one counts.
    ///
    /// ```
    /// use tower_reauth::peek::PeekLayer;
    ///
    /// let peek = PeekLayer::new(|glimpse| glimpse.body().starts_with(b"ERR_TOKEN"))
    ///     .only(|status, _| status == 500);
    /// ```
    #[must_use]
    pub fn only(
        self,
        only: impl Fn(StatusCode, &HeaderMap) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Looks {
            only: Arc::new(only),
            ..Looks::clone(&self.0)
        }))
    }

    /// How many bytes of a body are read before its response goes on: 4 KiB by default.
    #[must_use]
    pub fn cap(self, bytes: usize) -> Self {
        Self(Arc::new(Looks {
            cap: bytes,
            ..Looks::clone(&self.0)
        }))
    }

    pub(crate) fn wants(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        (self.0.only)(status, headers)
    }

    /// Marks `head` if it and the beginning of its body refuse the token.
    fn judge(&self, head: &mut Parts, body: &[u8], is_whole: bool) {
        let glimpse = Glimpse::new(head.status, &head.headers, body, is_whole);
        if (self.0.refuses)(&glimpse) {
            head.extensions.insert(Refused);
        }
    }
}

impl<S> Layer<S> for PeekLayer {
    type Service = Peek<S>;

    fn layer(&self, inner: S) -> Peek<S> {
        Peek {
            inner,
            layer: self.clone(),
        }
    }
}

impl fmt::Debug for PeekLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekLayer")
            .field("cap", &self.0.cap)
            .finish_non_exhaustive()
    }
}

// === impl Peek ===

impl<S> Peek<S> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, without the layer.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Peek<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body<Data = Bytes>,
{
    type Response = Response<PeekBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        ResponseFuture::new(self.inner.call(request), self.layer.clone())
    }
}

// === impl Glimpse ===

impl<'a> Glimpse<'a> {
    /// What would be seen of such a response: to test what one looks for.
    #[must_use]
    pub fn new(status: StatusCode, headers: &'a HeaderMap, body: &'a [u8], is_whole: bool) -> Self {
        Self {
            status,
            headers,
            body,
            is_whole,
        }
    }

    /// The response's status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The response's headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.headers
    }

    /// The beginning of the body, up to the [cap](PeekLayer::cap).
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body
    }

    /// Whether that is all of the body.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }
}

impl fmt::Debug for Glimpse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Glimpse")
            .field("status", &self.status)
            .field("seen", &self.body.len())
            .field("is_whole", &self.is_whole)
            .finish_non_exhaustive()
    }
}

/// `application/json` or `…+json`, as it was made.
fn is_plain_json(_: StatusCode, headers: &HeaderMap) -> bool {
    let content = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_json = content.is_some_and(|content| {
        let end = content.iter().position(|byte| *byte == b';');
        let essence = content[..end.unwrap_or(content.len())].trim_ascii();
        let (_, suffix) = essence.split_at(essence.len().saturating_sub(SUFFIX.len()));
        essence.eq_ignore_ascii_case(b"application/json") || suffix.eq_ignore_ascii_case(SUFFIX)
    });
    is_json && !headers.contains_key(CONTENT_ENCODING)
}

/// RFC 6839, section 3.1.
const SUFFIX: &[u8] = b"+json";
/// An error's body has a few hundred bytes.
const CAP: usize = 4 * 1024;
