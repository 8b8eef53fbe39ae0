//! Processes are killed by SIGKILL and stopped by SIGSTOP at every step of the protocol, on a file
//! and on a real Redis, against a strict vendor.
//!
//! A process is this test binary, executed anew. It keeps one session in a store and makes one
//! exchange; before and after each of its steps it says so on its standard output and, where it is
//! told to, waits for a word. Its clock is a [`dial`], which the test sets on, so that nobody waits
//! for a lease or an intent to end. What must hold is read from the vendor's own counters.
//!
//! Redis tells deadlines by its own clock: the process adds to what it shows what the dial is ahead,
//! and the test takes as much from what its keys have left to live.
//!
//! `TOWER_REAUTH_LONG=1` makes it 10 000 rounds of crashes, or `TOWER_REAUTH_ROUNDS`.

#![cfg(unix)]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

#[path = "../support/dial.rs"]
mod dial;
#[path = "../support/folder.rs"]
mod folder;
#[path = "../support/redis_server.rs"]
mod server;

mod child;
mod crash;
mod pause;
mod place;
mod play;
mod process;
