//! A reqwest request that was sent with a token, and its response.

use std::{mem, sync::Arc};

use ::reqwest::{Request, Response};

use super::{
    place::{is_told, origin_by, origin_of},
    second::Second,
    send::{Carrier, Strayed, pass_on, unserved},
};
use crate::{
    attach::Proofs,
    cell::{Generation, Snapshot},
    challenge,
    error::Error,
    grpc::Patience,
    layer::Core,
    observe::Event,
    provider::{Headers, OriginIndex, Origins, Told},
    replay::Replay,
};

/// What was sent with a token: enough to judge the response.
pub(super) struct Sent<'a> {
    pub(super) core: &'a Core,
    pub(super) generation: Generation,
    pub(super) origin: OriginIndex,
    /// The origins that came with the token: none, for all but a few vendors.
    pub(super) brought: Origins,
}

pub(super) enum Verdict {
    Accepted,
    /// It says nothing of the token.
    Silent,
    Refused,
    Strayed,
}

// === impl Sent ===

impl Sent<'_> {
    /// Sends with the token of `snapshot`, and once more if nothing but the proof with it is wrong: see
    /// `future/proven.rs`. Gives the response, and the means to send with another token.
    pub(super) async fn carry<C: Carrier>(
        &self,
        carrier: &mut C,
        mut request: Request,
        snapshot: Arc<Snapshot>,
        second: Result<Second, Replay>,
        patience: &Patience,
    ) -> Result<(Response, Result<Second, Replay>), C::Error> {
        self.put_token_on(&mut request, &snapshot.headers, None)
            .map_err(|error| unserved::<C>(self.core, error))?;
        if snapshot.headers.prover().is_none() {
            drop(snapshot);
            return Ok((carrier.carry(request).await?, second));
        }
        let headers = &snapshot.headers;
        let mut response = carrier.carry(request).await?;
        let Some(told) = self.hear(headers, &mut response) else {
            return Ok((response, second));
        };
        let second = match second.and_then(Second::hold) {
            Ok(second) => second,
            Err(why) => {
                why.mark(response.extensions_mut());
                return Ok((response, Err(why)));
            }
        };
        drop(response);
        let mut request = second.into_request();
        pass_on(patience, &mut request, self.core.session.cell()).map_err(C::own)?;
        let third = Second::of(self.core, &mut request);
        self.put_token_on(&mut request, headers, Some(&told))
            .map_err(|error| unserved::<C>(self.core, error))?;
        let mut response = carrier.carry(request).await?;
        self.hear(headers, &mut response);
        Ok((response, third))
    }

    fn put_token_on(
        &self,
        request: &mut Request,
        headers: &Headers,
        told: Option<&Told>,
    ) -> Result<(), Error> {
        let (proofs, now) = (self.proofs(headers), self.core.session.cell().now());
        let proof = proofs.proof(request.method(), request.url().path(), told, now)?;
        proofs.place(proof, request.headers_mut());
        Ok(())
    }

    /// What the response says about the proof; nothing, where it came from elsewhere.
    fn hear(&self, headers: &Headers, response: &mut Response) -> Option<Told> {
        let at_home = !is_told(response.url()) || self.came_from(response) == Some(self.origin);
        if headers.prover().is_none() || !at_home {
            return None;
        }
        let now = self.core.session.cell().now();
        let proofs = self.proofs(headers);
        with_head(response, |head| proofs.hear(head, now))
    }

    fn proofs<'h>(&'h self, headers: &'h Headers) -> Proofs<'h> {
        Proofs {
            headers,
            origins: &self.core.session.profile().origins,
            brought: &self.brought,
            origin: self.origin,
        }
    }

    /// The origin that `response` is from, if it may see the token.
    fn came_from(&self, response: &Response) -> Option<OriginIndex> {
        let by_token = || origin_by(self.core, &self.brought, response.url());
        origin_of(self.core, response.url()).or_else(by_token)
    }

    /// Judges the response, and marks it where it came from elsewhere. A stranger's refusal is none
    /// of the token.
    pub(super) fn judge(&self, response: &mut Response) -> Verdict {
        if is_told(response.url()) && self.came_from(response).is_none() {
            response.extensions_mut().insert(Strayed);
            return Verdict::Strayed;
        }
        let profile = self.core.session.profile();
        with_head(response, |head| {
            match challenge::refuses(head, &profile.refusal) {
                _ if profile.binding.is_some() && challenge::of_proof(head).is_some() => {
                    Verdict::Silent
                }
                true => Verdict::Refused,
                false if challenge::speaks_for_it(head) => Verdict::Accepted,
                false => Verdict::Silent,
            }
        })
    }

    /// The refusal of a request that cannot be sent again: its caller gets the response, and the
    /// next request a newer token.
    pub(super) fn only_once(&self, mut refused: Response, why: Replay) -> Response {
        let why_not = why.as_str();
        self.core.session.tell(Event::NotReplayed { why: why_not });
        self.reject();
        why.mark(refused.extensions_mut());
        refused
    }

    /// Makes the session newer, if it is not yet, without waiting for it.
    pub(super) fn reject(&self) {
        self.core.session.reject(self.generation, self.origin);
    }
}

/// Looks at the head of `response`, which is borrowed for that moment by one that the judge knows.
fn with_head<T>(response: &mut Response, look: impl FnOnce(&http::Response<()>) -> T) -> T {
    let mut head = http::Response::new(());
    *head.status_mut() = response.status();
    *head.version_mut() = response.version();
    let swap = |head: &mut http::Response<()>, response: &mut Response| {
        mem::swap(head.headers_mut(), response.headers_mut());
        mem::swap(head.extensions_mut(), response.extensions_mut());
    };
    swap(&mut head, response);
    let seen = look(&head);
    swap(&mut head, response);
    seen
}
