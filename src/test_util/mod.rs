//! A clock that tests move by hand, and vendors that live in this process.

mod manual_clock;

pub use manual_clock::ManualClock;
