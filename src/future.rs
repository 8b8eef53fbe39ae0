//! The way of a request from its first sending to its answer.

mod proven;
mod recovery;
mod second;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response};
use pin_project::pin_project;
use tower::Service;

use self::recovery::recover;
pub(crate) use self::{recovery::send_when_usable, second::Chance};
use crate::{
    cell::{Cell, Presented, Session},
    challenge,
    error::{BoxError, Error},
    grpc,
    layer::Hold,
    observe::Event,
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
// A tag of its own: one that hides in a field is more work to read, for each request. The fields stay
// in this order then.
#[repr(u8)]
enum State<F, R, S, B> {
    /// Awaits nothing: nothing was sent, or the future is between two sendings, or at the end of an outcome.
    Failed { error: Option<BoxError> },
    /// Sent; awaits a response. It may refuse the token, where one was sent. Stays when that is there: to
    /// leave it would cost each request something, and what a second poll says is the inner future's.
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
type Note = fn(&Cell, Presented);

/// What was sent: enough to judge a refusal.
pub(crate) struct Sent {
    pub(crate) session: Hold,
    pub(crate) presented: Presented,
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
            state: State::AwaitResponse {
                response,
                sent: None,
            },
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
        match state.as_mut().project() {
            StateProj::Failed { error } => {
                let error = error.take();
                Poll::Ready(Err(error.unwrap_or_else(|| Error::finished().into())))
            }
            StateProj::AwaitToken { outcome } => {
                let polled = outcome.as_mut().poll(cx);
                if polled.is_ready() {
                    state.set(State::Failed { error: None });
                }
                polled
            }
            StateProj::AwaitResponse { response, sent } => {
                let mut polled = response.poll(cx);
                let refused = match take_verdict(&mut polled, sent) {
                    true => sent.take(),
                    false => None,
                };
                // Matched and not mapped, which would move each response once more.
                match polled {
                    Poll::Ready(Ok(response)) => match refused {
                        None => Poll::Ready(Ok(response)),
                        Some((sent, second)) => go_on_from(response, sent, second, state, cx),
                    },
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

/// Whether the response that has come, if one has, refuses what was `sent`. Otherwise takes note, and
/// lets that go: a body need not be kept once its answer is there.
#[inline]
fn take_verdict<S, B, E, ResBody: 'static>(
    polled: &mut Poll<Result<Response<ResBody>, E>>,
    sent: &mut Option<(Sent, Chance<S, B>)>,
) -> bool {
    let (Poll::Ready(Ok(response)), Some((first, _))) = (polled, &*sent) else {
        return false;
    };
    if first.is_refused_by(response) {
        return true;
    }
    first.take_note(response, Cell::accepted);
    *sent = None;
    false
}

/// What comes of a refusal: another outcome, which the future awaits from now on, or the refusal itself.
#[cold]
fn go_on_from<S, B, ResBody>(
    refused: Response<ResBody>,
    sent: Sent,
    second: Chance<S, B>,
    mut state: Pin<&mut State<S::Future, Response<ResBody>, S, B>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<ResBody>, BoxError>>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Send + 'static,
    ResBody: Send + 'static,
{
    sent.session.tell(Event::Refused { again: false });
    let second = match second.hold() {
        Ok(second) => second,
        Err(why) => return Poll::Ready(Ok(sent.only_once(refused, why))),
    };
    // AwaitResponse → AwaitToken, once. What the first sending holds goes before the second begins.
    state.set(State::Failed { error: None });
    let mut outcome: Outcome<_> = Box::pin(recover(sent, refused, second));
    let polled = outcome.as_mut().poll(cx);
    if polled.is_pending() {
        state.set(State::AwaitToken { outcome });
    }
    polled
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
    #[inline]
    fn is_refused_by<B>(&self, response: &Response<B>) -> bool {
        let profile = self.session.profile();
        challenge::refuses(response, &profile.refusal) && !self.is_of_its_proof(response)
    }

    /// Whether what `response` finds wrong is the proof that went with the token.
    fn is_of_its_proof<B>(&self, response: &Response<B>) -> bool {
        let is_bound = self.session.profile().binding.is_some();
        is_bound && challenge::of_proof(response).is_some()
    }

    /// Takes note of a response that does not refuse the token. A call of gRPC that has begun may
    /// still be refused behind its body, and is judged then.
    #[inline]
    fn take_note<B: 'static>(&self, response: &mut Response<B>, accepted: Note) {
        if grpc::has_begun(response) {
            self.take_note_at_its_end(response, accepted);
        } else if challenge::speaks_for_it(response) {
            accepted(self.session.cell(), self.presented);
        }
    }

    fn take_note_at_its_end<B: 'static>(&self, response: &mut Response<B>, accepted: Note) {
        let session: &Arc<Session> = &self.session;
        let presented = self.presented;
        if session.profile().refusal.is_never() {
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
                    session.reject(presented.generation(), presented.origin());
                }
                false => accepted(session.cell(), presented),
            }
        });
    }

    /// Begins an exchange for a refusal that nobody waits for.
    fn reject(&self) {
        self.session
            .reject(self.presented.generation(), self.presented.origin());
    }

    /// The refusal of a request that cannot be sent again: its caller gets the response, and the
    /// next request a newer token.
    fn only_once<B>(&self, mut refused: Response<B>, why: Replay) -> Response<B> {
        self.session.tell(Event::NotReplayed { why: why.as_str() });
        self.reject();
        why.mark(refused.extensions_mut());
        refused
    }
}
