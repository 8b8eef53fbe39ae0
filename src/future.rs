//! The way of a request from its first sending to its answer.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project::pin_project;
use tower::Service;

use crate::{
    attach,
    cell::Generation,
    challenge,
    error::{BoxError, Error},
    layer::Core,
    provider::{Headers, OriginIndex},
    replay,
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
    Failed { error: Option<Error> },
    /// Sent without a token; awaits the response, whatever it is.
    AwaitBare {
        #[pin]
        response: F,
    },
    /// Sent with a token; awaits a response that may refuse it.
    AwaitResponse {
        #[pin]
        response: F,
        sent: Option<Sent>,
        second: Option<Box<Second<S, B>>>,
    },
    /// Awaits a token first, or a newer one after a refusal. Rare, and so boxed.
    AwaitToken { outcome: Outcome<R> },
}

type Outcome<R> = Pin<Box<dyn Future<Output = Result<R, BoxError>> + Send>>;

/// What was sent: enough to judge a refusal.
pub(crate) struct Sent {
    pub(crate) core: Arc<Core>,
    pub(crate) generation: Generation,
    pub(crate) origin: OriginIndex,
}

/// What is needed to send a request a second time.
pub(crate) struct Second<S, B> {
    service: S,
    request: Request<B>,
}

// === impl ResponseFuture ===

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn failed(error: Error) -> Self {
        Self {
            state: State::Failed { error: Some(error) },
        }
    }

    pub(crate) fn bare(response: S::Future) -> Self {
        Self {
            state: State::AwaitBare { response },
        }
    }

    pub(crate) fn sent(response: S::Future, sent: Sent, second: Option<Box<Second<S, B>>>) -> Self {
        Self {
            state: State::AwaitResponse {
                response,
                sent: Some(sent),
                second,
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
                    let error = error.take().unwrap_or_else(Error::finished);
                    return Poll::Ready(Err(error.into()));
                }
                StateProj::AwaitBare { response } => return response.poll(cx).map_err(Into::into),
                StateProj::AwaitToken { outcome } => return outcome.as_mut().poll(cx),
                StateProj::AwaitResponse {
                    response,
                    sent,
                    second,
                } => {
                    let response = ready!(response.poll(cx)).map_err(Into::into)?;
                    let Some(sent) = sent.take_if(|sent| sent.is_refused_by(&response)) else {
                        return Poll::Ready(Ok(response));
                    };
                    let Some(second) = second.take() else {
                        sent.reject();
                        return Poll::Ready(Ok(response));
                    };
                    recover(sent, response, second)
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

    /// The refusal of a request that cannot be sent again: its caller gets the response, and the
    /// next request a newer token.
    fn reject(&self) {
        self.core.session.reject(self.generation, self.origin);
    }
}

// === impl Second ===

impl<S: Clone, B: 'static> Second<S, B> {
    /// The means to send `request` again, where that is wanted and possible.
    pub(crate) fn of(core: &Core, service: &S, request: &Request<B>) -> Option<Box<Self>> {
        if !core.settings.replays {
            return None;
        }
        let request = replay::spare(request)?;
        Some(Box::new(Self {
            service: service.clone(),
            request,
        }))
    }
}

impl<S, B> Second<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    async fn send(mut self, headers: &Headers) -> Result<S::Response, BoxError> {
        attach::attach(headers, &mut self.request);
        poll_fn(|cx| self.service.poll_ready(cx))
            .await
            .map_err(Into::into)?;
        self.service.call(self.request).await.map_err(Into::into)
    }
}

/// Waits for a usable token, then sends, and recovers once if that token is refused.
///
/// `ready` is held while waiting, with whatever its readiness stands for: a place in a concurrency
/// limit, a connection.
pub(crate) async fn send_when_usable<S, B, ResBody>(
    core: Arc<Core>,
    origin: OriginIndex,
    mut ready: S,
    mut request: Request<B>,
) -> Result<Response<ResBody>, BoxError>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    S::Error: Into<BoxError>,
    B: 'static,
{
    let snapshot = core.session.usable().await?;
    let second = Second::of(&core, &ready, &request);
    attach::attach(&snapshot.headers, &mut request);
    let sent = Sent {
        generation: snapshot.generation,
        core,
        origin,
    };
    drop(snapshot);
    let response = ready.call(request).await.map_err(Into::into)?;
    if !sent.is_refused_by(&response) {
        return Ok(response);
    }
    match second {
        Some(second) => recover(sent, response, second).await,
        None => {
            sent.reject();
            Ok(response)
        }
    }
}

/// Sends a refused request once more with a newer token. Without one, the refusal is the answer.
async fn recover<S, B, ResBody>(
    sent: Sent,
    refusal: Response<ResBody>,
    second: Box<Second<S, B>>,
) -> Result<Response<ResBody>, BoxError>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
{
    let session = &sent.core.session;
    let Ok(newer) = session.newer_than(sent.generation, sent.origin).await else {
        return Ok(refusal);
    };
    // Not before: the refusal is the answer as long as there is no better one.
    drop(refusal);
    let response = second.send(&newer.headers).await?;
    let (generation, origin) = (newer.generation, sent.origin);
    if sent.is_refused_by(&response) {
        session.cell().not_cured(generation, origin);
        // Where no exchange had tried to cure it yet, one begins, for the next request.
        session.reject(generation, origin);
    } else {
        session.cell().cured(generation, origin);
    }
    Ok(response)
}
