//! A token that never changes.

use super::{Exchange, Origins, Placement, Profile, Provider, ProviderError, Refusal, Rotation};
use crate::token::{Secret, Token};

/// A token without an expiry, given once: an API key, a personal access token.
///
/// A refusal of it is returned to the caller; there is nothing to refresh.
///
/// ```
/// use tower_reauth::AuthLayer;
/// use tower_reauth::provider::FixedToken;
///
/// let layer = AuthLayer::new(FixedToken::bearer("t0ken").origins(["https://api.example.com"]));
/// ```
#[derive(Clone, Debug)]
pub struct FixedToken {
    token: Secret,
    placement: Placement,
    origins: Origins,
}

// === impl FixedToken ===

impl FixedToken {
    /// A token that goes into `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(token: impl Into<Secret>) -> Self {
        Self::placed(token, Placement::bearer())
    }

    /// A token that goes wherever `placement` says.
    #[must_use]
    pub fn placed(token: impl Into<Secret>, placement: Placement) -> Self {
        Self {
            token: token.into(),
            placement,
            origins: Origins::none(),
        }
    }

    /// The origins that may see the token.
    #[must_use]
    pub fn origins(mut self, origins: impl Into<Origins>) -> Self {
        self.origins = origins.into();
        self
    }
}

impl Provider for FixedToken {
    async fn obtain(&self, _exchange: Exchange) -> Result<Token, ProviderError> {
        self.placement.headers(&self.token).map_err(|_| {
            ProviderError::misconfigured(
                "the fixed token holds bytes that no header may hold, such as a line break at its end",
            )
        })?;
        Ok(Token::new(self.token.clone()))
    }

    fn profile(&self) -> Profile {
        Profile::new("fixed")
            .placement(self.placement.clone())
            .origins(self.origins.clone())
            .rotation(Rotation::Never)
            .refusal(Refusal::never())
    }
}
