//! A vendor's answer to a token request, and what it is where nothing is known of its vendor.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use http::{
    HeaderMap, StatusCode,
    header::{DATE, RETRY_AFTER},
    response,
};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::ProviderError;
use crate::clock::Moment;

/// A vendor's answer to a token request. `Debug` shows the status and sizes only.
pub struct TokenReply {
    status: StatusCode,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
    complete: bool,
    sent_at: Moment,
    received_at: Moment,
}

// === impl TokenReply ===

impl TokenReply {
    /// A reply that arrived between two moments. `complete` is false where the body broke off,
    /// for whatever reason.
    pub(crate) fn new(
        head: response::Parts,
        body: Zeroizing<Vec<u8>>,
        complete: bool,
        (sent_at, received_at): (Moment, Moment),
    ) -> Self {
        Self {
            status: head.status,
            headers: head.headers,
            body,
            complete,
            sent_at,
            received_at,
        }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body, as far as it arrived.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether the whole body arrived: it did not where the connection broke, the time ran out or
    /// the size limit was reached. An incomplete reply proves nothing about the refresh token.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// When the request was sent, for [`Token::with_asked_at`](crate::Token::with_asked_at).
    #[must_use]
    pub fn sent_at(&self) -> Moment {
        self.sent_at
    }

    /// The delay that the vendor asks for, in either form of `Retry-After` (RFC 9110, section
    /// 10.2.3). A date in the past is no delay; an unreadable one is none at all.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than a u64 holds is still a number of seconds; the cap is the cell's.
            return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
        }
        let date = httpdate::parse_http_date(value).ok()?;
        // The vendor's own clock, where it tells it, is the one that the date was made by.
        let now = self.date().unwrap_or_else(|| self.received_at.wall());
        Some(date.duration_since(now).unwrap_or(Duration::ZERO))
    }

    fn date(&self) -> Option<SystemTime> {
        let value = self.headers.get(DATE)?.to_str().ok()?;
        httpdate::parse_http_date(value).ok()
    }

    /// This reply if it is a complete success, else the error that is true of any vendor.
    ///
    /// # Errors
    ///
    /// 429 is *throttled*. 408, 409, 423 and 425 are *transient*. Any other complete 4xx is
    /// *misconfigured*: no general rule can tell a dead login from a wrong setting, so a provider
    /// that knows its vendor looks at the status first and says
    /// [`refused`](ProviderError::refused). So is a 301, 307 or 308, which say that nothing
    /// was done here. Everything else, 5xx and whatever broke off among it, is an *unknown
    /// outcome*.
    pub fn success(self) -> Result<Self, ProviderError> {
        if self.status.is_success() && self.complete {
            return Ok(self);
        }
        Err(self.failure())
    }

    /// The error that this reply is when nothing vendor-specific is known about it.
    #[must_use]
    pub fn failure(&self) -> ProviderError {
        let error = match self.status.as_u16() {
            _ if !self.complete => ProviderError::unknown_outcome("the reply broke off"),
            429 => ProviderError::throttled(self.retry_after()),
            408 | 409 | 423 | 425 => ProviderError::transient("the vendor asks to try again")
                .retry_after(self.retry_after()),
            404 | 405 => ProviderError::misconfigured(
                "the vendor takes no token requests at this address; \
                 check the provider's base URL, then its other settings",
            ),
            400..=499 => ProviderError::misconfigured(
                "the vendor refused the token request; check the provider's settings",
            ),
            500..=599 => ProviderError::unknown_outcome("the vendor failed while answering")
                .retry_after(self.retry_after()),
            // These say that nothing was done here (RFC 9110, section 15.4); a 302 or 303 may also
            // be what follows a request that was processed.
            301 | 307 | 308 => ProviderError::misconfigured(REDIRECTED),
            300..=399 => ProviderError::unknown_outcome(REDIRECTED),
            _ => ProviderError::unknown_outcome("the reply was not understood"),
        };
        error.status(self.status).vendor_text(&self.body)
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// *Unknown outcome*: a success that cannot be read has most likely spent the refresh token.
    /// The error says where the body stops making sense, and shows nothing of it.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // serde_json quotes the offending value in its messages: only the place is safe.
            let what = match error.classify() {
                serde_json::error::Category::Eof => "the reply's JSON ends too early",
                serde_json::error::Category::Data => {
                    "the reply's JSON lacks a field or has a wrong type"
                }
                _ => "the reply is not JSON",
            };
            ProviderError::unknown_outcome(what)
                .status(self.status)
                .vendor_text(&self.body)
        })
    }
}

impl fmt::Debug for TokenReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenReply")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}

const REDIRECTED: &str = "the token endpoint redirects, and token requests do not follow; \
                          set the provider's base URL to where it points";

#[cfg(test)]
mod tests;
