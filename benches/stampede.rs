//! Ten thousand callers of an expired token: `cargo bench --all-features --bench stampede`.
#![allow(clippy::print_stdout, reason = "what a bench finds it prints")]

mod support;

use support::stampede::{Stampede, stampede, waiter_bytes};

fn main() {
    for (fails, name) in [(false, "that answers"), (true, "that fails")] {
        let Stampede {
            exchanges,
            served,
            time,
        } = stampede(fails);
        println!(
            "an endpoint {name}, after 50 ms: {exchanges} exchange, {served} of 10000 served,"
        );
        println!("  in {time:.2} × the time of as many tasks without a layer and the 50 ms");
    }
    println!("{:.0} bytes for each of 100000 that wait", waiter_bytes());
}
