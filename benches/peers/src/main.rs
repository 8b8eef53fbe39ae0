//! What a request costs with other crates that keep a token alive: those that build quickly.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml
//! ```
//!
//! Each has a token that is good for an hour, and is called as a service around one that answers at
//! once, like all that the benches compare. Counted on 2026-11-27 on a machine of two cores (x86-64,
//! rustc 1.95.0), with the versions in `Cargo.lock`:
//!
//! | what is added to each request | instructions | × by hand | allocations |
//! | --- | ---: | ---: | ---: |
//! | a header, by hand | 366 | 1.0 | 0 |
//! | this layer, replay off | 725 | 2.0 | 0 |
//! | this layer, replay on | 2471 | 6.8 | 3 |
//! | a `tokio::Mutex` around a token | 2482 | 6.8 | 4 |
//! | aliri_tokens 0.3.2, `TokenWatcher` | 1130 | 3.1 | 2 |
//! | aws-smithy-runtime 1.16.2, `IdentityCache::lazy` | 4397 | 12.0 | 6 |
//!
//! They do not do the same:
//!
//! | | this layer | aliri_tokens | aws-smithy-runtime |
//! | --- | --- | --- | --- |
//! | the token is in | an `ArcSwap` | tokio's `watch` | tokio's `RwLock`, asked by a boxed future |
//! | its end is seen by | the request, on two clocks | a task, which renews it | the request, on one clock |
//! | the header is made | once for each token | for each request | for each request |
//! | where it goes is seen | yes | no; by aliri_reqwest, if told so | not by the cache |
//! | a refusal of it is seen | yes | no | not by the cache |
//! | else for each request | | | a timer, in case a token has to be loaded |
//!
//! Neither has a layer for tower. So each is used here as its own HTTP client uses it, without what that
//! client does besides: `aliri.rs` and `smithy.rs` say what is left out, and the futures are boxed only
//! where their functions are asynchronous.
//!
//! Without their default features these two need 42 and 41 packages. Not counted here are
//! yup-oauth2 12.1.2, azure_core 1.1.0 and google-cloud-auth 1.19.0, which need 87, 88 and 136; azure_core has a
//! type of request of its own besides.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends, and what it finds it prints"
)]

mod aliri;
#[path = "../../support/call/mod.rs"]
mod call;
mod smithy;

use call::{
    cost::{self, Contender},
    report,
};

fn main() {
    let contenders = [
        Contender::INSERT,
        Contender::OURS,
        Contender::OURS_WITH_REPLAY,
        Contender::MUTEX,
        aliri::PEER,
        smithy::PEER,
    ];
    if cost::is_being_counted(&contenders) {
        return;
    }
    println!("{}", report::table(&report::rows(&contenders)));
}
