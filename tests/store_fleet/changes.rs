//! Nobody calls for days; everybody is replaced.

use std::time::Duration;

use tower_reauth::Token;

use crate::{
    DAY, HOUR, NOW_AND_THEN, REPLICAS, fleet as fleet_of,
    fleet::Fleet,
    is_long, simulate,
    support::seed,
    vendor::{REFRESH_LIFETIME, Vendor},
    week::assert_sound,
};

/// Each replica wakes once a minute to look at both clocks, which is what a simulation of idleness
/// is made of: a whole week has a small part of the fleet unless it may take its time.
#[test]
fn fleet_that_is_idle_is_kept_alive_by_one_replica_at_a_time() {
    let size = if is_long() { REPLICAS } else { REPLICAS / 40 };
    let days = 7;
    simulate(seed(), async {
        let mut fleet = fleet_of(size, Vendor::of_idle_sessions);
        fleet.start_idle();
        fleet.run(DAY * days).await;
        let (counters, load) = (fleet.vendor.counters(), fleet.depot.take_load());
        let kept = counters.granted.len() - 1;
        println!(
            "{size} replicas, {days} idle days: {kept} exchanges to keep alive, {} spent twice; store: \
             {} commands, peak {} in 1 s",
            counters.spent_twice,
            load.commands(),
            load.peak_second
        );
        // `docs::defaults`: a quarter of the lifetime before its end, and a tenth for the jitter.
        let latest = REFRESH_LIFETIME - REFRESH_LIFETIME / 4;
        let soonest = latest - REFRESH_LIFETIME / 10;
        for span in counters.granted.windows(2).map(|it| it[1] - it[0]) {
            assert!((soonest..=latest + HOUR / 60).contains(&span), "{span:?}");
        }
        assert!(kept as f64 <= (DAY * days).div_duration_f64(soonest));
        assert!(kept as f64 >= (DAY * days).div_duration_f64(latest) - 1.0);
        assert_sound(&fleet);
        // It is as good as new.
        fleet.calls_every(1_000..1_001);
        fleet.run(Duration::from_secs(1)).await;
        fleet.calls_stop();
        fleet.run(HOUR / 60).await;
        let book = fleet.book();
        assert_eq!((book.made, book.failed), (size as u64, 0));
    });
}

/// Restarts one replica after another, each of which makes a call at once. Every other one is not
/// given the time to shut down.
async fn deploy(fleet: &mut Fleet, seed: &Token) {
    for who in 0..fleet.size() {
        fleet.restart(who, seed, who % 2 == 0);
        fleet.call(who).await;
        fleet.run(Duration::from_secs(5)).await;
    }
}

#[test]
fn fleet_that_is_deployed_spends_nothing_twice_and_takes_a_new_seed_once() {
    simulate(seed(), async {
        let mut fleet = fleet_of(REPLICAS, Vendor::new);
        let old = fleet.seed.clone();
        fleet.calls_every(NOW_AND_THEN);
        fleet.run(2 * HOUR).await;
        assert_eq!(fleet.depot.lineages(), 1);
        let new = fleet.vendor.log_in();
        for (name, seed, lineages) in [
            ("with the old seed", &old, 1),
            ("with a new seed", &new, 2),
            ("as a rollback", &old, 2),
        ] {
            fleet.depot.take_load();
            let before = fleet.vendor.counters().granted.len();
            let began = fleet.clock.elapsed();
            deploy(&mut fleet, seed).await;
            let took = fleet.clock.elapsed() - began;
            let load = fleet.depot.take_load();
            let counters = fleet.vendor.counters();
            println!(
                "{REPLICAS} replicas deployed {name} in {took:?}: {} exchanges, {} spent twice, {} \
                 logins in the store; store: {} commands, peak {} in 1 s",
                counters.granted.len() - before,
                counters.spent_twice,
                fleet.depot.lineages(),
                load.commands(),
                load.peak_second
            );
            assert_eq!(fleet.depot.lineages(), lineages, "{name}");
            assert!(load.peak_second <= REPLICAS as u64 / 40, "{load:?}");
        }
        assert!(fleet.vendor.counters().turned_away.is_empty());
        assert_eq!(fleet.book().failed, 0);
        assert_sound(&fleet);
    });
}
