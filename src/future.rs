//! The way of a request from its first sending to its answer.

mod recovery;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Request, Response};
use pin_project::pin_project;
use tower::Service;

use self::recovery::recover;
pub(crate) use self::recovery::{Chance, Second, send_when_usable};
use crate::{
    cell::{Cell, Generation},
    challenge,
    error::{BoxError, Error},
    grpc,
    layer::Core,
    provider::OriginIndex,
    replay::Replay,
};

/// The response future of [`Auth`](crate::Auth).
#[pin_project]
pub struct ResponseFuture<S, B>
where
    // Pinning the inner future names it, and so its bound.
    S: Service<Request<B>>,
{
    #[pin]
    state: State<S::Future, S::Response, S, B>,
}

#[pin_project(project = StateProj)]
enum State<F, R, S, B> {
    /// Nothing was sent; awaits nothing.
    Failed { error: Option<BoxError> },
    /// Sent without a token; awaits the response, whatever it is.
    AwaitBare {
        #[pin]
        response: F,
    },
    /// Sent with a token; awaits a response that may refuse it.
    AwaitResponse {
        #[pin]
        response: F,
        sent: Option<(Sent, Chance<S, B>)>,
    },
    /// Awaits a token first, or a newer one after a refusal. Rare, and so boxed.
    AwaitToken { outcome: Outcome<R> },
}

type Outcome<R> = Pin<Box<dyn Future<Output = Result<R, BoxError>> + Send>>;

/// How a cell takes note of a token that was not refused.
type Note = fn(&Cell, Generation, OriginIndex);

/// What was sent: enough to judge a refusal.
pub(crate) struct Sent {
    pub(crate) core: Arc<Core>,
    pub(crate) generation: Generation,
    pub(crate) origin: OriginIndex,
}

// === impl ResponseFuture ===

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    /// `headers` are those of the request, which say how its caller reads an error.
    pub(crate) fn failed(error: Error, headers: &HeaderMap) -> Self {
        Self {
            state: State::Failed {
                error: Some(grpc::to_caller(error, headers)),
            },
        }
    }

    pub(crate) fn bare(response: S::Future) -> Self {
        Self {
            state: State::AwaitBare { response },
        }
    }

    pub(crate) fn sent(response: S::Future, sent: Sent, second: Chance<S, B>) -> Self {
        Self {
            state: State::AwaitResponse {
                response,
                sent: Some((sent, second)),
            },
        }
    }

    pub(crate) fn boxed(
        outcome: impl Future<Output = Result<S::Response, BoxError>> + Send + 'static,
    ) -> Self {
        Self {
            state: State::AwaitToken {
                outcome: Box::pin(outcome),
            },
        }
    }
}

impl<S, B, ResBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Send + 'static,
    ResBody: Send + 'static,
{
    type Output = Result<Response<ResBody>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let outcome = match state.as_mut().project() {
                StateProj::Failed { error } => {
                    let error = error.take();
                    return Poll::Ready(Err(error.unwrap_or_else(|| Error::finished().into())));
                }
                StateProj::AwaitBare { response } => return response.poll(cx).map_err(Into::into),
                StateProj::AwaitToken { outcome } => return outcome.as_mut().poll(cx),
                StateProj::AwaitResponse { response, sent } => {
                    let response = ready!(response.poll(cx)).map_err(Into::into)?;
                    // Taken in any case: a body need not be kept once its answer is there.
                    let Some((sent, second)) = sent.take() else {
                        return Poll::Ready(Ok(response));
                    };
                    if !sent.is_refused_by(&response) {
                        return Poll::Ready(Ok(sent.take_note(response, Cell::accepted)));
                    }
                    match second.and_then(Second::hold) {
                        Ok(second) => recover(sent, response, second),
                        Err(why) => return Poll::Ready(Ok(sent.only_once(response, why))),
                    }
                }
            };
            // AwaitResponse → AwaitToken, once.
            state.set(State::AwaitToken {
                outcome: Box::pin(outcome),
            });
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

// === impl Sent ===

impl Sent {
    fn is_refused_by<B>(&self, response: &Response<B>) -> bool {
        challenge::refuses(response, &self.core.session.family().profile().refusal)
    }

    /// Takes note of a response that does not refuse the token. A call of gRPC that has begun may
    /// still be refused behind its body, and is judged then.
    fn take_note<B: 'static>(&self, response: Response<B>, accepted: Note) -> Response<B> {
        let session = &self.core.session;
        let (generation, origin) = (self.generation, self.origin);
        if !grpc::has_begun(&response) {
            if challenge::speaks_for_it(&response) {
                accepted(session.cell(), generation, origin);
            }
            return response;
        }
        if session.family().profile().refusal.is_never() {
            return response;
        }
        // A body that outlives all handles need not keep the session.
        let session = Arc::downgrade(session);
        grpc::watch(response, move |is_refused| {
            let Some(session) = session.upgrade() else {
                return;
            };
            match is_refused {
                true => drop(session.reject(generation, origin)),
                false => accepted(session.cell(), generation, origin),
            }
        })
    }

    /// The refusal of a request that cannot be sent again: its caller gets the response, and the
    /// next request a newer token.
    fn only_once<B>(&self, mut refused: Response<B>, why: Replay) -> Response<B> {
        self.core.session.reject(self.generation, self.origin);
        why.mark(refused.extensions_mut());
        refused
    }
}
