//! Join, land, fail, cancel, and the death of a runtime.

use super::*;
use crate::provider::{SendFuture, TokenClient, Transport};

#[test]
fn callers_that_come_together_share_one_flight() {
    explore("join", ALL, || {
        let cell = cell();
        let other = caller(&cell, Need::Usable, lands("landed"));
        let here = call(&cell, Need::Usable, lands("landed"));
        let other = other.join().unwrap();
        assert_eq!(here.flights + other.flights, 1);
        for call in [here, other] {
            assert_eq!(access_of(&call.got.unwrap()).as_deref(), Some("landed"));
        }
        assert!(is_at_rest(&cell));
    });
}

#[test]
fn callers_share_one_flight_that_lands_on_a_third_thread() {
    explore("join, flown apart", MANY, || {
        let cell = cell();
        let other = caller(&cell, Need::Usable, apart(lands("landed")));
        let here = call(&cell, Need::Usable, apart(lands("landed")));
        let other = other.join().unwrap();
        assert_eq!(here.flights + other.flights, 1);
        for call in [here, other] {
            assert_eq!(access_of(&call.got.unwrap()).as_deref(), Some("landed"));
        }
    });
}

#[test]
fn readers_see_whole_snapshots_that_never_step_back() {
    explore("land", ALL, || {
        let cell = cell();
        let reader = thread::spawn({
            let cell = Arc::clone(&cell);
            move || {
                let mut last = Generation::new(0);
                for _ in 0..2 {
                    let snapshot = Arc::clone(&cell.load());
                    assert!(snapshot.generation >= last);
                    last = snapshot.generation;
                    let whole = [None, Some("first"), Some("second")];
                    let index = usize::try_from(last.number()).unwrap();
                    assert_eq!(access_of(&snapshot).as_deref(), whole[index]);
                }
                cell.status().generation
            }
        });
        for name in ["first", "second"] {
            let (ticket, _) = flying(&cell, Need::Asked);
            ticket.land(Ok(token(name)));
        }
        assert!(reader.join().unwrap() <= cell.load().generation);
        assert_eq!(access(&cell).as_deref(), Some("second"));
    });
}

#[test]
fn a_subscriber_misses_no_landing() {
    explore("land, subscribed", ALL, || {
        let cell = cell();
        let mut states = Subscription::new(Arc::clone(&cell));
        let (ticket, _) = flying(&cell, Need::Usable);
        let flight = thread::spawn(move || ticket.land(Ok(token("landed"))));
        loop {
            let status = block_on(states.changed()).unwrap();
            if status.usable {
                assert!(!status.exchanging);
                break;
            }
        }
        flight.join().unwrap();
    });
}

#[test]
fn a_failure_is_everybodys_and_nobody_flies_after_it() {
    explore("fail", MANY, || {
        let cell = cell();
        let other = caller(&cell, Need::Usable, apart(fails));
        let here = call(&cell, Need::Usable, apart(fails));
        let other = other.join().unwrap();
        assert_eq!(here.flights + other.flights, 1);
        for call in [here, other] {
            assert!(call.got.unwrap_err().is_transient());
        }
        assert!(is_at_rest(&cell));
    });
}

#[test]
fn a_failure_leaves_a_good_token_to_those_who_use_it() {
    explore("fail, beside a good token", ALL, || {
        let cell = cell();
        cell.adopt(token("good")).unwrap();
        let (ticket, _) = flying(&cell, Need::Asked);
        let flight = thread::spawn(move || fails(ticket));
        let call = call(&cell, Need::Usable, nobody_flies);
        assert_eq!(access_of(&call.got.unwrap()).as_deref(), Some("good"));
        flight.join().unwrap();
        assert_eq!(cell.load().generation, Generation::new(1));
        assert!(cell.status().usable);
    });
}

#[test]
fn a_waiter_that_leaves_while_the_flight_lands_takes_nobodys_place() {
    explore("cancel", ALL, || {
        let cell = cell();
        let (ticket, join) = flying(&cell, Need::Usable);
        let leaving = waiting(&cell);
        let flight = thread::spawn(move || ticket.land(Ok(token("landed"))));
        let leaves = thread::spawn(move || drop(leaving));
        assert!(matches!(block_on(join), Ending::Landed));
        flight.join().unwrap();
        leaves.join().unwrap();
        assert!(is_at_rest(&cell));
    });
}

#[test]
fn a_waiter_that_leaves_late_takes_nobodys_place_in_the_next_flight() {
    explore("cancel, after the flight's end", MANY, || {
        let cell = cell();
        let (ticket, join) = flying(&cell, Need::Usable);
        let leaving = waiting(&cell);
        let leaves = thread::spawn(move || drop(leaving));
        let flight = thread::spawn(move || ticket.land(Ok(token("first"))));
        assert!(matches!(block_on(join), Ending::Landed));
        let (ticket, join) = flying(&cell, Need::Asked);
        let next_flight = thread::spawn(move || ticket.land(Ok(token("second"))));
        assert!(matches!(block_on(join), Ending::Landed));
        for thread in [leaves, flight, next_flight] {
            thread.join().unwrap();
        }
        assert!(is_at_rest(&cell));
    });
}

