//! Why an exchange failed, and what is known about the refresh token.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::StatusCode;

use crate::token::{Secret, Token};

/// An exchange failed.
///
/// Made by one of five constructors, one for each kind of failure; the kind decides what happens
/// next, and whether the refresh token may have been spent. `Display` and `Debug` show the message
/// given by the provider's author, the status and a known code, never the vendor's own text, which
/// may hold pieces of the credential: that is behind [`vendor_said`](Self::vendor_said).
#[derive(Clone)]
pub struct ProviderError(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: FailureKind,
    message: Cow<'static, str>,
    status: Option<StatusCode>,
    code: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    vendor_text: Option<Secret>,
    salvaged: Option<Token>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The five kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// It may work later, and nothing was spent: the vendor was not reached, or said so in a
    /// complete 4xx.
    Transient,
    /// The vendor asks for a pause, which counts for all sessions of the layer.
    Throttled,
    /// The credential is refused for good: somebody has to log in again. Never made from a 5xx, a
    /// time-out or an unparsable reply.
    Refused,
    /// The request itself is wrong: a setting, an origin, a client id. Nothing was spent.
    Misconfigured,
    /// The request may have arrived and its result is lost, so the refresh token may have been
    /// spent.
    UnknownOutcome,
}

// === impl ProviderError ===

impl ProviderError {
    /// It may work later, and nothing was spent.
    #[must_use]
    pub fn transient(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureKind::Transient, message)
    }

    /// The vendor asks for a pause: a 429, with the delay where it names one.
    #[must_use]
    pub fn throttled(retry_after: Option<Duration>) -> Self {
        Self::new(FailureKind::Throttled, "the vendor asks for a pause").retry_after(retry_after)
    }

    /// The credential is refused for good; somebody has to log in again.
    #[must_use]
    pub fn refused(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// A setting is wrong. Say which one, and what to do.
    #[must_use]
    pub fn misconfigured(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureKind::Misconfigured, message)
    }

    /// The refresh token may have been spent, and the result is lost.
    #[must_use]
    pub fn unknown_outcome(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FailureKind::UnknownOutcome, message)
    }

    fn new(kind: FailureKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            status: None,
            code: None,
            retry_after: None,
            vendor_text: None,
            salvaged: None,
            source: None,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The same, of a request that cannot have spent anything, such as one with a password: an
    /// *unknown outcome* is then *transient*.
    #[must_use]
    pub fn of_nothing_spent(self) -> Self {
        self.with(|inner| {
            if inner.kind == FailureKind::UnknownOutcome {
                inner.kind = FailureKind::Transient;
            }
        })
    }

    /// Adds the status of the reply.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        self.with(|inner| inner.status = Some(status))
    }

    /// Adds an error code. It is shown: pass only codes that you know, never what a reply holds.
    #[must_use]
    pub fn code(self, code: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.code = Some(code.into()))
    }

    /// Adds the delay that the vendor asks for.
    #[must_use]
    pub fn retry_after(self, delay: Option<Duration>) -> Self {
        self.with(|inner| inner.retry_after = delay)
    }

    /// Keeps the first 4 KiB of what the vendor said, readable only through
    /// [`vendor_said`](Self::vendor_said).
    #[must_use]
    pub fn vendor_text(self, body: &[u8]) -> Self {
        const KEPT: usize = 4 * 1024;
        let text = String::from_utf8_lossy(&body[..body.len().min(KEPT)]).into_owned();
        self.with(|inner| inner.vendor_text = (!text.is_empty()).then(|| Secret::from(text)))
    }

    /// Keeps what did arrive: a reply whose access token is unusable may still hold the only copy
    /// of the next refresh token. The session goes on from it.
    #[must_use]
    pub fn salvaging(self, token: Token) -> Self {
        self.with(|inner| inner.salvaged = Some(token))
    }

    /// Adds the error behind this one. It is reachable through `source()`, so it must hold no
    /// secret; errors of JSON parsers do.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = Arc::from(source.into());
        self.with(|inner| inner.source = Some(source))
    }

    /// Which of the five kinds it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// Whether the refresh token may have been spent.
    #[must_use]
    pub fn may_have_spent(&self) -> bool {
        self.0.kind == FailureKind::UnknownOutcome
    }

    /// The status of the reply, if one came.
    #[must_use]
    pub fn http_status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The delay that the vendor asks for.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What the vendor said, word for word and cut at 4 KiB. It may hold secrets (VMware CSP puts
    /// the tail of the API token into its message): do not log it.
    #[must_use]
    pub fn vendor_said(&self) -> Option<&Secret> {
        self.0.vendor_text.as_ref()
    }

    pub(crate) fn salvaged(&self) -> Option<&Token> {
        self.0.salvaged.as_ref()
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.write_str(&inner.message)?;
        match (inner.status, &inner.code) {
            (Some(status), Some(code)) => write!(f, " (status {}, {code})", status.as_u16()),
            (Some(status), None) => write!(f, " (status {})", status.as_u16()),
            (None, Some(code)) => write!(f, " ({code})"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("ProviderError")
            .field("kind", &inner.kind)
            .field("message", &inner.message)
            .field("status", &inner.status)
            .field("code", &inner.code)
            .field("retry_after", &inner.retry_after)
            .field("source", &inner.source)
            .finish_non_exhaustive()
    }
}

impl StdError for ProviderError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
