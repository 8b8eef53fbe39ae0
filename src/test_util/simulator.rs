//! What all simulated vendors have in common.

use std::{fmt, io, sync::Arc};

use super::{
    counters::Counters,
    engine::Core,
    fault::Faults,
    policy::Policy,
    server::Server,
    sessions::{Seed, Sessions},
    vendor::Vendor,
};

/// What all simulated vendors have in common; each of them derefs to this.
///
/// It listens on a port of 127.0.0.1 for as long as it lives: dropping it closes the socket and
/// every connection.
pub struct Simulator {
    core: Arc<Core>,
    server: Server,
}

// === impl Simulator ===

impl Simulator {
    pub(super) async fn start(vendor: Arc<dyn Vendor>, policy: Policy) -> io::Result<Self> {
        let core = Arc::new(Core::new(vendor, policy));
        let server = Server::start(core.clone()).await?;
        Ok(Self { core, server })
    }

    /// `http://127.0.0.1:` and the port, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// The URL of the token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        self.base_url() + self.core.vendor().token_path()
    }

    /// The faults of the token endpoint.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        self.core.faults()
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.core.tally().counters()
    }

    /// What was wrong with the last malformed token request, in words and without its secrets.
    #[must_use]
    pub fn last_malformed(&self) -> Option<String> {
        self.core.tally().last_malformed()
    }

    /// A login that just happened: a new session with its first tokens.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.core.sessions().log_in()
    }

    /// Answers the next `n` API requests as if their token were not good. Replaces what was left
    /// of an earlier call.
    pub fn refuse_next(&self, n: u64) {
        self.core.refuse_next(n);
    }

    /// Revokes every access token issued until now. Refresh tokens stay good.
    pub fn revoke_access_tokens(&self) {
        self.core.sessions().revoke_access_tokens();
    }

    /// Ends every session that began until now, with all of its tokens.
    pub fn revoke_sessions(&self) {
        self.core.sessions().revoke_sessions();
    }

    pub(super) fn sessions(&self) -> &Sessions {
        self.core.sessions()
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("vendor", &self.core.vendor())
            .field("base_url", &self.base_url())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.core.abort();
    }
}
