//! The JWT bearer grant (RFC 7523, section 2.1).

use super::{Assertion, OAuth2, Server, form::Form, grant::Grant};
use crate::{
    clock::Moment,
    provider::{ProviderError, Rotation},
};

impl OAuth2 {
    /// Tokens for a JWT that somebody signed: another identity provider, a platform such as
    /// Kubernetes, or, with feature `jwt`, a key that is at hand.
    ///
    /// The assertion is looked up or signed anew for each token request. The server knows by it who
    /// asks, so no client is named; one that has to be is set with [`client_id`](Self::client_id) and
    /// [`client_auth`](Self::client_auth). A refresh token in a reply is ignored.
    ///
    /// ```
    /// use tower_reauth::oauth2::{Assertion, OAuth2};
    ///
    /// let provider = OAuth2::jwt_bearer(
    ///     "https://id.example.com/token",
    ///     Assertion::file("/var/run/secrets/tokens/api"),
    /// )
    /// .origins(["https://api.example.com"]);
    /// ```
    #[must_use]
    pub fn jwt_bearer(server: impl Into<Server>, assertion: impl Into<Assertion>) -> Self {
        let grant = Grant::JwtBearer(assertion.into());
        Self::new(server.into(), String::new(), grant)
            .profile(|profile| profile.rotation(Rotation::Never))
    }
}

pub(super) fn form<'a>(assertion: &Assertion, now: Moment) -> Result<Form<'a>, ProviderError> {
    let assertion = assertion.at(now)?;
    Ok(Form::of(GRANT_TYPE).with_secret("assertion", assertion))
}

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
