//! The store is down, or the vendor is.

use std::time::Duration;

use crate::{
    HOUR, MINUTE, NOW_AND_THEN, REPLICAS,
    depot::{Down, Load},
    fleet as fleet_of,
    fleet::Fleet,
    is_long, simulate,
    support::seed,
    vendor::{LIFETIME, State, Vendor},
    week::assert_sound,
};

/// A replica that calls this often shows when it is served again.
const OFTEN: std::ops::Range<u64> = 4_000..6_000;
/// `docs::defaults`, the longest pause without a good token.
const PAUSE_AT_MOST: Duration = Duration::from_secs(120);

/// A fleet that has been at work for two hours.
async fn at_work(size: usize) -> Fleet {
    let mut fleet = fleet_of(size, Vendor::new);
    fleet.calls_every(NOW_AND_THEN);
    fleet.run(2 * HOUR).await;
    fleet.depot.take_load();
    fleet
}

/// Lets all call often until the end of an outage is over, too. Gives how long after it each replica
/// was served, how long after it a call still failed, and what the store had to do.
async fn recovery(fleet: &mut Fleet) -> (Duration, Duration, Load) {
    let ended = fleet.clock.elapsed();
    fleet.mark();
    fleet.calls_every(OFTEN);
    fleet.run(4 * MINUTE).await;
    let served = fleet.all_served_at().unwrap() - ended;
    let failed = fleet.book().last_failure;
    let failed = failed.map_or(Duration::ZERO, |at| at - ended);
    fleet.calls_every(NOW_AND_THEN);
    (served, failed, fleet.depot.take_load())
}

#[test]
fn fleet_goes_on_while_the_store_is_down_and_does_not_storm_it_afterwards() {
    simulate(seed(), async {
        let mut fleet = at_work(REPLICAS).await;
        for (how, outage) in [
            (Down::Refuses, 10 * MINUTE),
            (Down::Silent, 40 * MINUTE),
            (Down::Refuses, 3 * HOUR),
        ] {
            let (before, failed) = (fleet.vendor.counters(), fleet.book().failed);
            fleet.depot.set_down(Some(how));
            fleet.run(outage).await;
            let down = fleet.depot.take_load();
            let during = fleet.vendor.counters();
            let failed = fleet.book().failed - failed;
            fleet.depot.set_down(None);
            let (served, last_failure, load) = recovery(&mut fleet).await;
            let after = fleet.vendor.counters();
            let exchanges = |from: &crate::vendor::Counters, to: &crate::vendor::Counters| {
                to.granted.len() - from.granted.len()
            };
            println!(
                "{REPLICAS} replicas, store {how:?} for {outage:?}: {failed} calls failed; commands \
                 meanwhile {}, peak {} in 1 s; afterwards all served within {served:?}, last failure \
                 after {last_failure:?}, {} exchanges, commands {}, peak {} in 1 s and {} in 100 ms",
                down.commands(),
                down.peak_second,
                exchanges(&during, &after),
                load.commands(),
                load.peak_second,
                load.peak_tenth,
            );
            // Only who had taken note of the exchange may be at it when the store goes.
            assert!(exchanges(&before, &during) <= 1);
            assert!(exchanges(&during, &after) <= 1);
            if outage < LIFETIME / 4 - MINUTE {
                assert_eq!(failed, 0, "a token lasts for that long when it is due");
            }
            let gap = Duration::from_millis(OFTEN.end);
            assert!(served <= PAUSE_AT_MOST + 2 * gap, "{served:?}");
            assert!(last_failure <= PAUSE_AT_MOST + 2 * gap, "{last_failure:?}");
            let size = REPLICAS as u64;
            assert!(down.peak_second <= size / 10, "{down:?}");
            // Replicas come back one after another, each with a look or a few.
            assert!(load.commands() <= 3 * size, "{load:?}");
            assert!(load.peak_second <= size / 2, "{load:?}");
            fleet.run(2 * HOUR).await;
            fleet.depot.take_load();
        }
        assert!(fleet.vendor.counters().turned_away.is_empty());
        assert_sound(&fleet);
    });
}

#[test]
fn fleet_shares_the_pause_that_a_vendor_asks_for_and_one_replica_asks_again() {
    let delay = 10 * MINUTE;
    simulate(seed(), async {
        let mut fleet = at_work(REPLICAS).await;
        for how in [State::Throttled(delay), State::Unavailable(Some(delay))] {
            vendor_is(how, &mut fleet, 3 * HOUR, delay).await;
        }
        assert_sound(&fleet);
    });
}

/// Who needs a token meanwhile looks for one about once a second, which makes such an hour long to
/// simulate: it has a tenth of the fleet unless it may take its time.
#[test]
fn fleet_asks_a_vendor_that_is_down_once_and_again_when_the_token_is_dead_one_at_a_time() {
    let size = if is_long() { REPLICAS } else { REPLICAS / 10 };
    // Until the intent runs out: ten seconds for the exchange, two for the intent itself.
    let apart = Duration::from_secs(12);
    simulate(seed(), async {
        let mut fleet = at_work(size).await;
        for how in [State::Unavailable(None), State::Silent] {
            vendor_is(how, &mut fleet, HOUR + HOUR / 4, apart).await;
        }
        assert_sound(&fleet);
    });
}

/// The vendor is like this for the time of `outage`. Requests have to be `apart`, whoever makes them.
async fn vendor_is(how: State, fleet: &mut Fleet, outage: Duration, apart: Duration) {
    let before = fleet.vendor.counters().turned_away.len();
    fleet.vendor.set(how);
    fleet.run(outage).await;
    let asked = fleet.vendor.counters().turned_away.split_off(before);
    let down = fleet.depot.take_load();
    fleet.vendor.set(State::Well);
    fleet.run(10 * MINUTE).await;
    fleet.depot.take_load();
    let (served, last_failure, load) = recovery(fleet).await;
    let size = fleet.size();
    println!(
        "{size} replicas, vendor {how:?} for {outage:?}: {} requests; store: {} commands meanwhile, \
         {:.1} for each replica and hour, peak {} in 1 s; ten minutes later all served within \
         {served:?}, last failure after {last_failure:?}, peak {} in 1 s",
        asked.len(),
        down.commands(),
        down.commands() as f64 / size as f64 / outage.div_duration_f64(HOUR),
        down.peak_second,
        load.peak_second,
    );
    for span in asked.windows(2).map(|it| it[1] - it[0]) {
        assert!(span >= apart, "{span:?} apart");
    }
    assert!(asked.len() as f64 <= outage.div_duration_f64(apart) + 1.0);
    assert!(!asked.is_empty(), "it was never asked");
    assert!(down.peak_second <= size as u64 / 2, "{down:?}");
    fleet.run(2 * HOUR).await;
    fleet.depot.take_load();
}
