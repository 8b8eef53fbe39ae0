//! The cell under loom, which tries all interleavings of a few threads:
//! `RUSTFLAGS="--cfg tower_reauth_loom" cargo test --release --lib loom_tests`.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use loom::{future::block_on, model, thread};

use super::*;
use crate::{test_util::ManualClock, token::Token};

fn cell() -> Arc<Cell> {
    let profile = Profile::new("model").origins(["https://api.example.com"]);
    Arc::new(Cell::new(
        Arc::new(profile),
        Arc::new(ManualClock::new()),
        Arc::new(Floor::new()),
        true,
        false,
    ))
}

fn token(name: &'static str) -> Token {
    Token::new(name.to_owned()).with_lifetime(Duration::from_secs(3600))
}

fn access(cell: &Cell) -> Option<String> {
    let snapshot = cell.load();
    let access = snapshot.token.as_ref()?.access_token()?;
    Some(access.expose().to_owned())
}

/// Looks for a token as a caller does, and flies if it has to. Says how often it flew.
fn call(cell: &Arc<Cell>, fly: impl Fn(Ticket)) -> usize {
    let mut flights = 0;
    loop {
        let join = match cell.look(Need::Usable) {
            Look::Use(snapshot) => {
                assert!(snapshot.is_usable(cell.now()));
                return flights;
            }
            Look::Fly(ticket, join) => {
                flights += 1;
                fly(*ticket);
                join
            }
            Look::Join(join) => join,
            Look::Fail(error) => panic!("{error}"),
        };
        if let Ending::Failed(_) = block_on(join) {
            return flights;
        }
    }
}

#[test]
fn two_callers_share_one_flight() {
    model(|| {
        let cell = cell();
        let other = thread::spawn({
            let cell = Arc::clone(&cell);
            move || call(&cell, |ticket| ticket.land(Ok(token("landed"))))
        });
        let here = call(&cell, |ticket| ticket.land(Ok(token("landed"))));
        assert_eq!(here + other.join().unwrap(), 1);
        assert_eq!(access(&cell).as_deref(), Some("landed"));
    });
}

#[test]
fn a_flight_that_dies_on_another_thread_wakes_its_waiter() {
    model(|| {
        let cell = cell();
        let Look::Fly(ticket, join) = cell.look(Need::Usable) else {
            panic!("nothing is under way");
        };
        let other = thread::spawn(move || drop(ticket));
        assert!(matches!(block_on(join), Ending::Failed(_)));
        other.join().unwrap();
        assert_eq!(call(&cell, |ticket| ticket.land(Ok(token("anew")))), 1);
    });
}

#[test]
fn a_waiter_that_leaves_while_the_flight_lands_does_not_take_anothers_place() {
    model(|| {
        let cell = cell();
        let Look::Fly(ticket, join) = cell.look(Need::Usable) else {
            panic!("nothing is under way");
        };
        let Look::Join(mut leaving) = cell.look(Need::Usable) else {
            panic!("a flight is under way");
        };
        let _ = Pin::new(&mut leaving).poll(&mut Context::from_waker(Waker::noop()));
        let lands = thread::spawn(move || ticket.land(Ok(token("landed"))));
        let leaves = thread::spawn(move || drop(leaving));
        assert!(matches!(block_on(join), Ending::Landed));
        lands.join().unwrap();
        leaves.join().unwrap();
    });
}

#[test]
fn a_login_is_never_overwritten_by_a_flight_of_the_old_one() {
    model(|| {
        let cell = cell();
        let Look::Fly(ticket, join) = cell.look(Need::Usable) else {
            panic!("nothing is under way");
        };
        let other = thread::spawn(move || ticket.land(Ok(token("old"))));
        cell.adopt(token("login")).unwrap();
        assert!(!matches!(block_on(join), Ending::Failed(_)));
        other.join().unwrap();
        assert_eq!(access(&cell).as_deref(), Some("login"));
        assert!(!cell.lock().board.is_flying());
    });
}

#[test]
fn what_lands_while_a_debt_is_paid_is_paid_by_one_of_the_two() {
    model(|| {
        let cell = cell();
        cell.adopt(token("seed")).unwrap();
        let pay = |cell: &Cell| {
            let mut paid = 0;
            if let Some(mut debt) = cell.begin_settling() {
                while debt.is_owed() {
                    paid += 1;
                }
            }
            paid
        };
        let land = |cell: &Arc<Cell>| {
            if let Look::Fly(ticket, _) = cell.look(Need::Asked) {
                ticket.land(Ok(token("landed")));
            }
        };
        land(&cell);
        let other = thread::spawn({
            let cell = Arc::clone(&cell);
            move || pay(&cell)
        });
        land(&cell);
        let paid = pay(&cell) + other.join().unwrap();
        assert!((1..=2).contains(&paid), "{paid}");
        let state = cell.lock();
        assert!(!state.owed && !state.settling);
    });
}
