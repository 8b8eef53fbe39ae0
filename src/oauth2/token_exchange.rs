//! Token exchange (RFC 8693).

use super::{OAuth2, Server, form::Form, grant::Grant};
use crate::provider::{Credential, ProviderError, Rotation};

/// What is exchanged for a token: somebody's token, and perhaps that of who acts in their place.
///
/// Each is looked up anew for every token request, since it has a lifetime of its own.
///
/// ```
/// use tower_reauth::oauth2::{OAuth2, Subject};
///
/// let subject = Subject::access_token("their-token").requesting(Subject::ACCESS_TOKEN);
/// let provider = OAuth2::token_exchange("https://id.example.com/token", subject)
///     .resource(["https://api.example.com"])
///     .origins(["https://api.example.com"]);
/// ```
#[derive(Clone, Debug)]
pub struct Subject {
    token: Credential,
    token_type: String,
    actor: Option<(Credential, String)>,
    requested: Option<String>,
}

impl OAuth2 {
    /// Tokens in exchange for another one (section 2.1): to act for a user at one more service, or to
    /// come from another security domain.
    ///
    /// The resource or the audience says what it is for: [`resource`](Self::resource), or
    /// [`extra("audience", ..)`](Self::extra), both of which may be named more than once. Set the
    /// client with [`client_id`](Self::client_id) and [`client_auth`](Self::client_auth).
    ///
    /// A reply whose `token_type` is `N_A` holds something that is no access token (section 2.2.1): it
    /// is a *misconfigured* error and never attached to a request. A refresh token in a reply is
    /// ignored, since the subject is at hand.
    #[must_use]
    pub fn token_exchange(server: impl Into<Server>, subject: Subject) -> Self {
        let grant = Grant::TokenExchange(Box::new(subject));
        Self::new(server.into(), String::new(), grant)
            .profile(|profile| profile.rotation(Rotation::Never))
    }
}

// === impl Subject ===

impl Subject {
    /// An OAuth 2.0 access token of this server.
    pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
    /// An OpenID Connect ID token.
    pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
    /// A JWT of any kind.
    pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

    /// A token of this type: one of section 3, or a URI of the server's own.
    #[must_use]
    pub fn new(token: impl Into<Credential>, token_type: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            token_type: token_type.into(),
            actor: None,
            requested: None,
        }
    }

    /// An access token.
    #[must_use]
    pub fn access_token(token: impl Into<Credential>) -> Self {
        Self::new(token, Self::ACCESS_TOKEN)
    }

    /// Who acts for the subject.
    #[must_use]
    pub fn acting(mut self, token: impl Into<Credential>, token_type: impl Into<String>) -> Self {
        self.actor = Some((token.into(), token_type.into()));
        self
    }

    /// The type of token that is asked for; without it the server chooses.
    #[must_use]
    pub fn requesting(mut self, token_type: impl Into<String>) -> Self {
        self.requested = Some(token_type.into());
        self
    }
}

pub(super) fn form(subject: &Subject) -> Result<Form<'_>, ProviderError> {
    let mut form = Form::of(GRANT_TYPE)
        .with_secret("subject_token", subject.token.look_up()?)
        .with("subject_token_type", &subject.token_type);
    if let Some((token, token_type)) = &subject.actor {
        form.push_secret("actor_token", token.look_up()?);
        form.push("actor_token_type", token_type);
    }
    if let Some(requested) = &subject.requested {
        form.push("requested_token_type", requested);
    }
    Ok(form)
}

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
