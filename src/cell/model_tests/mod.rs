//! Random operations on the cell and on a plain [model](model) of it: what is seen is the same.
//!
//! A failing sequence is cut down to the operations that matter, and printed with its seed:
//! `TEST_SEED=… cargo test --features test-util --lib model_tests -- --nocapture`.
//! `TOWER_REAUTH_LONG=1` makes it many more sequences.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

mod model;
mod operations;
mod times;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use self::{
    model::{End, Failure, Model, Seen, Why},
    operations::Operation,
    times::{Grant, Time},
};
use super::*;
use crate::{
    provider::{
        FailureKind, FailureKind::*, OriginIndex, ProviderError, SendFuture, SessionId,
        TokenClient, Transport,
    },
    test_util::ManualClock,
    token::Token,
};

/// The cell and its model, side by side.
struct Pair {
    clock: ManualClock,
    cell: Arc<Cell>,
    ticket: Option<Ticket>,
    /// Those who wait, and the lineage that they came under.
    joins: Vec<(Join, u32)>,
    model: Model,
}

struct NoVendor;

// === impl Pair ===

impl Pair {
    fn new() -> Self {
        let clock = ManualClock::new();
        let cell = Cell::plain(&clock, Arc::new(Floor::new()));
        Self {
            clock,
            cell: Arc::new(cell),
            ticket: None,
            joins: Vec::new(),
            model: Model::new(),
        }
    }

    /// Does the same to both. Says what they do not agree on.
    fn step(&mut self, operation: Operation) -> Result<(), String> {
        let mut ended = None;
        match operation {
            Operation::Look { asked: true } => self.look(Need::Asked, None)?,
            Operation::Look { asked: false } => self.look(Need::Usable, None)?,
            Operation::Reject { older, origin } => {
                let generation = self.model.generation.saturating_sub(u64::from(older));
                if generation > 0 {
                    let need = Need::NewerThan(Generation::new(generation), peer(origin));
                    self.look(need, Some((generation, origin)))?;
                }
            }
            Operation::Attend => self.attend()?,
            Operation::Accepted { origin } => {
                let generation = self.cell.load().generation;
                self.cell.accepted(Presented::new(generation, peer(origin)));
                self.model.accepted(origin);
            }
            Operation::Send => self.send(),
            Operation::Replace(grant) => {
                self.cell
                    .adopt(token(grant))
                    .map_err(|error| error.to_string())?;
                self.model.replace(grant);
            }
            Operation::Advance(time) => {
                self.clock.advance(Duration::from_millis(time));
                self.model.now += time;
            }
            Operation::Settle { works } => self.settle(works)?,
            Operation::ShutDown => {
                self.cell.shut_down();
                self.model.shut_down = true;
            }
            Operation::Land(_) | Operation::Fail(..) | Operation::Die | Operation::Abandon => {
                ended = self.end(operation);
            }
        }
        self.check_waiters(ended)?;
        self.check_status()?;
        self.check_attention()
    }

    fn look(&mut self, need: Need, refused: Option<(u64, usize)>) -> Result<(), String> {
        let asked = matches!(need, Need::Asked);
        let (why, origin) = self.model.why(asked, refused);
        let expected = self.model.look(asked, refused);
        let seen = match self.cell.look(need) {
            Look::Use(snapshot) => Seen::Use(snapshot.generation.number()),
            Look::Fail(error) => Seen::Fail(failure(&error)),
            Look::Join(join) => {
                self.joins.push((join, self.model.lineage()));
                Seen::Join
            }
            Look::Fly(ticket, join) => {
                self.joins.push((join, self.model.lineage()));
                self.ticket = Some(*ticket);
                self.model.begin(why, origin);
                Seen::Fly
            }
        };
        agree("a look", &expected, &seen)
    }

