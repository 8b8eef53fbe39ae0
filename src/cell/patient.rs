//! Waiting for a token, and what the end of a flight is to who has waited for it.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{Ending, Join, Look, Need, Session, Snapshot};
use crate::{clock::Sleep, error::Error, provider::ProviderError};

/// Waits for a token, no longer than its caller does. Who needs to wait needs a runtime: its timer
/// says when it has been long enough.
///
/// Thousands may wait at once, so this is no async function, which would be larger by half.
pub(crate) struct Patient<'a> {
    session: &'a Session,
    need: Need,
    /// The flight that is waited for.
    join: Option<Join>,
    limit: Limit,
    /// Whether the limit is that of the caller, who has no more time.
    is_callers: bool,
}

enum Limit {
    /// Not waited for yet.
    In(Duration),
    At(Sleep),
}

// === impl Session ===

impl Session {
    /// Waits as long as a caller waits, and this one has left, then leaves the exchange to itself.
    pub(super) fn patiently(&self, left: Duration, need: Need) -> Patient<'_> {
        let waits = self.family().caller_waits;
        Patient {
            session: self,
            need,
            join: None,
            limit: Limit::In(left.min(waits)),
            is_callers: left <= waits,
        }
    }

    /// What the end of a flight is to a caller; none where it has to look once more.
    fn ended(&self, need: Need, ending: Ending) -> Option<Result<Arc<Snapshot>, Error>> {
        match ending {
            // By now the token is another one, or dead again.
            Ending::Superseded => None,
            Ending::Landed => self.landed(need),
            Ending::Failed(error) => {
                // Another token may have come meanwhile, from a login.
                let snapshot = Arc::clone(&self.cell().load());
                let met = need.is_met_by(&snapshot, self.cell().now());
                Some(if met { Ok(snapshot) } else { Err(error) })
            }
        }
    }

    /// What a landed exchange is to a caller; none where its token has expired before the caller
    /// came to look.
    fn landed(&self, need: Need) -> Option<Result<Arc<Snapshot>, Error>> {
        let snapshot = Arc::clone(&self.cell().load());
        match need {
            Need::Asked => Some(Ok(snapshot)),
            Need::NewerThan(generation, origin) if snapshot.generation <= generation => {
                self.cell().same_again(generation, origin);
                Some(Err(not_newer()))
            }
            Need::Usable | Need::NewerThan(..) => snapshot
                .is_usable(self.cell().now())
                .then_some(Ok(snapshot)),
        }
    }
}

// === impl Patient ===

impl Patient<'_> {
    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if let Limit::In(wait) = self.limit {
            if Handle::try_current().is_err() {
                return Poll::Ready(Error::no_runtime());
            }
            self.limit = Limit::At(self.session.family().clock.sleep(wait));
        }
        let over = match &mut self.limit {
            Limit::In(_) => Poll::Pending,
            Limit::At(limit) => limit.as_mut().poll(cx),
        };
        over.map(|()| match self.is_callers {
            true => Error::out_of_time(),
            false if self.session.cell().is_logging_in() => Error::login_in_progress(),
            false => Error::in_progress(),
        })
    }
}

impl Future for Patient<'_> {
    type Output = Result<Arc<Snapshot>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let session = this.session;
        loop {
            if let Some(join) = &mut this.join {
                let Poll::Ready(ending) = Pin::new(join).poll(cx) else {
                    return this.poll_limit(cx).map(Err);
                };
                this.join = None;
                if let Some(result) = session.ended(this.need, ending) {
                    return Poll::Ready(result);
                }
            }
            this.join = match session.cell().look(this.need) {
                Look::Use(snapshot) => return Poll::Ready(Ok(snapshot)),
                Look::Fail(error) => return Poll::Ready(Err(error)),
                Look::Join(join) => Some(join),
                Look::Fly(ticket, join) => {
                    session.launch(*ticket)?;
                    Some(join)
                }
            };
        }
    }
}

fn not_newer() -> Error {
    Error::exchange(ProviderError::transient(
        "the exchange gave the refused token again",
    ))
}
