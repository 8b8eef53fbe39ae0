//! What somebody configures (feature `serde`), and the addresses in it.

use serde_json::Value;

use super::claims::{beside, hides_marker, is_secret_in, shows_nothing, split_line};
use crate::{
    config::{AuthConfig, SecretSource, TokenClientConfig},
    oauth2::wire::Endpoint,
    provider::Origins,
    token_client::HttpTokenClient,
};

/// Fields whose values an error may show, or `Debug`: addresses, and where a secret is to be found.
const PUBLIC: [&str; 6] = [
    "origins",
    "base_url",
    "token_endpoint",
    "revocation_endpoint",
    "env",
    "file",
];

/// A configuration in JSON: it is read, or an error says what is wrong and shows no value.
pub(super) fn json(input: &[u8]) {
    let value = beside(|| serde_json::from_slice::<Value>(input).ok());
    let secret = value
        .as_ref()
        .is_some_and(|value| is_secret_in(value, &PUBLIC));
    match serde_json::from_slice::<AuthConfig>(input) {
        Ok(config) if secret => shows_nothing(&config),
        Ok(_) => {}
        Err(error) => {
            if secret {
                hides_marker(&error.to_string());
                shows_nothing(&error);
            }
        }
    }
    let _ = serde_json::from_slice::<TokenClientConfig>(input)
        .map(|config| config.limit(HttpTokenClient::default()));
    if let Ok(source) = serde_json::from_slice::<SecretSource>(input)
        && secret
    {
        shows_nothing(&source);
    }
}

/// The same in TOML means the same.
pub(super) fn toml(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let Ok(table) = beside(|| ::toml::from_str::<::toml::Table>(text)) else {
        assert!(beside(|| ::toml::from_str::<AuthConfig>(text)).is_err());
        return;
    };
    let json = beside(|| serde_json::to_string(&table).unwrap());
    if json.contains("$__toml") {
        return;
    }
    let by_json = serde_json::from_str::<AuthConfig>(&json);
    let by_toml = beside(|| ::toml::from_str::<AuthConfig>(text));
    assert_eq!(by_json.is_ok(), by_toml.is_ok(), "{json}");
    if let (Err(by_json), Err(by_toml)) = (by_json, by_toml) {
        let (by_json, by_toml) = (by_json.to_string(), by_toml.message().to_owned());
        // The field and the reason; which of several faults is told depends on their order.
        assert_eq!(
            by_json.is_empty(),
            by_toml.is_empty(),
            "{by_json}: {by_toml}"
        );
    }
}

/// A duration, and a few addresses, one on each line.
pub(super) fn forms(input: &[u8]) {
    let (duration, rest) = split_line(input);
    let limit = beside(|| serde_json::json!({ "timeout": duration }).to_string());
    let config = serde_json::from_str::<TokenClientConfig>(&limit);
    let spelled = duration.trim().bytes().any(|byte| byte.is_ascii_digit());
    assert!(spelled || config.is_err(), "{duration:?}");
    let Ok(rest) = str::from_utf8(rest) else {
        return;
    };
    // Each is read, and found wrong, on its own: what a hundred of them cost is no claim about one.
    for line in rest.lines().take(16) {
        let _ = Endpoint::base(line).uri("/token");
        let uri = Endpoint::whole(line).uri("");
        let origins = Origins::from([line]);
        match origins.check() {
            Ok(_) => {
                let uri = line.parse().unwrap();
                assert!(origins.find(&uri).is_some(), "{line:?} is not at itself");
                let spelled = origins.find_spelled(&uri);
                assert!(spelled.is_none() || spelled == origins.find(&uri));
            }
            // What stands before an `@` or behind a `?` is not shown.
            Err(error) => {
                let hidden = line.split_once('@').is_some_and(|(start, rest)| {
                    start.contains("canary") && !rest.contains("canary")
                });
                if hidden {
                    hides_marker(&error.to_string());
                }
            }
        }
        if let Err(error) = uri {
            hides_marker(&error.to_string());
        }
    }
}
