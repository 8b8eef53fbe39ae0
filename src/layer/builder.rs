//! How a layer is configured.

use std::{fmt, sync::Arc, time::Duration};

use super::{AuthLayer, Settings};
use crate::{
    attach::{Policy, Undeclared},
    cell::{Family, FamilyParts, Home, schedule},
    clock::{Clock, SystemClock},
    error::Error,
    observe::{Observer, Observers},
    provider::{BoxProvider, ErasedProvider, Profile, Provider, TokenClient},
    replay::Bodies,
    store::{ErasedStore, Stored, TokenStore},
    token::Token,
    token_client::HttpTokenClient,
};

/// Configures an [`AuthLayer`].
///
/// Made by [`AuthLayer::builder`].
pub struct AuthLayerBuilder<P> {
    provider: P,
    initial: Option<Token>,
    session_key: String,
    memory_only: bool,
    store: Option<Arc<dyn ErasedStore>>,
    keeps_idle_alive: bool,
    replays: bool,
    bodies: Bodies,
    admission: Policy,
    caller_waits: Duration,
    token_client: HttpTokenClient,
    clock: Arc<dyn Clock>,
    observers: Vec<Box<dyn Observer>>,
}

// === impl AuthLayerBuilder ===

impl<P: Provider> AuthLayerBuilder<P> {
    pub(super) fn new(provider: P) -> Self {
        Self {
            provider,
            initial: None,
            session_key: String::new(),
            memory_only: false,
            store: None,
            keeps_idle_alive: true,
            replays: true,
            bodies: Bodies::default(),
            admission: Policy::default(),
            caller_waits: schedule::CALLER_WAITS,
            token_client: HttpTokenClient::default(),
            clock: Arc::new(SystemClock),
            observers: Vec::new(),
        }
    }

    /// The token that the session starts from.
    #[must_use]
    pub fn initial(mut self, token: Token) -> Self {
        self.initial = Some(token);
        self
    }

    /// The application's own key for this session, a user or a tenant. It is never shown.
    #[must_use]
    pub fn session_key(mut self, key: impl Into<String>) -> Self {
        self.session_key = key.into();
        self
    }

    /// Says aloud that sessions live in memory only: a rotated refresh token dies with the
    /// process, and a restart needs a new login.
    #[must_use]
    pub fn memory_only(mut self) -> Self {
        self.memory_only = true;
        self
    }

    /// Where sessions live: a [store](crate::store) that survives a restart, and that other
    /// processes may share. It takes the place of [`memory_only`](Self::memory_only).
    ///
    /// The [initial](Self::initial) token is then used only if the store has never seen it, and not
    /// before the store was read: what is in there may be newer.
    ///
    /// ```
    /// use tower_reauth::{AuthLayer, Token, store::MemoryStore, vendor::Immersve};
    ///
    /// # fn main() -> Result<(), tower_reauth::Error> {
    /// let auth = AuthLayer::builder(Immersve::new("client-app-id", "https://app.example"))
    ///     .initial(Token::from_refresh_token("from-the-last-login"))
    ///     .store(MemoryStore::new())
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn store(mut self, store: impl TokenStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// The client that token requests travel on, instead of the built-in one: any tower service
    /// over `http`, or an [`HttpTokenClient`] with limits of your own. Never the client that this
    /// layer wraps: a token request that meets the layer is answered with an error. One that *another*
    /// layer wraps is fine: its session's token then goes onto the token requests of this one, to that
    /// layer's origins. Where it is refused or there is none, this session's exchange fails as
    /// *transient*, since that says nothing of its own credential.
    #[must_use]
    pub fn token_client(mut self, client: impl Into<HttpTokenClient>) -> Self {
        self.token_client = client.into();
        self
    }

    /// Whether a refresh token that would die unused is exchanged although no request asks for it.
    /// On by default; it begins with the first call or with
    /// [`AuthHandle::start`](crate::handle::AuthHandle::start).
    #[must_use]
    pub fn keep_idle_sessions_alive(mut self, keep: bool) -> Self {
        self.keeps_idle_alive = keep;
        self
    }

    /// Whether a refused request is sent once more with a newer token, where its
    /// [body](crate::replay) allows it. On by default; off, nothing is kept for it.
    #[must_use]
    pub fn replay(mut self, replay: bool) -> Self {
        self.replays = replay;
        self
    }

    /// How many bytes of a body are kept, by reference or as a copy, to be sent a second time: 64
    /// KiB by default. A longer body is sent once. Buffers that are shared are no part of it.
    #[must_use]
    pub fn replay_cap(mut self, bytes: usize) -> Self {
        self.bodies.set_cap(bytes);
        self
    }

    /// Makes bodies of the type `B` ones that can be sent twice: `spare` returns the second copy
    /// before the first is sent, or `None` where there is none. It takes the place of what the
    /// layer does by itself with [such a body](crate::replay).
    ///
    /// ```
    /// # use tower_reauth::{AuthLayer, provider::FixedToken};
    /// # let provider = FixedToken::bearer("t0ken").origins(["https://api.example.com"]);
    /// #[derive(Clone)]
    /// struct Upload(bytes::Bytes);
    ///
    /// let auth = AuthLayer::builder(provider).replay_body(|upload: &Upload| Some(upload.clone()));
    /// ```
    #[must_use]
    pub fn replay_body<B: 'static>(
        mut self,
        spare: impl Fn(&B) -> Option<B> + Send + Sync + 'static,
    ) -> Self {
        self.bodies.register(spare);
        self
    }

