//! A week in which nothing fails, or a day of it where time is short: what it costs the vendor, the
//! store and the process.

use std::time::Duration;

use allocation_counter::measure;

use crate::{
    DAY, HOUR, MINUTE, NOW_AND_THEN, REPLICAS,
    depot::Load,
    fleet as fleet_of,
    fleet::{Book, Fleet},
    is_long, runtime, simulate,
    support::seed,
    vendor::{Counters, LIFETIME, Vendor},
};

/// `docs::defaults`: a quarter of the lifetime before its end, and up to a tenth for the jitter.
fn due() -> std::ops::RangeInclusive<Duration> {
    let latest = LIFETIME - LIFETIME / 4;
    latest - LIFETIME / 10..=latest
}

/// What holds whatever has happened.
pub(crate) fn assert_sound(fleet: &Fleet) {
    let (counters, book) = (fleet.vendor.counters(), fleet.book());
    assert_eq!(counters.spent_twice, 0);
    assert_eq!(counters.died_unused, 0);
    assert_eq!(counters.most_in_flight, 1);
    assert_eq!(book.sent_dead, 0);
    assert_eq!(book.waited_while_valid, 0);
    assert_eq!(book.failed_while_valid, 0);
}

#[test]
fn fleet_makes_one_exchange_for_each_lifetime_and_asks_the_store_once_for_each_replica() {
    fastrand::seed(seed());
    let runtime = runtime();
    let mut fleet = runtime.block_on(async { fleet_of(REPLICAS, Vendor::new) });
    fleet.calls_every(NOW_AND_THEN);
    let days = if is_long() { 7 } else { 1 };
    let (mut load, mut kept) = (Load::default(), Vec::new());
    for _ in 0..2 * days {
        let half = measure(|| runtime.block_on(fleet.run(DAY / 2)));
        kept.push(half.bytes_current);
        load += fleet.depot.take_load();
    }
    let tasks = runtime.metrics().num_alive_tasks();
    let counters = fleet.vendor.counters();
    report(&fleet, days, &load, &kept);

    assert_sound(&fleet);
    let book = fleet.book();
    assert_eq!(book.failed, 0);
    assert_eq!(
        book.waited, REPLICAS as u64,
        "each for its first token only"
    );
    assert!(counters.turned_away.is_empty());
    // What one process would do that calls as often.
    let latest = *due().end() + Duration::from_millis(NOW_AND_THEN.end) + A_TURN;
    let spans = counters.granted.windows(2).map(|it| it[1] - it[0]);
    for span in spans {
        assert!((*due().start()..=latest).contains(&span), "{span:?}");
    }
    let time = DAY * days;
    let exchanges = counters.granted.len() as u32;
    assert!(exchanges <= time.div_duration_f64(*due().start()) as u32 + 1);
    assert!(exchanges >= time.div_duration_f64(latest) as u32);
    // One look for each replica and lifetime; one in ten looks once more, since somebody was at it.
    let looks = u64::from(exchanges) * REPLICAS as u64;
    assert!(load.commands() <= looks + looks / 10, "{load:?}");
    assert_eq!(
        load.writes,
        2 * u64::from(exchanges) + 1,
        "intents, saves and the seed"
    );
    assert!(load.peak_second <= REPLICAS as u64 / 40, "{load:?}");
    assert!(load.peak_tenth <= REPLICAS as u64 / 80, "{load:?}");
    // A soak: nothing stays behind but what the simulation notes itself.
    assert_eq!(tasks, 0);
    for half in &kept[1..] {
        assert!(half.unsigned_abs() < 100 * REPLICAS as u64, "{kept:?}");
    }
}

fn report(fleet: &Fleet, days: u32, load: &Load, kept: &[i64]) {
    let (counters, book) = (fleet.vendor.counters(), fleet.book());
    println!(
        "{} replicas, {days} days: {} exchanges in {:.1} lifetimes, {} spent twice, {} in flight at most; \
         {} calls, {} waited (while valid: {}), {} failed, {:?} waited at most; \
         store: {} commands, {:.2} for each replica and hour, peak {} in 1 s, {} in 100 ms; \
         bytes kept of each half day: {kept:?}",
        fleet.size(),
        counters.granted.len(),
        (DAY * days).div_duration_f64(LIFETIME),
        counters.spent_twice,
        counters.most_in_flight,
        book.made,
        book.waited,
        book.waited_while_valid,
        book.failed,
        book.longest_wait,
        load.commands(),
        load.commands() as f64 / fleet.size() as f64 / f64::from(24 * days),
        load.peak_second,
        load.peak_tenth,
    );
}

/// The two worst moments for a store: all replicas start within a second, and all find a dead token
/// at the same moment.
#[test]
fn fleet_that_comes_all_at_once_makes_one_exchange_and_does_not_storm_the_store() {
    simulate(seed(), async {
        let mut fleet = fleet_of(REPLICAS, Vendor::new);
        for (round, within) in [(1, 1_000), (2, 1), (3, 1)] {
            fleet.calls_every(within..within + 1);
            fleet.run(Duration::from_millis(within + 1)).await;
            fleet.calls_stop();
            fleet.run(MINUTE).await;
            let load = fleet.depot.take_load();
            let wait = fleet.book().longest_wait;
            println!("{REPLICAS} replicas within {within} ms: {load:?}, {wait:?} waited at most");
            assert_eq!(fleet.vendor.counters().granted.len(), round);
            assert_eq!(fleet.book().failed, 0);
            // For each: a look, a try for the lease, and another look, the first after 50 to 150 ms,
            // each time that it has waited for twice as long as before.
            let size = REPLICAS as u64;
            assert!(load.peak_tenth <= 3 * size, "{load:?}");
            assert!(load.peak_second <= 6 * size, "{load:?}");
            assert!(load.commands() <= 7 * size, "{load:?}");
            assert!(wait < Duration::from_secs(3), "{wait:?}");
            fleet.run(2 * HOUR).await;
        }
        assert_sound(&fleet);
    });
}

#[test]
fn fleet_runs_are_the_same_for_the_same_seed() {
    let day = |seed| -> (Counters, Book, Load) {
        simulate(seed, async {
            let mut fleet = fleet_of(50, Vendor::new);
            fleet.calls_every(NOW_AND_THEN);
            fleet.run(DAY).await;
            let book = fleet.book().clone();
            (fleet.vendor.counters(), book, fleet.depot.take_load())
        })
    };
    let seed = seed();
    let (one, same, other) = (day(seed), day(seed), day(seed.wrapping_add(1)));
    assert!(one == same, "{one:?}\n{same:?}");
    assert!(one != other, "nothing depends on the seed");
}

/// What a turn takes, the vendor's share included.
const A_TURN: Duration = Duration::from_secs(2);
