//! Vendors that deviate, each as somebody outside would write its provider: with nothing but what is
//! public, in less than sixty lines. If one of them needed more, the trait would be wrong.
//!
//! Each has a folder: `provider.rs`, a simulated counterpart over real sockets in `vendor.rs`, and in
//! `mod.rs` what is peculiar to it. What is true of all of them is in `common.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod amazon;
mod bluesky;
mod common;
mod feishu;
mod github_app;
#[path = "../support/join.rs"]
mod join;
mod marketo;
mod salesforce;
mod slack;
mod stage;

/// Lines of a provider: without imports, comments and what is blank.
fn lines(source: &str) -> usize {
    let start = source.find("pub(crate) struct").unwrap();
    let code = source[start..].lines().map(str::trim);
    code.filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

#[test]
fn every_provider_is_shorter_than_sixty_lines() {
    let providers = [
        ("amazon", include_str!("amazon/provider.rs")),
        ("bluesky", include_str!("bluesky/provider.rs")),
        ("feishu", include_str!("feishu/provider.rs")),
        ("github_app", include_str!("github_app/provider.rs")),
        ("marketo", include_str!("marketo/provider.rs")),
        ("salesforce", include_str!("salesforce/provider.rs")),
        ("slack", include_str!("slack/provider.rs")),
    ];
    for (vendor, source) in providers {
        let lines = lines(source);
        assert!(lines < 60, "{vendor}: {lines}");
    }
}
