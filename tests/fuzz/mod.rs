//! Fuzz targets: every parser that reads what a server sends, a store holds, or somebody configures.
//!
//! A part of the crate's unit tests, since what they reach is private; `src/lib.rs` says where they
//! are. Each target is a function of bytes that fails where a [claim](engine) does not hold.
//!
//! - `tests/run` replays `corpus/`, and then bends it at random for a while. That knows nothing of
//!   coverage.
//! - `tests/run --long`, by way of `tests/fuzz/guided`, has libFuzzer do it, guided by coverage. It
//!   needs no nightly compiler: what it counts by is LLVM's, and a flag of a stable one.
//!
//! To add a target, add a line to the list below, and a folder of seeds to `corpus/`. What a run
//! has found goes there as well, under a name that says what it was, once it is fixed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a claim that does not hold fails"
)]

pub(crate) mod claims;
mod config;
mod engine;
mod headers;
mod replies;

/// Makes a test of each target.
macro_rules! targets {
    ($($name:ident: $target:path,)*) => {$(
        #[test]
        fn $name() {
            let target = engine::Target::new(stringify!($name), $target);
            if cfg!(fuzzing_libfuzzer) {
                bolero::check!().for_each(|input: &[u8]| target.try_out(input));
            } else {
                target.replay();
                bolero::check!()
                    .with_generator(target.bent())
                    .with_iterations(engine::iterations())
                    .with_shrink_time(std::time::Duration::ZERO)
                    .for_each(|input: &engine::Input| target.try_out(&input.0));
            }
        }
    )*};
}

targets! {
    fuzz_adapter: replies::adapter,
    fuzz_callback: crate::oauth2::fuzz::callback,
    fuzz_challenge: headers::challenge,
    fuzz_config_forms: config::forms,
    fuzz_config_json: config::json,
    fuzz_config_toml: config::toml,
    fuzz_content_type: headers::content_type,
    fuzz_error_reply: replies::error,
    fuzz_expires_in: replies::expires_in,
    fuzz_grpc: headers::grpc,
    fuzz_jwt: replies::jwt,
    fuzz_metadata: crate::oauth2::fuzz::metadata,
    fuzz_record: crate::store::fuzz::record,
    fuzz_record_file: crate::store::fuzz::file,
    fuzz_record_sealed: crate::store::fuzz::sealed,
    fuzz_redis_address: crate::store::fuzz::redis_address,
    fuzz_redis_error: crate::store::fuzz::redis_error,
    fuzz_redis_reply: crate::store::fuzz::redis_reply,
    fuzz_retry_after: headers::retry_after,
    fuzz_token_reply: replies::token,
    fuzz_walk: replies::walk,
}
