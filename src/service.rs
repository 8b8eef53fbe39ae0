//! The service that the layer makes.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::Service;

use crate::{
    attach::{self, Admission},
    error::BoxError,
    future::{ResponseFuture, Second, Sent, send_when_usable},
    layer::Core,
    provider::{OriginIndex, Provider},
};

/// Authenticates the requests to an inner service. Made by [`AuthLayer`](crate::AuthLayer).
///
/// Request and response types are those of the inner service; the error is boxed, so that the
/// layer's own [`Error`](crate::Error) fits in. Readiness is the inner service's: the layer's own
/// errors come from the response future, never from `poll_ready`.
pub struct Auth<S, P> {
    pub(crate) inner: S,
    pub(crate) core: Arc<Core>,
    /// Where requests without an authority go.
    peer: OriginIndex,
    provider: PhantomData<fn() -> P>,
}

// === impl Auth ===

impl<S, P> Auth<S, P> {
    pub(crate) fn new(inner: S, core: Arc<Core>, peer: OriginIndex) -> Self {
        Self {
            inner,
            core,
            peer,
            provider: PhantomData,
        }
    }

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

    /// The service that `poll_ready` made ready, with a clone left in its place.
    pub(crate) fn take_ready(&mut self) -> S
    where
        S: Clone,
    {
        let clone = self.inner.clone();
        mem::replace(&mut self.inner, clone)
    }
}

impl<S, P, ReqBody, ResBody> Service<Request<ReqBody>> for Auth<S, P>
where
    P: Provider,
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    ReqBody: Send + 'static,
    ResBody: Send + 'static,
{
    type Response = Response<ResBody>;
    type Error = BoxError;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if let Some(error) = &self.core.settings.blocked {
            return ResponseFuture::failed(error.clone(), request.headers());
        }
        let profile = self.core.session.family().profile();
        match attach::admit(&request, profile, self.core.settings.admission) {
            Admission::WithToken(origin) => {
                self.call_with_token(request, origin.through(self.peer))
            }
            Admission::Bare => ResponseFuture::bare(self.inner.call(request)),
            Admission::Refused(error) => ResponseFuture::failed(error, request.headers()),
        }
    }
}

impl<S, P> Auth<S, P> {
    /// Sends at once where the token is good, which is nearly always, else once it is.
    fn call_with_token<ReqBody, ResBody>(
        &mut self,
        mut request: Request<ReqBody>,
        origin: OriginIndex,
    ) -> ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        ReqBody: Send + 'static,
        ResBody: Send + 'static,
    {
        let session = &self.core.session;
        let now = session.cell().now();
        let snapshot = session.cell().load();
        if snapshot.attention.reached(now) {
            if !snapshot.is_usable(now) {
                drop(snapshot);
                let core = Arc::clone(&self.core);
                let ready = self.take_ready();
                return ResponseFuture::boxed(send_when_usable(core, origin, ready, request));
            }
            session.attend();
        }
        let second = Second::of(&self.core, &self.inner, &mut request, now);
        attach::attach(&snapshot.headers, &mut request);
        let sent = Sent {
            core: Arc::clone(&self.core),
            generation: snapshot.generation,
            origin,
        };
        drop(snapshot);
        ResponseFuture::sent(self.inner.call(request), sent, second)
    }
}

impl<S: Clone, P> Clone for Auth<S, P> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.core), self.peer)
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Auth<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("inner", &self.inner)
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}
