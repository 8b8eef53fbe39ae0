//! What stands in for the built-in token client where that was not compiled in.

use std::{future::ready, sync::Arc};

use bytes::Bytes;
use http::Request;

use super::{Limits, stack::Stack};
use crate::{
    clock::Clock,
    provider::{ProviderError, SendFuture},
};

/// Answers every request with an error that names the fix.
pub(super) struct Missing;

// === impl Missing ===

impl Stack for Missing {
    fn send(&self, _: Request<Bytes>, _: Arc<dyn Clock>, _: Limits) -> SendFuture {
        Box::pin(ready(Err(ProviderError::misconfigured(
            "no token client: enable feature `https` or give one with the builder's `token_client`",
        ))))
    }
}