    /// Sends requests to undeclared origins without a token, instead of answering them with an
    /// error.
    #[must_use]
    pub fn send_bare_elsewhere(mut self) -> Self {
        self.admission.undeclared = Undeclared::SendBare;
        self
    }

    /// Keeps headers that the caller set itself under a name that the token, or what goes with it,
    /// is placed under. By default they are replaced.
    ///
    /// Such a request is sent as it is, to whatever origin: it gets nothing from the layer, and its
    /// refusal says nothing about the session's token.
    #[must_use]
    pub fn respect_existing(mut self) -> Self {
        self.admission.respects_existing = true;
        self
    }

    /// How long a request without a usable token waits for the exchange: 30 seconds by default.
    /// The exchange itself goes on.
    #[must_use]
    pub fn wait_at_most(mut self, wait: Duration) -> Self {
        self.caller_waits = wait;
        self
    }

    /// Tells `observer` what happens to the sessions: see [`observe`](crate::observe). May be called
    /// for several observers; all are told, in this order.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Where the time comes from; for tests.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, naming what is missing: no origin or an unusable one, a rotating refresh
    /// token with no home, a token or a fixed header value that no header can hold.
    pub fn build(self) -> Result<AuthLayer<P>, Error> {
        let layer = self.assemble();
        match &layer.core.settings.admission.blocked {
            Some(error) => Err(error.clone()),
            None => Ok(layer),
        }
    }

    /// Builds the layer, wrong settings and all: they are kept as the answer to every call.
    pub(super) fn assemble(self) -> AuthLayer<P> {
        let provider = Arc::new(self.provider);
        let profile = Arc::new(provider.profile());
        let observers = Arc::new(Observers::new(&profile.parts.vendor, self.observers));
        let (asked, home) = housed(
            Arc::clone(&provider) as Arc<dyn ErasedProvider>,
            Arc::clone(&profile),
            self.store,
            (&self.clock, &observers),
            self.memory_only,
        );
        let client = TokenClient::new(self.token_client.into_transport(), Arc::clone(&self.clock));
        let own = client.mark();
        let family = Family::new(FamilyParts {
            provider: asked,
            client,
            clock: self.clock,
            observers,
            keeps_idle_alive: self.keeps_idle_alive,
            caller_waits: self.caller_waits,
            home,
            profile: Arc::clone(&profile),
        });
        let id = profile.session().with_session_key(self.session_key);
        let (session, seeded) = family.first_session(id, self.initial);
        let declared = profile.origins.check().map(drop);
        let declared = declared.and_then(|()| profile.placement.check());
        let blocked = declared.and(seeded).err().map(Error::misconfigured);
        let settings = Settings {
            admission: self.admission.of_layer(own, blocked),
            replay: self.replays.then_some(self.bodies),
        };
        let settings = Arc::new(settings);
        AuthLayer::of(provider, session, settings)
    }
}

/// Puts the store between the cell and the provider, where there is one.
fn housed(
    provider: Arc<dyn ErasedProvider>,
    profile: Arc<Profile>,
    store: Option<Arc<dyn ErasedStore>>,
    (clock, observers): (&Arc<dyn Clock>, &Arc<Observers>),
    memory_only: bool,
) -> (Arc<dyn ErasedProvider>, Home) {
    match store {
        Some(store) => {
            let (clock, observers) = (Arc::clone(clock), Arc::clone(observers));
            let provider = BoxProvider::from_shared(provider);
            let stored = Arc::new(Stored::new(provider, profile, store, clock, observers));
            let keeper = Arc::clone(&stored);
            (stored as Arc<dyn ErasedProvider>, Home::Store(keeper))
        }
        None if memory_only => (provider, Home::Memory),
        None => (provider, Home::Unsaid),
    }
}

impl<P> fmt::Debug for AuthLayerBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayerBuilder")
            .field("initial", &self.initial)
            .field("memory_only", &self.memory_only)
            .field("keeps_idle_alive", &self.keeps_idle_alive)
            .field("replays", &self.replays)
            .field("bodies", &self.bodies)
            .field("admission", &self.admission)
            .field("caller_waits", &self.caller_waits)
            .field("token_client", &self.token_client)
            .finish_non_exhaustive()
    }
}
