//! Looking at a session and steering it, apart from requests.

use std::{fmt, sync::Arc, time::Duration};

use crate::{cell::Session, error::Error, provider::OriginIndex, token::Token};

pub use crate::cell::{Generation, Status, Subscription};

/// A handle to one session. Cheap to clone.
///
/// ```no_run
/// # async fn send_to_login_page() {}
/// # async fn example(auth: tower_reauth::AuthLayer<tower_reauth::provider::BoxProvider>) {
/// let handle = auth.handle();
/// let mut states = handle.subscribe();
/// while let Some(status) = states.changed().await {
///     if status.is_login_required() {
///         send_to_login_page().await;
///     }
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct AuthHandle {
    session: Arc<Session>,
}

// === impl AuthHandle ===

impl AuthHandle {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self { session }
    }

    /// A token that may be sent, as a request would get it: the current one while it is good, else
    /// the result of the exchange that is under way or begins now.
    ///
    /// # Errors
    ///
    /// The error that the exchange failed with, just now or a little while ago.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the exchange to itself; its result is kept.
    pub async fn token(&self) -> Result<Token, Error> {
        let snapshot = Arc::clone(&self.session.cell().load());
        let now = self.session.cell().now();
        if snapshot.attention.reached(now) {
            self.session.attend();
        }
        let snapshot = match snapshot.is_usable(now) {
            true => snapshot,
            false => self.session.usable(Duration::MAX).await?,
        };
        snapshot.token.clone().ok_or_else(Error::finished)
    }

    /// The state of the session now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.session.cell().status()
    }

    /// Makes the session newer now, or joins the exchange that is doing so. The pause after an
    /// earlier failure does not hold it up; a pause that the vendor asked for does, and so does a
    /// refresh token that must not be sent again.
    ///
    /// # Errors
    ///
    /// The error that the exchange failed with, or why none may begin.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the exchange to itself; its result is kept.
    pub async fn refresh(&self) -> Result<Token, Error> {
        let snapshot = self.session.refresh().await?;
        snapshot.token.clone().ok_or_else(Error::finished)
    }

    /// Says that a server refused the token of `generation`, for applications that learn it in a
    /// way that the layer cannot see. If it is still the current one, an exchange begins; requests
    /// go on with the token until its successor is there. Gives whether an exchange is under way.
    ///
    /// Read the generation from [`status`](Self::status) *before* the request is sent. What is
    /// current when its answer comes may be a newer token, which nobody refused; a generation that
    /// is too old does nothing here.
    pub fn reject(&self, generation: Generation) -> bool {
        self.session.reject(generation, OriginIndex::PEER)
    }

    /// Goes on with `token`, from a new login. Everything held against the old one is forgotten,
    /// and an exchange that is still under way for it will not take its place.
    ///
    /// # Errors
    ///
    /// *Misconfigured* where the token is empty or no header can hold it; the provider's error
    /// where it could not take note. The session then goes on as it was.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the token may or may not have been taken: call it again.
    pub async fn replace(&self, token: Token) -> Result<(), Error> {
        self.session.replace(token).await
    }

    /// Has the vendor end the session: a revocation (RFC 7009) or a logout, whatever its provider
    /// knows. An exchange that is under way ends first; requests may go on meanwhile. Afterwards this
    /// session has no token, and its store none either: one that began with a login needs another, which
    /// its provider does not make by itself, and one that needs no login begins anew with the next
    /// request. What other processes have of the
    /// session they use until it dies or is refused; they get nothing newer.
    ///
    /// Nothing else ever revokes a session, and one that the next process is to go on with should be
    /// left alone. Where it is to end with the process, send no more requests, call this, and then
    /// [`shutdown`](Self::shutdown), which waits until the store has heard of it. Servers that check
    /// access tokens without asking the vendor take them until they expire.
    ///
    /// # Errors
    ///
    /// *Misconfigured* where the provider knows no way, else the vendor's or the store's; it does no
    /// harm to call this again. *Login required* where the session turns out to be over already.
    /// *Transient* also where a login took the session's place first: that is not revoked.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the session is revoked all the same, and nobody hears how it ended.
    pub async fn revoke(&self) -> Result<(), Error> {
        self.session.revoke().await
    }

    /// The latest state with its cause, again and again, also for who comes late. This is where an
    /// application learns that it must send its user to log in.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(Arc::clone(self.session.cell()))
    }

    /// Starts keeping the idle session alive, before any request does.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, outside a tokio runtime.
    pub fn start(&self) -> Result<(), Error> {
        self.session.start()
    }

    /// Begins no more exchanges, and waits until the one under way has ended and nothing is owed. A login
    /// that waits for a person is given up.
    /// The token may be used until it dies.
    ///
    /// # Cancel safety
    ///
    /// The session stays shut down; call it again to go on waiting.
    pub async fn shutdown(&self) {
        self.session.shut_down().await;
    }
}

impl fmt::Debug for AuthHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthHandle")
            .field("session", &self.session)
            .finish()
    }
}
