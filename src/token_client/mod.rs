//! The client that token requests travel on.

mod arrived;
mod body;

pub use self::body::Body;
