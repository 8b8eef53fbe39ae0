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
    replay::{self, Replay},
};

/// The means to send a request a second time, or why there are none.
pub(crate) type Chance<S, B> = Result<Box<Second<S, B>>, Replay>;

/// What is needed to send a request a second time.
pub(crate) struct Second<S, B> {
    service: S,
    request: Request<B>,
}

// === impl Second ===

impl<S: Clone, B: 'static> Second<S, B> {
    /// The means to send `request` again, where that is wanted and possible.
    pub(crate) fn of(core: &Core, service: &S, request: &Request<B>) -> Chance<S, B> {
        if !core.settings.replays {
            return Err(Replay::SwitchedOff);
        }
        let request = replay::spare(request).ok_or(Replay::NotReplayable)?;
        Ok(Box::new(Self {
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
        Replay::NoNewerToken.mark(&mut refusal);
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
    Replay::Replayed.mark(&mut response);
    Ok(response)
}
