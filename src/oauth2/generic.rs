//! The provider for any server that keeps to the standard.

#[cfg(feature = "dpop")]
use super::dpop::Dpop;
use super::{ClientAuth, Server, grant::Grant, revocation, wire::Endpoint};
use crate::{
    provider::{
        Exchange, LostReply, Origins, Placement, Profile, Provider, ProviderError, Rotation,
        SessionParts,
    },
    token::{Secret, Token},
};

/// An OAuth 2.0 token endpoint and what is sent there. See the [module](super) for an example.
///
/// Made by [`client_credentials`](Self::client_credentials) or
/// [`refresh_token`](Self::refresh_token), neither of which can fail: a setting that makes no sense
/// is a *misconfigured* error of each exchange, raised before anything is sent.
#[derive(Clone, Debug)]
pub struct OAuth2 {
    pub(super) server: Server,
    pub(super) revocation: Option<Endpoint>,
    pub(super) device: Option<Endpoint>,
    pub(super) client_id: String,
    pub(super) client_auth: ClientAuth,
    pub(super) grant: Grant,
    pub(super) scope: String,
    pub(super) resources: Vec<String>,
    /// No secrets, but nobody knows that: they are not shown either.
    pub(super) extra: Vec<(String, Secret)>,
    pub(super) server_errors_are_transient: bool,
    pub(super) profile: Profile,
    #[cfg(feature = "dpop")]
    pub(super) dpop: Option<Dpop>,
}

// === impl OAuth2 ===

impl OAuth2 {
    pub(super) fn new(server: Server, client_id: String, grant: Grant) -> Self {
        Self {
            server,
            revocation: None,
            device: None,
            client_id,
            client_auth: ClientAuth::None,
            grant,
            scope: String::new(),
            resources: Vec::new(),
            extra: Vec::new(),
            server_errors_are_transient: false,
            profile: Profile::new("oauth2"),
            #[cfg(feature = "dpop")]
            dpop: None,
        }
    }

    /// The client's id, for grants that need none by themselves. A client that proves itself needs one,
    /// unless it does so by an assertion, which says who it is (RFC 7521, section 4.2).
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = client_id.into();
        self
    }

    /// How the client proves who it is.
    #[must_use]
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.client_auth = client_auth;
        self
    }

    /// The scopes to ask for (RFC 6749, section 3.3). Without any, a client gets the server's
    /// default, and a refreshed token has the scope that it had.
    #[must_use]
    pub fn scope<I>(mut self, scope: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let scopes: Vec<I::Item> = scope.into_iter().collect();
        let scopes: Vec<&str> = scopes.iter().map(AsRef::as_ref).collect();
        self.scope = scopes.join(" ");
        self
    }

    /// The resources that the token is for (RFC 8707): absolute URIs without a fragment. They are
    /// named in every token request, also when a token is refreshed, and in the authorization request
    /// of a login. One that is none is a *misconfigured* error of each exchange. A token for one
    /// resource is another token than that for the next, so they are part of the session's identity.
    #[must_use]
    pub fn resource<I>(mut self, resources: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.resources = resources.into_iter().map(Into::into).collect();
        self
    }

    /// One more parameter of the token request, such as `audience` or what a vendor asks for beside
    /// the standard. It becomes a part of the session's identity, so it is no place for a secret; one
    /// that is named twice, or is sent anyway, is refused (RFC 6749, section 3.2), except for
    /// `audience` and `resource`, which may be repeated (RFC 8693, section 2.1).
    #[must_use]
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.push((name.into(), Secret::from(value.into())));
        self
    }

    /// The origins that may see the token.
    #[must_use]
    pub fn origins(self, origins: impl Into<Origins>) -> Self {
        self.profile(|profile| profile.origins(origins))
    }

    /// Where the token goes, if not into `Authorization: Bearer`.
    #[must_use]
    pub fn placement(self, placement: Placement) -> Self {
        self.profile(|profile| profile.placement(placement))
    }

    /// Whether refresh tokens rotate.
    #[must_use]
    pub fn rotation(self, rotation: Rotation) -> Self {
        self.profile(|profile| profile.rotation(rotation))
    }

    /// What to do when a refresh token may have been spent and the reply is lost.
    #[must_use]
    pub fn lost_reply(self, rule: LostReply) -> Self {
        self.profile(|profile| profile.lost_reply(rule))
    }

    /// Says that this server has spent nothing when it answers with a 5xx: the exchange can simply
    /// be made again. Without it such an answer is an unknown outcome.
    ///
    /// Where somebody waits for the token, the same exchange asks up to four times more, after 100,
    /// 200, 400 and 800 ms, unless the server names a time of its own.
    #[must_use]
    pub fn server_errors_are_transient(mut self) -> Self {
        self.server_errors_are_transient = true;
        self
    }

    /// Changes anything else that is known about the server; the session's identity is filled in
    /// from the other settings.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_reauth::oauth2::OAuth2;
    /// # let provider = OAuth2::refresh_token("https://id.example.com/token", "orders");
    /// let provider = provider.profile(|profile| profile.default_lifetime(Duration::from_secs(600)));
    /// ```
    #[must_use]
    pub fn profile(mut self, change: impl FnOnce(Profile) -> Profile) -> Self {
        self.profile = change(self.profile);
        self
    }

    fn identity(&self) -> SessionParts {
        let extra = || {
            self.extra
                .iter()
                .map(|(name, value)| (&**name, value.expose()))
        };
        let named = |wanted| {
            let chosen = extra().filter(|(name, _)| *name == wanted);
            chosen.map(|(_, value)| value.to_owned()).collect()
        };
        let others = extra().filter(|(name, _)| !matches!(*name, "resource" | "audience"));
        SessionParts {
            namespace: String::new(),
            vendor: self.profile.parts.vendor.clone(),
            base_url: self.server.url().to_owned(),
            client: self.client_id.clone(),
            account: form_urlencoded::Serializer::new(String::new())
                .extend_pairs(others)
                .finish(),
            scope: self.scope.clone(),
            resource: [self.resources.clone(), named("resource")].concat(),
            audience: named("audience"),
            binding: self.binding(),
            session_key: String::new(),
        }
    }
}

impl Provider for OAuth2 {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        self.exchange(&exchange).await
    }

    async fn revoke(&self, exchange: Exchange) -> Result<(), ProviderError> {
        let reply = self.ask_to_revoke(&exchange).await?;
        revocation::read(&reply)
    }

    fn profile(&self) -> Profile {
        self.bound(self.profile.clone().identity(self.identity()))
    }
}
