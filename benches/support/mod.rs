//! What the benches share: the clients that they compare, and the ways to measure them.
//!
//! | file | question |
//! | --- | --- |
//! | `clients.rs` | what is compared |
//! | `cost.rs` | what does one call cost: instructions, allocations, time |
//! | `contention.rs` | what do two threads cost each other |
//! | `stampede.rs` | what do ten thousand callers of an expired token cost |
//! | `report.rs`, `chart.rs` | how it is shown |
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each bench is a program of its own and uses a part of this"
)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends, and what it finds it prints"
)]

pub mod chart;
pub mod clients;
pub mod contention;
pub mod cost;
pub mod report;
pub mod stampede;

use std::time::Instant;

/// The time, for measuring.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures real time, and decides nothing by it"
)]
pub fn clock() -> Instant {
    Instant::now()
}

/// The values in order, and the one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
