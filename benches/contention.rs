//! What two threads cost each other: `cargo bench --all-features --bench contention`.
#![allow(clippy::print_stdout, reason = "what a bench finds it prints")]

mod support;

use support::contention::{Cloned, speed_vs_static, throughput_vs_static};

fn main() {
    println!("calls a second, as a multiple of those around a static header:");
    println!("{:.2}  one thread", speed_vs_static());
    for (cloned, name) in [
        (
            Cloned::ForEachThread,
            "two threads, each with a clone of the client",
        ),
        (
            Cloned::ForEachRequest,
            "two threads, the client cloned for each request",
        ),
    ] {
        println!("{:.2}  {name}", throughput_vs_static(cloned));
    }
}
