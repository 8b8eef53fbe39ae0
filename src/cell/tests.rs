//! What cannot be seen from outside: who takes the lock, what is left behind.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use super::*;
use crate::{provider::ProviderError, test_util::ManualClock, token::Token};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Cell {
    /// A session of a plain vendor without a store, whose provider cannot log in.
    pub(super) fn plain(clock: &ManualClock, floor: Arc<Floor>) -> Self {
        let profile = Profile::new("test").origins(["https://api.example.com"]);
        let clock = Arc::new(clock.clone());
        Self::new(Arc::new(profile), clock, floor, Arc::default(), true, false)
    }
}

fn cell(clock: &ManualClock) -> Arc<Cell> {
    Arc::new(Cell::plain(clock, Arc::new(Floor::new())))
}

fn token(number: usize) -> Token {
    Token::new(format!("access-{number}")).with_lifetime(secs(3600))
}

fn fly(cell: &Arc<Cell>, need: Need) -> (Ticket, Join) {
    match cell.look(need) {
        Look::Fly(ticket, join) => (*ticket, join),
        other => panic!("{other:?}"),
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn after_a_failed_exchange_requests_take_no_lock_until_the_token_is_due() {
    let clock = ManualClock::new();
    let cell = cell(&clock);
    cell.adopt(token(0)).unwrap();
    let (ticket, _) = fly(&cell, Need::Asked);
    ticket.land(Err(ProviderError::transient("down")));
    for _ in 0..20 {
        let attention = cell.load().attention;
        assert!(!attention.reached(clock.now()), "{attention:?}");
        clock.advance(secs(60));
    }
}

#[test]
fn beside_the_exchange_of_an_earlier_login_requests_take_no_lock() {
    let clock = ManualClock::new();
    let cell = cell(&clock);
    let (ticket, _) = fly(&cell, Need::Usable);
    cell.adopt(token(0)).unwrap();
    // Longer than any exchange takes, so that the new token is due.
    clock.advance(secs(3000));
    assert!(!cell.load().attention.reached(clock.now()));
    ticket.land(Ok(token(1)));
    assert!(cell.load().attention.reached(clock.now()));
}

#[test]
fn a_debt_that_is_paid_does_not_end_the_payment_of_the_next_one() {
    let clock = ManualClock::new();
    let cell = cell(&clock);
    let land = |number| {
        let (ticket, _) = fly(&cell, Need::Asked);
        ticket.land(Ok(token(number)));
    };
    land(1);
    let mut first = cell.begin_settling().unwrap();
    assert!(first.is_owed());
    assert!(!first.is_owed(), "paid");
    land(2);
    let mut second = cell.begin_settling().unwrap();
    assert!(second.is_owed());
    drop(first);
    assert!(
        cell.begin_settling().is_none(),
        "the second is still paying"
    );
    assert!(poll(&mut Box::pin(cell.left_owing())).is_pending());
    drop(second);
    assert!(cell.begin_settling().unwrap().is_owed(), "it died");
}

#[test]
fn looking_for_a_change_again_and_again_leaves_nothing_behind() {
    let clock = ManualClock::new();
    let cell = cell(&clock);
    let mut states = Subscription::new(Arc::clone(&cell));
    assert!(poll(&mut Box::pin(states.changed())).is_ready());
    let mut change = pin!(states.changed());
    for _ in 0..1_000 {
        assert!(
            change
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    assert_eq!(cell.lock().watch.places(), 1);
    let mut states = Subscription::new(Arc::clone(&cell));
    assert!(poll(&mut Box::pin(states.changed())).is_ready());
    for _ in 0..1_000 {
        assert!(poll(&mut Box::pin(states.changed())).is_pending());
    }
    assert_eq!(cell.lock().watch.places(), 2);
}

#[test]
fn waiters_that_come_and_go_leave_nothing_behind() {
    let clock = ManualClock::new();
    let cell = cell(&clock);
    let (ticket, first) = fly(&cell, Need::Usable);
    for _ in 0..1_000 {
        let Look::Join(mut join) = cell.look(Need::Usable) else {
            panic!("a flight is under way");
        };
        assert!(poll(&mut join).is_pending());
    }
    assert_eq!(cell.lock().board.places(), 1);
    drop(ticket);
    drop(first);
    assert_eq!(cell.lock().board.places(), 0);
}

#[test]
fn who_looks_late_hears_that_its_flight_has_ended_and_not_how_another_did() {
    let cell = cell(&ManualClock::new());
    let (ticket, mut first) = fly(&cell, Need::Asked);
    let Look::Join(mut second) = cell.look(Need::Asked) else {
        panic!("a flight is under way");
    };
    ticket.land(Ok(token(1)));
    let (ticket, _) = fly(&cell, Need::Asked);
    let late = |join| matches!(poll(join), Poll::Ready(Ending::Superseded));
    assert!(late(&mut first), "another is under way");
    ticket.land(Err(ProviderError::transient("down")));
    assert!(late(&mut second), "another has failed");
}

#[test]
fn who_is_woken_for_nothing_waits_on() {
    let cell = cell(&ManualClock::new());
    let (ticket, _) = fly(&cell, Need::Usable);
    let mut waits = Box::pin(cell.left_owing());
    assert!(poll(&mut waits).is_pending());
    cell.adopt(token(1)).unwrap();
    assert!(poll(&mut waits).is_pending(), "the flight is under way");
    assert_eq!(cell.lock().watch.places(), 1);
    drop(ticket);
    assert!(poll(&mut waits).is_ready());
}

/// Notes that it was woken.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_waiter_that_moved_to_another_task_is_woken_there() {
    let cell = cell(&ManualClock::new());
    let (ticket, mut join) = fly(&cell, Need::Usable);
    let bells = [(); 2].map(|()| Arc::new(Bell::default()));
    for bell in &bells {
        let waker = Waker::from(Arc::clone(bell));
        let polled = pin!(&mut join).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    ticket.land(Ok(token(1)));
    let rung = bells.map(|bell| bell.0.load(Relaxed));
    assert_eq!(rung, [false, true]);
}

/// A waker whose end looks at the cell, as that of a task may which owns another handle.
struct Looker(Arc<Cell>);

impl Wake for Looker {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Looker {
    fn drop(&mut self) {
        self.0.status();
    }
}

#[test]
fn wakers_are_dropped_without_the_lock() {
    let (done, finished) = mpsc::channel();
    std::thread::spawn(move || {
        let cell = cell(&ManualClock::new());
        let waker = || Waker::from(Arc::new(Looker(Arc::clone(&cell))));
        let (_ticket, mut join) = fly(&cell, Need::Usable);
        let poll = |join: &mut Join| {
            let polled = std::pin::Pin::new(join).poll(&mut Context::from_waker(&waker()));
            assert!(polled.is_pending());
        };
        // Moved from task to task, then dropped.
        poll(&mut join);
        poll(&mut join);
        drop(join);
        let mut states = Subscription::new(Arc::clone(&cell));
        let _ = pin!(states.changed()).poll(&mut Context::from_waker(&waker()));
        let mut change = Box::pin(states.changed());
        for _ in 0..2 {
            let _ = change.as_mut().poll(&mut Context::from_waker(&waker()));
        }
        drop(change);
        done.send(()).unwrap();
    });
    let finished = finished.recv_timeout(secs(10));
    assert!(finished.is_ok(), "it waits for a lock that it holds");
}

/// The clock steps of this test leave the pause over by the wall clock alone, and the keep-alive
/// due by the monotonic one alone.
#[test]
fn a_keeper_that_is_told_to_look_now_finds_something_to_do() {
    let clock = ManualClock::new();
    let cell = cell(&clock);
    let seed = Token::new("access").with_refresh_token("refresh");
    cell.adopt(seed.with_refresh_lifetime(secs(12 * 3600)))
        .unwrap();
    cell.set_has_keeper(true);
    let due = cell.load().plan.keep_alive.remaining(clock.now());
    clock.step_wall_back(secs(3_600));
    clock.advance(due - secs(60));
    let (ticket, _) = fly(&cell, Need::Asked);
    ticket.land(Err(ProviderError::transient("down")));
    clock.step_wall_forward(secs(1_800));
    clock.advance(secs(60));
    assert!(cell.keep_alive_at().reached(clock.now()));
    assert!(cell.attend().is_some(), "else it looks again, and again");
}

#[test]
fn nobody_keeps_a_session_alive_before_it_is_time_or_while_it_is_exchanged_or_once_it_is_shut_down()
{
    let clock = ManualClock::new();
    let cell = cell(&clock);
    let seed = Token::new("access").with_refresh_token("refresh");
    cell.adopt(seed.with_refresh_lifetime(secs(12 * 3600)))
        .unwrap();
    let due = cell.load().plan.keep_alive;
    assert_eq!(cell.keep_alive_at(), due);
    clock.advance(due.remaining(clock.now()));
    assert!(cell.keep_alive_at().reached(clock.now()));
    let ticket = cell.attend().unwrap();
    assert_eq!(cell.keep_alive_at(), Moment::NEVER);
    ticket.abandon();
    cell.shut_down();
    assert_eq!(cell.keep_alive_at(), Moment::NEVER);
}

#[test]
fn who_joins_the_exchange_of_an_idle_session_hears_of_a_failure_that_passes() {
    let clock = ManualClock::new();
    let cell = Arc::into_inner(cell(&clock)).unwrap();
    let cell = Arc::new(cell.with_login(true));
    let seed = Token::from_pair("access", "refresh");
    cell.adopt(seed.with_refresh_lifetime(secs(12 * 3600)))
        .unwrap();
    clock.advance(cell.load().plan.keep_alive.remaining(clock.now()));
    let ticket = cell.attend().unwrap();
    let Look::Join(mut join) = cell.look(Need::Asked) else {
        panic!("a flight is under way");
    };
    ticket.land(Err(ProviderError::transient("down")));
    assert!(matches!(poll(&mut join), Poll::Ready(Ending::Failed(_))));
}
