//! What a caller finds: a token, a flight to join, one to begin, or the reason why there is none.

use std::sync::Arc;

use super::{
    Cell, Generation, Join, Snapshot, State, Ticket,
    ledger::{self, Ask},
};
use crate::{
    clock::Moment,
    error::Error,
    provider::{OriginIndex, ProviderError, Reason},
    token::Token,
};

/// What a caller needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// Any token that may be sent.
    Usable,
    /// A newer token than the one of this generation, which this origin refused.
    NewerThan(Generation, OriginIndex),
    /// An exchange, whatever there is: the application asked for it.
    Asked,
}

/// What a caller finds.
#[derive(Debug)]
pub(crate) enum Look {
    /// This will do.
    Use(Arc<Snapshot>),
    /// An exchange is under way.
    Join(Join),
    /// An exchange has to begin: the caller gives the ticket to a task, then joins.
    Fly(Box<Ticket>, Join),
    /// There is no token, and no exchange now.
    Fail(Error),
}

// === impl Cell ===

impl Cell {
    /// Looks for what `need` asks for, and begins a flight where nothing else is left.
    pub(crate) fn look(self: &Arc<Self>, need: Need) -> Look {
        let now = self.clock.now();
        let mut state = self.lock();
        let snapshot = Arc::clone(&self.snapshot.load());
        if need.is_met_by(&snapshot, now) {
            return Look::Use(snapshot);
        }
        if state.board.is_flying() {
            return Look::Join(Join::new(self, &state));
        }
        if state.shut_down {
            return Look::Fail(Error::shut_down());
        }
        if let Need::NewerThan(generation, origin) = need {
            let current = snapshot.generation == generation;
            if current && !state.refusals.worth_an_exchange(origin, generation, now) {
                return Look::Fail(Error::exchange(ProviderError::transient(
                    "the server refuses tokens that were just issued",
                )));
            }
        }
        let mut ask = self.ask(need.reason(&snapshot, now), &snapshot, now);
        if let (Need::NewerThan(_, origin), Reason::Refused) = (need, ask.reason) {
            ask.refused_by = Some(origin);
        }
        if let Some((error, at)) = self.forbids(&state, &ask, now) {
            return Look::Fail(error.retry_at(at, now));
        }
        let ticket = self.begin(&mut state, &snapshot, ask, now);
        Look::Fly(Box::new(ticket), Join::new(self, &state))
    }

    /// Begins a flight beside the requests, if one is due and nothing forbids it. Never waits.
    pub(crate) fn attend(self: &Arc<Self>) -> Option<Ticket> {
        let now = self.clock.now();
        let mut state = self.lock();
        let snapshot = Arc::clone(&self.snapshot.load());
        // Not the attention, which only says that nobody needed to look: after steps of the clocks
        // in both directions it can lag behind the reasons that it was made of.
        if state.board.is_flying() {
            return None;
        }
        let plan = snapshot.plan;
        let reason = match () {
            () if state.shut_down => {
                self.postpone(&snapshot, Moment::NEVER);
                return None;
            }
            // First, since the access token of an idle session has long been dead by then.
            () if plan.keep_alive.reached(now) => Reason::KeepAlive,
            () if plan.due.reached(now) => Need::Usable.reason(&snapshot, now),
            // Only a keeper was missing.
            () => return None,
        };
        let ask = self.ask(reason, &snapshot, now);
        if let Some((_, at)) = self.forbids(&state, &ask, now) {
            self.postpone(&snapshot, at);
            return None;
        }
        Some(self.begin(&mut state, &snapshot, ask, now))
    }

    pub(super) fn begin(
        self: &Arc<Self>,
        state: &mut State,
        snapshot: &Snapshot,
        ask: Ask,
        now: Moment,
    ) -> Ticket {
        if ask.reason == Reason::Refused {
            state.refusals.exchange_began(now);
        }
        state.board.begin();
        state.unwanted = false;
        self.postpone(snapshot, Moment::NEVER);
        Ticket::new(Arc::clone(self), state.lineage, snapshot.token.clone(), ask)
    }

    pub(super) fn ask(&self, reason: Reason, snapshot: &Snapshot, now: Moment) -> Ask {
        Ask {
            reason,
            refused_by: None,
            refresh: snapshot
                .token
                .as_ref()
                .and_then(Token::refresh_token)
                .cloned(),
            access_dead: match reason {
                Reason::Refused => Moment::PAST,
                _ => snapshot.plan.dead,
            },
            began_at: now,
            sent_at: None,
            logs_in: false,
        }
    }

    pub(super) fn forbids(&self, state: &State, ask: &Ask, now: Moment) -> Option<(Error, Moment)> {
        let own = state.ledger.forbids(ask, self.rules(), now);
        ledger::later(own, self.floor.forbids(now))
    }

    /// When somebody has to look after `snapshot` again, as things stand: not while a flight is
    /// under way, be it that of an earlier login, whose end says it anew.
    pub(super) fn next_attempt(&self, state: &State, snapshot: &Snapshot, now: Moment) -> Moment {
        if state.board.is_flying() {
            return Moment::NEVER;
        }
        let keeperless = !state.has_keeper && snapshot.plan.keep_alive != Moment::NEVER;
        if keeperless && self.keeps_idle_alive {
            return Moment::PAST;
        }
        let ask = self.ask(Reason::Due, snapshot, now);
        let planned = snapshot.plan.attention();
        match self.forbids(state, &ask, now) {
            Some((_, at)) => at.latest(planned),
            None => planned,
        }
    }

    /// Puts off the next look at `snapshot`, the current one. Under the lock.
    pub(super) fn postpone(&self, snapshot: &Snapshot, attention: Moment) {
        self.snapshot.store(snapshot.attended_from(attention));
    }
}

// === impl Need ===

impl Need {
    pub(crate) fn is_met_by(self, snapshot: &Snapshot, now: Moment) -> bool {
        match self {
            Need::Usable => snapshot.is_usable(now),
            Need::NewerThan(generation, _) => {
                snapshot.generation > generation && snapshot.is_usable(now)
            }
            Need::Asked => false,
        }
    }

    fn reason(self, snapshot: &Snapshot, now: Moment) -> Reason {
        match self {
            Need::Asked => Reason::Asked,
            Need::NewerThan(generation, _) if generation == snapshot.generation => Reason::Refused,
            _ if !snapshot.has_access() => Reason::First,
            _ if !snapshot.is_usable(now) => Reason::Expired,
            _ => Reason::Due,
        }
    }
}
