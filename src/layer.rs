//! The layer, and what its services share.

mod builder;

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
};

use http::Uri;
use tower::Layer;

pub use self::builder::AuthLayerBuilder;

use crate::{
    attach::{self, Policy},
    cell::{Session, Snapshot},
    clock::Moment,
    error::Error,
    handle::AuthHandle,
    lane::{Apart, Lane, Lanes, Shared},
    provider::{OriginIndex, Provider},
    replay::Bodies,
    service::Auth,
    token::Token,
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
    pub(crate) core: Arc<Core>,
    /// How many services were made: each has a peer of its own.
    services: Arc<AtomicU16>,
}

/// What services, layers and handles of one session share.
#[derive(Clone, Debug)]
// Each clone of a service is counted in front of this, and each request reads it: on other lines.
#[repr(align(64))]
pub(crate) struct Core {
    pub(crate) session: Arc<Session>,
    pub(crate) settings: Arc<Settings>,
    holds: Lanes<Hold>,
}

/// A token that goes onto a request as it is.
pub(crate) struct Simple<T> {
    pub(crate) snapshot: T,
    pub(crate) now: Moment,
}

/// What a request under way keeps its session by. Cores do not wait for each other's.
pub(crate) type Hold = Arc<Apart<Arc<Session>>>;

/// How a layer treats its requests.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) admission: Policy,
    /// Which bodies can be sent twice, if any request is.
    pub(crate) replay: Option<Bodies>,
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
        AuthLayerBuilder::new(provider)
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
        let provider = Arc::clone(&self.provider);
        let settings = Arc::clone(&self.core.settings);
        Ok(Self::of(provider, session, settings))
    }

    fn of(provider: Arc<P>, session: Arc<Session>, settings: Arc<Settings>) -> Self {
        Self {
            provider,
            core: Core::new(session, settings),
            services: Arc::default(),
        }
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
        let made = &self.services;
        let number = made.fetch_update(Relaxed, Relaxed, |number| Some(number.saturating_add(1)));
        let peer = OriginIndex::peer(number.unwrap_or_default());
        Auth::new(inner, Shared::new(Arc::clone(&self.core)), peer)
    }
}

impl Core {
    fn new(session: Arc<Session>, settings: Arc<Settings>) -> Arc<Self> {
        Arc::new(Self {
            holds: Lanes::new(|| Arc::new(Apart::new(Arc::clone(&session)))),
            session,
            settings,
        })
    }

    /// The token, where there is a good one that goes onto a request as it is, which is nearly always.
    #[inline]
    pub(crate) fn simple(&self) -> Option<Simple<impl Deref<Target = Arc<Snapshot>> + use<>>> {
        let cell = self.session.cell();
        let now = cell.coarse();
        let snapshot = cell.load();
        if snapshot.simple_until.reached(now) && !self.still_simple(&snapshot, now) {
            return None;
        }
        Some(Simple { snapshot, now })
    }

    /// Whether the token of `snapshot`, which has to be looked after, may go onto a request as it is all
    /// the same. Looks after it, beside the request.
    #[cold]
    fn still_simple(&self, snapshot: &Snapshot, now: Moment) -> bool {
        if !snapshot.is_usable(now) {
            return false;
        }
        if snapshot.attention.reached(now) {
            self.session.attend();
        }
        // A proof goes with it, which takes longer.
        snapshot.headers.prover().is_none()
    }

    /// The origin of `uri`, as a token says that brought it.
    pub(crate) fn origin_by(&self, snapshot: &Snapshot, uri: &Uri) -> Option<OriginIndex> {
        let profile = self.session.profile();
        attach::origin_of_token(profile, &snapshot.origins, |origins| origins.find(uri))
    }

    /// Keeps the session for as long as a request takes.
    #[inline]
    pub(crate) fn hold(&self, lane: Lane) -> Hold {
        Arc::clone(self.holds.of(lane))
    }
}

impl<P> Clone for AuthLayer<P> {
    fn clone(&self) -> Self {
        Self {
            provider: Arc::clone(&self.provider),
            core: Arc::clone(&self.core),
            services: Arc::clone(&self.services),
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
