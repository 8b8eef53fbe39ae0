//! A provider made of a closure.

use std::{fmt, future::Future};

use super::{Exchange, Origins, Profile, Provider, ProviderError};
use crate::token::Token;

/// Makes a provider out of `obtain`.
///
/// ```
/// use std::time::Duration;
/// use tower_reauth::{AuthLayer, Token};
/// use tower_reauth::provider::provider_fn;
///
/// let provider = provider_fn(|exchange| async move {
///     let request = http::Request::post("https://id.acme.example/token").body(Default::default());
///     let reply = exchange.client().send(request.expect("a constant request")).await?.success()?;
///     let access: String = reply.json()?;
///     Ok(Token::new(access).with_lifetime(Duration::from_secs(600)).with_asked_at(reply.sent_at()))
/// })
/// .origins(["https://api.acme.example"]);
/// let layer = AuthLayer::new(provider);
/// ```
pub fn provider_fn<F, Fut>(obtain: F) -> ProviderFn<F>
where
    F: Fn(Exchange) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Token, ProviderError>> + Send,
{
    ProviderFn {
        obtain,
        profile: Profile::new("custom"),
    }
}

/// The provider that [`provider_fn`] makes.
#[derive(Clone)]
pub struct ProviderFn<F> {
    obtain: F,
    profile: Profile,
}

// === impl ProviderFn ===

impl<F> ProviderFn<F> {
    /// The origins that may see the token.
    #[must_use]
    pub fn origins(mut self, origins: impl Into<Origins>) -> Self {
        self.profile = self.profile.origins(origins);
        self
    }

    /// Changes anything else that is known about the vendor.
    ///
    /// ```
    /// # use tower_reauth::provider::{Profile, ProviderError, Rotation, provider_fn};
    /// # let provider = provider_fn(|_| async { Err(ProviderError::transient("")) });
    /// let provider = provider.profile(|profile| profile.rotation(Rotation::Must));
    /// ```
    #[must_use]
    pub fn profile(mut self, change: impl FnOnce(Profile) -> Profile) -> Self {
        self.profile = change(self.profile);
        self
    }
}

impl<F, Fut> Provider for ProviderFn<F>
where
    F: Fn(Exchange) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Token, ProviderError>> + Send,
{
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        (self.obtain)(exchange).await
    }

    fn profile(&self) -> Profile {
        self.profile.clone()
    }
}

impl<F> fmt::Debug for ProviderFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderFn")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
