//! The layer, and how it is configured.

use std::{fmt, sync::Arc, time::Duration};

use tower::Layer;

use crate::{
    attach::Undeclared,
    cell::{Family, FamilyParts, Session, schedule},
    clock::{Clock, SystemClock},
    error::Error,
    handle::AuthHandle,
    provider::{ErasedProvider, Provider, TokenClient},
    service::Auth,
    token::Token,
    token_client::HttpTokenClient,
};

/// Keeps every request of the services that it wraps authenticated.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_reauth::AuthLayer;
/// use tower_reauth::provider::FixedToken;
/// # use http_body_util::Empty;
/// # let client = tower::service_fn(|_: http::Request<Empty<bytes::Bytes>>| async {
/// #     Ok::<_, std::io::Error>(http::Response::new(Empty::<bytes::Bytes>::new()))
/// # });
///
/// let auth = AuthLayer::new(FixedToken::bearer("t0ken").origins(["https://api.example.com"]));
/// let service = ServiceBuilder::new().layer(auth.clone()).service(client);
/// ```
///
/// A layer holds one session; all its clones, services and handles share it. When the last of them
/// is gone, so is the background work. Building one needs no runtime and reads nothing. Calls need a
/// tokio runtime with timers, and with I/O for the built-in token client: `enable_all` where you build
/// it by hand, or tokio panics.
///
/// # In a stack
///
/// Retries go outside of this layer, so that each attempt gets the token that is current then.
/// Whatever follows redirects goes outside as well: the layer then sees each hop and places no
/// token at another origin. A client that follows redirects by itself, inside, is beyond it.
pub struct AuthLayer<P> {
    provider: Arc<P>,
    core: Arc<Core>,
}

/// Configures an [`AuthLayer`].
///
/// Made by [`AuthLayer::builder`].
pub struct AuthLayerBuilder<P> {
    provider: P,
    initial: Option<Token>,
    session_key: String,
    memory_only: bool,
    keeps_idle_alive: bool,
    replays: bool,
    undeclared: Undeclared,
    caller_waits: Duration,
    token_client: HttpTokenClient,
    clock: Arc<dyn Clock>,
}

/// What services, layers and handles of one session share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) session: Arc<Session>,
    pub(crate) settings: Arc<Settings>,
}

/// How a layer treats its requests.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Why no request can be served at all.
    pub(crate) blocked: Option<Error>,
    pub(crate) undeclared: Undeclared,
    pub(crate) replays: bool,
}

// === impl AuthLayer ===

impl<P: Provider> AuthLayer<P> {
    /// A layer with everything at its default, for providers that can start by themselves.
    ///
    /// Never fails: where a setting is missing, every call is answered with an error that names it.
    /// [`build`](AuthLayerBuilder::build) tells the same at once.
    #[must_use]
    pub fn new(provider: P) -> Self {
        Self::builder(provider).assemble()
    }

    /// Configures a layer.
    ///
    /// ```
    /// use tower_reauth::{AuthLayer, Token, vendor::Immersve};
    ///
    /// # fn main() -> Result<(), tower_reauth::Error> {
    /// let auth = AuthLayer::builder(Immersve::new("client-app-id", "https://app.example"))
    ///     .initial(Token::from_refresh_token("from-the-last-login"))
    ///     .memory_only()
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(provider: P) -> AuthLayerBuilder<P> {
        AuthLayerBuilder {
            provider,
            initial: None,
            session_key: String::new(),
            memory_only: false,
            keeps_idle_alive: true,
            replays: true,
            undeclared: Undeclared::default(),
            caller_waits: schedule::CALLER_WAITS,
            token_client: HttpTokenClient::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// A cheap sibling of this layer for another user: it shares the provider, the token client,
    /// the pauses that the vendor asks for and the keeper, and nothing of the session.
    ///
    /// `key` tells the sessions apart; it is never shown.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where the token cannot be used, where it holds a rotating refresh token and
    /// it was not said where sessions live, or where a session with this key is alive: two would
    /// spend each other's refresh token.
    pub fn with_session(&self, key: impl Into<String>, token: Token) -> Result<Self, Error> {
        let family = self.core.session.family();
        let id = self.core.session.id().with_session_key(key);
        let session = family.session(id, token).map_err(Error::misconfigured)?;
        Ok(Self {
            provider: Arc::clone(&self.provider),
            core: Arc::new(Core {
                session,
                settings: Arc::clone(&self.core.settings),
            }),
        })
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> &P {
        &self.provider
    }

    /// A handle to look at the session and to steer it.
    #[must_use]
    pub fn handle(&self) -> AuthHandle {
        AuthHandle::new(Arc::clone(&self.core.session))
    }
}

impl<S, P: Provider> Layer<S> for AuthLayer<P> {
    type Service = Auth<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth::new(inner, Arc::clone(&self.core))
    }
}

impl<P> Clone for AuthLayer<P> {
    fn clone(&self) -> Self {
        Self {
            provider: Arc::clone(&self.provider),
            core: Arc::clone(&self.core),
        }
    }
}

impl<P> fmt::Debug for AuthLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}

// === impl AuthLayerBuilder ===

impl<P: Provider> AuthLayerBuilder<P> {
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

