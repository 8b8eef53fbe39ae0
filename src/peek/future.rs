//! Waiting for a response, and for the beginning of its body.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Response, response::Parts};
use http_body::Body;
use pin_project::pin_project;

use super::{
    PeekLayer,
    body::{PeekBody, Peeked},
};

/// The response future of [`Peek`](super::Peek).
#[pin_project]
pub struct ResponseFuture<F, B: Body> {
    layer: PeekLayer,
    #[pin]
    state: State<F, B>,
}

#[pin_project(project = StateProj)]
enum State<F, B: Body> {
    /// Sent; awaits the response.
    AwaitResponse {
        #[pin]
        response: F,
    },
    /// Awaits the beginning of the body.
    AwaitBody { peeking: Peeking<B> },
}

/// A response whose body's beginning is being read.
struct Peeking<B: Body> {
    /// `None` once it was handed on.
    response: Option<(Parts, Pin<Box<Peeked<B>>>)>,
    beginning: Vec<u8>,
}

/// Looks at a response that is there.
#[cfg(feature = "reqwest")]
pub(crate) async fn peek<B: Body<Data = Bytes>>(
    layer: &PeekLayer,
    response: Response<B>,
) -> Response<PeekBody<B>> {
    match Peeking::begin(layer, response) {
        Ok(mut peeking) => std::future::poll_fn(|cx| peeking.poll(layer, cx)).await,
        Err(response) => response,
    }
}

// === impl ResponseFuture ===

impl<F, B: Body> ResponseFuture<F, B> {
    pub(super) fn new(response: F, layer: PeekLayer) -> Self {
        Self {
            layer,
            state: State::AwaitResponse { response },
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<PeekBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let peeking = match this.state.as_mut().project() {
                StateProj::AwaitResponse { response } => {
                    match Peeking::begin(this.layer, ready!(response.poll(cx))?) {
                        Ok(peeking) => peeking,
                        Err(response) => return Poll::Ready(Ok(response)),
                    }
                }
                StateProj::AwaitBody { peeking } => return peeking.poll(this.layer, cx).map(Ok),
            };
            // AwaitResponse → AwaitBody, once.
            this.state.set(State::AwaitBody { peeking });
        }
    }
}

impl<F, B: Body> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

// === impl Peeking ===

impl<B: Body<Data = Bytes>> Peeking<B> {
    /// Begins to read a body that is to be looked at. Another response is passed on as it is.
    fn begin(layer: &PeekLayer, response: Response<B>) -> Result<Self, Response<PeekBody<B>>> {
        let (head, body) = response.into_parts();
        let is_wanted = !body.is_end_stream() && layer.wants(head.status, &head.headers);
        if !is_wanted {
            return Err(Response::from_parts(head, PeekBody::untouched(body)));
        }
        Ok(Self {
            response: Some((head, Peeked::new(body))),
            beginning: Vec::new(),
        })
    }

    /// Is pending for ever once it was ready.
    fn poll(&mut self, layer: &PeekLayer, cx: &mut Context<'_>) -> Poll<Response<PeekBody<B>>> {
        let Some((mut head, mut body)) = self.response.take() else {
            return Poll::Pending;
        };
        match body
            .as_mut()
            .poll_read(&mut self.beginning, layer.0.cap, cx)
        {
            Poll::Pending => {
                self.response = Some((head, body));
                return Poll::Pending;
            }
            Poll::Ready(Some(is_whole)) => layer.judge(&mut head, &self.beginning, is_whole),
            Poll::Ready(None) => {}
        }
        Poll::Ready(Response::from_parts(head, PeekBody::peeked(body)))
    }
}
