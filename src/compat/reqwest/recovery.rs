//! Sending a reqwest request again after a refusal: the twin of `future/recovery.rs`.

use std::sync::Arc;

use ::reqwest::{Response, Url};

use super::{
    place::find,
    second::Second,
    send::{Carrier, pass_on},
    sent::{Sent, Verdict},
};
use crate::{
    attach,
    cell::{Presented, Snapshot},
    error::Error,
    grpc::Patience,
    layer::Core,
    observe::Event,
    provider::{OriginIndex, Origins},
    replay::Replay,
};

/// Sends a refused request once more with a newer token. Without one, the refusal is the answer,
/// and says why there is none, unless the request's time is over.
pub(super) async fn recover<C: Carrier>(
    sent: &Sent<'_>,
    refused: Response,
    mut carrier: C,
    second: Second,
    patience: &Patience,
) -> Result<Response, C::Error> {
    let session = &sent.core.session;
    let (token, origin) = match newer(sent, second.url(), patience).await {
        Ok(newer) => newer,
        Err(error) if error.is_out_of_time() => {
            session.tell(Event::NotReplayed { why: "out_of_time" });
            return Err(C::own(error));
        }
        Err(error) => return Ok(without_newer(sent.core, refused, error)),
    };
    // Not before: the refusal is the answer as long as there is no better one.
    drop(refused);
    let mut request = second.into_request();
    pass_on(patience, &mut request, session.cell()).map_err(C::own)?;
    session.tell(Event::Replayed);
    let again = Sent {
        core: sent.core,
        generation: token.generation,
        origin,
        brought: token.origins.clone(),
    };
    // For another proof, which is all that a third sending is for.
    let third = match token.headers.prover() {
        Some(_) => Second::of(sent.core, &mut request),
        None => Err(Replay::SwitchedOff),
    };
    let sending = again.carry(&mut carrier, request, token, third, patience);
    let (mut response, _) = sending.await?;
    replayed(&again, &mut response);
    Ok(response)
}

/// A newer token than the one that was refused, for a request to `url`, and where it goes with that.
async fn newer(
    sent: &Sent<'_>,
    url: &Url,
    patience: &Patience,
) -> Result<(Arc<Snapshot>, OriginIndex), Error> {
    let session = &sent.core.session;
    let left = patience.left(session.cell().now());
    let waiting = session.newer_than(sent.generation, sent.origin, left);
    let token = waiting.await?;
    let profile = session.profile();
    let find = |origins: &Origins| find(origins, url);
    match attach::origin_again(profile, sent.origin, &token.origins, find) {
        Some(origin) => Ok((token, origin)),
        // The newer token may not go where the older one could.
        None => Err(Error::origin(Some(url.scheme()), url.authority())),
    }
}

/// Judges the response to a request that was sent `again` with a newer token.
fn replayed(again: &Sent<'_>, response: &mut Response) {
    let session = &again.core.session;
    match again.judge(response) {
        Verdict::Accepted => session
            .cell()
            .cured(Presented::new(again.generation, again.origin)),
        Verdict::Silent => {}
        Verdict::Strayed => again.reject(),
        Verdict::Refused => {
            session.tell(Event::Refused { again: true });
            session.cell().not_cured(again.generation, again.origin);
            // Where no exchange had tried to cure it yet, one begins, for the next request.
            again.reject();
        }
    }
    Replay::Replayed.mark(response.extensions_mut());
}

/// A refusal that is the answer, since there is no newer token for its request.
fn without_newer(core: &Core, mut refused: Response, error: Error) -> Response {
    let why = Replay::NoNewerToken;
    core.session.tell(Event::NotReplayed { why: why.as_str() });
    why.mark(refused.extensions_mut());
    refused.extensions_mut().insert(error);
    refused
}
