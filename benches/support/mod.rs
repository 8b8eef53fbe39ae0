//! What the benches share: the clients that they compare, and the ways to measure them.
//!
//! | file | question |
//! | --- | --- |
//! | `call/` | what is compared, and what does one call cost |
//! | `contention.rs` | what do two threads cost each other |
//! | `stampede.rs` | what do ten thousand callers of an expired token cost |
//! | `chart.rs` | how it is shown |
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

pub mod call;
pub mod chart;
pub mod contention;
pub mod stampede;

/// The values in order, and the one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