#[test]
fn a_place_that_one_waiter_leaves_is_anothers() {
    explore("cancel racing a wait", ALL, || {
        let cell = cell();
        let (ticket, _) = flying(&cell, Need::Usable);
        let leaving = waiting(&cell);
        let leaves = thread::spawn(move || drop(leaving));
        let waits = waiting(&cell);
        leaves.join().unwrap();
        let waits_too = waiting(&cell);
        assert_eq!(cell.lock().board.places(), 2);
        ticket.land(Ok(token("landed")));
        drop((waits, waits_too));
        assert!(is_at_rest(&cell));
    });
}

#[test]
fn a_caller_that_leaves_its_own_flight_leaves_it_to_the_next() {
    explore("cancel, by who began it", MANY, || {
        let cell = cell();
        let (ticket, mut began) = flying(&cell, Need::Usable);
        let polled = Pin::new(&mut began).poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let flight = thread::spawn(move || ticket.land(Ok(token("landed"))));
        let leaves = thread::spawn(move || drop(began));
        let next = call(&cell, Need::Usable, nobody_flies);
        assert_eq!(access_of(&next.got.unwrap()).as_deref(), Some("landed"));
        flight.join().unwrap();
        leaves.join().unwrap();
        assert!(is_at_rest(&cell));
    });
}

#[test]
fn a_flight_that_never_began_is_anothers_to_begin() {
    explore("cancel, before it began", ALL, || {
        let cell = cell();
        let (ticket, join) = flying(&cell, Need::Usable);
        let gives_up = thread::spawn(move || ticket.abandon());
        assert!(matches!(block_on(join), Ending::Superseded));
        let next = call(&cell, Need::Usable, lands("landed"));
        assert_eq!(next.flights, 1);
        gives_up.join().unwrap();
    });
}

struct NoVendor;

impl Transport for NoVendor {
    fn send(&self, _: http::Request<bytes::Bytes>, _: &Arc<dyn Clock>) -> SendFuture {
        panic!("nothing is sent");
    }
}

/// Asks for the exchange as a flight's task does, so that its refresh token is under way.
fn send(ticket: &mut Ticket, clock: &ManualClock) {
    let id = Profile::new("model").session();
    let client = TokenClient::new(Arc::new(NoVendor), Arc::new(clock.clone()));
    let exchange = ticket.exchange(&id, &client);
    let refresh = exchange.last().and_then(Token::refresh_token);
    assert_eq!(refresh.map(|refresh| refresh.expose()), Some("refresh"));
}

/// A session whose access token is dead, and whose refresh token may be used only once.
fn expired(clock: &ManualClock) -> Arc<Cell> {
    let cell = cell_at(clock, Arc::new(Floor::new()));
    let seed = token("access").with_refresh_token("refresh");
    cell.adopt(seed).unwrap();
    clock.advance(secs(3600));
    cell
}

#[test]
fn when_a_flights_runtime_dies_its_waiters_hear_of_it_and_the_token_counts_as_spent() {
    explore("runtime death", MANY, || {
        let clock = ManualClock::new();
        let cell = expired(&clock);
        let (mut ticket, join) = flying(&cell, Need::Usable);
        send(&mut ticket, &clock);
        let runtime = thread::spawn(move || drop(ticket));
        // Also who comes while it dies spends nothing.
        let late = caller(&cell, Need::Usable, nobody_flies);
        let Ending::Failed(error) = block_on(join) else {
            panic!("nothing has landed");
        };
        assert!(error.is_unknown_outcome());
        assert!(late.join().unwrap().got.unwrap_err().is_unknown_outcome());
        runtime.join().unwrap();
        assert!(is_at_rest(&cell));
        clock.advance(schedule::EXCHANGE);
        let anew = call(&cell, Need::Usable, lands("anew"));
        assert_eq!(anew.flights, 1);
        assert!(anew.got.is_ok());
    });
}

#[test]
fn when_a_runtime_dies_before_anything_was_sent_the_next_caller_flies_at_once() {
    explore("runtime death, before it sent", ALL, || {
        let cell = expired(&ManualClock::new());
        let (ticket, join) = flying(&cell, Need::Usable);
        let runtime = thread::spawn(move || drop(ticket));
        assert!(matches!(block_on(join), Ending::Failed(_)));
        let next = call(&cell, Need::Usable, lands("anew"));
        assert_eq!(next.flights, 1);
        assert!(next.got.is_ok());
        runtime.join().unwrap();
    });
}
