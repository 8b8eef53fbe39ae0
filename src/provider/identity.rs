//! What makes two tokens different.

use std::{fmt, sync::Arc};

/// Everything that makes one session's token different from another's.
///
/// There is no default and no builder: a part that does not apply is left empty on purpose, not by
/// forgetting it, because a token handed to the wrong session is the worst fault of this kind of
/// software. A part added later breaks every place that builds one, which is meant.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionParts {
    /// Keeps applications apart that share a store; empty within one process.
    pub namespace: String,
    /// The vendor's name, as in its profile.
    pub vendor: String,
    /// Where its tokens come from.
    pub base_url: String,
    /// The client id, or application id.
    pub client: String,
    /// The account at the vendor, where one client has several.
    pub account: String,
    /// The scope asked for.
    pub scope: String,
    /// Resource indicators (RFC 8707).
    pub resource: Vec<String>,
    /// Audiences asked for.
    pub audience: Vec<String>,
    /// Thumbprint of the proof key or certificate that the token is bound to.
    pub binding: String,
    /// The application's own key for this session: a user, a tenant.
    pub session_key: String,
}

/// Identity of a session: the key of its cell and flight, and of its record in a store.
///
/// `Debug` shows the vendor and where it is, nothing that could name a user.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<SessionParts>);

// === impl SessionId ===

impl SessionId {
    /// The identity made of `parts`.
    #[must_use]
    pub fn new(parts: SessionParts) -> Self {
        Self(Arc::new(parts))
    }

    /// What it is made of.
    #[must_use]
    pub fn parts(&self) -> &SessionParts {
        &self.0
    }

    /// The same identity for another of the application's sessions.
    #[must_use]
    pub fn with_session_key(&self, session_key: impl Into<String>) -> Self {
        let mut parts = SessionParts::clone(&self.0);
        parts.session_key = session_key.into();
        Self::new(parts)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for SessionParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold a key, and what stands before an `@` a password.
        let shown = match self.base_url.contains('@') {
            true => "[redacted]",
            false => self.base_url.split('?').next().unwrap_or_default(),
        };
        f.debug_struct("SessionParts")
            .field("vendor", &self.vendor)
            .field("base_url", &shown)
            .finish_non_exhaustive()
    }
}
