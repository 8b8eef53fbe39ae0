//! Tokens that come out of a store, and those that go into it.

use super::{Secret, Token};
use crate::clock::Moment;

// === impl Token ===

impl Token {
    /// What a store kept of an earlier exchange, or of a seed.
    pub(crate) fn kept(access: Option<Secret>, refresh: Option<Secret>) -> Self {
        Self {
            access,
            refresh,
            kept: true,
            ..Self::empty()
        }
    }

    /// The token as a vendor has just given it, asked for at this moment where it does not say.
    pub(crate) fn obtained(mut self, asked_at: Moment) -> Self {
        self.kept = false;
        self.asked_at.get_or_insert(asked_at);
        self
    }

    /// Whether a store kept it, and no vendor was asked for it just now.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept
    }

    /// The further fields, by name.
    pub(crate) fn extras(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.extra
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// This token with the refresh token of `older`, where it has none of its own, and with what is
    /// known about how long that lives.
    pub(crate) fn borrowing_refresh_from(mut self, older: &Token) -> Self {
        if self.refresh.is_none() {
            self.refresh.clone_from(&older.refresh);
            self.refresh_lifetime = older.refresh_lifetime;
        }
        self
    }
}
