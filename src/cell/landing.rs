//! How what an exchange brought gets into the cell. Other tokens come by `adoption.rs`.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    Cell, State,
    flight::Ending,
    ledger::Ask,
    schedule::{Access, Plan},
    snapshot::{Presented, Snapshot},
};
use crate::{
    clock::Moment,
    error::Error,
    provider::{Headers, Origins, ProviderError, Rotation},
    token::{
        Secret, Token,
        expiry::{self, Age, Expiry},
    },
};

/// A token with its headers made ready.
pub(super) struct Arrival {
    pub(super) token: Token,
    pub(super) headers: Headers,
    pub(super) origins: Origins,
}

// === impl Cell ===

impl Cell {
    /// Publishes what an exchange brought.
    pub(super) fn arrive(
        &self,
        state: &mut State,
        token: Token,
        ask: &Ask,
        (asked_at, now): (Moment, Moment),
    ) -> Ending {
        let previous = self.previous(ask);
        let kept = token.is_kept();
        let arrival = match self.prepare(token) {
            Ok(arrival) => arrival,
            Err(error) => return self.fail(state, error, ask, (asked_at, now)),
        };
        let age = Age::Fresh {
            asked_at: arrival.token.asked_at().unwrap_or(asked_at),
            now,
        };
        let expires = self.access_expiry(&arrival.token, &previous, age);
        let (arrival, refresh_expires, renewed) = self.refresh_of(arrival, &previous, age);
        let login_required = self.end_of_rotation(&arrival.token, &previous);
        let mut snapshot = self.snapshot_of(arrival, expires, refresh_expires, age);
        if !renewed {
            // The exchange did not make the refresh token live longer, and the next would not.
            snapshot.plan.keep_alive = Moment::NEVER;
        }
        state.login_required = login_required;
        state.revoked = false;
        if !snapshot.is_usable(now) {
            return self.arrive_dead(state, snapshot, ask, age);
        }
        // A token that was kept is no cure that was tried: the vendor has not been asked.
        if let Some(origin) = ask.refused_by.filter(|_| !kept) {
            let (refused, generation) = (previous.generation, snapshot.generation);
            let refusals = &mut state.refusals;
            match generation > refused {
                true => {
                    refusals.exchange_brought(origin, refused, generation, now);
                    let unjudged = Presented::new(generation, origin);
                    self.unjudged.store(unjudged.as_u64(), Relaxed);
                }
                false => refusals.not_cured(origin, generation, now),
            }
        }
        self.snapshot.store(snapshot);
        state.ledger.succeeded();
        Ending::Landed
    }

    /// What the token of an exchange follows. That of a login follows nothing but in its number.
    fn previous(&self, ask: &Ask) -> Arc<Snapshot> {
        let previous = Arc::clone(&self.snapshot.load());
        match ask.logs_in {
            true => Arc::new(Snapshot {
                generation: previous.generation,
                ..Snapshot::empty()
            }),
            false => previous,
        }
    }

    /// Keeps what came with a token that cannot be used any more, and the token that can.
    fn arrive_dead(&self, state: &mut State, dead: Snapshot, ask: &Ask, age: Age) -> Ending {
        let now = age.now();
        let mut ask = ask.clone();
        let kept = dead.token.as_ref().is_some_and(Token::is_kept);
        match &dead.token {
            Some(token) if self.snapshot.load().is_usable(now) => {
                self.keep_refresh_token(token, age);
            }
            _ => {
                self.snapshot.store(dead);
                ask.access_dead = Moment::PAST;
            }
        }
        if kept {
            // It was taken for its refresh token, which another process has kept alive.
            state.ledger.succeeded();
            return Ending::Landed;
        }
        Ending::Failed(state.ledger.arrived_dead(&ask, self.rules(), now))
    }

    /// Makes the headers ready. A token that cannot be one is an error that keeps the rest.
    fn prepare(&self, token: Token) -> Result<Arrival, ProviderError> {
        let headers = match token.access_token() {
            Some(access) => self.headers(access, &token),
            None => Err(ProviderError::unknown_outcome(
                "the reply holds no access token",
            )),
        };
        let origins = self.profile.origins.brought(token.origins());
        match headers.and_then(|headers| Ok((headers, origins?))) {
            Ok((headers, origins)) => Ok(Arrival {
                token,
                headers,
                origins,
            }),
            Err(error) => Err(match token.refresh_token() {
                Some(refresh) => error.salvaging(
                    Token::from_refresh_token(refresh.clone()).with_key(token.proof_key().cloned()),
                ),
                None => error,
            }),
        }
    }

