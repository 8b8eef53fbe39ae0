//! The cell under loom, which tries all interleavings of a few threads:
//!
//! ```text
//! cargo rustc --lib --profile test --all-features -- --cfg tower_reauth_loom
//! ```
//!
//! builds a test program, which `tests/run` runs with `loom_tests --nocapture`.
//!
//! Each model is run by [`explore`], which prints how many interleavings it saw and up to which
//! bound: all of them, or those with at most so many preemptions, which are switches away from a
//! thread that could have gone on. `TOWER_REAUTH_LONG=1` raises the bounds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

mod ends;
mod flights;
mod logins;
mod people;
mod refusals;

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::Duration,
};

use loom::{
    future::block_on,
    model::Builder,
    thread::{self, JoinHandle},
};

use super::*;
use crate::{
    provider::{OriginIndex, ProviderError},
    test_util::ManualClock,
    token::Token,
};

/// Up to how many preemptions a model is explored; none means all interleavings.
#[derive(Clone, Copy, Debug)]
struct Bound {
    usual: Option<usize>,
    long: Option<usize>,
}

const ALL: Bound = Bound {
    usual: None,
    long: None,
};

/// For models with too many threads to see all.
const MANY: Bound = Bound {
    usual: Some(2),
    long: Some(3),
};

/// Runs `model` in every interleaving up to the bound, and says how many those were.
fn explore(name: &str, bound: Bound, model: impl Fn() + Send + Sync + 'static) {
    let preemptions = match std::env::var_os("TOWER_REAUTH_LONG") {
        Some(_) => bound.long,
        None => bound.usual,
    };
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 10_000;
    builder.check(move || {
        count.fetch_add(1, SeqCst);
        // The same jitter in each run: loom has to be able to repeat it.
        fastrand::seed(7);
        model();
    });
    let seen = seen.load(SeqCst);
    match preemptions {
        None => println!("{name}: {seen} interleavings, which are all"),
        Some(most) => {
            println!("{name}: {seen} interleavings, all with at most {most} preemptions")
        }
    }
}

fn cell() -> Arc<Cell> {
    cell_at(&ManualClock::new(), Arc::new(Floor::new()))
}

fn cell_at(clock: &ManualClock, floor: Arc<Floor>) -> Arc<Cell> {
    Arc::new(Cell::plain(clock, floor))
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn token(name: &'static str) -> Token {
    Token::new(name.to_owned()).with_lifetime(secs(3600))
}

fn access(cell: &Cell) -> Option<String> {
    access_of(&cell.load())
}

fn access_of(snapshot: &Snapshot) -> Option<String> {
    let access = snapshot.token.as_ref()?.access_token()?;
    Some(access.expose().to_owned())
}

/// What a call came to: the snapshot that it got or why it got none, and the flights that it began.
#[derive(Debug)]
struct Call {
    flights: usize,
    got: Result<Arc<Snapshot>, Error>,
}

/// Looks for what is needed as a session does, and gives each ticket to `fly`.
fn call(cell: &Arc<Cell>, need: Need, fly: impl Fn(Ticket)) -> Call {
    let mut flights = 0;
    loop {
        let join = match cell.look(need) {
            Look::Use(snapshot) => {
                assert!(snapshot.is_usable(cell.now()));
                let got = Ok(snapshot);
                return Call { flights, got };
            }
            Look::Fail(error) => {
                let got = Err(error);
                return Call { flights, got };
            }
            Look::Join(join) => join,
            Look::Fly(ticket, join) => {
                flights += 1;
                fly(*ticket);
                join
            }
        };
        match block_on(join) {
            Ending::Landed | Ending::Superseded => {}
            Ending::Failed(error) => {
                let got = Err(error);
                return Call { flights, got };
            }
        }
    }
}

/// The same, on a thread of its own.
fn caller(cell: &Arc<Cell>, need: Need, fly: impl Fn(Ticket) + Send + 'static) -> JoinHandle<Call> {
    let cell = Arc::clone(cell);
    thread::spawn(move || call(&cell, need, fly))
}

/// Flies on a thread of its own, as a session does.
fn apart(end: impl Fn(Ticket) + Clone + Send + 'static) -> impl Fn(Ticket) + Send {
    move |ticket| {
        let end = end.clone();
        thread::spawn(move || end(ticket));
    }
}

fn lands(name: &'static str) -> impl Fn(Ticket) + Clone + Send {
    move |ticket| ticket.land(Ok(token(name)))
}

fn fails(ticket: Ticket) {
    ticket.land(Err(ProviderError::transient("down")));
}

fn nobody_flies(_: Ticket) {
    panic!("an exchange began");
}

/// A flight that is under way.
fn flying(cell: &Arc<Cell>, need: Need) -> (Ticket, Join) {
    match cell.look(need) {
        Look::Fly(ticket, join) => (*ticket, join),
        other => panic!("{other:?}"),
    }
}

/// A caller that has been asleep once, waiting for the flight under way.
fn waiting(cell: &Arc<Cell>) -> Join {
    let Look::Join(mut join) = cell.look(Need::Usable) else {
        panic!("a flight is under way");
    };
    let polled = Pin::new(&mut join).poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    join
}

/// Nothing is under way, nobody waits, and no waiter's place is left.
fn is_at_rest(cell: &Cell) -> bool {
    let state = cell.lock();
    !state.board.is_flying() && state.board.places() == 0
}
