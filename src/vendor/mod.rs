//! Adapters for vendors that have their own ways: each is a profile and an exchange, in one file.

mod immersve;

pub use self::immersve::Immersve;
