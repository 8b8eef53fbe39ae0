//! Is a configuration right? `cargo run --example check_vendor -- vendor.toml` makes one real exchange
//! from it, and says what is wrong and what to do.
//!
//! A refresh token may be good for one use. So the session is kept from then on, in a file beside the
//! configuration: a second check goes on from there, and so can your service, with `FileStore`.
//!
//! Without an argument it checks itself: against each simulated vendor, with a right and four wrong
//! configurations, and exits with an error where its advice would be wrong.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

mod cases;
mod simulated;
mod verdict;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use tower_reauth::{BoxError, Error, Token, config::AuthConfig, store::FileStore};

use crate::verdict::Verdict;

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let Some(path) = env::args_os().nth(1).map(PathBuf::from) else {
        return simulated::check_all().await;
    };
    let session = path.with_extension("session.json");
    let text = fs::read_to_string(&path)?;
    let verdict = check(&text, Some(&session)).await;
    println!("{verdict}");
    if session.exists() {
        println!("the session is in {} from here on", session.display());
    }
    Ok(match verdict {
        Verdict::Right => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// What becomes of one exchange.
async fn check(toml: &str, session: Option<&Path>) -> Verdict {
    let config = match toml::from_str(toml) {
        Ok(config) => config,
        Err(error) => return Verdict::unreadable(&error, toml),
    };
    match exchange(&config, session).await {
        Ok(_) => Verdict::Right,
        Err(error) => Verdict::of(&error),
    }
}

async fn exchange(config: &AuthConfig, session: Option<&Path>) -> Result<Token, Error> {
    let builder = config.builder()?;
    let auth = match session {
        Some(path) => builder.store(FileStore::new(path)),
        None => builder.memory_only(),
    };
    let handle = auth.build()?.handle();
    // `token` would be content with one that is still good.
    let token = handle.refresh().await;
    handle.shutdown().await;
    token
}
