//! What it costs to be able to send a request again: `cargo bench --all-features --bench replay`.
#![allow(clippy::print_stdout, reason = "what a bench finds it prints")]

mod support;

use support::call::cost::{self, Contender, Cost};

fn main() {
    if cost::is_being_counted(&Contender::ALL) {
        return;
    }
    for contender in [Contender::OURS, Contender::OURS_WITH_REPLAY] {
        let Cost {
            instructions,
            allocations,
            nanoseconds,
        } = contender.cost();
        let instructions = instructions.unwrap_or(f64::NAN);
        println!(
            "{instructions:>6.0} instructions, {allocations} allocations, {nanoseconds:>6.1} ns  {}",
            contender.key
        );
    }
}
