//! The result of one exchange.
//!
//! A [`Token`] says what a vendor said: the access token, how long it lives, the refresh token. It
//! holds no clock and decides nothing; when a token is due or expired is worked out by the cell
//! that keeps it, which knows when the request was sent.

mod bound;
pub(crate) mod expiry;
mod jwt;
mod kept;
mod making;
mod secret;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use crate::clock::Moment;

pub use self::secret::Secret;
pub(crate) use self::secret::{ZeroizingText, zeroizing_bytes};

/// The immutable result of one exchange, or a seed to start a session from.
///
/// Cheap to clone: the secrets are shared. `Debug` shows no secret.
///
/// ```
/// use std::time::Duration;
/// use tower_reauth::Token;
///
/// // What a provider returns:
/// let token = Token::new("access").with_lifetime(Duration::from_secs(1799)).with_refresh_token("refresh");
/// // What a session starts from:
/// let seed = Token::from_refresh_token("refresh");
/// assert!(seed.access_token().is_none());
/// ```
#[derive(Clone)]
pub struct Token {
    access: Option<Secret>,
    token_type: Option<String>,
    lifetime: Lifetime,
    refresh_in: Option<Duration>,
    refresh: Option<Secret>,
    refresh_lifetime: Lifetime,
    scope: Option<String>,
    extra: Vec<(String, Secret)>,
    origins: Vec<String>,
    credential_expires: Option<SystemTime>,
    asked_at: Option<Moment>,
    /// The key that both tokens are bound to, where that is the session's own.
    proof_key: Option<Secret>,
    /// Nobody has said which key that is: it was made for a seed that had none.
    key_is_made: bool,
    kept: bool,
}

/// How long a vendor says that something lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Lifetime {
    /// Nothing was said.
    #[default]
    Unknown,
    /// Counted from when the request was sent.
    In(Duration),
    /// Until the wall clock shows this.
    At(SystemTime),
}

// === impl Token ===

impl Token {
    /// The access token; none in a seed that has only a refresh token.
    #[must_use]
    pub fn access_token(&self) -> Option<&Secret> {
        self.access.as_ref()
    }

    /// The refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.refresh.as_ref()
    }

    /// The `token_type`, as the vendor spelt it.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// The granted scope.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// A kept field of the reply.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<&Secret> {
        self.extra
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The origins that came with it, as the vendor spelt them: where its API is.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.origins.iter().map(String::as_str)
    }

    /// When the lasting credential behind it expires, if the provider said so.
    #[must_use]
    pub fn credential_expiry(&self) -> Option<SystemTime> {
        self.credential_expires
    }

    /// When the request for this token was sent, if the provider said so.
    #[must_use]
    pub fn asked_at(&self) -> Option<Moment> {
        self.asked_at
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    pub(crate) fn refresh_hint(&self) -> Option<Duration> {
        self.refresh_in
    }

    pub(crate) fn refresh_lifetime(&self) -> Lifetime {
        self.refresh_lifetime
    }

    /// This token as a seed, without its access token.
    #[cfg(feature = "dpop")]
    pub(crate) fn without_access(mut self) -> Self {
        self.access = None;
        self.lifetime = Lifetime::Unknown;
        self
    }

    /// This token with the refresh token of `older`, where it has none of its own.
    pub(crate) fn inheriting_refresh_from(mut self, older: &Token) -> Self {
        if self.refresh.is_none() {
            self.refresh.clone_from(&older.refresh);
        }
        self
    }

    /// Whether the vendor said nothing about how long the access token lives.
    pub(crate) fn states_no_lifetime(&self) -> bool {
        self.lifetime == Lifetime::Unknown
    }

    /// Whether both have the same refresh token.
    pub(crate) fn same_refresh(&self, other: &Token) -> bool {
        self.refresh.is_some() && self.refresh == other.refresh
    }

    /// Whether both have the same access token.
    pub(crate) fn same_access(&self, other: &Token) -> bool {
        self.access.is_some() && self.access == other.access
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extra: Vec<&str> = self.extra.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Token")
            .field("access_token", &self.access)
            .field("lifetime", &self.lifetime)
            .field("refresh_token", &self.refresh)
            .field("refresh_lifetime", &self.refresh_lifetime)
            .field("extra", &extra)
            .finish_non_exhaustive()
    }
}
