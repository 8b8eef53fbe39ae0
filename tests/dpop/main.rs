//! Tokens that are bound to keys (RFC 9449), at a server that looks at each proof.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on fails"
)]

mod challenges;
mod clients;
#[path = "../support/folder.rs"]
mod folder;
#[path = "../support/heard.rs"]
mod heard;
mod keys;
mod origins;
mod sessions;
mod stand;
