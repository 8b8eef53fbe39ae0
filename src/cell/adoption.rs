//! How a token gets into the cell that did not come from an exchange: a seed, or a new login.

use super::{Cell, landing::Arrival, wake};
use crate::{
    provider::{Headers, ProviderError},
    token::{
        Token,
        expiry::{self, Age},
    },
};

// === impl Cell ===

impl Cell {
    /// Takes a token that did not come from an exchange: a seed, or a new login. It begins a new
    /// lineage, and wipes what was held against the old one.
    pub(crate) fn adopt(&self, token: Token) -> Result<(), ProviderError> {
        let now = self.clock.now();
        let headers = self.seed_headers(&token)?;
        let origins = self.profile.origins.brought(token.origins())?;
        let age = token
            .asked_at()
            .map_or(Age::Seed { now }, |asked_at| Age::Fresh { asked_at, now });
        let expires = expiry::access(&token, age, None);
        let refresh_expires = expiry::refresh(&token, age, self.profile.refresh_lifetime);
        let mut state = self.lock();
        state.lineage += 1;
        state.ledger.succeeded();
        state.refusals = Default::default();
        state.failure = None;
        let waited_for = state.login_required.take().is_some();
        state.revoked = false;
        let arrival = Arrival {
            token,
            headers,
            origins,
        };
        let snapshot = self.snapshot_of(arrival, expires, refresh_expires, age);
        self.postpone(&snapshot, self.next_attempt(&state, &snapshot, now));
        // Those who wait for an exchange of the old login may use this token.
        let waiters = state.board.stir();
        let watchers = state.watch.changed();
        drop(state);
        self.tell_of_login(waited_for, None);
        wake(waiters);
        wake(watchers);
        Ok(())
    }

    /// Whether [`adopt`](Self::adopt) would take `token`.
    pub(crate) fn check(&self, token: &Token) -> Result<(), ProviderError> {
        self.seed_headers(token)?;
        self.profile.origins.brought(token.origins()).map(drop)
    }

    /// The headers of a token that did not come from an exchange. Nothing was sent for it, so what
    /// is wrong with it is a setting.
    fn seed_headers(&self, token: &Token) -> Result<Headers, ProviderError> {
        match token.access_token() {
            Some(access) => {
                let headers = self.profile.placement.headers(access).map_err(|_| {
                    ProviderError::misconfigured(
                        "the token to start from holds bytes that no header may hold, \
                         such as a line break at its end",
                    )
                })?;
                self.profile.proven(headers, token)
            }
            None if token.refresh_token().is_some() => Ok(Headers::default()),
            None => Err(ProviderError::misconfigured(
                "the token to start from is empty",
            )),
        }
    }
}
