//! How a token is made: by a provider, of what a vendor said, or as the seed of a session.

use std::time::{Duration, SystemTime};

use super::{Lifetime, Secret, Token, expiry};
use crate::clock::Moment;

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

    pub(super) fn empty() -> Self {
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
}
