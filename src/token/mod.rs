//! The result of one exchange.
//!
//! A [`Token`] says what a vendor said: the access token, how long it lives, the refresh token. It
//! holds no clock and decides nothing; when a token is due or expired is worked out by the cell
//! that keeps it, which knows when the request was sent.

pub(crate) mod expiry;
mod jwt;
mod kept;
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
    /// A token as a vendor just issued it.
    #[must_use]
    pub fn new(access_token: impl Into<Secret>) -> Self {
        Self::empty().with_access_token(access_token.into())
    }

    /// A seed: a refresh token from an earlier session or a login, with no access token yet.
    ///
    /// It is taken to be new. If it is not, say when it dies with
    /// [`with_refresh_expiry`](Self::with_refresh_expiry): an idle session is kept alive by that.
    #[must_use]
    pub fn from_refresh_token(refresh_token: impl Into<Secret>) -> Self {
        Self::empty().with_refresh_token(refresh_token)
    }

    /// A seed: the pair that an earlier session or a login left. The access token may be expired;
    /// some vendors want it back when refreshing all the same.
    ///
    /// If the access token is a JWT, its `exp` says when it expires. Else say it with
    /// [`with_lifetime`](Self::with_lifetime) or [`with_expiry`](Self::with_expiry); a token whose
    /// expiry nobody knows is used until a server refuses it.
    #[must_use]
    pub fn from_pair(access_token: impl Into<Secret>, refresh_token: impl Into<Secret>) -> Self {
        Self::new(access_token).with_refresh_token(refresh_token)
    }

    fn empty() -> Self {
        Self {
            access: None,
            token_type: None,
            lifetime: Lifetime::Unknown,
            refresh_in: None,
            refresh: None,
            refresh_lifetime: Lifetime::Unknown,
            scope: None,
            extra: Vec::new(),
            origins: Vec::new(),
            credential_expires: None,
            asked_at: None,
            proof_key: None,
            key_is_made: false,
            kept: false,
        }
    }

    fn with_access_token(mut self, access: Secret) -> Self {
        self.access = (!access.is_empty()).then_some(access);
        self
    }

    /// The `token_type` of the reply, as the vendor spells it.
    #[must_use]
    pub fn with_token_type(mut self, token_type: impl Into<String>) -> Self {
        self.token_type = Some(token_type.into());
        self
    }

    /// How long the access token lives, counted from when the request was sent. Zero means unknown.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = expiry::stated(lifetime);
        self
    }

    /// When the access token expires by the wall clock.
    #[must_use]
    pub fn with_expiry(mut self, at: SystemTime) -> Self {
        self.lifetime = Lifetime::At(at);
        self
    }

    /// The vendor's own hint when to refresh, counted from when the request was sent. It takes the
    /// place of the usual early window.
    #[must_use]
    pub fn with_refresh_hint(mut self, refresh_in: Duration) -> Self {
        self.refresh_in = Some(refresh_in);
        self
    }

    /// The refresh token. An empty one counts as none.
    #[must_use]
    pub fn with_refresh_token(mut self, refresh_token: impl Into<Secret>) -> Self {
        let refresh = refresh_token.into();
        self.refresh = (!refresh.is_empty()).then_some(refresh);
        self
    }

    /// How long the refresh token lives, counted from when the request was sent. Zero means unknown.
    #[must_use]
    pub fn with_refresh_lifetime(mut self, lifetime: Duration) -> Self {
        self.refresh_lifetime = expiry::stated(lifetime);
        self
    }

    /// When the refresh token expires by the wall clock.
    #[must_use]
    pub fn with_refresh_expiry(mut self, at: SystemTime) -> Self {
        self.refresh_lifetime = Lifetime::At(at);
        self
    }

    /// The granted scope.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Keeps one more field of the reply. Extra fields are secrets too.
    #[must_use]
    pub fn with_extra(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// An origin that came with this token and may see it, as a URL whose path is ignored. It counts
    /// where the profile's origins say that [some do](crate::provider::Origins::and_those_of_tokens).
    #[must_use]
    pub fn with_origin(mut self, url: impl Into<String>) -> Self {
        self.origins.push(url.into());
        self
    }

    /// When the lasting credential that this token was obtained with expires, such as an API token:
    /// shown as [`Status::credential_expires_at`](crate::handle::Status::credential_expires_at).
    /// Nothing is done about it here.
    #[must_use]
    pub fn with_credential_expiry(mut self, at: SystemTime) -> Self {
        self.credential_expires = Some(at);
        self
    }

    /// When the request for this token was sent. Lifetimes count from here; without it they count
    /// from when the exchange began. Replies of the crate's token client carry this moment.
    #[must_use]
    pub fn with_asked_at(mut self, moment: Moment) -> Self {
        self.asked_at = Some(moment);
        self
    }

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

    /// This token, bound to the key that this text stands for, or to none that goes with it.
    pub(crate) fn with_key(mut self, key: Option<Secret>) -> Self {
        self.proof_key = key;
        self.key_is_made = false;
        self
    }

    /// This token, bound to a key that was made for it just now.
    #[cfg(feature = "dpop")]
    pub(crate) fn with_made_key(self, key: Secret) -> Self {
        Self {
            key_is_made: true,
            ..self.with_key(Some(key))
        }
    }

    /// The key that somebody has said it is bound to.
    pub(crate) fn given_key(&self) -> Option<&Secret> {
        self.proof_key.as_ref().filter(|_| !self.key_is_made)
    }

    pub(crate) fn proof_key(&self) -> Option<&Secret> {
        self.proof_key.as_ref()
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
