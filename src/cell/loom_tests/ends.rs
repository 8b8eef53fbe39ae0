//! Shutdown, what is owed, and the lock that sessions share.

use super::*;

/// Pays as a flight's task does. Says how many debts it found.
fn pay(cell: &Cell) -> usize {
    let mut paid = 0;
    if let Some(mut debt) = cell.begin_settling() {
        while debt.is_owed() {
            paid += 1;
        }
    }
    paid
}

#[test]
fn a_shutdown_waits_for_the_flight_and_nothing_begins_after_it() {
    explore("shutdown", ALL, || {
        let cell = cell();
        let caller = caller(&cell, Need::Usable, lands("landed"));
        cell.shut_down();
        block_on(cell.left_owing());
        assert!(is_at_rest(&cell));
        let landed = access(&cell);
        let late = call(&cell, Need::Usable, nobody_flies);
        let early = caller.join().unwrap();
        // It came before the shutdown and has its token, or after it and has an error.
        match (early.flights, landed.as_deref()) {
            (1, Some("landed")) => assert!(early.got.is_ok() && late.got.is_ok()),
            (0, None) => {
                assert!(early.got.unwrap_err().is_shut_down());
                assert!(late.got.unwrap_err().is_shut_down());
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(access(&cell), landed);
        assert!(cell.attend().is_none());
    });
}

#[test]
fn a_shutdown_waits_for_a_flight_that_dies() {
    explore("shutdown racing a runtime's death", MANY, || {
        let cell = cell();
        let (ticket, join) = flying(&cell, Need::Usable);
        let runtime = thread::spawn(move || drop(ticket));
        let waiter = thread::spawn(move || block_on(join));
        cell.shut_down();
        block_on(cell.left_owing());
        assert!(!cell.status().exchanging);
        assert!(matches!(waiter.join().unwrap(), Ending::Failed(_)));
        runtime.join().unwrap();
        let late = call(&cell, Need::Usable, nobody_flies);
        assert!(late.got.unwrap_err().is_shut_down());
    });
}

#[test]
fn a_shutdown_wakes_who_waits_for_a_change() {
    explore("shutdown, subscribed", ALL, || {
        let cell = cell();
        let mut states = Subscription::new(Arc::clone(&cell));
        let subscriber = thread::spawn(move || {
            while let Some(status) = block_on(states.changed()) {
                if status.shut_down {
                    return true;
                }
            }
            false
        });
        cell.shut_down();
        assert!(subscriber.join().unwrap());
    });
}

#[test]
fn the_last_handles_end_wakes_who_waits_for_a_change() {
    explore("close, subscribed", ALL, || {
        let cell = cell();
        let mut states = Subscription::new(Arc::clone(&cell));
        let subscriber = thread::spawn(move || while block_on(states.changed()).is_some() {});
        cell.close();
        subscriber.join().unwrap();
    });
}

#[test]
fn what_lands_while_a_debt_is_paid_is_paid_by_one_of_the_two() {
    explore("debt", ALL, || {
        let cell = cell();
        cell.adopt(token("seed")).unwrap();
        let land = |cell: &Arc<Cell>| {
            let (ticket, _) = flying(cell, Need::Asked);
            ticket.land(Ok(token("landed")));
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

#[test]
fn a_shutdown_leaves_no_debt_to_a_payer_that_died() {
    explore("shutdown racing a payer's death", ALL, || {
        let cell = cell();
        let (ticket, _) = flying(&cell, Need::Usable);
        ticket.land(Ok(token("landed")));
        let dies = thread::spawn({
            let cell = Arc::clone(&cell);
            move || {
                if let Some(mut debt) = cell.begin_settling() {
                    assert!(debt.is_owed());
                }
            }
        });
        cell.shut_down();
        let mut paid = 0;
        while block_on(cell.left_owing()) {
            paid += pay(&cell);
        }
        assert_eq!(paid, 1);
        dies.join().unwrap();
    });
}

#[test]
fn a_pause_that_one_session_was_told_holds_back_the_other() {
    explore("two sessions under one floor", ALL, || {
        let (clock, floor) = (ManualClock::new(), Arc::new(Floor::new()));
        let cells = [(); 2].map(|()| cell_at(&clock, Arc::clone(&floor)));
        let throttled = |ticket: Ticket| {
            ticket.land(Err(ProviderError::throttled(Some(secs(60)))));
        };
        let [one, other] = &cells;
        let call_of_other = caller(other, Need::Usable, throttled);
        let here = call(one, Need::Usable, throttled);
        let there = call_of_other.join().unwrap();
        assert!((1..=2).contains(&(here.flights + there.flights)));
        for call in [here, there] {
            assert!(call.got.unwrap_err().is_throttled());
        }
        // Also one that was told nothing itself.
        let third = cell_at(&clock, Arc::clone(&floor));
        for cell in cells.iter().chain([&third]) {
            let late = call(cell, Need::Usable, nobody_flies);
            assert!(late.got.unwrap_err().is_throttled());
        }
    });
}
