//! Sessions in a real Redis: `redis-server` on loopback, started here, one for each test.
//!
//! `tests/run` installs it where it can. Without it these tests say SKIPPED, and fail under
//! `CI=true`.

#![cfg(unix)]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these are tests"
)]

#[path = "../support/dial.rs"]
mod dial;
#[path = "../support/folder.rs"]
mod folder;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/redis_server.rs"]
mod server;

mod answers;
mod between;
mod conformance;
mod fleet;
mod loss;
mod partition;
mod replica;
mod setup;
