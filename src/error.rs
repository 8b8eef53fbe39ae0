//! What can go wrong for a caller: the error's kinds, and what they mean. How one is made is in
//! `error/made.rs`, how it is shown in `error/shown.rs`.

mod made;
mod shown;

use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use crate::provider::{FailureKind, ProviderError};

/// Why a request, or a handle's method, could not be given a token.
///
/// One failure goes to everybody who waited for it, so it is cheap to clone. In a tower stack it
/// travels inside a `BoxError`; [`Error::find`] gets it out again. `Display` and `Debug` hold no
/// secret and no text of a vendor.
///
/// What to do about one is a matter of its predicates, not of its text:
///
/// | predicate | who acts |
/// | --- | --- |
/// | [`is_login_required`](Self::is_login_required) | a person logs in, then [`AuthHandle::replace`](crate::handle::AuthHandle::replace) |
/// | [`is_misconfigured`](Self::is_misconfigured) | whoever configured the client; the message says what |
/// | [`is_origin`](Self::is_origin) | the request went to an undeclared origin; nothing was sent |
/// | [`is_throttled`](Self::is_throttled), [`is_transient`](Self::is_transient) | nobody; try again after [`retry_after`](Self::retry_after) |
/// | [`is_unknown_outcome`](Self::is_unknown_outcome) | nobody; the layer goes on by the vendor's rule |
/// | [`is_in_progress`](Self::is_in_progress) | nobody; the exchange goes on without this caller |
/// | [`is_login_in_progress`](Self::is_login_in_progress) | whoever is asked to log in; the login goes on without this caller |
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// The error type of the services that this layer makes.
pub type BoxError = tower::BoxError;

struct Inner {
    kind: Kind,
    retry_after: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// An exchange failed, just now or a little while ago.
    Exchange(ProviderError),
    /// The refresh token is lost or refused; nothing but a login helps.
    LoginRequired(ProviderError),
    /// The exchange's task was dropped with its runtime, or its provider panicked.
    Died { panicked: bool },
    /// The exchange is still under way, longer than a caller waits.
    InProgress,
    /// A login is still under way, longer than a caller waits: most often for a person.
    LoginInProgress,
    /// The request could not be sent within the time that its caller gave it.
    OutOfTime,
    /// The request goes to this origin, which may not see the token.
    Origin(Box<str>),
    /// The vendor was to end the session, and did not.
    Revocation(ProviderError),
    /// A setting is wrong.
    Misconfigured(ProviderError),
    /// There is no tokio runtime here to run an exchange on.
    NoRuntime,
    /// The session was shut down.
    ShutDown,
    /// The future was polled after it had finished.
    Finished,
}

// === impl Error ===

impl Error {
    /// Finds this crate's error in `error` or anything behind it.
    ///
    /// ```
    /// use tower_reauth::{BoxError, Error};
    ///
    /// fn must_log_in(error: &BoxError) -> bool {
    ///     Error::find(&**error).is_some_and(Error::is_login_required)
    /// }
    /// # let _ = must_log_in;
    /// ```
    #[must_use]
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(ours) = error.downcast_ref::<Error>() {
                return Some(ours);
            }
            // The `source` of an I/O error leaves out the error that it was made from.
            let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
            next = match wrapped {
                Some(wrapped) => Some(wrapped as _),
                None => error.source(),
            };
        }
        None
    }

    /// Whether only a login helps: the credential was refused for good, or its fate is unknown and
    /// the vendor's rule says not to try it again.
    #[must_use]
    pub fn is_login_required(&self) -> bool {
        matches!(self.0.kind, Kind::LoginRequired(_))
    }

    /// Whether the same call may succeed later with nobody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match &self.0.kind {
            Kind::Exchange(error) | Kind::Revocation(error) => {
                error.kind() != FailureKind::Misconfigured
            }
            Kind::Died { .. } | Kind::InProgress | Kind::LoginInProgress | Kind::OutOfTime => true,
            _ => false,
        }
    }

    /// Whether the vendor asked for a pause.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.has_kind(FailureKind::Throttled)
    }

    /// Whether the refresh token may have been spent without its successor arriving; of a revocation,
    /// whether it may have been made.
    #[must_use]
    pub fn is_unknown_outcome(&self) -> bool {
        matches!(self.0.kind, Kind::Died { .. }) || self.has_kind(FailureKind::UnknownOutcome)
    }

    /// Whether a setting is wrong; the message says which.
    #[must_use]
    pub fn is_misconfigured(&self) -> bool {
        match &self.0.kind {
            Kind::Misconfigured(_) | Kind::NoRuntime => true,
            _ => self.has_kind(FailureKind::Misconfigured),
        }
    }

    /// Whether the request was held back because its origin, which the message names, is not
    /// declared: see [`Origins`](crate::provider::Origins).
    #[must_use]
    pub fn is_origin(&self) -> bool {
        matches!(self.0.kind, Kind::Origin(_))
    }

    /// Whether the exchange was still under way when this caller had waited long enough, or when the
    /// request's own deadline had passed.
    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        matches!(
            self.0.kind,
            Kind::InProgress | Kind::LoginInProgress | Kind::OutOfTime
        )
    }

    /// Whether a login was still under way when this caller had waited long enough: a person is asked
    /// to sign, or for a code. It goes on, and what it brings is there for the next call.
    #[must_use]
    pub fn is_login_in_progress(&self) -> bool {
        matches!(self.0.kind, Kind::LoginInProgress)
    }

    /// Whether it was the caller's own limit that was over.
    pub(crate) fn is_out_of_time(&self) -> bool {
        matches!(self.0.kind, Kind::OutOfTime)
    }

    /// Whether the session was shut down.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        matches!(self.0.kind, Kind::ShutDown)
    }

    /// How long to wait before another try can succeed, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The provider's error behind this one.
    #[must_use]
    pub fn provider_error(&self) -> Option<&ProviderError> {
        match &self.0.kind {
            Kind::Exchange(error)
            | Kind::LoginRequired(error)
            | Kind::Revocation(error)
            | Kind::Misconfigured(error) => Some(error),
            _ => None,
        }
    }

    fn has_kind(&self, kind: FailureKind) -> bool {
        self.provider_error()
            .is_some_and(|error| error.kind() == kind)
    }
}

#[cfg(test)]
mod tests;
