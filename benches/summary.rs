//! The figures that are promised, one line each: `name value unit`.
//!
//! ```sh
//! cargo bench --all-features --bench summary
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends, and what it finds it prints"
)]

mod support;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use support::{
    call::cost::{self, Contender},
    contention::{self, Cloned},
    stampede,
};
use tower_reauth::future::ResponseFuture;

type Hyper = Client<HttpConnector, Full<Bytes>>;

fn main() {
    if cost::is_being_counted(&Contender::ALL) {
        return;
    }
    let [insert, ours] = [Contender::INSERT, Contender::OURS].map(Contender::instructions);
    match (insert, ours) {
        (Some(insert), Some(ours)) => {
            figure("attach_instructions_vs_insert", ours / insert, "ratio")
        }
        _ => println!("attach_instructions_vs_insert unknown ratio"),
    }
    figure(
        "attach_allocations",
        Contender::OURS.allocations(),
        "allocations",
    );
    figure(
        "attach_replay_allocations",
        Contender::OURS_WITH_REPLAY.allocations(),
        "allocations",
    );
    let throughput = contention::throughput_vs_static(Cloned::ForEachThread);
    figure("throughput_2_threads_vs_static", throughput, "ratio");
    figure(
        "stampede_exchanges",
        stampede::stampede(false).exchanges as f64,
        "exchanges",
    );
    figure(
        "stampede_failed_exchanges",
        stampede::stampede(true).exchanges as f64,
        "exchanges",
    );
    figure("waiter_bytes", stampede::waiter_bytes(), "bytes");
    figure(
        "future_bytes",
        size_of::<ResponseFuture<Hyper, Full<Bytes>>>() as f64,
        "bytes",
    );
}

fn figure(name: &str, value: f64, unit: &str) {
    println!("{name} {} {unit}", (value * 100.0).round() / 100.0);
}
