//! Replace racing refresh.

use super::*;

/// A login while a flight of the old one ends by `end`, with one who waits and one who reads.
fn login_during(name: &str, bound: Bound, end: fn(Ticket)) {
    explore(name, bound, move || {
        let cell = cell();
        let (ticket, join) = flying(&cell, Need::Usable);
        let flight = thread::spawn(move || end(ticket));
        let logs_in = thread::spawn({
            let cell = Arc::clone(&cell);
            move || {
                cell.adopt(token("login")).unwrap();
                // From here on nobody sees another token.
                assert_eq!(access(&cell).as_deref(), Some("login"));
            }
        });
        let ending = block_on(join);
        logs_in.join().unwrap();
        flight.join().unwrap();
        assert_eq!(access(&cell).as_deref(), Some("login"), "{ending:?}");
        let status = cell.status();
        assert!(status.failure.is_none(), "held against the old login");
        assert!(is_at_rest(&cell));
        let next = call(&cell, Need::Usable, nobody_flies);
        assert_eq!(access_of(&next.got.unwrap()).as_deref(), Some("login"));
    });
}

#[test]
fn a_login_is_never_overwritten_by_a_flight_of_the_old_one() {
    login_during("replace racing refresh", MANY, |ticket| {
        ticket.land(Ok(token("old")));
    });
}

#[test]
fn a_failure_of_the_old_login_is_not_held_against_the_new_one() {
    login_during("replace racing a failure", MANY, fails);
}

#[test]
fn a_death_of_the_old_logins_flight_is_not_held_against_the_new_one() {
    login_during("replace racing a runtime's death", MANY, drop);
}

#[test]
fn who_waits_for_an_old_logins_flight_gets_the_new_token_although_it_never_ends() {
    explore("replace racing a wait", ALL, || {
        let cell = cell();
        let (ticket, join) = flying(&cell, Need::Usable);
        let logs_in = thread::spawn({
            let cell = Arc::clone(&cell);
            move || cell.adopt(token("login")).unwrap()
        });
        assert!(matches!(block_on(join), Ending::Superseded));
        let next = call(&cell, Need::Usable, nobody_flies);
        assert_eq!(access_of(&next.got.unwrap()).as_deref(), Some("login"));
        logs_in.join().unwrap();
        ticket.land(Ok(token("old")));
        assert_eq!(access(&cell).as_deref(), Some("login"));
    });
}

#[test]
fn a_caller_that_meets_a_login_ends_with_its_token() {
    explore("replace racing a call", ALL, || {
        let cell = cell();
        let caller = caller(&cell, Need::Usable, lands("old"));
        cell.adopt(token("login")).unwrap();
        let call = caller.join().unwrap();
        assert!(call.flights <= 1);
        // What landed before the login was good then.
        let got = access_of(&call.got.unwrap());
        assert!(matches!(got.as_deref(), Some("old" | "login")));
        assert_eq!(access(&cell).as_deref(), Some("login"));
    });
}

#[test]
fn generations_of_racing_logins_are_told_apart() {
    explore("replace racing replace", MANY, || {
        let cell = cell();
        let reader = thread::spawn({
            let cell = Arc::clone(&cell);
            move || {
                let first = Arc::clone(&cell.load());
                let second = Arc::clone(&cell.load());
                let same = first.generation == second.generation;
                assert_eq!(same, access_of(&first) == access_of(&second));
                assert!(first.generation <= second.generation);
            }
        });
        let other = thread::spawn({
            let cell = Arc::clone(&cell);
            move || cell.adopt(token("one")).unwrap()
        });
        cell.adopt(token("other")).unwrap();
        other.join().unwrap();
        reader.join().unwrap();
        assert_eq!(cell.load().generation, Generation::new(2));
    });
}
