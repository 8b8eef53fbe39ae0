//! Sending a request whose token is waited for, and sending it again after a refusal.

use std::{future::poll_fn, sync::Arc};

use http::{Request, Response};
use tower::Service;

use super::Sent;
use crate::{
    attach,
    error::BoxError,
    layer::Core,
    provider::{Headers, OriginIndex},
    replay::{self, Replay, Spare},
};

/// The means to send a request a second time, or why there are none.
pub(crate) type Chance<S, B> = Result<Box<Second<S, B>>, Replay>;

/// What is needed to send a request a second time.
pub(crate) struct Second<S, B> {
    service: S,
    head: Request<()>,
    body: Spare<B>,
}

// === impl Second ===

impl<S: Clone, B: 'static> Second<S, B> {
    /// The means to send `request` again, where that is wanted and possible. Its body is the same
    /// to whoever reads it.
    pub(crate) fn of(core: &Core, service: &S, request: &mut Request<B>) -> Chance<S, B> {
        let bodies = core.settings.replay.as_ref().ok_or(Replay::SwitchedOff)?;
        let body = bodies.spare(request.body_mut())?;
        Ok(Box::new(Self {
            service: service.clone(),
            head: replay::head(request),
            body,
        }))
    }
}

impl<S, B> Second<S, B> {
    /// Holds a first sending that is still under way, until this is dropped or sent.
    pub(super) fn hold(self: Box<Self>) -> Chance<S, B> {
        self.body.hold()?;
        Ok(self)
    }
}

impl<S, B> Second<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    async fn send(mut self, headers: &Headers) -> Result<S::Response, BoxError> {
        // Before readiness is awaited, which may need what the first sending holds.
        let body = self.body.take();
        let mut request = self.head.map(|()| body);
        attach::attach(headers, &mut request);
        poll_fn(|cx| self.service.poll_ready(cx))
            .await
            .map_err(Into::into)?;
        self.service.call(request).await.map_err(Into::into)
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
    let second = Second::of(&core, &ready, &mut request);
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
    match second.and_then(Second::hold) {
        Ok(second) => recover(sent, response, second).await,
        Err(why) => Ok(sent.only_once(response, why)),
    }
}

/// Sends a refused request once more with a newer token. Without one, the refusal is the answer.
pub(super) async fn recover<S, B, ResBody>(
    sent: Sent,
    mut refusal: Response<ResBody>,
    second: Box<Second<S, B>>,
) -> Result<Response<ResBody>, BoxError>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
{
    let session = &sent.core.session;
    let Ok(newer) = session.newer_than(sent.generation, sent.origin).await else {
        Replay::NoNewerToken.mark(refusal.extensions_mut());
        return Ok(refusal);
    };
    // Not before: the refusal is the answer as long as there is no better one.
    drop(refusal);
    let mut response = second.send(&newer.headers).await?;
    let (generation, origin) = (newer.generation, sent.origin);
    if sent.is_refused_by(&response) {
        session.cell().not_cured(generation, origin);
        // Where no exchange had tried to cure it yet, one begins, for the next request.
        session.reject(generation, origin);
    } else {
        session.cell().cured(generation, origin);
    }
    Replay::Replayed.mark(response.extensions_mut());
    Ok(response)
}
