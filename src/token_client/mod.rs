//! The client that token requests travel on.

mod body;

pub use self::body::Body;
