//! A provider whose type is hidden.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::{Exchange, Profile, Provider, ProviderError, SessionId};
use crate::token::Token;

/// Any [`Provider`], behind one type. Cheap to clone.
///
/// ```
/// use tower_reauth::AuthLayer;
/// use tower_reauth::provider::{BoxProvider, FixedToken};
///
/// let provider = BoxProvider::new(FixedToken::bearer("t0ken").origins(["https://api.example.com"]));
/// let layer: AuthLayer<BoxProvider> = AuthLayer::new(provider);
/// ```
#[derive(Clone)]
pub struct BoxProvider(Arc<dyn ErasedProvider>);

/// [`Provider`] with its futures boxed, so that the cell needs no type parameter. An exchange is
/// rare and slow; one allocation more is nothing beside it.
pub(crate) trait ErasedProvider: Send + Sync {
    fn obtain(&self, exchange: Exchange) -> Boxed<'_, Result<Token, ProviderError>>;
    fn login(&self, exchange: Exchange) -> Boxed<'_, Result<Token, ProviderError>>;
    fn profile(&self) -> Profile;
    fn settle<'a>(&'a self, session: &'a SessionId) -> Boxed<'a, Result<(), ProviderError>>;
    fn replace<'a>(
        &'a self,
        session: &'a SessionId,
        token: &'a Token,
    ) -> Boxed<'a, Result<(), ProviderError>>;
    fn revoke(&self, exchange: Exchange) -> Boxed<'_, Result<(), ProviderError>>;
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

// === impl BoxProvider ===

impl BoxProvider {
    /// Hides the type of `provider`.
    #[must_use]
    pub fn new(provider: impl Provider) -> Self {
        Self(Arc::new(provider))
    }

    pub(crate) fn from_shared(provider: Arc<dyn ErasedProvider>) -> Self {
        Self(provider)
    }
}

impl Provider for BoxProvider {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        self.0.obtain(exchange).await
    }

    async fn login(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        self.0.login(exchange).await
    }

    fn profile(&self) -> Profile {
        self.0.profile()
    }

    async fn settle(&self, session: &SessionId) -> Result<(), ProviderError> {
        self.0.settle(session).await
    }

    async fn replace(&self, session: &SessionId, token: &Token) -> Result<(), ProviderError> {
        self.0.replace(session, token).await
    }

    async fn revoke(&self, exchange: Exchange) -> Result<(), ProviderError> {
        self.0.revoke(exchange).await
    }
}

impl fmt::Debug for BoxProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxProvider").finish_non_exhaustive()
    }
}

// === impl ErasedProvider ===

impl<P: Provider> ErasedProvider for P {
    fn obtain(&self, exchange: Exchange) -> Boxed<'_, Result<Token, ProviderError>> {
        Box::pin(Provider::obtain(self, exchange))
    }

    fn login(&self, exchange: Exchange) -> Boxed<'_, Result<Token, ProviderError>> {
        Box::pin(Provider::login(self, exchange))
    }

    fn profile(&self) -> Profile {
        Provider::profile(self)
    }

    fn settle<'a>(&'a self, session: &'a SessionId) -> Boxed<'a, Result<(), ProviderError>> {
        Box::pin(Provider::settle(self, session))
    }

    fn replace<'a>(
        &'a self,
        session: &'a SessionId,
        token: &'a Token,
    ) -> Boxed<'a, Result<(), ProviderError>> {
        Box::pin(Provider::replace(self, session, token))
    }

    fn revoke(&self, exchange: Exchange) -> Boxed<'_, Result<(), ProviderError>> {
        Box::pin(Provider::revoke(self, exchange))
    }
}
