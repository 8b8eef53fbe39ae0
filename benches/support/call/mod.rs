//! What one call costs. The packages beside the benches, `gate` and `peers`, take this folder and nothing
//! else of the benches: so it names no crate that a request does not need.
//!
//! | file | question |
//! | --- | --- |
//! | `clients.rs`, `contenders.rs` | what is compared |
//! | `cost.rs` | what does one call cost: instructions, allocations, time |
//! | `report.rs` | the table |
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

pub mod clients;
pub mod contenders;
pub mod cost;
pub mod report;

use std::time::Instant;

/// The time, for measuring.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures real time, and decides nothing by it"
)]
pub fn clock() -> Instant {
    Instant::now()
}
