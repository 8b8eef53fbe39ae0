//! placeholder
#![forbid(unsafe_code)]
pub mod clock;
pub mod token;
pub use token::Token;
