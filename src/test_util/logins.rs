//! Sessions that begin with a login.

use super::sessions::{Seed, Sessions};

// === impl Sessions: logins ===

impl Sessions {
    /// Logs in a client that asked for it.
    pub(super) fn begin(&self) -> Seed {
        self.tally.count(|it| it.logins += 1);
        self.log_in()
    }

    /// Notes that something good for one use was presented again.
    pub(super) fn spent_twice(&self) {
        self.tally.count(|it| it.spent_twice += 1);
    }

    /// Notes a token that was given for something else than a refresh token.
    pub(super) fn exchanged(&self) {
        self.tally.count(|it| it.exchanges += 1);
    }

    /// When a refresh token expires, in milliseconds since 1970.
    pub(super) fn refresh_expiry(&self, token: &str) -> Option<u64> {
        let book = self.lock();
        book.refresh.get(token).map(|it| it.expires.0)
    }
}
