//! The end of a session that the application asked for.
//!
//! It takes the place of a flight: nobody may spend a refresh token while the vendor is told to
//! forget it, and an exchange that is under way would bring one that the vendor was not told of.
//! Whoever waits meanwhile looks again when it is over. All of it is one task, which goes on when
//! nobody waits for it any more; a login that comes meanwhile is not what was meant, and ends it.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::runtime::Handle;

use super::{Cell, Generation, Join, Need, Session, Snapshot, State, Ticket, wake};
use crate::{
    error::Error,
    provider::{FailureKind, OriginIndex, ProviderError, Reason},
};

/// What stands in a flight's place.
pub(super) struct Revocation {
    pub(super) ticket: Ticket,
    lineage: u64,
    /// The lineage that the last revocation ended.
    ended: Option<u64>,
    /// That of the access token, if there is one.
    generation: Option<Generation>,
}

// === impl Session ===

impl Session {
    /// Has the vendor end the session, and forgets its token.
    pub(crate) async fn revoke(self: &Arc<Self>) -> Result<(), Error> {
        let runtime = Handle::try_current().map_err(|_| Error::no_runtime())?;
        let session = Arc::clone(self);
        let mut task = runtime.spawn(async move { session.revoke_now().await });
        let family = self.family();
        let mut limit = family.clock.sleep(family.caller_waits);
        poll_fn(|cx| {
            if let Poll::Ready(ended) = Pin::new(&mut task).poll(cx) {
                return Poll::Ready(match ended {
                    Ok(revoked) => revoked,
                    Err(died) => Err(Error::died(died.is_panic())),
                });
            }
            limit.as_mut().poll(cx).map(|()| Err(Error::in_progress()))
        })
        .await
    }

    /// A vendor that takes the access token as the proof of who asks gets one that is good.
    async fn revoke_now(&self) -> Result<(), Error> {
        let lineage = self.cell().lineage();
        for _ in 0..TRIES {
            let revocation = self.instead_of_a_flight().await?;
            let generation = revocation.generation;
            if revocation.lineage != lineage {
                revocation.ticket.abandon();
                // Somebody else's, who asked for it at the same time.
                return match revocation.ended == Some(lineage) {
                    true => Ok(()),
                    false => Err(Error::revocation(overtaken_by_a_login())),
                };
            }
            let revoked = self.family().revoke(revocation.ticket, self.id()).await;
            self.settle_beside();
            match revoked {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == FailureKind::Refused => {}
                Err(error) => return Err(self.failed(error)),
            }
            let need = match generation {
                Some(generation) => Need::NewerThan(generation, OriginIndex::PEER),
                None => Need::Usable,
            };
            self.patiently(Duration::MAX, need).await?;
        }
        Err(Error::revocation(ProviderError::transient(
            "the vendor refuses the access token that it is asked with, although it is new",
        )))
    }

    async fn instead_of_a_flight(&self) -> Result<Revocation, Error> {
        loop {
            if let Some(paused) = self.paused() {
                return Err(paused);
            }
            match self.cell().begin_revocation() {
                Ok(revocation) => return Ok(revocation),
                Err(under_way) => drop(under_way.await),
            }
        }
    }

    fn failed(&self, error: ProviderError) -> Error {
        let paused = match error.kind() {
            FailureKind::Throttled => self.paused(),
            _ => None,
        };
        paused.unwrap_or(Error::revocation(error))
    }

    /// The pause that the vendor asked for, which counts for whatever it is asked.
    fn paused(&self) -> Option<Error> {
        let now = self.cell().now();
        let (error, until) = self.family().floor.forbids(now)?;
        let error = error.provider_error()?.clone();
        Some(Error::revocation(error).retry_at(until, now))
    }
}

// === impl Cell ===

impl Cell {
    /// Takes the place of the next flight, or gives the one that has to be over first. Also after a
    /// shutdown: it asks for no token.
    pub(super) fn begin_revocation(self: &Arc<Self>) -> Result<Revocation, Join> {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.board.is_flying() {
            let under_way = Join::new(self, &state);
            // Nobody is asked to log in for a session that is to end, now or when the exchange under
            // way comes to need it.
            state.unwanted = true;
            let watchers = state.watch.stirred();
            drop(state);
            wake(watchers);
            return Err(under_way);
        }
        let snapshot = Arc::clone(&self.snapshot.load());
        let ask = self.ask(Reason::Asked, &snapshot, now);
        let ticket = self.begin(&mut state, &snapshot, ask, now);
        Ok(Revocation {
            ticket: ticket.revoking(),
            lineage: state.lineage,
            ended: state.ended,
            generation: snapshot.has_access().then_some(snapshot.generation),
        })
    }

    fn lineage(&self) -> u64 {
        self.lock().lineage
    }

    /// Forgets the token, and what was held against it. Whether a session can begin anew without a
    /// login is for its provider to say when it is asked.
    pub(super) fn empty(&self, state: &mut State) {
        state.revoked = true;
        let previous = Arc::clone(&self.snapshot.load());
        if previous.token.is_none() && !self.logs_in {
            return;
        }
        self.snapshot.store(Snapshot {
            generation: previous.generation,
            ..Snapshot::empty()
        });
        state.ended = Some(state.lineage);
        state.lineage += 1;
        state.ledger.succeeded();
        state.refusals = Default::default();
        state.failure = None;
    }
}

/// Why a session was not revoked: it is not there any more.
pub(crate) fn overtaken_by_a_login() -> ProviderError {
    ProviderError::transient("a login took the place of the session before it was revoked")
}

/// The access token may be refused because it is dead, and the one in its place because another
/// replica has had it for as long.
const TRIES: u32 = 3;
