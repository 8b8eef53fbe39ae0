//! A clock that tests move by hand, and vendors that live in this process.

mod book;
mod counters;
mod manual_clock;
mod sessions;
mod signer;

pub use counters::Counters;
pub use manual_clock::ManualClock;
pub use sessions::Seed;
