//! Adapters for vendors that have their own ways: each is a profile and an exchange, in one file.

mod dressipi;
mod immersve;

pub use self::{dressipi::Dressipi, immersve::Immersve};
