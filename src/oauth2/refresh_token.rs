//! The refresh token grant (RFC 6749, section 6).

use super::{OAuth2, Server, form::Form, grant::Grant};
use crate::provider::{Exchange, ProviderError};

impl OAuth2 {
    /// A session that a login began: it starts from a seed with a refresh token in it.
    ///
    /// The client is a public one unless [`client_auth`](Self::client_auth) says otherwise. The
    /// server may send a new refresh token with every reply or with none
    /// ([`Rotation::May`](crate::provider::Rotation::May)); if more is known, say so with
    /// [`rotation`](Self::rotation).
    ///
    /// Where there is no seed yet, [`authorization`](Self::authorization) and
    /// [`device_login`](Self::device_login) get one from a person.
    #[must_use]
    pub fn refresh_token(server: impl Into<Server>, client_id: impl Into<String>) -> Self {
        Self::new(server.into(), client_id.into(), Grant::RefreshToken)
    }
}

pub(super) fn form(exchange: &Exchange) -> Result<Form<'_>, ProviderError> {
    let refresh_token = exchange.refresh_token()?;
    Ok(Form::of("refresh_token").with("refresh_token", refresh_token.expose()))
}
