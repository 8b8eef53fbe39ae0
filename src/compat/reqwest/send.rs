//! The way of a reqwest request, whoever carries it.

use std::{future::Future, sync::Arc};

use ::reqwest::{Request, Response};

use super::{
    place::{origin_by, origin_of},
    recovery::recover,
    second::{Second, without_body},
    sent::{Sent, Verdict},
};
use crate::{
    attach::{self, Admission},
    cell::{Cell, Presented, Snapshot},
    clock::Moment,
    error::Error,
    grpc::Patience,
    layer::Core,
    observe::Event,
    provider::OriginIndex,
};

/// Response extension: the inner client followed redirects to an origin that may not see the token.
///
/// The token that was sent has been rejected.
///
/// ```
/// use tower_reauth::compat::reqwest::Strayed;
///
/// fn came_from_elsewhere(response: &reqwest::Response) -> bool {
///     response.extensions().get::<Strayed>().is_some()
/// }
/// # let _ = came_from_elsewhere;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Strayed;

/// Brings a request to its server: once, or again where it was refused.
pub(in crate::compat) trait Carrier: Send {
    type Error;

    fn carry(
        &mut self,
        request: Request,
    ) -> impl Future<Output = Result<Response, Self::Error>> + Send;

    /// The form in which the layer's own error reaches the caller.
    fn own(error: Error) -> Self::Error;
}

/// Sends `request` by the rules of the layer. `asked` is what its extensions ask for, where the
/// carrier can see them.
pub(in crate::compat) async fn send<C: Carrier>(
    core: &Core,
    asked: Option<Admission>,
    mut carrier: C,
    request: Request,
) -> Result<Response, C::Error> {
    if let Some(error) = &core.settings.admission.blocked {
        return Err(unserved::<C>(core, error.clone()));
    }
    let admission = asked.unwrap_or_else(|| {
        let url = request.url();
        let (profile, policy) = (core.session.profile(), &core.settings.admission);
        let origin = origin_of(core, url);
        attach::admit_to(origin, request.headers(), profile, policy, || {
            Error::origin(Some(url.scheme()), url.authority())
        })
    });
    match admission {
        Admission::WithToken(origin) => send_with_token(core, Some(origin), carrier, request).await,
        Admission::AsItsTokenSays => send_with_token(core, None, carrier, request).await,
        Admission::Bare => carrier.carry(request).await,
        Admission::Refused(error) => Err(unserved::<C>(core, error)),
    }
}

/// Sends with the current token, waiting for one where there is none, and recovers once if it is
/// refused. Without an `origin`, the token says whether it may go there.
async fn send_with_token<C: Carrier>(
    core: &Core,
    origin: Option<OriginIndex>,
    mut carrier: C,
    mut request: Request,
) -> Result<Response, C::Error> {
    let cell = core.session.cell();
    let now = cell.now();
    let patience = Patience::within(request.timeout().copied(), now);
    let snapshot = usable(core, &mut request, &patience, now).await;
    let snapshot = snapshot.map_err(|error| unserved::<C>(core, error))?;
    let passed_on = pass_on(&patience, &mut request, cell);
    passed_on.map_err(|error| unserved::<C>(core, error))?;
    let url = request.url();
    let Some(origin) = origin.or_else(|| origin_by(core, &snapshot.origins, url)) else {
        let error = || Error::origin(Some(url.scheme()), url.authority());
        return match attach::undeclared(&core.settings.admission, error) {
            Admission::Refused(error) => Err(unserved::<C>(core, error)),
            _ => carrier.carry(request).await,
        };
    };
    let second = Second::of(core, &mut request);
    let sent = Sent {
        core,
        generation: snapshot.generation,
        origin,
        brought: snapshot.origins.clone(),
    };
    let sending = sent.carry(&mut carrier, request, snapshot, second, &patience);
    let (mut response, second) = sending.await?;
    match sent.judge(&mut response) {
        Verdict::Accepted => {
            cell.accepted(Presented::new(sent.generation, sent.origin));
            Ok(response)
        }
        Verdict::Silent => Ok(response),
        Verdict::Refused => {
            core.session.tell(Event::Refused { again: false });
            match second.and_then(Second::hold) {
                Ok(second) => recover(&sent, response, carrier, second, &patience).await,
                Err(why) => Ok(sent.only_once(response, why)),
            }
        }
        Verdict::Strayed => {
            sent.reject();
            Ok(response)
        }
    }
}

pub(super) fn unserved<C: Carrier>(core: &Core, error: Error) -> C::Error {
    core.session.tell(Event::Unserved { error: &error });
    C::own(error)
}

/// Leaves `request` the time that is left of it.
pub(super) fn pass_on(
    patience: &Patience,
    request: &mut Request,
    cell: &Cell,
) -> Result<(), Error> {
    // Looked at first: whoever asks reqwest to change it makes it set a place aside for it.
    if request.timeout().is_some() {
        let left = patience.left(cell.now());
        if left.is_zero() {
            return Err(Error::out_of_time());
        }
        *request.timeout_mut() = Some(left);
    }
    Ok(())
}

/// A token that may be sent: the current one, or the next.
async fn usable(
    core: &Core,
    request: &mut Request,
    patience: &Patience,
    now: Moment,
) -> Result<Arc<Snapshot>, Error> {
    let session = &core.session;
    let snapshot = Arc::clone(&session.cell().load());
    if !snapshot.attention.reached(now) {
        return Ok(snapshot);
    }
    // An exchange may be under way, and this may be its request.
    if let Some(Admission::Refused(error)) = hidden(core, request) {
        return Err(error);
    }
    if !snapshot.is_usable(now) {
        return session.usable(patience.left(now)).await;
    }
    session.attend();
    Ok(snapshot)
}

/// What the extensions of `request` ask for. reqwest shows them on a request of the `http` crate
/// only, so it takes a copy, which is too much for every request.
fn hidden(core: &Core, request: &mut Request) -> Option<Admission> {
    let head = without_body(request, |_| ())?.0;
    let head = http::Request::try_from(head).ok()?;
    attach::asked_for(head.extensions(), &core.settings.admission)
}
