//! What a refused token is answered with.

use std::{fmt, sync::Arc};

use http::{HeaderMap, StatusCode};

/// Which responses of an API say that the token is not good.
///
/// The status decides, and whatever [`or_when`](Self::or_when) finds. There are two exceptions. A
/// status does not count where `WWW-Authenticate` asks for more *scope* only (RFC 6750, section 3.1):
/// a newer token would not help. And a gRPC call over HTTP/2 is refused by the gRPC status
/// UNAUTHENTICATED in the headers of its response; where they hold any gRPC status, that of HTTP is
/// ignored.
///
/// A vendor that says it in a body only needs a [`PeekLayer`](crate::peek::PeekLayer) as well.
#[derive(Clone)]
pub struct Refusal {
    is_never: bool,
    statuses: Vec<StatusCode>,
    /// The least of them: one comparison, which most responses are told by.
    least: u16,
    when: Option<Arc<When>>,
}

type When = dyn Fn(StatusCode, &HeaderMap) -> bool + Send + Sync;

// === impl Refusal ===

impl Refusal {
    /// No response says so, nor does one of gRPC, nor a mark: for a vendor whose API never refuses a
    /// token, or a token that cannot be refreshed.
    #[must_use]
    pub fn never() -> Self {
        Self {
            is_never: true,
            ..Self::statuses([])
        }
    }

    /// These statuses say so. With none of them, a response of HTTP says so only by what
    /// [`or_when`](Self::or_when) finds, or by its body and a
    /// [`PeekLayer`](crate::peek::PeekLayer).
    #[must_use]
    pub fn statuses(statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        let statuses: Vec<_> = statuses.into_iter().collect();
        let least = statuses.iter().min().map_or(u16::MAX, StatusCode::as_u16);
        Self {
            is_never: false,
            statuses,
            least,
            when: None,
        }
    }

    /// Responses that `says_so` tells by their status and headers say so as well. It is asked about
    /// every other response, so it should look at the status first.
    ///
    /// ```
    /// use tower_reauth::provider::{Profile, Refusal};
    ///
    /// let refusal = Refusal::default()
    ///     .or_when(|status, headers| {
    ///         status == 403 && headers.get("x-reason").is_some_and(|it| it == "token_expired")
    ///     });
    /// let profile = Profile::new("acme").origins(["https://api.acme.example"]).refusal(refusal);
    /// ```
    #[must_use]
    pub fn or_when(
        mut self,
        says_so: impl Fn(StatusCode, &HeaderMap) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.is_never = false;
        self.when = Some(match self.when {
            None => Arc::new(says_so),
            Some(earlier) => Arc::new(move |status, headers| {
                earlier(status, headers) || says_so(status, headers)
            }),
        });
        self
    }

    pub(crate) fn is_never(&self) -> bool {
        self.is_never
    }

    /// Whether a response with this status is none, whatever else it says.
    #[inline]
    pub(crate) fn passes(&self, status: StatusCode) -> bool {
        status.as_u16() < self.least && self.when.is_none()
    }

    pub(crate) fn is_when(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        self.when.as_ref().is_some_and(|when| when(status, headers))
    }

    pub(crate) fn has_status(&self, status: StatusCode) -> bool {
        self.statuses.contains(&status)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("is_never", &self.is_never)
            .field("statuses", &self.statuses)
            .finish_non_exhaustive()
    }
}

impl Default for Refusal {
    /// 401, as RFC 6750 has it.
    fn default() -> Self {
        Self::statuses([StatusCode::UNAUTHORIZED])
    }
}
