//! The time limit of a try.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{runtime::Handle, time::Sleep};

use crate::provider::ProviderError;

/// Tokio's timer, and one more look after it.
///
/// A process that was stopped past its limit finds the timer and the answer at once, and its timer
/// may be looked at before whoever reads the connection. What has arrived is worth more than
/// punctuality: the refresh token is spent.
pub(super) struct Limit {
    timer: Pin<Box<Sleep>>,
    looks_once_more: bool,
}

// === impl Limit ===

impl Limit {
    /// Outside a runtime the timer would panic.
    pub(super) fn new(timeout: Duration) -> Result<Self, ProviderError> {
        Handle::try_current().map_err(|error| {
            ProviderError::misconfigured(
                "a token request needs a tokio runtime: call from within one, with its timer \
                 enabled",
            )
            .because(error)
        })?;
        Ok(Self {
            timer: Box::pin(tokio::time::sleep(timeout)),
            looks_once_more: false,
        })
    }

    /// From here on there may be an answer to look for.
    pub(super) fn expects_answer(&mut self) {
        self.looks_once_more = true;
    }

    /// Ends at the latest when this much time has gone by from now.
    pub(super) fn shorten(&mut self, at_most: Duration) {
        let sooner = tokio::time::sleep(at_most);
        if sooner.deadline() < self.timer.deadline() {
            self.timer.set(sooner);
        }
    }

    /// The output of `future`, or none where the limit comes first.
    pub(super) async fn within<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll(cx).map(|()| None),
        })
        .await
    }

    /// Ready when the time is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.timer.as_mut().poll(cx));
        if !std::mem::take(&mut self.looks_once_more) {
            return Poll::Ready(());
        }
        self.timer.set(tokio::time::sleep(LAST_LOOK));
        self.timer.as_mut().poll(cx)
    }
}

/// Enough for what has arrived to be read, and within what an intent lasts longer than a try.
const LAST_LOOK: Duration = Duration::from_millis(250);
