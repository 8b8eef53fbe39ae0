//! New logins: those that an application hands over, and those that a provider makes by itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

mod calls;
mod core;
mod dressipi;
mod handed_over;
mod immersve;
mod marketiger;
mod random;
mod replicas;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod unwanted;
mod vmware_csp;
mod web;
