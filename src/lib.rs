//! placeholder
#![forbid(unsafe_code)]
mod cell;
pub mod clock;
mod error;
pub mod provider;
pub mod token;
pub mod token_client;
pub use error::{BoxError, Error};
pub use provider::Provider;
pub use token::Token;
