//! Sending a request whose token is waited for, and sending it again after a refusal.

use std::{future::Future, sync::Arc, time::Duration};

use http::{Request, Response, Uri};
use tower::Service;

use super::{
    Sent, proven,
    second::{Chance, Second},
};
use crate::{
    attach::{self, Admission},
    cell::{Cell, Presented, Session, Snapshot},
    error::{BoxError, Error},
    grpc::{self, Patience},
    lane::Lane,
    layer::Core,
    observe::Event,
    provider::{Headers, OriginIndex, Origins},
    replay::Replay,
};

// === impl Second ===

impl<S, B> Second<S, B> {
    /// The answer without a newer token.
    pub(super) fn without<R>(&self, none: NoNewer<R>) -> Result<Response<R>, BoxError> {
        match none {
            NoNewer::OutOfTime(error) => Err(grpc::to_caller(error, self.head().headers())),
            NoNewer::Refused(refused) => Ok(refused),
        }
    }
}

impl<S, B> Second<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    async fn send(self: Box<Self>, token: &Headers, cell: &Cell) -> Result<S::Response, BoxError> {
        let (mut service, mut request) = self.ready(cell).await?;
        attach::attach(token, Lane::current(), &mut request);
        service.call(request).await.map_err(Into::into)
    }
}

/// Waits for a usable token, then sends, and recovers once if that token is refused.
///
/// `ready` is held while waiting, with whatever its readiness stands for: a place in a concurrency
/// limit, a connection.
///
/// Thousands may wait at once, so what they hold is kept small: a block that captures, where a
/// function would hold its arguments twice, and what comes after the wait in a box of its own.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function would hold its arguments twice"
)]
pub(crate) fn send_when_usable<S, B, ResBody>(
    core: Arc<Core>,
    origin: Option<OriginIndex>,
    ready: S,
    mut request: Request<B>,
) -> impl Future<Output = Result<Response<ResBody>, BoxError>> + Send
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Send + 'static,
    ResBody: Send + 'static,
{
    async move {
        let began = core.session.cell().now();
        let patience = Patience::of(request.headers(), began);
        let snapshot = match core.session.usable(patience.left(began)).await {
            Ok(snapshot) => snapshot,
            Err(error) => return Err(unserved(&core, error, &request)),
        };
        let by_token = || core.origin_by(&snapshot, request.uri());
        let Some(origin) = origin.or_else(by_token) else {
            return Box::pin(send_elsewhere(core, ready, request)).await;
        };
        let now = core.session.cell().now();
        if let Err(error) = patience.pass_on(request.headers_mut(), now) {
            return Err(unserved(&core, error, &request));
        }
        let second = Chance::of(&core, &ready, &mut request, now);
        let lane = Lane::current();
        let sent = Sent {
            session: core.hold(lane),
            presented: Presented::new(snapshot.generation, origin),
        };
        if snapshot.headers.prover().is_some() {
            let sending = proven::send_and_recover(core, ready, request, snapshot, sent, second);
            return Box::pin(sending).await;
        }
        attach::attach(&snapshot.headers, lane, &mut request);
        drop(snapshot);
        Box::pin(send_and_recover(ready, request, sent, second)).await
    }
}

/// A refusal that is the answer, since there is no newer token for its request.
fn without_newer<B>(session: &Session, mut refused: Response<B>, error: Error) -> Response<B> {
    let why = Replay::NoNewerToken;
    session.tell(Event::NotReplayed { why: why.as_str() });
    why.mark(refused.extensions_mut());
    refused.extensions_mut().insert(error);
    refused
}

pub(super) fn unserved<B>(core: &Core, error: Error, request: &Request<B>) -> BoxError {
    core.session.tell(Event::Unserved { error: &error });
    grpc::to_caller(error, request.headers())
}

/// Sends a request bare that its token may not go with, where that is wanted.
async fn send_elsewhere<S, B, ResBody>(
    core: Arc<Core>,
    mut ready: S,
    request: Request<B>,
) -> Result<Response<ResBody>, BoxError>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
{
    let uri = request.uri();
    match attach::undeclared(&core.settings.admission, || attach::not_declared(uri)) {
        Admission::Refused(error) => Err(unserved(&core, error, &request)),
        _ => ready.call(request).await.map_err(Into::into),
    }
}

