//! What it takes to send a request a second time.

use std::{future::poll_fn, time::Duration};

use http::{Request, Uri};
use tower::Service;

use super::Sent;
use crate::{
    cell::Cell,
    clock::Moment,
    error::BoxError,
    grpc::{self, Patience},
    layer::Core,
    replay::{self, Bodies, Replay, Spare},
};

/// The means to send a request a second time, or why there are none.
///
/// Two fields, and no `Result`: those are returned in two registers, and each request carries one.
pub(crate) struct Chance<S, B> {
    second: Option<Box<Second<S, B>>>,
    /// Of no account where there is a second.
    why_none: Replay,
}

/// What is needed to send a request a second time.
pub(crate) struct Second<S, B> {
    service: S,
    head: Request<()>,
    body: Spare<B>,
    /// When the first sending began.
    began: Moment,
}

// === impl Chance ===

impl<S: Clone, B: 'static> Chance<S, B> {
    /// The means to send `request`, whose first sending begins now, again, where that is wanted and
    /// possible. Its body is the same to whoever reads it.
    #[inline]
    pub(crate) fn of(core: &Core, service: &S, request: &mut Request<B>, now: Moment) -> Self {
        match &core.settings.replay {
            Some(bodies) => Self::kept(bodies, service, request, now),
            None => Self::none(Replay::SwitchedOff),
        }
    }

    fn kept(bodies: &Bodies, service: &S, request: &mut Request<B>, now: Moment) -> Self {
        let body = match bodies.spare(request.body_mut()) {
            Ok(body) => body,
            Err(why) => return Self::none(why),
        };
        Self {
            second: Some(Box::new(Second {
                service: service.clone(),
                head: replay::head(request),
                body,
                began: now,
            })),
            why_none: Replay::NotReplayable,
        }
    }
}

impl<S, B> Chance<S, B> {
    #[inline]
    pub(super) fn none(why: Replay) -> Self {
        Self {
            second: None,
            why_none: why,
        }
    }

    /// The means, holding a first sending that is still under way until they are dropped or used.
    pub(super) fn hold(self) -> Result<Box<Second<S, B>>, Replay> {
        let second = self.second.ok_or(self.why_none)?;
        second.body.hold()?;
        Ok(second)
    }
}

// === impl Second ===

impl<S, B> Second<S, B> {
    pub(super) fn patience(&self) -> Patience {
        Patience::of(self.head.headers(), self.began)
    }

    pub(super) fn head(&self) -> &Request<()> {
        &self.head
    }

    pub(super) fn uri(&self) -> &Uri {
        self.head.uri()
    }

    /// How long its caller still waits.
    pub(super) fn left(&self, sent: &Sent) -> Duration {
        self.patience().left(sent.session.cell().now())
    }
}

impl<S, B> Second<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    /// The request once more, with nothing put on it yet, and a service that is ready for it.
    pub(super) async fn ready(self: Box<Self>, cell: &Cell) -> Result<(S, Request<B>), BoxError> {
        let patience = self.patience();
        let Self {
            mut service,
            mut head,
            body,
            ..
        } = *self;
        // Before readiness is awaited, which may need what the first sending holds.
        let body = body.take();
        let ready = patience.limit(cell, poll_fn(|cx| service.poll_ready(cx)));
        let passed_on = match ready.await {
            Ok(ready) => {
                ready.map_err(Into::into)?;
                patience.pass_on(head.headers_mut(), cell.now())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = passed_on {
            return Err(grpc::to_caller(error, head.headers()));
        }
        Ok((service, head.map(|()| body)))
    }
}
