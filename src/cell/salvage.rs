//! What is kept of an exchange that failed: a reply may be broken and hold a refresh token all the
//! same, which is the only copy of it.

use super::{Cell, State, flight::Ending, ledger::Ask, schedule, snapshot::Snapshot};
use crate::{
    clock::Moment,
    provider::{FailureKind, ProviderError},
    token::{
        Token,
        expiry::{self, Age},
    },
};

// === impl Cell ===

impl Cell {
    /// Notes a failed exchange, and keeps what arrived all the same.
    pub(super) fn fail(
        &self,
        state: &mut State,
        error: ProviderError,
        ask: &Ask,
        (asked_at, now): (Moment, Moment),
    ) -> Ending {
        let salvaged = error.salvaged().cloned();
        let mut ask = ask.clone();
        match salvaged {
            Some(token)
                if token
                    .access_token()
                    .is_some_and(|access| self.headers(access, &token).is_ok()) =>
            {
                return self.arrive_in_part(state, token, error, &ask, (asked_at, now));
            }
            Some(token) if token.refresh_token().is_some() => {
                self.keep_refresh_token(&token, Age::Fresh { asked_at, now });
                ask.refresh = None;
            }
            _ => {}
        }
        if error.kind() == FailureKind::Throttled {
            self.floor.raise(&error, now);
        }
        Ending::Failed(state.ledger.failed(error, &ask, self.rules(), now))
    }

    /// Publishes what was saved out of a broken reply. Where that is an access token alone, the old
    /// refresh token has been spent, and whether it may be sent again is for the vendor's rule.
    fn arrive_in_part(
        &self,
        state: &mut State,
        saved: Token,
        error: ProviderError,
        ask: &Ask,
        times: (Moment, Moment),
    ) -> Ending {
        let last = self.snapshot.load().token.clone();
        let lost = error.may_have_spent() && saved.refresh_token().is_none();
        let token = match last.filter(|_| lost && !ask.logs_in) {
            Some(last) => saved.inheriting_refresh_from(&last),
            None => saved,
        };
        let ending = self.arrive(state, token, ask, times);
        if lost {
            state.ledger.lost(&error, ask);
        }
        ending
    }

    /// Puts the refresh token of `salvaged` beside the access token that there is.
    pub(super) fn keep_refresh_token(&self, salvaged: &Token, age: Age) {
        let mut snapshot = Snapshot::clone(&self.snapshot.load());
        let Some(refresh) = salvaged.refresh_token() else {
            return;
        };
        let token = match snapshot.token.take() {
            Some(token) => token.with_refresh_token(refresh.clone()),
            None => salvaged.clone(),
        };
        snapshot.token = Some(token);
        snapshot.refresh_expires = expiry::refresh(salvaged, age, self.profile.refresh_lifetime);
        snapshot.plan.keep_alive =
            schedule::keep_alive(snapshot.refresh_expires, age.now(), fastrand::f64());
        self.snapshot.store(snapshot);
    }
}

#[cfg(test)]
mod tests;
