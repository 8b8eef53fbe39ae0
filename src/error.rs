//! What can go wrong for a caller.

use std::{error::Error as StdError, fmt, io, sync::Arc, time::Duration};

use crate::{
    clock::Moment,
    provider::{FailureKind, HeldBack, ProviderError},
};

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

    /// What it is in one word, as traces and metrics have it: the kind of the provider's failure, as
    /// [`FailureKind::as_str`] says it, or `login_required`, `died`, `in_progress`, `login_in_progress`, `out_of_time`,
    /// `origin`, `revocation`, `misconfigured`, `no_runtime`, `shut_down` or `finished`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.0.kind {
            Kind::Exchange(error) => error.kind().as_str(),
            Kind::LoginRequired(_) => "login_required",
            Kind::Died { .. } => "died",
            Kind::InProgress => "in_progress",
            Kind::LoginInProgress => "login_in_progress",
            Kind::OutOfTime => "out_of_time",
            Kind::Origin(_) => "origin",
            Kind::Revocation(_) => "revocation",
            Kind::Misconfigured(_) => "misconfigured",
            Kind::NoRuntime => "no_runtime",
            Kind::ShutDown => "shut_down",
            Kind::Finished => "finished",
        }
    }

    fn has_kind(&self, kind: FailureKind) -> bool {
        self.provider_error()
            .is_some_and(|error| error.kind() == kind)
    }

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

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self(Arc::new(Inner {
            kind,
            retry_after: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Exchange(error) => write!(f, "no token could be obtained: {error}"),
            Kind::Revocation(error) => write!(f, "the session could not be revoked: {error}"),
            Kind::LoginRequired(error) => write!(f, "a new login is needed: {error}"),
            Kind::Misconfigured(error) => write!(f, "the authentication layer is misconfigured: {error}"),
            Kind::Died { panicked: true } => f.write_str("the provider panicked during the exchange"),
            Kind::Died { panicked: false } => f.write_str(
                "the exchange was dropped with the runtime that it ran on; the next call starts anew",
            ),
            Kind::InProgress => f.write_str("an exchange is still under way; it goes on without this caller"),
            Kind::LoginInProgress => f.write_str(
                "a login is under way, and may be waiting for a person; it goes on without this caller",
            ),
            Kind::OutOfTime => f.write_str(
                "the call's deadline passed before it could be sent; \
                 an exchange that is under way goes on without this caller",
            ),
            Kind::Origin(origin) => write!(
                f,
                "the request was not sent, since {origin} is not among the origins that may see the token: \
                 declare it at the provider, or mark the request with `attach::Bare` to send it without a token",
            ),
            Kind::NoRuntime => f.write_str(
                "a token is needed, and there is no tokio runtime to obtain it on: \
                 call from within one, such as a function under `#[tokio::main]`",
            ),
            Kind::ShutDown => f.write_str("the session was shut down"),
            Kind::Finished => f.write_str("the response future was polled after it had finished"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("retry_after", &self.0.retry_after)
            .finish()
    }
}

impl StdError for Error {
    /// What is behind the provider's error, whose own text is in this one's already: a log that
    /// prints the whole chain says everything once.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.provider_error()?.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Predicate = fn(&Error) -> bool;

    /// The predicates that hold of `error`, by name.
    fn holding(error: &Error) -> Vec<&'static str> {
        let predicates: [(&str, Predicate); 9] = [
            ("login required", Error::is_login_required),
            ("transient", Error::is_transient),
            ("throttled", Error::is_throttled),
            ("unknown outcome", Error::is_unknown_outcome),
            ("misconfigured", Error::is_misconfigured),
            ("origin", Error::is_origin),
            ("in progress", Error::is_in_progress),
            ("login in progress", Error::is_login_in_progress),
            ("shut down", Error::is_shut_down),
        ];
        let held = predicates.into_iter().filter(|(_, holds)| holds(error));
        held.map(|(name, _)| name).collect()
    }

    #[test]
    fn each_error_is_what_its_predicates_say_and_nothing_else() {
        let lost = || ProviderError::unknown_outcome("");
        let table: [(Error, &[&str]); 16] = [
            (
                Error::exchange(ProviderError::transient("")),
                &["transient"],
            ),
            (
                Error::exchange(ProviderError::throttled(None)),
                &["transient", "throttled"],
            ),
            (Error::exchange(lost()), &["transient", "unknown outcome"]),
            (
                Error::exchange(ProviderError::misconfigured("")),
                &["misconfigured"],
            ),
            (
                Error::exchange(ProviderError::refused("")),
                &["login required"],
            ),
            (
                Error::login_required(lost()),
                &["login required", "unknown outcome"],
            ),
            (
                Error::misconfigured(ProviderError::misconfigured("")),
                &["misconfigured"],
            ),
            (Error::token_request_in_layer(), &["misconfigured"]),
            (Error::died(false), &["transient", "unknown outcome"]),
            (Error::died(true), &["transient", "unknown outcome"]),
            (Error::in_progress(), &["transient", "in progress"]),
            (
                Error::login_in_progress(),
                &["transient", "in progress", "login in progress"],
            ),
            (Error::out_of_time(), &["transient", "in progress"]),
            (
                Error::origin(Some("https"), "elsewhere.example"),
                &["origin"],
            ),
            (Error::no_runtime(), &["misconfigured"]),
            (Error::shut_down(), &["shut down"]),
        ];
        for (error, expected) in table {
            assert_eq!(holding(&error), expected, "{error:?}");
            let now = Moment::PAST;
            let later = error.retry_at(now.after(Duration::from_secs(1)), now);
            assert_eq!(holding(&later), expected, "with a delay: {error:?}");
            assert_eq!(later.retry_after(), Some(Duration::from_secs(1)));
            assert_eq!(later.to_string(), error.to_string());
        }
        assert!(holding(&Error::finished()).is_empty());
    }

    #[test]
    fn a_printed_chain_says_everything_once() {
        let cause = std::io::Error::other("no route");
        let error = Error::exchange(ProviderError::transient("down").because(cause));
        assert_eq!(error.to_string(), "no token could be obtained: down");
        let source = error.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("no route"));
        assert!(Error::origin(None, "").source().is_none());
    }

    #[test]
    fn the_origin_is_named_and_nothing_else_of_the_address() {
        let table = [
            (
                Some("https"),
                "user:s3cr3t@api.example:8443",
                "https://api.example:8443 is",
            ),
            (Some("http"), "api.example", "http://api.example is"),
            (None, "api.example:443", "since api.example:443 is"),
        ];
        for (scheme, authority, named) in table {
            let text = Error::origin(scheme, authority).to_string();
            assert!(text.contains(named), "{text}");
            assert!(!text.contains("s3cr3t") && !text.contains('@'), "{text}");
        }
    }
}
