//! A process is killed at any of its steps, and the next has to make do with what it left.
//!
//! No refresh token is spent twice but under the rule for a lost reply, and no session is lost but
//! between the vendor's answer and the save; then the next process says that a login is needed.

use std::{collections::BTreeMap, thread, time::Duration};

use crate::{
    place::Place,
    play::{LATER, Play, rounds, seed},
};

/// Where a process is killed, in the order of its steps.
const STEPS: [&str; 18] = [
    "start",
    "look",
    "looked",
    "take_lease",
    "lease taken",
    "read",
    "record read",
    "write seed",
    "seed written",
    "write intent",
    "intent written",
    "ask",
    "answered",
    "save",
    "saved",
    "release_lease",
    "lease released",
    "done",
];
/// After one of these and before the next, the vendor may have answered, and nothing is saved.
const WINDOW: [&str; 3] = ["ask", "answered", "save"];
/// A process that runs freely is done by then, most of the time.
const LATEST_KILL: u64 = 25_000;

#[tokio::test(flavor = "multi_thread")]
async fn store_crash_at_any_step_spends_nothing_twice_outside_the_rule() {
    crashes(Place::file(), rounds(192, 10_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_crash_on_redis_at_any_step_spends_nothing_twice_outside_the_rule() {
    let Some(place) = Place::redis() else {
        return;
    };
    crashes(place, rounds(128, 10_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_many_processes_on_one_file_make_one_exchange_for_each_lifetime() {
    let play = Play::new(Place::file(), "last resort").await;
    for life in 1..=6 {
        let processes: Vec<_> = (0..6).map(|_| play.spawn(false)).collect();
        for mut process in processes {
            assert_eq!(process.runs_out(), "done");
        }
        let counters = play.vendor.counters();
        assert_eq!((counters.exchanges, counters.spent_twice), (life, 0));
        play.pass(LATER);
    }
}

async fn crashes(place: Place, rounds: usize) {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut book = Book::default();
    let mut play = Play::new(place, "last resort").await;
    for round in 0..rounds {
        // Each step in turn, and as many kills at any time, that is inside of the steps.
        let kill = match round % 2 {
            0 => Kill::At(STEPS[round / 2 % STEPS.len()]),
            _ => Kill::After(Duration::from_micros(random.u64(..LATEST_KILL))),
        };
        play.round(kill, &mut book);
    }
    println!("{rounds} rounds, {}: {book:#?}", play.place.name());
    let counters = play.vendor.counters();
    assert_eq!(
        counters.spent_twice, book.spent_twice_by_rule,
        "the vendor's own count"
    );
    assert_eq!(book.spent_twice_outside, 0);
    assert_eq!(book.lost_outside, 0);
    assert_eq!(counters.malformed, 0);
    assert!(book.lost_in_the_window > 0, "the window was never hit");
    for step in STEPS {
        assert!(
            book.killed_at.get(step).is_some_and(|n| *n > 0),
            "never killed at `{step}`"
        );
    }
}

#[derive(Clone, Copy, Debug)]
enum Kill {
    At(&'static str),
    After(Duration),
}

/// What happened.
#[derive(Debug, Default)]
struct Book {
    crashes: u64,
    killed_at: BTreeMap<String, u64>,
    recoveries: u64,
    exchanges: u64,
    /// A crash after the vendor had answered and before the save: the answer went with the process.
    /// The next one has said so.
    lost_in_the_window: u64,
    lost_outside: u64,
    spent_twice_by_rule: u64,
    spent_twice_outside: u64,
}

// === impl Play ===

impl Play {
    fn round(&mut self, kill: Kill, book: &mut Book) {
        if matches!(kill, Kill::At("write seed" | "seed written")) {
            // A new login, which the store has not seen.
            self.log_in();
        }
        let before = self.vendor.counters();
        let (said, killed) = self.life(Some(kill));
        self.settle();
        let last = said.last().cloned().unwrap_or_default();
        if killed {
            book.crashes += 1;
            *book.killed_at.entry(last.clone()).or_default() += 1;
        }
        let after = self.vendor.counters();
        let rotated = after.rotations - before.rotations;
        assert!(
            rotated <= 1 && after.spent_twice == before.spent_twice,
            "{kill:?} {said:?}"
        );
        let in_the_window = killed && WINDOW.contains(&last.as_str());
        self.pass(LATER);
        let unprocessed = matches!(kill, Kill::At(_)) && rotated == 0;
        self.recovers(kill, in_the_window, unprocessed, book);
        self.pass(LATER);
    }

    /// The next process.
    fn recovers(&mut self, kill: Kill, in_the_window: bool, unprocessed: bool, book: &mut Book) {
        let before = self.vendor.counters();
        let (said, _) = self.life(None);
        let after = self.vendor.counters();
        let outcome = said.last().cloned().unwrap_or_default();
        let twice = after.spent_twice - before.spent_twice;
        match in_the_window {
            true => book.spent_twice_by_rule += twice,
            false => book.spent_twice_outside += twice,
        }
        match outcome.as_str() {
            "done" => {
                assert_eq!(twice, 0);
                book.recoveries += 1;
                book.exchanges += after.rotations - before.rotations;
            }
            "login required" => {
                assert!(
                    !unprocessed,
                    "{kill:?}: lost, and the vendor had not been asked"
                );
                match in_the_window {
                    true => book.lost_in_the_window += 1,
                    false => book.lost_outside += 1,
                }
                self.log_in();
            }
            other => panic!("{kill:?}: the next process ended with `{other}`: {said:?}"),
        }
    }

    /// A process lives until it has its token, or is killed. Gives what it said.
    fn life(&self, kill: Option<Kill>) -> (Vec<String>, bool) {
        let mut process = self.spawn(matches!(kill, Some(Kill::At(_))));
        match kill {
            Some(Kill::At(step)) => {
                let reached = process.goes_to(step);
                if reached {
                    process.kill();
                }
            }
            Some(Kill::After(delay)) => {
                // It is on its way, and the moment is nobody's choice.
                process.next();
                thread::sleep(delay);
                process.kill();
            }
            None => {}
        }
        self.sees_out(&mut process);
        let killed = process.was_killed();
        (std::mem::take(&mut process.said), killed)
    }
}
