//! The refresh token grant (RFC 6749, section 6).

use super::{OAuth2, wire::Grant};
use crate::provider::{Exchange, ProviderError};

impl OAuth2 {
    /// A session that a login began: it starts from a seed with a refresh token in it.
    ///
    /// The client is a public one unless [`client_auth`](Self::client_auth) says otherwise. The
    /// server may send a new refresh token with every reply or with none
    /// ([`Rotation::May`](crate::provider::Rotation::May)); if more is known, say so with
    /// [`rotation`](Self::rotation).
    #[must_use]
    pub fn refresh_token(token_endpoint: impl AsRef<str>, client_id: impl Into<String>) -> Self {
        Self::new(
            token_endpoint.as_ref(),
            client_id.into(),
            Grant::RefreshToken,
        )
    }
}

pub(super) fn parameters(exchange: &Exchange) -> Result<Vec<(&str, &str)>, ProviderError> {
    let refresh_token = exchange.refresh_token()?;
    Ok(vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.expose()),
    ])
}
