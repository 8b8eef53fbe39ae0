use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tower_reauth::{
    clock::{Clock, Sleep},
    test_util::ManualClock,
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll(sleep: &mut Sleep, waker: &Waker) -> Poll<()> {
    Pin::new(sleep).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_sleep_wakes_exactly_when_its_deadline_is_reached() {
    let clock = ManualClock::new();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut sleep = clock.sleep(5 * SECOND);
    assert_eq!(poll(&mut sleep, &waker), Poll::Pending);

    clock.advance(5 * SECOND - Duration::from_nanos(1));
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    assert_eq!(poll(&mut sleep, &waker), Poll::Pending);

    clock.advance(Duration::from_nanos(1));
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&mut sleep, &waker), Poll::Ready(()));
}

#[test]
fn only_the_last_waker_is_woken() {
    let clock = ManualClock::new();
    let (old, new) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
    let mut sleep = clock.sleep(SECOND);
    assert_eq!(poll(&mut sleep, &old.clone().into()), Poll::Pending);
    assert_eq!(poll(&mut sleep, &new.clone().into()), Poll::Pending);
    clock.advance(SECOND);
    assert_eq!(old.0.load(Ordering::SeqCst), 0);
    assert_eq!(new.0.load(Ordering::SeqCst), 1);
}

#[test]
fn a_sleep_of_no_length_is_over_at_once() {
    let clock = ManualClock::new();
    let mut sleep = clock.sleep(Duration::ZERO);
    assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Ready(()));
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn a_suspended_machine_wakes_nobody() {
    let clock = ManualClock::new();
    let start = clock.now();
    let mut sleep = clock.sleep(SECOND);
    clock.suspend(100 * SECOND);
    assert_eq!(clock.now().monotonic(), start.monotonic());
    assert_eq!(clock.now().unix(), start.unix() + 100 * SECOND);
    assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Pending);
}

#[test]
fn the_wall_can_be_set_both_ways() {
    let clock = ManualClock::new();
    let start = clock.now();
    clock.step_wall_forward(7 * SECOND);
    clock.step_wall_back(10 * SECOND);
    assert_eq!(clock.now().unix(), start.unix() - 3 * SECOND);
    assert_eq!(clock.now().monotonic(), start.monotonic());
    clock.step_wall_back(Duration::MAX);
    assert_eq!(clock.now().unix(), Duration::ZERO);
}

#[test]
fn a_dropped_sleep_is_forgotten() {
    let clock = ManualClock::new();
    let (kept, dropped) = (clock.sleep(SECOND), clock.sleep(SECOND));
    assert_eq!(clock.sleepers(), 2);
    drop(dropped);
    assert_eq!(clock.sleepers(), 1);
    clock.advance(SECOND);
    assert_eq!(clock.sleepers(), 0);
    drop(kept);
}

#[test]
fn clones_share_the_time() {
    let clock = ManualClock::new();
    let other = clock.clone();
    clock.advance(SECOND);
    assert_eq!(clock.now(), other.now());
}
