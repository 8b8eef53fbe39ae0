//! The right to fly, and the end of a flight.

use std::{sync::Arc, time::Duration};

use super::{Cell, State, flight::Ending, ledger::Ask, schedule, wake};
use crate::{
    clock::Moment,
    observe::{Event, Outcome},
    provider::{Exchange, ExchangeParts, ProviderError, Reason, SessionId, TokenClient, Wanted},
    token::Token,
};

/// The right to fly: held by the task that makes the exchange, and the end of the flight when it
/// is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(super) cell: Arc<Cell>,
    pub(super) lineage: u64,
    last: Option<Token>,
    pub(super) ask: Ask,
    tries: u32,
    landed: bool,
    /// Observers were told that it begins.
    announced: bool,
    /// It asks for the end of the session, not for a token.
    revokes: bool,
}

// === impl Ticket ===

impl Ticket {
    pub(super) fn new(cell: Arc<Cell>, lineage: u64, last: Option<Token>, ask: Ask) -> Self {
        Self {
            cell,
            lineage,
            last,
            ask,
            tries: 0,
            landed: false,
            announced: false,
            revokes: false,
        }
    }

    pub(super) fn revoking(mut self) -> Self {
        self.revokes = true;
        self
    }

    /// What the provider gets for its next try.
    pub(crate) fn exchange(&mut self, session: &SessionId, client: &TokenClient) -> Exchange {
        // Others take an exchange for over by its deadline: no request may outlive it.
        let allowed = client.limit().max(schedule::EXCHANGE);
        self.exchange_until(session, client, allowed, None)
    }

    pub(super) fn exchange_until(
        &mut self,
        session: &SessionId,
        client: &TokenClient,
        allowed: Duration,
        wanted: Option<Arc<dyn Wanted>>,
    ) -> Exchange {
        let now = self.cell.now();
        self.tell_that_it_begins();
        self.ask.sent_at = Some(now);
        self.tries += 1;
        let access = self.last.as_ref().and_then(Token::access_token);
        Exchange::new(ExchangeParts {
            last: self.last.clone(),
            refused: access
                .filter(|_| self.ask.reason == Reason::Refused)
                .cloned(),
            reason: self.ask.reason,
            deadline: now.after(allowed),
            session: session.clone(),
            client: client.clone(),
            wanted,
        })
    }

    /// How long to wait before the same flight asks once more: only where the vendor hands out a
    /// lost reply again, and only while it does. What was lost stays noted, whatever comes of it.
    pub(crate) fn asks_again_after(&self, error: &ProviderError) -> Option<Duration> {
        if error.salvaged().is_some() {
            return None;
        }
        let cell = &self.cell;
        let pause = schedule::pause_without_token(self.tries, fastrand::f64());
        let after_pause = cell.now().after(pause);
        let mut state = cell.lock();
        let ours = state.lineage == self.lineage;
        let asks_again = ours
            && state
                .ledger
                .asks_again(error, &self.ask, cell.rules(), after_pause);
        asks_again.then_some(pause)
    }

    /// Ends the flight with what the provider returned.
    pub(crate) fn land(mut self, result: Result<Token, ProviderError>) {
        self.landed = true;
        let asked_at = *self.ask.sent_at.get_or_insert(self.ask.began_at);
        let landed_as = match &result {
            Ok(token) if token.is_kept() => Outcome::Adopted,
            _ => Outcome::Issued,
        };
        self.finish(landed_as, |cell, state, ask, now| match result {
            Ok(token) => cell.arrive(state, token, ask, (asked_at, now)),
            Err(error) => {
                let ending = cell.fail(state, error, ask, (asked_at, now));
                cell.looked_after_in_need(state, ask, ending)
            }
        });
    }

    /// Ends a flight that never began: nothing is noted, and whoever waits for it looks again.
    pub(crate) fn abandon(mut self) {
        self.landed = true;
        self.finish(Outcome::Superseded, |_, state, ask, _| {
            if ask.reason == Reason::Refused {
                state.refusals.exchange_did_not_begin();
            }
            Ending::Superseded
        });
    }

