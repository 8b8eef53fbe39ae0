//! A clock that tests move by hand, and vendors that live in this process.

mod body;
mod book;
mod counters;
mod fault;
mod manual_clock;
mod sessions;
mod signer;

pub use counters::Counters;
pub use fault::{Fault, Faults, RetryAfter};
pub use manual_clock::ManualClock;
pub use sessions::Seed;
