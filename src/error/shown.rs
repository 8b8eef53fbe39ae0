//! How an error is shown: as a word, as a sentence, and as the end of a chain. Never a secret, and no
//! text of a vendor.

use std::{error::Error as StdError, fmt};

use super::{Error, Kind};

// === impl Error ===

impl Error {
    /// What it is in one word, as traces and metrics have it: the kind of the provider's failure, as
    /// [`FailureKind::as_str`](crate::provider::FailureKind::as_str) says it, or `login_required`, `died`,
    /// `in_progress`, `login_in_progress`, `out_of_time`, `origin`, `revocation`, `misconfigured`,
    /// `no_runtime`, `shut_down` or `finished`.
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
