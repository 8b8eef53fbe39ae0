//! Around tonic's `Channel`, with a generated client and over real sockets: the four kinds of calls,
//! and all that can become of their tokens.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says what it counted"
)]

mod caller;
mod cancellation;
mod channels;
mod deadlines;
mod generation;
#[path = "../support/heard.rs"]
mod heard;
mod no_token;
mod notes;
mod refusals;
mod revocation;
mod server;
mod stand;
#[path = "../support/mod.rs"]
mod support;
