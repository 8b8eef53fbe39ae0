//! The service that the layer makes.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, Uri};
use tower::Service;

use crate::{
    attach::{self, Admission},
    cell::Snapshot,
    error::{BoxError, Error},
    future::{Chance, ResponseFuture, Second, Sent, send_when_usable},
    layer::Core,
    observe::Event,
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

/// What came of putting a token on a request.
enum Put<S, B> {
    Done(Sent, Chance<S, B>),
    /// There is no good one, or a proof goes with it: that takes longer.
    NotSimple,
    /// It may not go there.
    NotThere,
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

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        if let Some(error) = &self.core.settings.blocked {
            return self.unserved(error.clone(), &request);
        }
        let profile = self.core.session.family().profile();
        match attach::admit(&request, profile, self.core.settings.admission) {
            Admission::WithToken(origin) => {
                let origin = origin.through(self.peer);
                match self.put_token_on(&mut request, |_, _| Some(origin)) {
                    Put::Done(sent, second) => {
                        ResponseFuture::sent(self.inner.call(request), sent, second)
                    }
                    Put::NotSimple | Put::NotThere => self.call_when_usable(request, Some(origin)),
                }
            }
            Admission::AsItsTokenSays => self.call_as_token_says(request),
            Admission::Bare => ResponseFuture::bare(self.inner.call(request)),
            Admission::Refused(error) => self.unserved(error, &request),
        }
    }
}

impl<S, P> Auth<S, P> {
    /// Puts the token on `request` where there is a good one, which is nearly always, and where that
    /// one may go to the origin that `origin_by` finds.
    #[inline]
    fn put_token_on<B: 'static>(
        &self,
        request: &mut Request<B>,
        origin_by: impl FnOnce(&Snapshot, &Uri) -> Option<OriginIndex>,
    ) -> Put<S, B>
    where
        S: Clone,
    {
        let session = &self.core.session;
        let now = session.cell().coarse();
        let snapshot = session.cell().load();
        if snapshot.simple_until.reached(now) {
            if !snapshot.is_usable(now) {
                return Put::NotSimple;
            }
            if snapshot.attention.reached(now) {
                session.attend();
            }
            if snapshot.headers.prover().is_some() {
                return Put::NotSimple;
            }
        }
        let Some(origin) = origin_by(&snapshot, request.uri()) else {
            return Put::NotThere;
        };
        let second = Second::of(&self.core, &self.inner, request, now);
        attach::attach(&snapshot.headers, request);
        let sent = Sent {
            session: self.core.hold(),
            generation: snapshot.generation,
            origin,
        };
        Put::Done(sent, second)
    }

    /// Calls with a request that may go where the token, and nobody else, says.
    #[inline(never)]
    fn call_as_token_says<ReqBody, ResBody>(
        &mut self,
        mut request: Request<ReqBody>,
    ) -> ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        ReqBody: Send + 'static,
        ResBody: Send + 'static,
    {
        let core = &self.core;
        match self.put_token_on(&mut request, |snapshot, uri| core.origin_by(snapshot, uri)) {
            Put::Done(sent, second) => ResponseFuture::sent(self.inner.call(request), sent, second),
            Put::NotSimple => self.call_when_usable(request, None),
            Put::NotThere => {
                let uri = request.uri();
                let policy = self.core.settings.admission;
                match attach::undeclared(policy, || attach::not_declared(uri)) {
                    Admission::Refused(error) => self.unserved(error, &request),
                    _ => ResponseFuture::bare(self.inner.call(request)),
                }
            }
        }
    }

    #[cold]
    fn unserved<ReqBody>(
        &self,
        error: Error,
        request: &Request<ReqBody>,
    ) -> ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        self.core.session.tell(Event::Unserved { error: &error });
        ResponseFuture::failed(error, request.headers())
    }

    /// Without an `origin`, the token that comes says whether it may go there.
    #[cold]
    fn call_when_usable<ReqBody, ResBody>(
        &mut self,
        request: Request<ReqBody>,
        origin: Option<OriginIndex>,
    ) -> ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        ReqBody: Send + 'static,
        ResBody: Send + 'static,
    {
        let (core, ready) = (Arc::clone(&self.core), self.take_ready());
        ResponseFuture::boxed(send_when_usable(core, origin, ready, request))
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
