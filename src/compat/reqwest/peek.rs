//! Looking into the bodies of reqwest's responses.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use ::reqwest::{Body, Request, Response, ResponseBuilderExt};
use tower::Service;

use crate::peek::{Peek, PeekLayer, peek};

/// The response future of [`Peek`] around a service of reqwest's requests.
pub struct PeekFuture<E>(Pin<Box<dyn Future<Output = Result<Response, E>> + Send>>);

/// Looks at a response that is there. It keeps its type, its URL and its extensions.
pub(in crate::compat) async fn look(layer: &PeekLayer, response: Response) -> Response {
    // Only what is looked at is worth being taken apart.
    if !layer.wants(response.status(), response.headers()) {
        return response;
    }
    // A conversion leaves the URL behind, and takes it from an extension that only reqwest names.
    let url = http::Response::builder()
        .url(response.url().clone())
        .body(());
    let mut response = peek(layer, http::Response::<Body>::from(response)).await;
    if let Ok(url) = url {
        response
            .extensions_mut()
            .extend(url.into_parts().0.extensions);
    }
    response.map(Body::wrap).into()
}

// === impl Peek ===

impl<S> Service<Request> for Peek<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = PeekFuture<S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> PeekFuture<S::Error> {
        let (layer, response) = (self.layer.clone(), self.inner.call(request));
        PeekFuture(Box::pin(
            async move { Ok(look(&layer, response.await?).await) },
        ))
    }
}

// === impl PeekFuture ===

impl<E> Future for PeekFuture<E> {
    type Output = Result<Response, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<E> fmt::Debug for PeekFuture<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekFuture").finish_non_exhaustive()
    }
}
