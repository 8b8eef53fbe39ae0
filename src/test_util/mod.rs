//! A clock that tests move by hand, and vendors that live in this process.

mod body;
mod book;
mod builder;
mod counters;
mod engine;
mod fault;
mod manual_clock;
mod rotation;
mod server;
mod sessions;
mod signer;
mod simulator;
mod vendor;
mod wire;

pub use builder::SimBuilder;
pub use counters::Counters;
pub use fault::{Fault, Faults, RetryAfter};
pub use manual_clock::ManualClock;
pub use rotation::Rotation;
pub use sessions::Seed;
pub use simulator::Simulator;