    pub(super) fn headers(&self, access: &Secret, token: &Token) -> Result<Headers, ProviderError> {
        let headers = self.profile.placement.headers(access).map_err(|_| {
            ProviderError::unknown_outcome(
                "the access token holds bytes that no header may hold, such as a line break at its end",
            )
        })?;
        self.profile.proven(headers, token)
    }

    /// The same access token again does not live longer for it, unless the vendor says so.
    fn access_expiry(&self, token: &Token, previous: &Snapshot, age: Age) -> Option<Expiry> {
        let same = previous
            .token
            .as_ref()
            .is_some_and(|last| last.same_access(token));
        if same && token.states_no_lifetime() {
            return previous.expires;
        }
        // Of a kept one everything that is known was worked out when it was new.
        let default = self.profile.lifetime.filter(|_| !token.is_kept());
        expiry::access(token, age, default)
    }

    /// The refresh token that counts from now on, its expiry, and whether that is a new one.
    fn refresh_of(
        &self,
        arrival: Arrival,
        previous: &Snapshot,
        age: Age,
    ) -> (Arrival, Option<Expiry>, bool) {
        let Arrival {
            token,
            headers,
            origins,
        } = arrival;
        let arrived = |token| Arrival {
            token,
            headers,
            origins,
        };
        let last = previous.token.as_ref();
        let same = last.is_some_and(|last| last.same_refresh(&token));
        if same && expiry::refresh_tells_itself(&token) {
            return (arrived(token), previous.refresh_expires, false);
        }
        if token.refresh_token().is_some() || self.profile.rotation == Rotation::Must {
            let expires = expiry::refresh(&token, age, self.profile.refresh_lifetime);
            return (arrived(token), expires, true);
        }
        let token = match last {
            Some(last) => token.inheriting_refresh_from(last),
            None => token,
        };
        (arrived(token), previous.refresh_expires, false)
    }

    /// Where every exchange must give a new refresh token and this one gave none, the session ends
    /// with the access token: said now, not when it is too late.
    fn end_of_rotation(&self, token: &Token, previous: &Snapshot) -> Option<Error> {
        let had_one = previous
            .token
            .as_ref()
            .is_some_and(|last| last.refresh_token().is_some());
        let lacks_one = self.profile.rotation == Rotation::Must && token.refresh_token().is_none();
        // Where the provider logs in, that is what happens then.
        let ended = lacks_one && had_one && !self.logs_in;
        ended.then(|| {
            Error::login_required(ProviderError::refused(
                "the reply held no new refresh token, so the session ends with its access token",
            ))
        })
    }

    /// The snapshot of a token that takes the place of the current one. Its number is a new one, unless
    /// the access token is the same.
    pub(super) fn snapshot_of(
        &self,
        arrival: Arrival,
        expires: Option<Expiry>,
        refresh_expires: Option<Expiry>,
        age: Age,
    ) -> Snapshot {
        let Arrival {
            token,
            headers,
            origins,
        } = arrival;
        let previous = self.snapshot.load();
        let access = match (token.access_token(), expires) {
            (None, _) => Access::None,
            (Some(_), None) => Access::Unknown,
            (Some(_), Some(expiry)) => Access::Until(expiry),
        };
        let hint = token
            .refresh_hint()
            .map(|hint| age.counts_from().after(hint));
        let plan = Plan::new(access, refresh_expires, hint, age.now(), fastrand::f64());
        let same = previous
            .token
            .as_ref()
            .is_some_and(|last| last.same_access(&token));
        let generation = match access {
            Access::None => previous.generation,
            _ if same => previous.generation,
            _ => previous.generation.next(),
        };
        let snapshot = Snapshot {
            generation,
            token: Some(token),
            headers,
            origins,
            plan,
            attention: Moment::PAST,
            simple_until: Moment::PAST,
            expires,
            refresh_expires,
        };
        snapshot.attended_from(plan.attention())
    }
}
