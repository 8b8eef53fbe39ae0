//! Requests that carry a proof with their token (RFC 9449).
//!
//! Each sending has a proof of its own. A server that does not like the proof, because it wants a
//! nonce in it for instance, is answered once for each token that a request is sent with: with the
//! same token and another proof. That is no refusal of the token. It starts no exchange, and leaves
//! the replay for one.

use std::sync::Arc;

use http::{Request, Response};
use tower::Service;

use super::{
    Sent,
    recovery::{newer, replayed, unserved},
    second::{Chance, Second},
};
use crate::{
    attach::Proofs,
    cell::{Cell, Snapshot},
    error::BoxError,
    layer::Core,
    observe::Event,
    provider::{OriginIndex, Told},
};

/// Sends `request` with the token of `snapshot`, and recovers once if that token is refused.
pub(super) async fn send_and_recover<S, B, ResBody>(
    core: Arc<Core>,
    ready: S,
    request: Request<B>,
    snapshot: Arc<Snapshot>,
    sent: Sent,
    second: Chance<S, B>,
) -> Result<Response<ResBody>, BoxError>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    S::Error: Into<BoxError>,
    B: 'static,
    ResBody: 'static,
{
    let sending = Sending::new(&core, &snapshot, sent.presented.origin());
    let (mut response, second) = sending.send(ready, request, second).await?;
    drop(snapshot);
    if sent.is_of_its_proof(&response) {
        // It says nothing of the token.
        return Ok(response);
    }
    if !sent.is_refused_by(&response) {
        sent.take_note(&mut response, Cell::accepted);
        return Ok(response);
    }
    sent.session.tell(Event::Refused { again: false });
    match second.hold() {
        Ok(second) => recover(&core, sent, response, second).await,
        Err(why) => Ok(sent.only_once(response, why)),
    }
}

/// Sends a refused request once more with a newer token, if there is one.
async fn recover<S, B, ResBody>(
    core: &Core,
    sent: Sent,
    refused: Response<ResBody>,
    second: Box<Second<S, B>>,
) -> Result<Response<ResBody>, BoxError>
where
    S: Service<Request<B>, Response = Response<ResBody>> + Clone,
    S::Error: Into<BoxError>,
    B: 'static,
    ResBody: 'static,
{
    let newer = match newer(&sent, refused, second.uri(), second.left(&sent)).await {
        Ok(newer) => newer,
        Err(none) => return second.without(none),
    };
    sent.session.tell(Event::Replayed);
    let sending = Sending::new(core, &newer.token, newer.origin);
    let (service, mut request) = second.ready(core.session.cell()).await?;
    let third = sending.spare(&service, &mut request);
    let (response, _) = sending.send(service, request, third).await?;
    Ok(replayed(&sent, &newer, response))
}

/// One token on its way to one origin.
struct Sending<'a> {
    core: &'a Core,
    proofs: Proofs<'a>,
}

// === impl Sending ===

impl<'a> Sending<'a> {
    fn new(core: &'a Core, token: &'a Snapshot, origin: OriginIndex) -> Self {
        let proofs = Proofs {
            headers: &token.headers,
            origins: &core.session.profile().origins,
            brought: &token.origins,
            origin,
        };
        Self { core, proofs }
    }

    /// Sends `request`, and once more if nothing but its proof is wrong. Gives the response, and the
    /// means to send it with another token.
    async fn send<S, B, ResBody>(
        &self,
        service: S,
        request: Request<B>,
        second: Chance<S, B>,
    ) -> Result<(Response<ResBody>, Chance<S, B>), BoxError>
    where
        S: Service<Request<B>, Response = Response<ResBody>> + Clone,
        S::Error: Into<BoxError>,
        B: 'static,
    {
        let (mut response, told) = self.call(service, request, None).await?;
        let Some(told) = told else {
            return Ok((response, second));
        };
        let second = match second.hold() {
            Ok(second) => second,
            Err(why) => {
                why.mark(response.extensions_mut());
                return Ok((response, Chance::none(why)));
            }
        };
        drop(response);
        let (service, mut request) = second.ready(self.core.session.cell()).await?;
        let third = self.spare(&service, &mut request);
        let (response, _) = self.call(service, request, Some(&told)).await?;
        Ok((response, third))
    }

    /// Sends once. Gives what the server wants to find in the next proof, where it wants another.
    async fn call<S, B, ResBody>(
        &self,
        mut service: S,
        mut request: Request<B>,
        told: Option<&Told>,
    ) -> Result<(Response<ResBody>, Option<Told>), BoxError>
    where
        S: Service<Request<B>, Response = Response<ResBody>>,
        S::Error: Into<BoxError>,
    {
        let cell = self.core.session.cell();
        if let Err(error) = self.proofs.attach(&mut request, told, cell.now()) {
            return Err(unserved(self.core, error, &request));
        }
        let response = service.call(request).await.map_err(Into::into)?;
        let told = self.proofs.hear(&response, cell.now());
        Ok((response, told))
    }

    fn spare<S: Clone, B: 'static>(&self, service: &S, request: &mut Request<B>) -> Chance<S, B> {
        Chance::of(self.core, service, request, self.core.session.cell().now())
    }
}
