//! The way of a request from its first sending to its answer.

mod proven;
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
    cell::{Cell, Generation, Session},
    challenge,
    error::{BoxError, Error},
    grpc,
    layer::Hold,
    observe::Event,
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
    pub(crate) session: Hold,
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
            let (sent, second, response) = match state.as_mut().project() {
                StateProj::Failed { error } => {
                    let error = error.take();
                    return Poll::Ready(Err(error.unwrap_or_else(|| Error::finished().into())));
                }
                StateProj::AwaitBare { response } => return response.poll(cx).map_err(Into::into),
                StateProj::AwaitToken { outcome } => return outcome.as_mut().poll(cx),
                StateProj::AwaitResponse { response, sent } => {
                    let mut response = ready!(response.poll(cx)).map_err(Into::into)?;
                    match sent.take_if(|(sent, _)| sent.is_refused_by(&response)) {
                        Some((sent, second)) => (sent, second, response),
                        None => {
                            if let Some((sent, _)) = sent {
                                sent.take_note(&mut response, Cell::accepted);
                            }
                            // A body need not be kept once its answer is there.
                            *sent = None;
                            return Poll::Ready(Ok(response));
                        }
                    }
                }
            };
            // AwaitResponse → AwaitToken, once.
            match refused(sent, second, response) {
                Ok(outcome) => state.set(State::AwaitToken { outcome }),
                Err(response) => return Poll::Ready(Ok(response)),
            }
        }
    }
}

/// What comes of a refusal: another outcome, or the refusal itself.
#[cold]
fn refused<S, B, ResBody>(
    sent: Sent,
    second: Chance<S, B>,
    response: Response<ResBody>,
) -> Result<Outcome<Response<ResBody>>, Response<ResBody>>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Send + 'static,
    ResBody: Send + 'static,
{
    sent.session.tell(Event::Refused { again: false });
    match second.and_then(Second::hold) {
        Ok(second) => Ok(Box::pin(recover(sent, response, second))),
        Err(why) => Err(sent.only_once(response, why)),
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
        let profile = self.session.family().profile();
        challenge::refuses(response, &profile.refusal) && !self.is_of_its_proof(response)
    }

    /// Whether what `response` finds wrong is the proof that went with the token.
    fn is_of_its_proof<B>(&self, response: &Response<B>) -> bool {
        let is_bound = self.session.family().profile().binding.is_some();
        is_bound && challenge::of_proof(response).is_some()
    }

    /// Takes note of a response that does not refuse the token. A call of gRPC that has begun may
    /// still be refused behind its body, and is judged then.
    #[inline]
    fn take_note<B: 'static>(&self, response: &mut Response<B>, accepted: Note) {
        if grpc::has_begun(response) {
            self.take_note_at_its_end(response, accepted);
        } else if challenge::speaks_for_it(response) {
            accepted(self.session.cell(), self.generation, self.origin);
        }
    }

    fn take_note_at_its_end<B: 'static>(&self, response: &mut Response<B>, accepted: Note) {
        let session: &Arc<Session> = &self.session;
        let (generation, origin) = (self.generation, self.origin);
        if session.family().profile().refusal.is_never() {
            return;
        }
        // A body that outlives all handles need not keep the session.
        let session = Arc::downgrade(session);
        grpc::watch(response, move |is_refused| {
            let Some(session) = session.upgrade() else {
                return;
            };
            match is_refused {
                true => {
                    session.tell(Event::Refused { again: false });
                    session.tell(Event::NotReplayed { why: "late" });
                    session.reject(generation, origin);
                }
                false => accepted(session.cell(), generation, origin),
            }
        });
    }

    /// The refusal of a request that cannot be sent again: its caller gets the response, and the
    /// next request a newer token.
    fn only_once<B>(&self, mut refused: Response<B>, why: Replay) -> Response<B> {
        self.session.tell(Event::NotReplayed { why: why.as_str() });
        self.session.reject(self.generation, self.origin);
        why.mark(refused.extensions_mut());
        refused
    }
}
