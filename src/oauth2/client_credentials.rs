//! The client credentials grant (RFC 6749, section 4.4).

use super::{ClientAuth, OAuth2, wire::Grant};
use crate::provider::{Credential, Rotation};

impl OAuth2 {
    /// A service that has credentials of its own: every token is got with the client's id and
    /// secret, and no login is needed.
    ///
    /// The secret is sent in `Authorization: Basic`; where a server wants it in the body, say
    /// [`.client_auth(ClientAuth::Post(secret))`](Self::client_auth). A refresh token in a reply is
    /// ignored: the server should not send one (section 4.4.3), and the credentials are at hand.
    #[must_use]
    pub fn client_credentials(
        token_endpoint: impl AsRef<str>,
        client_id: impl Into<String>,
        client_secret: impl Into<Credential>,
    ) -> Self {
        Self::new(
            token_endpoint.as_ref(),
            client_id.into(),
            Grant::ClientCredentials,
        )
        .client_auth(ClientAuth::Basic(client_secret.into()))
        .profile(|profile| profile.rotation(Rotation::Never))
    }
}

pub(super) fn parameters<'a>() -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "client_credentials")]
}
