//! placeholder
#![forbid(unsafe_code)]
pub mod clock;
pub mod provider;
pub mod token;
pub use provider::Provider;
pub use token::Token;
