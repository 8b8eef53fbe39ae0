//! The service that the layer makes.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    ops::Deref,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::Service;

use crate::{
    attach::{self, Admission},
    cell::{Presented, Snapshot},
    error::{BoxError, Error},
    future::{Chance, ResponseFuture, Sent, send_when_usable},
    lane::{Lane, Shared},
    layer::{Core, Simple},
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
    pub(crate) core: Shared<Core>,
    /// Where requests without an authority go.
    peer: OriginIndex,
    provider: PhantomData<fn() -> P>,
}

// === impl Auth ===

impl<S, P> Auth<S, P> {
    pub(crate) fn new(inner: S, core: Shared<Core>, peer: OriginIndex) -> Self {
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
        let core = &*self.core;
        let profile = core.session.profile();
        let policy = &core.settings.admission;
        let origin = match attach::admit_plain(&request, profile, policy) {
            Some(origin) => origin,
            None => match attach::admit(&request, profile, policy) {
                Admission::WithToken(origin) => origin.through(self.peer),
                Admission::AsItsTokenSays => return self.call_as_token_says(request),
                Admission::Bare => return ResponseFuture::bare(self.inner.call(request)),
                Admission::Refused(error) => return self.unserved(error, &request),
            },
        };
        let Some(simple) = core.simple() else {
            return self.call_when_usable(request, Some(origin));
        };
        let (sent, second) = put(core, &self.inner, simple, &mut request, origin);
        ResponseFuture::sent(self.inner.call(request), sent, second)
    }
}

impl<S, P> Auth<S, P> {
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
        let Some(simple) = self.core.simple() else {
            return self.call_when_usable(request, None);
        };
        if let Some(origin) = self.core.origin_by(&simple.snapshot, request.uri()) {
            let (sent, second) = put(&self.core, &self.inner, simple, &mut request, origin);
            return ResponseFuture::sent(self.inner.call(request), sent, second);
        }
        drop(simple);
        let (uri, policy) = (request.uri(), &self.core.settings.admission);
        match attach::undeclared(policy, || attach::not_declared(uri)) {
            Admission::Refused(error) => self.unserved(error, &request),
            _ => ResponseFuture::bare(self.inner.call(request)),
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
        let (core, ready) = (Arc::clone(self.core.own()), self.take_ready());
        ResponseFuture::boxed(send_when_usable(core, origin, ready, request))
    }
}

/// Puts a token on a `request` to `origin`. Gives what the response is judged by, and the means to send
/// the request to `inner` again.
// Always: see `attach::admit_plain`.
#[inline(always)]
fn put<S: Clone, B: 'static>(
    core: &Core,
    inner: &S,
    Simple { snapshot, now }: Simple<impl Deref<Target = Arc<Snapshot>>>,
    request: &mut Request<B>,
    origin: OriginIndex,
) -> (Sent, Chance<S, B>) {
    let second = Chance::of(core, inner, request, now);
    let lane = Lane::current();
    attach::attach(&snapshot.headers, lane, request);
    let sent = Sent {
        session: core.hold(lane),
        presented: Presented::new(snapshot.generation, origin),
    };
    (sent, second)
}

impl<S: Clone, P> Clone for Auth<S, P> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.core.clone(), self.peer)
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

#[cfg(test)]
mod tests {
    use tower::Layer;

    use super::*;
    use crate::{layer::AuthLayer, provider::FixedToken};

    #[test]
    fn a_clone_of_a_service_counts_one_reference_beside_the_inner_services() {
        let origins = ["https://api.example.com"];
        let service = AuthLayer::new(FixedToken::bearer("t0ken").origins(origins)).layer(());
        let counts_of = |service: &Auth<(), FixedToken>| {
            let Core {
                session, settings, ..
            } = &*service.core;
            let below = [
                Arc::strong_count(session),
                Arc::strong_count(settings),
                Arc::strong_count(session.cell()),
                Arc::strong_count(session.family()),
            ];
            (Arc::strong_count(service.core.own()), below)
        };
        let (core, below) = counts_of(&service);
        let clones = [service.clone(), service.clone()];
        assert_eq!(counts_of(&service), (core + clones.len(), below));
        drop(clones);
        // One that is cloned often has copies, which are counted in place of it.
        (0..20).for_each(|_| drop(service.clone()));
        assert_eq!(counts_of(&service).0, core);
        let first = service.clone();
        let (core, below) = counts_of(&first);
        let second = service.clone();
        assert_eq!(counts_of(&second), (core + 1, below));
    }
}
