//! A process is stopped for longer than its lease and its intent last, while another one wants the
//! token.
//!
//! Whoever was stopped before it had sent its refresh token does not send it afterwards, and whoever
//! had won at the vendor lands its token, unless somebody was quicker. Where the rule lets the other
//! one try, the vendor may see a token twice: that is counted apart.

use std::{collections::BTreeMap, thread, time::Duration};

use tower_reauth::test_util::Fault;

use crate::{
    place::Place,
    play::{LATER, PAST_INTENTS, Play, rounds, seed},
};

/// Where a process is stopped, in the order of its steps.
const STEPS: [&str; 15] = [
    "start",
    "look",
    "looked",
    "take_lease",
    "lease taken",
    "read",
    "record read",
    "write intent",
    "intent written",
    "ask",
    "answered",
    "save",
    "saved",
    "release_lease",
    "lease released",
];
/// At these an intent stands in the store.
const INTENDED: [&str; 4] = ["intent written", "ask", "answered", "save"];
/// At these the vendor has answered, and nothing is saved.
const WON: [&str; 2] = ["answered", "save"];
/// And intents are not.
const PAST_LEASES: Duration = Duration::from_millis(10_500);
/// A process that runs freely is done by then, most of the time.
const LATEST_STOP: u64 = 25_000;

