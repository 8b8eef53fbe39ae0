//! Whether a response refuses the token that was sent. Pure.

use http::Response;

use crate::provider::Refusal;

/// Whether `response` says that the token is not good.
pub(crate) fn refuses<B>(response: &Response<B>, refusal: &Refusal) -> bool {
    refusal.has_status(response.status())
}
