//! What an application is asked for when its users log in.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::{
    provider::{Exchange, ProviderError},
    token::Secret,
};

/// An application's async function, from what is to be shown to what comes back.
#[derive(Clone)]
pub(super) struct Hook(Arc<Ask>);

type Ask = dyn Fn(String) -> Answer + Send + Sync;
type Answer = Pin<Box<dyn Future<Output = Result<Secret, ProviderError>> + Send>>;

// === impl Hook ===

impl Hook {
    pub(super) fn new<F, Fut>(ask: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, ProviderError>> + Send + 'static,
    {
        Self(Arc::new(move |shown| Box::pin(ask(shown))))
    }

    /// Asks, for as long as people are given.
    pub(super) async fn ask(
        &self,
        exchange: &Exchange,
        shown: String,
    ) -> Result<Secret, ProviderError> {
        exchange.by_the_deadline((self.0)(shown)).await?
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook(..)")
    }
}
