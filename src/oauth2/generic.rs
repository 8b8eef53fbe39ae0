//! The provider for any server that keeps to the standard.

use bytes::Bytes;
use http::Request;

use super::{
    ClientAuth, client_credentials, refresh_token, revocation,
    wire::{self, Endpoint, Grant, Names},
};
use crate::{
    provider::{
        Exchange, LostReply, Origins, Placement, Profile, Provider, ProviderError, Rotation,
        SessionParts, TokenReply,
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
    endpoint: Endpoint,
    pub(super) revocation: Option<Endpoint>,
    pub(super) client_id: String,
    pub(super) client_auth: ClientAuth,
    grant: Grant,
    scope: String,
    /// No secrets, but nobody knows that: they are not shown either.
    extra: Vec<(String, Secret)>,
    server_errors_are_transient: bool,
    profile: Profile,
}

// === impl OAuth2 ===

impl OAuth2 {
    pub(super) fn new(token_endpoint: &str, client_id: String, grant: Grant) -> Self {
        Self {
            endpoint: Endpoint::whole(token_endpoint),
            revocation: None,
            client_id,
            client_auth: ClientAuth::None,
            grant,
            scope: String::new(),
            extra: Vec::new(),
            server_errors_are_transient: false,
            profile: Profile::new("oauth2"),
        }
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

    /// One more parameter of the token request, such as `audience`, `resource` or what a vendor
    /// asks for beside the standard. It becomes a part of the session's identity, so it is no place
    /// for a secret; one that is named twice, or is sent anyway, is refused (RFC 6749, section 3.2).
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

    fn request(&self, exchange: &Exchange) -> Result<Request<Bytes>, ProviderError> {
        wire::check_placement(&self.profile.placement)?;
        let proof = self.client_auth.proof()?;
        let mut parameters = match self.grant {
            Grant::ClientCredentials => client_credentials::parameters(),
            Grant::RefreshToken => refresh_token::parameters(exchange)?,
        };
        parameters.extend(proof.parameters(&self.client_id));
        if !self.scope.is_empty() {
            parameters.push(("scope", &self.scope));
        }
        for (name, value) in &self.extra {
            if self.client_auth.excludes(name) {
                return Err(ProviderError::misconfigured(
                    "the client would authenticate in two ways at once: \
                     name one with `.client_auth(..)`, and none with `.extra(..)`",
                ));
            }
            parameters.push((name, value.expose()));
        }
        let mut request = wire::post_form(self.endpoint.uri("")?, &parameters)?;
        proof.put_header(&self.client_id, request.headers_mut())?;
        Ok(request)
    }

    fn read(&self, reply: &TokenReply) -> Result<Token, ProviderError> {
        if self.server_errors_are_transient
            && reply.is_complete()
            && reply.status().is_server_error()
        {
            return Err(
                ProviderError::transient("the server failed before it did anything")
                    .retry_after(reply.retry_after())
                    .status(reply.status())
                    .vendor_text(reply.body()),
            );
        }
        let names = match self.grant {
            Grant::ClientCredentials => Names {
                refresh: None,
                ..NAMES
            },
            Grant::RefreshToken => NAMES,
        };
        wire::oauth_token(reply, &names, self.grant)
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
            base_url: self.endpoint.url().to_owned(),
            client: self.client_id.clone(),
            account: form_urlencoded::Serializer::new(String::new())
                .extend_pairs(others)
                .finish(),
            scope: self.scope.clone(),
            resource: named("resource"),
            audience: named("audience"),
            binding: String::new(),
            session_key: String::new(),
        }
    }
}

impl Provider for OAuth2 {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let request = self.request(&exchange)?;
        let reply = exchange.client().send(request).await?;
        self.read(&reply)
    }

    async fn revoke(&self, exchange: Exchange) -> Result<(), ProviderError> {
        let request = self.revocation_request(&exchange)?;
        let reply = exchange.client().send(request).await?;
        revocation::read(&reply)
    }

    fn profile(&self) -> Profile {
        self.profile.clone().identity(self.identity())
    }
}

/// RFC 6749, section 5.1. The lifetime of refresh tokens is not in it; GitHub and Keycloak each
/// have a name for it that others took up.
const NAMES: Names = Names {
    access: "access_token",
    refresh: Some("refresh_token"),
    lifetime: Some("expires_in"),
    refresh_lifetimes: &["refresh_token_expires_in", "refresh_expires_in"],
    token_type: Some("token_type"),
    scope: Some("scope"),
};
