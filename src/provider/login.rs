//! Logins that a provider makes: what it declares about them, and how long it waits for people.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use super::{Exchange, ProviderError};

/// Whose logins a provider makes by itself.
///
/// A login is no part of a refresh: it happens where there is no refresh token to spend, or where it
/// was refused for good. See [`Provider::login`](super::Provider::login).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Login {
    /// None: somebody logs in, and hands the token over.
    #[default]
    None,
    /// That of the session that the layer was built with. It is the login of one account, so it must
    /// not be made for a sibling that
    /// [`with_session`](crate::AuthLayer::with_session) made for another user.
    First,
    /// Those of all sessions of the layer: the provider tells them apart by
    /// [`Exchange::session`](super::Exchange::session).
    Each,
}

/// Says when nobody wants a login any more: the session was shut down or revoked, is gone, or has got
/// a token in another way.
pub(crate) trait Wanted: fmt::Debug + Send + Sync {
    fn until_unwanted(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

// === impl Exchange ===

impl Exchange {
    /// Waits for `work`, such as the answer of a person, until the [deadline](Self::deadline) at the
    /// latest, and no longer than anybody wants what comes of it: a shutdown, a revocation or a token
    /// from elsewhere ends it. Not for token requests, which have limits of their own, and should not
    /// be dropped on their way.
    ///
    /// ```
    /// # use tower_reauth::{Token, provider::{Exchange, ProviderError}};
    /// # async fn ask_for_a_code() -> String { String::new() }
    /// async fn login(exchange: Exchange) -> Result<Token, ProviderError> {
    ///     let code = exchange.by_the_deadline(ask_for_a_code()).await?;
    ///     // … send it, and read the token out of the reply
    ///     # Ok(Token::new(code))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// *Transient*, where `work` was not done in time, or not wanted any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work`.
    pub async fn by_the_deadline<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, ProviderError> {
        let left = self.deadline().remaining(self.client().now());
        let mut work = pin!(work);
        let mut limit = self.client().sleep(left);
        let mut unwanted = self.wanted().map(Wanted::until_unwanted);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if let Some(unwanted) = &mut unwanted
                && unwanted.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(Err(ProviderError::login_given_up()));
            }
            limit.as_mut().poll(cx).map(|()| {
                Err(ProviderError::transient(
                    "nobody answered in time; the next call asks again",
                ))
            })
        })
        .await
    }

    /// Waits for `work` for `time` at most.
    pub(crate) async fn within<T>(
        &self,
        time: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, ProviderError> {
        let mut work = pin!(work);
        let mut limit = self.client().sleep(time);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            limit
                .as_mut()
                .poll(cx)
                .map(|()| Err(ProviderError::transient("it takes too long")))
        })
        .await
    }

    /// Waits for a provider's login: for as long as people are given, and for the requests that
    /// follow upon their answer. One that keeps to neither is given up for lost.
    pub(crate) async fn limiting<T>(
        &self,
        login: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let left = self.deadline().remaining(self.client().now());
        let limited = self.within(left.saturating_add(REQUESTS), login).await;
        limited.unwrap_or_else(|_| {
            Err(ProviderError::unknown_outcome(
                "the provider's login does not come to an end",
            ))
        })
    }
}

// === impl ProviderError ===

impl ProviderError {
    /// Nobody wants the login any more.
    pub(crate) fn login_given_up() -> Self {
        Self::transient(
            "the login was given up: the session was shut down or revoked, or has a token",
        )
    }
}

/// What a login may take beside people: three requests of ten seconds each.
const REQUESTS: Duration = Duration::from_secs(30);
