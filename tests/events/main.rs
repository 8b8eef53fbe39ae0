//! What observers, traces and metrics are told: each event where it belongs, under the names that the
//! documentation gives, and nothing that is a secret.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod dashboard;
#[path = "../support/heard.rs"]
mod heard;
mod logins;
mod names;
#[path = "../support/replicas.rs"]
mod replicas;
mod requests;
mod sessions;
mod stored;
#[path = "../support/mod.rs"]
mod support;
mod traced;
