//! The end of a session that the application asked for.
//!
//! It takes the place of a flight: nobody may spend a refresh token while the vendor is told to
//! forget it, and an exchange that is under way would bring one that the vendor was not told of.
//! Whoever waits meanwhile looks again when it is over.

use std::sync::Arc;

use super::{Cell, Join, Snapshot, State, Ticket, ledger::Ask};
use crate::{
    error::Error,
    provider::{ProviderError, Reason},
    token::Token,
};

// === impl Cell ===

impl Cell {
    /// Takes the place of the next flight, or gives the one that has to be over first. Also after a
    /// shutdown: it asks for no token.
    pub(super) fn begin_revocation(self: &Arc<Self>) -> Result<Ticket, Join> {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.board.is_flying() {
            return Err(Join::new(self, &state));
        }
        let snapshot = Arc::clone(&self.snapshot.load());
        let ask = Ask {
            // Revoked or not, it is not spent.
            refresh: None,
            ..self.ask(Reason::Asked, &snapshot, now)
        };
        Ok(self.begin(&mut state, &snapshot, ask, now))
    }

    /// Forgets the token and whatever was held against it. A session that began with a login needs
    /// another.
    pub(super) fn empty(&self, state: &mut State) {
        let previous = Arc::clone(&self.snapshot.load());
        self.snapshot.store(Snapshot {
            generation: previous.generation,
            ..Snapshot::empty()
        });
        let last = previous.token.as_ref();
        let began_with_login = last.and_then(Token::refresh_token).is_some();
        state.lineage += 1;
        state.ledger.succeeded();
        state.refusals = Default::default();
        state.failure = None;
        state.login_required = began_with_login.then(|| {
            Error::login_required(ProviderError::refused(
                "the session was revoked, as the application asked: log in again",
            ))
        });
    }
}