async fn send_and_recover<S, B, ResBody>(
    mut ready: S,
    request: Request<B>,
    sent: Sent,
    second: Chance<S, B>,
) -> Result<Response<ResBody>, BoxError>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
    ResBody: 'static,
{
    let mut response = ready.call(request).await.map_err(Into::into)?;
    if !sent.is_refused_by(&response) {
        sent.take_note(&mut response, Cell::accepted);
        return Ok(response);
    }
    sent.session.tell(Event::Refused { again: false });
    match second.hold() {
        Ok(second) => recover(sent, response, second).await,
        Err(why) => Ok(sent.only_once(response, why)),
    }
}

/// Sends a refused request once more with a newer token. Without one, the refusal is the answer,
/// and says why there is none, unless the call's deadline is over.
pub(super) async fn recover<S, B, ResBody>(
    sent: Sent,
    refused: Response<ResBody>,
    second: Box<Second<S, B>>,
) -> Result<Response<ResBody>, BoxError>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Error: Into<BoxError>,
    ResBody: 'static,
{
    let newer = match newer(&sent, refused, second.uri(), second.left(&sent)).await {
        Ok(newer) => newer,
        Err(none) => return second.without(none),
    };
    sent.session.tell(Event::Replayed);
    let response = second.send(&newer.token.headers, sent.session.cell());
    Ok(replayed(&sent, &newer, response.await?))
}

/// A token to send a refused request again with, and where it goes with that.
pub(super) struct Newer {
    pub(super) token: Arc<Snapshot>,
    pub(super) origin: OriginIndex,
}

/// What a refused request is answered with, when there is no newer token for it.
pub(super) enum NoNewer<ResBody> {
    /// A deadline that is over is one to its caller, and no word about a login: the refusal is of a
    /// token that is being replaced.
    OutOfTime(Error),
    Refused(Response<ResBody>),
}

/// A newer token than the one that was refused, for a request to `uri` whose caller has so much time
/// `left`.
pub(super) async fn newer<ResBody>(
    sent: &Sent,
    refused: Response<ResBody>,
    uri: &Uri,
    left: Duration,
) -> Result<Newer, NoNewer<ResBody>> {
    let session = &sent.session;
    let (refused_one, origin) = (sent.presented.generation(), sent.presented.origin());
    let token = match session.newer_than(refused_one, origin, left).await {
        Ok(token) => token,
        Err(error) if error.is_out_of_time() => {
            session.tell(Event::NotReplayed { why: "out_of_time" });
            return Err(NoNewer::OutOfTime(error));
        }
        Err(error) => return Err(NoNewer::Refused(without_newer(session, refused, error))),
    };
    let profile = session.profile();
    let find = |origins: &Origins| origins.find(uri);
    match attach::origin_again(profile, origin, &token.origins, find) {
        // The refusal is dropped now and not before: it is the answer as long as there is no better.
        Some(origin) => Ok(Newer { token, origin }),
        // The newer token may not go where the older one could.
        None => {
            let error = attach::not_declared(uri);
            Err(NoNewer::Refused(without_newer(session, refused, error)))
        }
    }
}

/// Judges the response to a request that was sent again with a newer token.
pub(super) fn replayed<ResBody: 'static>(
    sent: &Sent,
    newer: &Newer,
    mut response: Response<ResBody>,
) -> Response<ResBody> {
    let session = &sent.session;
    let again = Sent {
        session: Arc::clone(session),
        presented: Presented::new(newer.token.generation, newer.origin),
    };
    Replay::Replayed.mark(response.extensions_mut());
    if again.is_refused_by(&response) {
        session.tell(Event::Refused { again: true });
        session
            .cell()
            .not_cured(newer.token.generation, newer.origin);
        // Where no exchange had tried to cure it yet, one begins, for the next request.
        again.reject();
        return response;
    }
    if !again.is_of_its_proof(&response) {
        again.take_note(&mut response, Cell::cured);
    }
    response
}
