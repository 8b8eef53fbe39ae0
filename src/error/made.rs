//! How an error is made, and what one is to another session's provider.

use std::sync::Arc;

use super::{Error, Inner, Kind};
use crate::{
    clock::Moment,
    provider::{FailureKind, HeldBack, ProviderError},
};

// === impl Error ===

impl Error {
    /// The error that a failed exchange is to those who waited for it.
    pub(crate) fn exchange(error: ProviderError) -> Self {
        match error.kind() {
            FailureKind::Refused => Self::login_required(error),
            _ => Self::from(Kind::Exchange(error)),
        }
    }

    pub(crate) fn login_required(error: ProviderError) -> Self {
        Self::from(Kind::LoginRequired(error))
    }

    pub(crate) fn revocation(error: ProviderError) -> Self {
        Self(Arc::new(Inner {
            retry_after: error.delay(),
            kind: Kind::Revocation(error),
        }))
    }

    pub(crate) fn misconfigured(error: ProviderError) -> Self {
        Self::from(Kind::Misconfigured(error))
    }

    pub(crate) fn died(panicked: bool) -> Self {
        Self::from(Kind::Died { panicked })
    }

    pub(crate) fn in_progress() -> Self {
        Self::from(Kind::InProgress)
    }

    pub(crate) fn login_in_progress() -> Self {
        Self::from(Kind::LoginInProgress)
    }

    pub(crate) fn out_of_time() -> Self {
        Self::from(Kind::OutOfTime)
    }

    /// A request to this origin may not have the token. The origin is shown, without the name and
    /// password that may stand before it.
    pub(crate) fn origin(scheme: Option<&str>, authority: &str) -> Self {
        let place = authority.rsplit('@').next().unwrap_or_default();
        let origin = match scheme {
            Some(scheme) => format!("{scheme}://{place}"),
            None => place.to_owned(),
        };
        Self::from(Kind::Origin(origin.into()))
    }

    pub(crate) fn token_request_in_layer() -> Self {
        let error = ProviderError::misconfigured(
            "a token request came through the layer that waits for it: \
             give the builder's `token_client` a client that this layer does not wrap",
        );
        Self::misconfigured(error.because(HeldBack))
    }

    pub(crate) fn no_runtime() -> Self {
        Self::from(Kind::NoRuntime)
    }

    pub(crate) fn shut_down() -> Self {
        Self::from(Kind::ShutDown)
    }

    pub(crate) fn finished() -> Self {
        Self::from(Kind::Finished)
    }

    /// The same error, with what is known about when another try makes sense.
    pub(crate) fn retry_at(&self, at: Moment, now: Moment) -> Self {
        Self(Arc::new(Inner {
            kind: self.0.kind.clone(),
            retry_after: (at != Moment::NEVER).then(|| at.remaining(now)),
        }))
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self(Arc::new(Inner {
            kind,
            retry_after: None,
        }))
    }
}

impl From<Error> for ProviderError {
    /// What the failure of one session is to another whose provider needs its token: its kind, with
    /// the error behind it. An outcome that is unknown there is *transient* here, since nothing of
    /// this session was spent. A login that is needed there is *refused* here, so a provider that has
    /// a refresh token of its own, which was not refused, says something else instead.
    ///
    /// ```
    /// use tower_reauth::{Token, handle::AuthHandle, provider::{Exchange, Provider, ProviderError}};
    ///
    /// struct Chained { inner: AuthHandle }
    ///
    /// impl Provider for Chained {
    ///     async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
    ///         let inner = self.inner.token().await?;
    ///         // … ask with `inner.access_token()` for a token of another kind.
    ///         # let _ = (exchange, inner);
    ///         # Ok(Token::new("t0ken"))
    ///     }
    /// }
    /// ```
    fn from(error: Error) -> Self {
        const MESSAGE: &str = "the session that this one asks with has no token";
        let made = match () {
            () if error.is_login_required() => Self::refused(MESSAGE),
            () if error.is_throttled() => Self::throttled(None),
            () if error.is_transient() => Self::transient(MESSAGE),
            () => Self::misconfigured(MESSAGE),
        };
        made.retry_after(error.retry_after()).because(error)
    }
}
