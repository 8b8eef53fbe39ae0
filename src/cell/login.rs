//! A login, which goes on in the flight that found it needed.
//!
//! It takes the place of the exchange in the same task, so all who wait for a token wait for it, and
//! there is one of them. It spends no refresh token: what becomes of it, that is known to be refused
//! already. Where nobody wants it any more, those who wait for people are told.

use std::{future::Future, pin::Pin, sync::Arc};

use super::{Cell, Family, State, Ticket, flight::Ending, ledger::Ask, schedule, wake};
use crate::{
    error::Error,
    observe::Event,
    provider::{
        Exchange, FailureKind, Login, ProviderError, Reason, SessionId, TokenClient, Wanted,
    },
    token::Token,
};

/// A login that began under this lineage of the cell.
#[derive(Debug)]
struct Wish {
    cell: Arc<Cell>,
    lineage: u64,
}

// === impl Family ===

impl Family {
    /// Whether the provider logs in for a session: the layer's first, or a sibling.
    pub(super) fn logs_in(&self, first: bool) -> bool {
        match self.profile.login {
            Login::None => false,
            Login::First => first,
            Login::Each => true,
        }
    }

    /// Logs in, where that is what a refused exchange calls for; else the refusal stands.
    pub(super) async fn log_in(
        &self,
        ticket: &mut Ticket,
        id: &SessionId,
        refused: ProviderError,
    ) -> Result<Token, ProviderError> {
        let is_final = refused.kind() == FailureKind::Refused && refused.salvaged().is_none();
        let exchange = match is_final {
            true => ticket.begin_login(refused, id, &self.client)?,
            false => return Err(refused),
        };
        match self.has_store() {
            // It limits the provider's login itself, since what that brings has to be saved, and says
            // when there is one: another process may be at it.
            true => self.provider.login(exchange).await,
            false => {
                self.observers.tell(Event::LoginStarted);
                let login = self.provider.login(exchange.clone());
                exchange.limiting(login).await
            }
        }
    }
}

// === impl Ticket ===

impl Ticket {
    /// Why the vendor need not be asked: there is no refresh token that it would take.
    pub(super) fn told(&self) -> Option<ProviderError> {
        let now = self.cell.now();
        let state = self.cell.lock();
        let rules = self.cell.rules();
        state.ledger.told(&self.ask, rules, now)
    }

    /// Goes on as a login, if there is one and somebody wants it; else gives the failure that this is.
    pub(super) fn begin_login(
        &mut self,
        refused: ProviderError,
        session: &SessionId,
        client: &TokenClient,
    ) -> Result<Exchange, ProviderError> {
        let cell = Arc::clone(&self.cell);
        let mut state = cell.lock();
        let called_for = state.lineage == self.lineage
            && !state.revoked
            // With a store, its record says so: somebody may have logged in elsewhere since.
            && (cell.has_store || !state.ledger.login_is_over())
            && self.ask.reason != Reason::KeepAlive;
        if !cell.logs_in || !called_for {
            return Err(refused);
        }
        let error = Error::exchange(refused);
        state.ledger.refuse(&error, &self.ask, cell.rules());
        if state.is_ending() {
            // No reason to call for somebody: whoever needs a token after that has it logged in to.
            return Err(ProviderError::login_given_up());
        }
        state.logging_in = true;
        self.ask.refresh = None;
        self.ask.logs_in = true;
        let watchers = state.watch.changed();
        drop(state);
        wake(watchers);
        let wish = Wish {
            cell,
            lineage: self.lineage,
        };
        Ok(self.exchange_until(session, client, schedule::LOGIN, Some(Arc::new(wish))))
    }
}

// === impl Cell ===

impl Cell {
    /// The same cell, of a session that its provider can log in.
    pub(crate) fn with_login(self, logs_in: bool) -> Self {
        Self { logs_in, ..self }
    }

    /// Nobody logs in for an idle session; but who came to need a token while it was refreshed looks
    /// again, and has the provider log in.
    pub(super) fn looked_after_in_need(
        &self,
        state: &mut State,
        ask: &Ask,
        ending: Ending,
    ) -> Ending {
        match ending {
            Ending::Failed(error)
                if ask.reason == Reason::KeepAlive
                    && error.is_login_required()
                    && self.logs_in
                    && !state.revoked
                    && !state.ledger.login_is_over() =>
            {
                state.failure = Some(error);
                Ending::Superseded
            }
            ending => ending,
        }
    }

    /// Whether a login is under way.
    pub(crate) fn is_logging_in(&self) -> bool {
        self.lock().logging_in
    }
}

// === impl State ===

impl State {
    /// Whether the session is over as soon as nothing is under way: nobody is asked to log in to it.
    fn is_ending(&self) -> bool {
        self.shut_down || self.unwanted || self.watch.is_closed()
    }
}

// === impl Wish ===

impl Wanted for Wish {
    fn until_unwanted(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.cell.watch_until(|state| {
            let over = state.is_ending() || state.lineage != self.lineage;
            over.then_some(())
        }))
    }
}
