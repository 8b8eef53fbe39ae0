//! Reject racing refresh.

use super::*;

const HERE: OriginIndex = OriginIndex::PEER;

/// A session with a good token, of generation 1.
fn seeded() -> (Arc<Cell>, Generation) {
    let cell = cell();
    cell.adopt(token("seed")).unwrap();
    let generation = cell.load().generation;
    assert_eq!(generation, Generation::new(1));
    (cell, generation)
}

#[test]
fn an_old_generations_refusal_begins_no_exchange() {
    explore("reject racing refresh", MANY, || {
        let (cell, old) = seeded();
        let (ticket, _) = flying(&cell, Need::Asked);
        let flight = thread::spawn(move || ticket.land(Ok(token("newer"))));
        let refusal = Need::NewerThan(old, HERE);
        let other = caller(&cell, refusal, nobody_flies);
        let here = call(&cell, refusal, nobody_flies);
        for call in [here, other.join().unwrap()] {
            let snapshot = call.got.unwrap();
            assert_eq!(snapshot.generation, Generation::new(2));
            assert_eq!(access_of(&snapshot).as_deref(), Some("newer"));
        }
        flight.join().unwrap();
        assert!(is_at_rest(&cell));
    });
}

#[test]
fn refusals_of_one_generation_begin_one_exchange() {
    explore("reject racing reject", ALL, || {
        let (cell, old) = seeded();
        let refusal = Need::NewerThan(old, HERE);
        let other = caller(&cell, refusal, lands("newer"));
        let here = call(&cell, refusal, lands("newer"));
        let other = other.join().unwrap();
        assert_eq!(here.flights + other.flights, 1);
        for call in [here, other] {
            assert_eq!(call.got.unwrap().generation, Generation::new(2));
        }
        assert_eq!(cell.load().generation, Generation::new(2));
    });
}

#[test]
fn a_refusal_that_meets_a_failing_exchange_begins_no_other() {
    explore("reject racing a failure", ALL, || {
        let (cell, old) = seeded();
        let (ticket, _) = flying(&cell, Need::NewerThan(old, HERE));
        let flight = thread::spawn(move || fails(ticket));
        let call = call(&cell, Need::NewerThan(old, HERE), nobody_flies);
        assert!(call.got.unwrap_err().is_transient());
        flight.join().unwrap();
        assert_eq!(access(&cell).as_deref(), Some("seed"), "it may be good");
    });
}

#[test]
fn who_has_read_the_new_token_can_speak_for_it() {
    explore("accept racing refresh", ALL, || {
        let (cell, old) = seeded();
        let (ticket, _) = flying(&cell, Need::NewerThan(old, HERE));
        let flight = thread::spawn(move || ticket.land(Ok(token("newer"))));
        let read = cell.load().generation;
        if read > old {
            cell.accepted(Presented::new(read, HERE));
            let refusal = cell.look(Need::NewerThan(read, HERE));
            // Else an endpoint that takes tokens would count as one that takes none.
            assert!(matches!(refusal, Look::Fly(..) | Look::Join(_)));
        }
        flight.join().unwrap();
    });
}
