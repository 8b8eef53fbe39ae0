//! A lasting secret that may be exchanged for tokens.

use std::{fmt, sync::Arc};

use super::ProviderError;
use crate::token::Secret;

/// A secret that lives longer than tokens do: an API token, a client's secret.
///
/// Either the secret itself, or where to look it up: then it is asked for at every exchange, so that
/// one which was changed while the process runs is used from the next exchange on.
///
/// ```
/// use tower_reauth::provider::{Credential, ProviderError};
/// use tower_reauth::vendor::VmwareCsp;
///
/// let api_token = Credential::looked_up(|| {
///     let text = std::fs::read_to_string("/run/secrets/csp-api-token").map_err(|error| {
///         ProviderError::misconfigured("the API token's file cannot be read").because(error)
///     })?;
///     Ok(text.trim_end().into())
/// });
/// let provider = VmwareCsp::api_token(api_token, ["https://vmc.vmware.com"]);
/// ```
///
/// With feature `serde`, `config::SecretSource` is one that is read from a file or the environment.
#[derive(Clone)]
pub struct Credential(Source);

#[derive(Clone)]
enum Source {
    Known(Secret),
    LookedUp(Arc<LookUp>),
}

type LookUp = dyn Fn() -> Result<Secret, ProviderError> + Send + Sync;

// === impl Credential ===

impl Credential {
    /// A secret that `look_up` finds, or says why not: *misconfigured* where somebody has to do
    /// something, *transient* where it may be there later. Nothing was sent then.
    ///
    /// It is called in the task of the exchange, and when the layer is built, so it must be quick,
    /// as the read of a small file is. What takes longer belongs into a provider of its own.
    #[must_use]
    pub fn looked_up(
        look_up: impl Fn() -> Result<Secret, ProviderError> + Send + Sync + 'static,
    ) -> Self {
        Self(Source::LookedUp(Arc::new(look_up)))
    }

    /// The secret as it is at this moment.
    ///
    /// # Errors
    ///
    /// The error of whoever looks it up.
    pub fn look_up(&self) -> Result<Secret, ProviderError> {
        match &self.0 {
            Source::Known(secret) => Ok(secret.clone()),
            Source::LookedUp(look_up) => look_up(),
        }
    }
}

impl From<Secret> for Credential {
    fn from(secret: Secret) -> Self {
        Self(Source::Known(secret))
    }
}

impl From<String> for Credential {
    fn from(text: String) -> Self {
        Self::from(Secret::from(text))
    }
}

impl From<&str> for Credential {
    fn from(text: &str) -> Self {
        Self::from(Secret::from(text))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential([redacted])")
    }
}
