//! Against a certified authorization server that nobody here wrote: see `support/oidc.rs`.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these are tests"
)]

#[path = "../support/folder.rs"]
mod folder;
#[path = "../support/oidc.rs"]
mod oidc;

mod clients;
mod configured;
mod crowd;
mod discovery;
mod dpop;
mod logins;
mod mtls;
mod rotations;
mod sessions;
