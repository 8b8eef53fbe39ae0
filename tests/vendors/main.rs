//! The vendors' adapters, from the caller's request to the vendor's socket: the layer, the built-in
//! token client, hyper-util's client and the simulated vendors, with nothing left out in between.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod bad_replies;
mod dressipi;
mod immersve;
mod lifetimes;
mod logout;
mod lost_reply;
mod marketiger;
mod outage;
mod refusals;
mod revocation;
mod site;
#[path = "../support/sockets.rs"]
mod sockets;
mod stand;
mod throttling;
mod vmware_csp;
