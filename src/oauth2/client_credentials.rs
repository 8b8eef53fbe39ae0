//! The client credentials grant (RFC 6749, section 4.4).

use super::{ClientAuth, OAuth2, Server, form::Form, grant::Grant};
use crate::provider::Rotation;

impl OAuth2 {
    /// A service that has credentials of its own: every token is got with the client's id and
    /// secret, and no login is needed.
    ///
    /// A secret alone is sent in `Authorization: Basic`; where a server wants it elsewhere, or
    /// something else than a secret, give a [`ClientAuth`]. A refresh token in a reply is ignored:
    /// the server should not send one (section 4.4.3), and the credentials are at hand.
    #[must_use]
    pub fn client_credentials(
        server: impl Into<Server>,
        client_id: impl Into<String>,
        client_auth: impl Into<ClientAuth>,
    ) -> Self {
        Self::new(server.into(), client_id.into(), Grant::ClientCredentials)
            .client_auth(client_auth.into())
            .profile(|profile| profile.rotation(Rotation::Never))
    }
}

pub(super) fn form<'a>() -> Form<'a> {
    Form::of("client_credentials")
}
