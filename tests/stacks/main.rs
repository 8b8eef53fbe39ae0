//! The layer in the stacks that services use, over real sockets: HTTP/1.1 and HTTP/2, in the clear
//! and by TLS.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says what it counted"
)]

mod api;
mod framing;
mod proxy;
mod retries;
mod revocation;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tls.rs"]
mod tls;
mod unanswered;
#[path = "../support/web.rs"]
mod web;
