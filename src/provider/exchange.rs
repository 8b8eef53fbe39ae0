//! What a provider gets to work with.

use std::sync::Arc;

use super::{ProviderError, SessionId, TokenClient, Wanted};
use crate::{
    clock::Moment,
    token::{Secret, Token},
};

/// One request for a token, or for its end: everything that a provider may need to know, owned.
///
/// ```
/// # use tower_reauth::{Token, provider::{Exchange, provider_fn}};
/// provider_fn(|exchange: Exchange| async move {
///     let session = exchange.session();
///     # let _ = session;
///     Ok(Token::new("t0ken"))
/// });
/// ```
///
/// Borrowing it into the future does not compile:
///
/// ```compile_fail
/// # use tower_reauth::{Token, provider::{Exchange, provider_fn}};
/// provider_fn(|exchange: &Exchange| async move {
///     let session = exchange.session();
///     # let _ = session;
///     Ok(Token::new("t0ken"))
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Exchange(Arc<ExchangeParts>);

#[derive(Debug)]
pub(crate) struct ExchangeParts {
    pub(crate) last: Option<Token>,
    pub(crate) refused: Option<Secret>,
    pub(crate) reason: Reason,
    pub(crate) deadline: Moment,
    pub(crate) session: SessionId,
    pub(crate) client: TokenClient,
    /// Until when a login is wanted; none where it is not one.
    pub(crate) wanted: Option<Arc<dyn Wanted>>,
}

/// Why a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The session has no access token yet.
    First,
    /// The access token is good, and will not be for long.
    Due,
    /// The access token is dead.
    Expired,
    /// A server refused the access token.
    Refused,
    /// The refresh token of an idle session would die.
    KeepAlive,
    /// The application asked for a newer one, or for the end of the session.
    Asked,
}

// === impl Exchange ===

impl Exchange {
    pub(crate) fn new(parts: ExchangeParts) -> Self {
        Self(Arc::new(parts))
    }

    /// The same exchange from another token, and until another deadline, after which the client
    /// sends nothing any more.
    pub(crate) fn going_on_from(&self, last: Option<Token>, deadline: Moment) -> Self {
        let parts = &*self.0;
        Self::new(ExchangeParts {
            last,
            refused: parts.refused.clone(),
            reason: parts.reason,
            deadline,
            session: parts.session.clone(),
            client: parts.client.until(deadline),
            wanted: parts.wanted.clone(),
        })
    }

    /// The last token, whole: its access token may be expired or refused. A seed on the first
    /// exchange of a session that has one.
    #[must_use]
    pub fn last(&self) -> Option<&Token> {
        self.0.last.as_ref()
    }

    /// The refresh token to spend.
    ///
    /// # Errors
    ///
    /// *Refused*, where the session has none: it needs a login.
    pub fn refresh_token(&self) -> Result<&Secret, ProviderError> {
        self.last().and_then(Token::refresh_token).ok_or_else(|| {
            ProviderError::refused(
                "there is no refresh token: log in, and hand the token over \
                 with the builder's `initial` or the handle's `replace`",
            )
        })
    }

    /// The access token that a server refused, where that is the reason. If the vendor hands out
    /// the same one again, the exchange has not helped.
    #[must_use]
    pub fn refused(&self) -> Option<&Secret> {
        self.0.refused.as_ref()
    }

    /// Why a token is asked for.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// When this exchange should be over. The token client keeps to its own time limit for each
    /// request; a provider that sends several, or does other work, keeps to this one. Where the
    /// session is kept in a store, it sends nothing any more after this one either: a process that
    /// was stopped meanwhile may have been taken for dead, and its refresh token spent by another. A
    /// login has five minutes, for people; requests that follow upon their answer may be later.
    #[must_use]
    pub fn deadline(&self) -> Moment {
        self.0.deadline
    }

    /// Whose token it is.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.0.session
    }

    pub(super) fn wanted(&self) -> Option<&dyn Wanted> {
        self.0.wanted.as_deref()
    }

    /// The client to ask with.
    #[must_use]
    pub fn client(&self) -> &TokenClient {
        &self.0.client
    }
}