    fn attend(&mut self) -> Result<(), String> {
        let expected = self.model.attend();
        if let Some(ticket) = self.cell.attend() {
            self.ticket = Some(ticket);
            self.model.begin(Why::Need, 0);
            return agree("attend", &expected, &Seen::Fly);
        }
        let snapshot = Arc::clone(&self.cell.load());
        let again = snapshot.attention.reached(self.clock.now());
        if again && self.model.is_usable() {
            return Err("whoever looked looks again at every request".into());
        }
        agree("attend", &expected, &Seen::Nothing)
    }

    fn send(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            let client = TokenClient::new(Arc::new(NoVendor), Arc::new(self.clock.clone()));
            let id: SessionId = Profile::new("test").session();
            ticket.exchange(&id, &client);
            self.model.send();
        }
    }

    fn settle(&mut self, works: bool) -> Result<(), String> {
        let expected = self.model.settle(works);
        let debt = self.cell.begin_settling();
        agree("debt", &[expected], &debt.is_some())?;
        if let Some(mut debt) = debt {
            agree("debt", &[true], &debt.is_owed())?;
            match works {
                true => agree("debt", &[false], &debt.is_owed())?,
                false => debt.still_owed(&ProviderError::transient("down")),
            }
        }
        Ok(())
    }

    /// Ends the flight, if one is under way.
    fn end(&mut self, operation: Operation) -> Option<End> {
        let ticket = self.ticket.take()?;
        Some(match operation {
            Operation::Land(grant) => {
                ticket.land(Ok(token(grant)));
                self.model.land(grant)
            }
            Operation::Fail(kind, delay) => {
                ticket.land(Err(error(kind, delay)));
                self.model.fail(kind, delay)
            }
            Operation::Die => {
                drop(ticket);
                self.model.die()
            }
            _ => {
                ticket.abandon();
                self.model.abandon()
            }
        })
    }

    /// Who waits goes on waiting while its flight is under way, and then ends as it did.
    fn check_waiters(&mut self, ended: Option<End>) -> Result<(), String> {
        let (lineage, flying) = (self.model.lineage(), self.model.is_flying());
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = Vec::new();
        for (mut join, since) in self.joins.drain(..) {
            let seen = Pin::new(&mut join)
                .poll(&mut context)
                .map(|ending| match ending {
                    Ending::Landed => End::Landed,
                    Ending::Superseded => End::Superseded,
                    Ending::Failed(error) => End::Failed(failure(&error)),
                });
            let expected = match ended {
                _ if since != lineage => Poll::Ready(End::Superseded),
                Some(ended) => Poll::Ready(ended),
                None if flying => Poll::Pending,
                None => return Err("nobody waits for nothing".into()),
            };
            agree("a waiter", &[expected], &seen)?;
            if seen.is_pending() {
                waiting.push((join, since));
            }
        }
        let places = self.cell.lock().board.places();
        agree("places", &[waiting.len()], &places)?;
        self.joins = waiting;
        Ok(())
    }

    fn check_status(&mut self) -> Result<(), String> {
        let (status, model) = (self.cell.status(), &mut self.model);
        agree(
            "generation",
            &[model.generation],
            &status.generation.number(),
        )?;
        agree("usable", &[model.is_usable()], &status.usable)?;
        agree("exchanging", &[model.is_flying()], &status.exchanging)?;
        let seen = status.failure.as_ref().map(failure);
        agree("failure", &[model.failure], &seen)?;
        let login = status.is_login_required();
        agree("login", &[model.login.unwrap_or(login)], &login)?;
        model.login = Some(login);
        agree("unsaved", &[model.overdue], &status.unsaved)?;
        agree("shut down", &[model.shut_down], &status.shut_down)
    }

    /// A request that sees no attention does nothing but use the token: that has to be enough.
    fn check_attention(&self) -> Result<(), String> {
        let snapshot = Arc::clone(&self.cell.load());
        if snapshot.attention.reached(self.clock.now()) {
            return Ok(());
        }
        agree(
            "usable, with nothing to do",
            &[true],
            &self.model.is_usable(),
        )?;
        let expected = self.model.attend();
        agree("nothing to do", &expected, &Seen::Nothing)
    }
}

