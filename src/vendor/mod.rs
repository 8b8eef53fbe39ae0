//! Adapters for vendors that have their own ways: each is a profile and an exchange, in one file.

mod dressipi;
mod immersve;
mod marketiger;

pub use self::{dressipi::Dressipi, immersve::Immersve, marketiger::Marketiger3D};