    /// The client that token requests travel on, instead of the built-in one: any tower service
    /// over `http`, or an [`HttpTokenClient`] with limits of your own. Never the client that this
    /// layer wraps: a token request that meets the layer is answered with an error.
    #[must_use]
    pub fn token_client(mut self, client: impl Into<HttpTokenClient>) -> Self {
        self.token_client = client.into();
        self
    }

    /// Whether a refresh token that would die unused is exchanged although no request asks for it.
    /// On by default; it begins with the first call or with [`AuthHandle::start`].
    #[must_use]
    pub fn keep_idle_sessions_alive(mut self, keep: bool) -> Self {
        self.keeps_idle_alive = keep;
        self
    }

    /// Whether a refused request is sent once more with a newer token. On by default; off, nothing
    /// is kept for it.
    #[must_use]
    pub fn replay(mut self, replay: bool) -> Self {
        self.replays = replay;
        self
    }

    /// Sends requests to undeclared origins without a token, instead of answering them with an
    /// error.
    #[must_use]
    pub fn send_bare_elsewhere(mut self) -> Self {
        self.undeclared = Undeclared::SendBare;
        self
    }

    /// How long a request without a usable token waits for the exchange: 30 seconds by default.
    /// The exchange itself goes on.
    #[must_use]
    pub fn wait_at_most(mut self, wait: Duration) -> Self {
        self.caller_waits = wait;
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
        match &layer.core.settings.blocked {
            Some(error) => Err(error.clone()),
            None => Ok(layer),
        }
    }

    /// Builds the layer, wrong settings and all: they are kept as the answer to every call.
    fn assemble(self) -> AuthLayer<P> {
        let provider = Arc::new(self.provider);
        let profile = Arc::new(provider.profile());
        let family = Family::new(FamilyParts {
            provider: Arc::clone(&provider) as Arc<dyn ErasedProvider>,
            client: TokenClient::new(self.token_client.into_transport(), Arc::clone(&self.clock)),
            clock: self.clock,
            keeps_idle_alive: self.keeps_idle_alive,
            caller_waits: self.caller_waits,
            memory_only: self.memory_only,
            profile: Arc::clone(&profile),
        });
        let id = profile.session().with_session_key(self.session_key);
        let (session, seeded) = family.first_session(id, self.initial);
        let declared = profile.origins.check().map(drop);
        let declared = declared.and_then(|()| profile.placement.check());
        let blocked = declared.and(seeded).err().map(Error::misconfigured);
        let settings = Settings {
            blocked,
            undeclared: self.undeclared,
            replays: self.replays,
        };
        let settings = Arc::new(settings);
        AuthLayer {
            provider,
            core: Arc::new(Core { session, settings }),
        }
    }
}

impl<P> fmt::Debug for AuthLayerBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayerBuilder")
            .field("initial", &self.initial)
            .field("memory_only", &self.memory_only)
            .finish_non_exhaustive()
    }
}