// === impl NoVendor ===

impl Transport for NoVendor {
    fn send(&self, _: http::Request<bytes::Bytes>, _: &Arc<dyn Clock>) -> SendFuture {
        Box::pin(std::future::pending())
    }
}

fn agree<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &[T],
    seen: &T,
) -> Result<(), String> {
    match expected.contains(seen) {
        true => Ok(()),
        false => Err(format!("{what}: {seen:?}, expected {expected:?}")),
    }
}

fn peer(origin: usize) -> OriginIndex {
    [OriginIndex::peer(1), OriginIndex::peer(2)][origin]
}

fn token(grant: Grant) -> Token {
    let name = |kind: &str, number: u32| format!("{kind}-{number}");
    let token = match (grant.access, grant.refresh) {
        (Some(access), None) => Token::new(name("access", access)),
        (None, Some(refresh)) => Token::from_refresh_token(name("refresh", refresh)),
        (Some(access), Some(refresh)) => {
            Token::from_pair(name("access", access), name("refresh", refresh))
        }
        (None, None) => panic!("an empty token"),
    };
    match grant.lifetime {
        Some(lifetime) => token.with_lifetime(Duration::from_millis(lifetime)),
        None => token,
    }
}

fn error(kind: FailureKind, delay: Option<Time>) -> ProviderError {
    let error = match kind {
        Transient => ProviderError::transient("down"),
        Throttled => ProviderError::throttled(None),
        Refused => ProviderError::refused("ended"),
        Misconfigured => ProviderError::misconfigured("wrong"),
        UnknownOutcome => ProviderError::unknown_outcome("lost"),
    };
    error.retry_after(delay.map(Duration::from_millis))
}

fn failure(error: &Error) -> Failure {
    match () {
        () if error.is_login_required() => Failure::Login,
        () if error.is_shut_down() => Failure::ShutDown,
        () if error.is_throttled() => Failure::Throttled,
        () if error.is_misconfigured() => Failure::Misconfigured,
        () if error.is_unknown_outcome() => Failure::Unknown,
        () => Failure::Transient,
    }
}

/// The operation after which cell and model disagree, and on what.
fn disagree(seed: u64, operations: &[Operation]) -> Option<(usize, String)> {
    // The cell's own chance.
    fastrand::seed(seed);
    let mut pair = Pair::new();
    operations
        .iter()
        .enumerate()
        .find_map(|(index, operation)| Some((index, pair.step(*operation).err()?)))
}

/// Cuts off what came after, and leaves out whatever the disagreement does not need.
fn shortest(seed: u64, mut operations: Vec<Operation>, index: usize) -> Vec<Operation> {
    operations.truncate(index + 1);
    let mut at = 0;
    while at < operations.len() {
        let mut fewer = operations.clone();
        fewer.remove(at);
        match disagree(seed, &fewer) {
            Some((index, _)) => {
                fewer.truncate(index + 1);
                operations = fewer;
                at = 0;
            }
            None => at += 1,
        }
    }
    operations
}

#[test]
fn the_cell_and_a_plain_model_of_it_look_the_same() {
    let given = std::env::var("TEST_SEED").ok();
    let given = given.and_then(|seed| seed.parse().ok());
    let first = given.unwrap_or_else(|| fastrand::u64(..));
    let sequences = match std::env::var_os("TOWER_REAUTH_LONG") {
        Some(_) => 200_000,
        None => 2_000,
    };
    println!("TEST_SEED={first}");
    for seed in (0..sequences).map(|number| first.wrapping_add(number)) {
        let mut random = fastrand::Rng::with_seed(seed);
        let operations: Vec<_> = (0..100).map(|_| Operation::random(&mut random)).collect();
        if let Some((index, _)) = disagree(seed, &operations) {
            let operations = shortest(seed, operations, index);
            let said = disagree(seed, &operations).map(|(_, said)| said);
            let said = said.unwrap_or_default();
            panic!("TEST_SEED={seed}: {said}, after {operations:#?}");
        }
    }
}
