//! The second copy of a reqwest request.

use ::reqwest::{Body, Request, Url};

use crate::{
    layer::Core,
    replay::{Replay, Spare},
};

/// What is needed to send a request a second time.
pub(super) struct Second {
    request: Request,
    /// The body, where it is followed while it is sent; else it is in the request.
    followed: Option<Spare<Body>>,
}

// === impl Second ===

impl Second {
    /// The means to send `request` again, where that is wanted and possible. reqwest clones what is
    /// whole in memory; a stream is followed while it is sent.
    pub(super) fn of(core: &Core, request: &mut Request) -> Result<Self, Replay> {
        let bodies = core.settings.replay.as_ref().ok_or(Replay::SwitchedOff)?;
        if let Some(request) = request.try_clone() {
            return Ok(Self {
                request,
                followed: None,
            });
        }
        let follow = |body: &mut Option<Body>| body.as_mut().map(|body| bodies.spare(body));
        let (request, followed) = without_body(request, follow).ok_or(Replay::NotReplayable)?;
        Ok(Self {
            request,
            followed: followed.transpose()?,
        })
    }

    /// Holds a first sending that is still under way, until this is dropped or sent.
    pub(super) fn hold(self) -> Result<Self, Replay> {
        self.followed.as_ref().map_or(Ok(()), Spare::hold)?;
        Ok(self)
    }

    pub(super) fn url(&self) -> &Url {
        self.request.url()
    }

    pub(super) fn into_request(mut self) -> Request {
        if let Some(body) = self.followed {
            *self.request.body_mut() = Some(body.take());
        }
        self.request
    }
}

/// A copy of `request` without its body, which `look` sees meanwhile and is then put back.
pub(super) fn without_body<T>(
    request: &mut Request,
    look: impl FnOnce(&mut Option<Body>) -> T,
) -> Option<(Request, T)> {
    let mut body = request.body_mut().take();
    // A request without a body can always be cloned.
    let head = request.try_clone();
    let seen = look(&mut body);
    *request.body_mut() = body;
    Some((head?, seen))
}
