//! What a provider declares about its vendor.

use std::{sync::Arc, time::Duration};

use super::{
    Binding, Headers, Login, Origins, Placement, ProviderError, Refusal, SessionId, SessionParts,
};
use crate::token::Token;

/// The facts about a vendor that decide how its sessions are kept.
///
/// The defaults are those of a plain OAuth 2.0 server: `Authorization: Bearer`, 401 means refused,
/// a refresh token may rotate.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) parts: SessionParts,
    pub(crate) placement: Placement,
    pub(crate) origins: Origins,
    pub(crate) refusal: Refusal,
    pub(crate) rotation: Rotation,
    lost_reply: Option<LostReply>,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) refresh_lifetime: Option<Duration>,
    pub(crate) login: Login,
    /// How its tokens are bound to keys, where they are.
    pub(crate) binding: Option<Arc<dyn Binding>>,
}

/// Whether refresh tokens rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rotation {
    /// Every exchange gives a new one and kills the old. If a reply lacks it, the session ends
    /// with its access token.
    Must,
    /// A reply may hold a new one; else the old one stays good.
    May,
    /// The credential stays the same: an API token, a client secret.
    Never,
}

/// What to do when a refresh token may have been spent and the reply is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostReply {
    /// Sending it again does no harm.
    Harmless,
    /// The vendor accepts the old one again for this long after it was spent.
    ReplayWithin(Duration),
    /// Spend the old one again, but only when the access token is dead and the last request can no
    /// longer be under way, and until somebody answers: giving up would lose the session anyway.
    LastResort,
    /// Never again; somebody has to log in.
    Never,
}

// === impl Profile ===

impl Profile {
    /// The profile of a plain OAuth 2.0 vendor of this name. The name is shown in errors and events.
    #[must_use]
    pub fn new(vendor: impl Into<String>) -> Self {
        Self {
            parts: SessionParts {
                namespace: String::new(),
                vendor: vendor.into(),
                base_url: String::new(),
                client: String::new(),
                account: String::new(),
                scope: String::new(),
                resource: Vec::new(),
                audience: Vec::new(),
                binding: String::new(),
                session_key: String::new(),
            },
            placement: Placement::bearer(),
            origins: Origins::none(),
            refusal: Refusal::default(),
            rotation: Rotation::May,
            lost_reply: None,
            lifetime: None,
            refresh_lifetime: None,
            login: Login::None,
            binding: None,
        }
    }

    /// What makes this provider's tokens different from those of another: all parts but the
    /// session key, which is the application's.
    #[must_use]
    pub fn identity(mut self, parts: SessionParts) -> Self {
        self.parts = parts;
        self
    }

    /// Where the token goes.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// The origins that may see the token. Some may [come with it](Origins::and_those_of_tokens).
    #[must_use]
    pub fn origins(mut self, origins: impl Into<Origins>) -> Self {
        self.origins = origins.into();
        self
    }

    /// Which responses mean that the token was refused.
    #[must_use]
    pub fn refusal(mut self, refusal: Refusal) -> Self {
        self.refusal = refusal;
        self
    }

    /// Whether refresh tokens rotate.
    #[must_use]
    pub fn rotation(mut self, rotation: Rotation) -> Self {
        self.rotation = rotation;
        self
    }

    /// What to do after a lost reply. Without it: harmless where nothing rotates, else a last
    /// resort.
    #[must_use]
    pub fn lost_reply(mut self, rule: LostReply) -> Self {
        self.lost_reply = Some(rule);
        self
    }

    /// The lifetime of access tokens that say nothing about it. Zero means unknown.
    #[must_use]
    pub fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = (!lifetime.is_zero()).then_some(lifetime);
        self
    }

    /// The lifetime of refresh tokens that say nothing about it. Zero means unknown.
    #[must_use]
    pub fn default_refresh_lifetime(mut self, lifetime: Duration) -> Self {
        self.refresh_lifetime = (!lifetime.is_zero()).then_some(lifetime);
        self
    }

    /// Whose [logins](super::Provider::login) the provider makes by itself. Such a provider is not
    /// asked for an exchange where there is no refresh token to spend, but for a login.
    #[must_use]
    pub fn login(mut self, login: Login) -> Self {
        self.login = login;
        self
    }

    /// Says that its tokens are bound to keys, and how.
    #[cfg_attr(
        not(feature = "dpop"),
        allow(dead_code, reason = "DPoP is the only way")
    )]
    pub(crate) fn bound_by(self, binding: Arc<dyn Binding>) -> Self {
        Self {
            placement: self.placement.of_bound_tokens(),
            binding: Some(binding),
            ..self
        }
    }

    /// A token that a session starts from, with the key that it is bound to, if it is.
    pub(crate) fn bind(&self, seed: Token) -> Result<Token, ProviderError> {
        match &self.binding {
            Some(binding) => binding.bind(seed),
            None if seed.proof_key().is_none() => Ok(seed),
            None => Err(ProviderError::misconfigured(
                "the token to start from is bound to a key, and its provider makes no proofs of \
                 possession: say `.dpop()` at the provider",
            )),
        }
    }

    /// `headers`, and a proof with each request where `token` is bound to a key.
    pub(crate) fn proven(&self, headers: Headers, token: &Token) -> Result<Headers, ProviderError> {
        match &self.binding {
            Some(binding) => Ok(headers.proven_by(binding.prover(token)?)),
            None => Ok(headers),
        }
    }

    pub(crate) fn lost_reply_rule(&self) -> LostReply {
        self.lost_reply.unwrap_or(match self.rotation {
            Rotation::Never => LostReply::Harmless,
            Rotation::Must | Rotation::May => LostReply::LastResort,
        })
    }

    pub(crate) fn session(&self) -> SessionId {
        SessionId::new(self.parts.clone())
    }
}
