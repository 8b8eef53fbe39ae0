//! The token client's limits, described.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::table::{self, Fault, Table};
use crate::token_client::HttpTokenClient;

/// The limits of a token client as a configuration describes them: `timeout`, `max_reply_bytes`.
#[derive(Clone, Debug, Default)]
pub struct TokenClientConfig {
    timeout: Option<Duration>,
    max_reply_bytes: Option<usize>,
}

// === impl TokenClientConfig ===

impl TokenClientConfig {
    /// `client` within these limits. Those that are not described stay as they are.
    #[must_use]
    pub fn limit(&self, mut client: HttpTokenClient) -> HttpTokenClient {
        if let Some(limit) = self.timeout {
            client = client.timeout(limit);
        }
        if let Some(limit) = self.max_reply_bytes {
            client = client.max_reply_bytes(limit);
        }
        client
    }

    pub(super) fn read(mut table: Table) -> Result<Self, Fault> {
        table.only(&[&["timeout", "max_reply_bytes"]])?;
        let config = Self {
            timeout: table.duration("timeout")?,
            max_reply_bytes: table.bytes("max_reply_bytes")?,
        };
        match config.timeout {
            Some(Duration::ZERO) => Err(table.fault("timeout", "must be longer than nothing")),
            _ => Ok(config),
        }
    }
}

impl<'de> Deserialize<'de> for TokenClientConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        table::read(deserializer, Self::read)
    }
}
