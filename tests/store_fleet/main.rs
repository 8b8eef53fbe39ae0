//! A fleet of a thousand replicas shares one session, whose refresh token rotates, through one
//! store, for a simulated week or the hours that a proof needs.
//!
//! Time is tokio's paused clock: it goes on when nobody has anything left to do. What must hold is
//! read from the vendor's and the store's own counters, and from what became of the calls. What is
//! random comes from one seed, the jitter of the layers included, so that a run can be repeated:
//! `TEST_SEED=… cargo nextest run --test store_fleet`.
//!
//! `TOWER_REAUTH_LONG=1` makes it the whole week, and the whole fleet, everywhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, and say what they counted"
)]

mod changes;
mod clock;
mod depot;
mod fleet;
mod outages;
#[path = "../support/mod.rs"]
mod support;
mod vendor;
mod week;

use std::{future::Future, time::Duration};

use tokio::runtime::{Builder, Runtime};

use crate::{clock::PausedClock, depot::Depot, fleet::Fleet, vendor::Vendor};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const REPLICAS: usize = 1_000;
/// A replica that calls this often finds each token due before it is dead: that takes at least
/// 14.5 minutes.
const NOW_AND_THEN: std::ops::Range<u64> = 12 * 60_000..14 * 60_000;

/// A runtime whose time is the simulation's.
fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

/// Runs a simulation that is the same for the same seed.
fn simulate<T>(seed: u64, work: impl Future<Output = T>) -> T {
    fastrand::seed(seed);
    runtime().block_on(work)
}

/// A fleet after a login at a vendor that `open` opens, none of which has made a call.
fn fleet(size: usize, open: impl FnOnce(PausedClock, fastrand::Rng) -> Vendor) -> Fleet {
    let clock = PausedClock::start();
    let vendor = open(clock, random());
    let login = vendor.log_in();
    let depot = Depot::new(clock, random());
    Fleet::new(size, &login, (clock, vendor, depot))
}

fn random() -> fastrand::Rng {
    fastrand::Rng::with_seed(fastrand::u64(..))
}

fn is_long() -> bool {
    std::env::var_os("TOWER_REAUTH_LONG").is_some()
}