    /// Ends the session: the vendor has revoked it.
    pub(super) fn revoked(mut self) {
        self.landed = true;
        self.finish(Outcome::Superseded, |cell, state, _, _| {
            cell.empty(state);
            Ending::Superseded
        });
    }

    fn tell_that_it_begins(&mut self) {
        if !self.announced && !self.revokes {
            self.announced = true;
            let reason = self.ask.reason;
            self.cell.observers.tell(Event::ExchangeStarted { reason });
        }
    }

    /// `landed_as` is what it means that there is a token.
    fn finish(
        &self,
        landed_as: Outcome,
        end: impl FnOnce(&Cell, &mut State, &Ask, Moment) -> Ending,
    ) {
        let cell = &self.cell;
        let now = cell.now();
        let mut state = cell.lock();
        // The end of a session that is closed has taken that back.
        let waited_for = state.login_required.is_some() && !state.watch.is_closed();
        // What the provider did beside asking is its own affair, whatever becomes of the answer.
        state.owed |= self.ask.sent_at.is_some();
        state.logging_in = false;
        let ending = if state.lineage == self.lineage {
            end(cell, &mut state, &self.ask, now)
        } else {
            Ending::Superseded
        };
        let snapshot = Arc::clone(&cell.snapshot.load());
        let ask = cell.ask(Reason::Due, &snapshot, now);
        let forbidden = cell.forbids(&state, &ask, now);
        // Also where it was not the vendor who said so, but the rule for a lost reply.
        if let Some((error, _)) = &forbidden
            && error.is_login_required()
        {
            state.login_required = Some(error.clone());
        }
        let ending = match (ending, forbidden) {
            (Ending::Failed(error), Some((_, at))) => Ending::Failed(error.retry_at(at, now)),
            (ending, _) => ending,
        };
        match &ending {
            Ending::Failed(error) => state.failure = Some(error.clone()),
            Ending::Landed => state.failure = None,
            Ending::Superseded => {}
        }
        let waiters = state.board.end(ending.clone());
        cell.postpone(&snapshot, cell.next_attempt(&state, &snapshot, now));
        let watchers = state.watch.changed();
        // Nobody is left to log in to a session that is closed, and nobody to take that back.
        let login_required = state
            .login_required
            .clone()
            .filter(|_| !state.watch.is_closed());
        drop(state);
        self.tell_that_it_ended(landed_as, &ending, waiters.len(), now);
        cell.tell_of_login(waited_for, login_required.as_ref());
        wake(waiters);
        wake(watchers);
    }

    fn tell_that_it_ended(&self, landed_as: Outcome, ending: &Ending, waiting: usize, now: Moment) {
        if !self.announced {
            return;
        }
        let (outcome, error) = match ending {
            Ending::Landed => (landed_as, None),
            Ending::Superseded => (Outcome::Superseded, None),
            Ending::Failed(error) => (Outcome::of(error), Some(error)),
        };
        // What there is after an exchange that was overtaken is not what it brought.
        let landed = matches!(ending, Ending::Landed);
        let expires = self.cell.load().expires.filter(|_| landed);
        self.cell.observers.tell(Event::ExchangeEnded {
            reason: self.ask.reason,
            outcome,
            took: now
                .monotonic()
                .saturating_sub(self.ask.began_at.monotonic()),
            lifetime: expires.map(|expiry| expiry.at.remaining(now)),
            waiting,
            error,
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        if self.revokes {
            // Nothing was to be spent, and nobody waits for it who waits for a token.
            self.finish(Outcome::Superseded, |_, _, _, _| Ending::Superseded);
        } else {
            let began = self.ask.sent_at.is_some();
            let panicked = std::thread::panicking();
            self.finish(Outcome::Died, |_, state, ask, now| {
                let unsent = Ask {
                    refresh: None,
                    ..ask.clone()
                };
                let ask = if began { ask } else { &unsent };
                Ending::Failed(state.ledger.died(panicked, ask, now))
            });
        }
    }
}
