//! What two threads cost each other.
//!
//! Both send as fast as they can for a moment, first around a static header, then with the layer, and
//! so on in turns. What counts is the middle of the ratios of neighbours: whatever else the machine
//! does falls on both.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use http::Request;
use tower::Service;

use super::{
    call::{
        clients::{self, Answer, Body, send},
        clock,
    },
    median,
};

/// How a thread comes by its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloned {
    /// Once.
    ForEachThread,
    /// For each request, as `oneshot` makes people do.
    ForEachRequest,
}

/// Calls a second on two threads, as a multiple of those around a static header.
pub fn throughput_vs_static(cloned: Cloned) -> f64 {
    let (fixed, ours) = (clients::fixed(), clients::ours(false));
    median(
        (0..ROUNDS)
            .map(|_| calls(&ours, cloned) / calls(&fixed, cloned))
            .collect(),
    )
}

/// Calls a second of one thread, as a multiple of those around a static header.
pub fn speed_vs_static() -> f64 {
    let alone = |client: &_| send_until(client, Cloned::ForEachThread, clock() + MOMENT);
    fn ratio(ours: usize, fixed: usize) -> f64 {
        ours as f64 / fixed as f64
    }
    let (fixed, ours) = (clients::fixed(), clients::ours(false));
    let fixed = || send_until(&fixed, Cloned::ForEachThread, clock() + MOMENT);
    median((0..ROUNDS).map(|_| ratio(alone(&ours), fixed())).collect())
}

/// Calls a second of two threads with clones of `client`.
fn calls<S>(client: &S, cloned: Cloned) -> f64
where
    S: Service<Request<Body>, Response = Answer> + Clone + Sync,
{
    let start = Barrier::new(THREADS);
    let thread = || {
        start.wait();
        send_until(client, cloned, clock() + MOMENT)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(thread)).collect();
        let calls: usize = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        calls as f64 / MOMENT.as_secs_f64()
    })
}

/// How often a thread sends until then.
fn send_until<S>(client: &S, cloned: Cloned, end: Instant) -> usize
where
    S: Service<Request<Body>, Response = Answer> + Clone,
{
    let mut own = client.clone();
    let mut calls = 0;
    while clock() < end {
        for _ in 0..BATCH {
            match cloned {
                Cloned::ForEachThread => send(&mut own, clients::request()),
                Cloned::ForEachRequest => send(&mut client.clone(), clients::request()),
            }
        }
        calls += BATCH;
    }
    calls
}

const THREADS: usize = 2;
const ROUNDS: usize = 31;
const MOMENT: Duration = Duration::from_millis(30);
const BATCH: usize = 200;
