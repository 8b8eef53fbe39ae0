//! Configurations in TOML and JSON: what they make, what they refuse, and what their errors show.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../support/folder.rs"]
mod folder;
mod forms;
mod logins;
mod oauth2;
mod secrets;
#[path = "../support/mod.rs"]
mod support;
mod vendors;

use serde::de::DeserializeOwned;
use tower_reauth::config::AuthConfig;

/// The same configuration in JSON.
fn as_json(toml: &str) -> String {
    let table: toml::Table = toml::from_str(toml).unwrap();
    serde_json::to_string_pretty(&table).unwrap()
}

/// What is read of it in TOML, and in JSON.
fn both<T: DeserializeOwned>(toml: &str) -> [Result<T, String>; 2] {
    let of_toml = toml::from_str(toml).map_err(|error| error.message().to_owned());
    let of_json = serde_json::from_str(&as_json(toml)).map_err(|error| error.to_string());
    [of_toml, of_json]
}

fn configs(toml: &str) -> [AuthConfig; 2] {
    both(toml).map(|config| config.unwrap())
}

/// That it is refused in both forms, with this in the error.
#[track_caller]
fn assert_refused<T: DeserializeOwned>(toml: &str, expected: &str) {
    for result in both::<T>(toml) {
        let error = result.err().unwrap_or_else(|| panic!("accepted: {toml}"));
        assert!(error.contains(expected), "{error:?} for {toml}");
        assert!(!error.contains(CANARY), "{error}");
    }
}

/// No error may show it.
const CANARY: &str = "c4n4ry";
