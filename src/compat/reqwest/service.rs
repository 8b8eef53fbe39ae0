//! `Auth` as a service of reqwest's requests.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::reqwest::{Request, Response};
use tower::Service;

use super::send::{Carrier, send};
use crate::{
    error::{BoxError, Error},
    provider::Provider,
    service::Auth,
};

/// The response future of [`Auth`] around a service of reqwest's requests.
pub struct ResponseFuture {
    /// None once it has finished.
    outcome: Option<Outcome>,
}

type Outcome = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

/// A service that is ready for the first request, and for the second once it says so.
struct Ready<S> {
    service: S,
    is_ready: bool,
}

// === impl Auth ===

impl<S, P> Service<Request> for Auth<S, P>
where
    P: Provider,
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> ResponseFuture {
        let core = Arc::clone(self.core.own());
        let ready = Ready {
            service: self.take_ready(),
            is_ready: true,
        };
        let outcome = async move { send(&core, None, ready, request).await };
        ResponseFuture {
            outcome: Some(Box::pin(outcome)),
        }
    }
}

// === impl ResponseFuture ===

impl Future for ResponseFuture {
    type Output = Result<Response, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(outcome) = &mut self.outcome else {
            return Poll::Ready(Err(Error::finished().into()));
        };
        let polled = outcome.as_mut().poll(cx);
        if polled.is_ready() {
            self.outcome = None;
        }
        polled
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

// === impl Ready ===

impl<S> Carrier for Ready<S>
where
    S: Service<Request, Response = Response> + Send,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    type Error = BoxError;

    async fn carry(&mut self, request: Request) -> Result<Response, BoxError> {
        if !mem::take(&mut self.is_ready) {
            let ready = poll_fn(|cx| self.service.poll_ready(cx)).await;
            ready.map_err(Into::into)?;
        }
        self.service.call(request).await.map_err(Into::into)
    }

    fn own(error: Error) -> BoxError {
        error.into()
    }
}
