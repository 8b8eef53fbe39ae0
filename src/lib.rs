//! placeholder
#![forbid(unsafe_code)]

pub mod attach;
mod cell;
mod challenge;
pub mod clock;
mod error;
pub mod future;
pub mod handle;
pub mod layer;
pub mod provider;
mod replay;
mod service;
#[cfg(feature = "test-util")]
pub mod test_util;
pub mod token;
pub mod token_client;

pub use self::{
    error::{BoxError, Error},
    layer::AuthLayer,
    provider::Provider,
    service::Auth,
    token::Token,
};