#[tokio::test(flavor = "multi_thread")]
async fn store_pause_at_any_step_spends_nothing_twice_outside_the_rule() {
    for rule in ["last resort", "never", "replay"] {
        pauses(Place::file(), rule, rounds(STEPS.len(), 400)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn store_pause_on_redis_at_any_step_spends_nothing_twice_outside_the_rule() {
    for rule in ["last resort", "never", "replay"] {
        let Some(place) = Place::redis() else {
            return;
        };
        pauses(place, rule, rounds(STEPS.len(), 400)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn store_pause_at_any_time_spends_nothing_twice_outside_the_rule() {
    // Many are stopped while they have the file locked, which costs the other one its five seconds.
    stops(Place::file(), rounds(4, 400)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_pause_on_redis_at_any_time_spends_nothing_twice_outside_the_rule() {
    let Some(place) = Place::redis() else {
        return;
    };
    stops(place, rounds(48, 2_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_pause_past_the_lease_lands_its_token_and_others_take_it() {
    past_the_lease(Place::file()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_pause_on_redis_past_the_lease_lands_its_token_and_others_take_it() {
    if let Some(place) = Place::redis() {
        past_the_lease(place).await;
    }
}

/// The intent lasts: the other one waits, and takes what the stopped one had won.
async fn past_the_lease(place: Place) {
    let play = Play::new(place, "last resort").await;
    let steps = ["intent written", "ask", "answered", "save", "saved"];
    for step in steps {
        let before = play.vendor.counters();
        let mut one = play.spawn(true);
        assert!(one.goes_to(step), "{:?}", one.said);
        one.stop();
        play.pass(PAST_LEASES);
        let mut other = play.spawn(false);
        // It has found the intent, or the token.
        while other.next().is_some_and(|step| step != "looked") {}
        one.resume();
        let outcome = one.runs_out();
        let ends = (outcome.as_str(), play.sees_out(&mut other));
        let after = play.vendor.counters();
        assert_eq!(ends.1, "done", "stopped at `{step}`: {ends:?}");
        assert_eq!(after.spent_twice, 0, "stopped at `{step}`");
        let made = after.rotations - before.rotations;
        assert_eq!(made, 1, "stopped at `{step}`: {ends:?}");
        play.pass(LATER);
    }
}

/// The time limit of its request is over when it goes on, and the answer has long been there.
#[tokio::test(flavor = "multi_thread")]
async fn store_pause_past_the_time_limit_of_a_request_costs_no_answer() {
    let mut play = Play::new(Place::file(), "last resort").await;
    play.patience = Duration::from_millis(400);
    for round in 1..=rounds(6, 100) as u64 {
        let answers = Fault::Delay(Duration::from_millis(100));
        play.vendor.faults().next(answers);
        let mut one = play.spawn(false);
        while play.vendor.counters().token_requests < round {
            thread::sleep(Duration::from_millis(1));
        }
        one.stop();
        thread::sleep(2 * play.patience);
        assert_eq!(play.vendor.counters().rotations, round, "it has answered");
        one.resume();
        assert_eq!(one.runs_out(), "done", "{:?}", one.said);
        play.pass(LATER);
    }
    let counters = play.vendor.counters();
    assert_eq!(counters.token_requests, counters.rotations);
}

/// What the stopped process and the one after it came to.
#[derive(Debug, Default)]
struct Book {
    pauses: u64,
    outcomes: BTreeMap<String, u64>,
    spent_twice_by_rule: u64,
    landed_late: u64,
    lost_by_rule: u64,
}

/// One is stopped at each of its steps in turn.
async fn pauses(place: Place, rule: &'static str, rounds: usize) {
    let mut play = Play::new(place, rule).await;
    let mut book = Book::default();
    // A session that has begun.
    assert_eq!(play.spawn(false).runs_out(), "done");
    for round in 0..rounds {
        play.pass(LATER);
        play.pause(STEPS[round % STEPS.len()], &mut book);
    }
    println!("{rounds} pauses, {}, {rule}: {book:#?}", play.place.name());
    let counters = play.vendor.counters();
    assert_eq!(counters.spent_twice, book.spent_twice_by_rule);
    assert!(rule == "last resort" || counters.spent_twice == 0);
    assert!(
        rule == "replay" || book.landed_late > 0,
        "nobody landed late"
    );
}

/// One is stopped at any time.
async fn stops(place: Place, rounds: usize) {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut play = Play::new(place, "last resort").await;
    let mut book = Book::default();
    assert_eq!(play.spawn(false).runs_out(), "done");
    for _ in 0..rounds {
        play.pass(LATER);
        let mut one = play.spawn(false);
        one.next();
        thread::sleep(Duration::from_micros(random.u64(..LATEST_STOP)));
        one.stop();
        play.settle();
        play.pass(PAST_INTENTS);
        let before = play.vendor.counters();
        let other = play.sees_out(&mut play.spawn(false));
        let by_rule = play.vendor.counters().spent_twice - before.spent_twice;
        one.resume();
        let outcome = one.runs_out();
        let context = format!("{:?}, the other one: {other}", one.said);
        let after = play.vendor.counters();
        book.spent_twice_by_rule += by_rule;
        assert_eq!(
            after.spent_twice - before.spent_twice,
            by_rule,
            "it went on spending: {context}"
        );
        play.agree(&other, &outcome, by_rule, &context, &mut book);
    }
    println!("{rounds} pauses, {}: {book:#?}", play.place.name());
    assert_eq!(play.vendor.counters().spent_twice, book.spent_twice_by_rule);
}

// === impl Play ===

impl Play {
    fn pause(&mut self, step: &str, book: &mut Book) {
        let before = self.vendor.counters();
        let mut one = self.spawn(true);
        assert!(one.goes_to(step), "{:?}", one.said);
        one.stop();
        self.pass(PAST_INTENTS);
        let other = self.sees_out(&mut self.spawn(false));
        one.resume();
        let outcome = one.runs_out();
        let context = format!("stopped at `{step}`: {outcome}, the other one: {other}");
        let after = self.vendor.counters();
        let twice = after.spent_twice - before.spent_twice;
        let won = WON.contains(&step);
        assert!(twice <= u64::from(won), "{context}: spent twice");
        book.spent_twice_by_rule += twice;
        let landed = one.said.iter().any(|step| step == "saved");
        if won && landed && after.rotations - before.rotations == 1 {
            book.landed_late += 1;
        }
        let gives_up = won || (self.rule == "never" && INTENDED.contains(&step));
        let told = other == "done" || (gives_up && other == "login required");
        assert!(told, "{context}");
        let outcome = if landed { "done" } else { &outcome };
        self.agree(&other, outcome, twice, &context, book);
    }

    /// The next process has a token, or says that the session is lost; and that only where somebody
    /// went by the rule.
    fn agree(&mut self, other: &str, one: &str, twice: u64, context: &str, book: &mut Book) {
        book.pauses += 1;
        let outcomes = format!("{one} / {other}");
        *book.outcomes.entry(outcomes).or_default() += 1;
        let rotations = self.vendor.counters().rotations;
        let mut next = self.spawn(false);
        assert_eq!(
            self.sees_out(&mut next),
            "done",
            "{context}: {:?}",
            next.said
        );
        let made = self.vendor.counters().rotations - rotations;
        // A file that a stopped process has locked is of use to nobody.
        let nobody = one != "done" && other != "done";
        assert!(
            made <= u64::from(nobody),
            "{context}: what there was did not do"
        );
        if twice > 0 {
            // The vendor has ended the session; its last access token is good for us all the same.
            book.lost_by_rule += 1;
            self.log_in();
        }
    }
}
