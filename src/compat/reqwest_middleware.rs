//! The layer as a middleware of `reqwest_middleware`.
//!
//! ```no_run
//! use reqwest_middleware::ClientBuilder;
//! use tower_reauth::{AuthLayer, BoxError, vendor::VmwareCsp};
//!
//! # async fn example() -> Result<(), BoxError> {
//! let auth = AuthLayer::new(VmwareCsp::api_token("your-api-token", ["https://vmc.vmware.com"]));
//! let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
//! let client = ClientBuilder::new(http).with(auth.middleware()).build();
//!
//! let response = client.get("https://vmc.vmware.com/vmc/api/orgs").send().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The rules are those of [`compat::reqwest`](crate::compat::reqwest), redirects included. What is
//! more: [`Bare`](crate::attach::Bare) works, by `with_extension(Bare)`.
//!
//! # Retries
//!
//! `with` puts a middleware inside of those that came before it. Retries come first, so that each
//! attempt gets the token that is current then. The layer's own errors are none of the network:
//! they arrive as `Error::Middleware`, which reqwest-retry does not try again by default.
//!
//! # Errors
//!
//! [`Error::find`](crate::Error::find) finds this crate's error in
//! [`reqwest_middleware::Error`].

use std::{error::Error as StdError, fmt, sync::Arc};

use ::reqwest::{Request, Response};
use ::reqwest_middleware::{Error as ChainError, Middleware, Next, Result as ChainResult};
use async_trait::async_trait;
use http::Extensions;

use super::reqwest::{Carrier, look, send};
use crate::{
    attach,
    error::Error,
    layer::{AuthLayer, Core},
    peek::PeekLayer,
    provider::Provider,
};

/// Authenticates the requests of a `reqwest_middleware` client. Made by [`AuthLayer::middleware`].
#[derive(Clone)]
pub struct AuthMiddleware {
    core: Arc<Core>,
}

/// Looks into the bodies of a chain's responses. Made by [`PeekLayer::middleware`].
#[derive(Clone, Debug)]
pub struct PeekMiddleware(PeekLayer);

/// The rest of the chain, for one request.
struct Rest<'a> {
    next: Next<'a>,
    extensions: &'a mut Extensions,
}

/// The layer's own error, one step down: `Error::Middleware` is transparent, and shows the sources
/// of what is in it only.
#[derive(Debug)]
struct Own(Error);

// === impl AuthLayer ===

impl<P: Provider> AuthLayer<P> {
    /// This layer as a middleware of `reqwest_middleware`, with the same session.
    ///
    /// ```
    /// # fn clients(
    /// #     auth: tower_reauth::AuthLayer<tower_reauth::provider::FixedToken>,
    /// #     http: reqwest::Client,
    /// # ) {
    /// let client = reqwest_middleware::ClientBuilder::new(http).with(auth.middleware()).build();
    /// # }
    /// ```
    #[must_use]
    pub fn middleware(&self) -> AuthMiddleware {
        AuthMiddleware {
            core: Arc::clone(&self.core),
        }
    }
}

// === impl AuthMiddleware ===

#[async_trait]
impl Middleware for AuthMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> ChainResult<Response> {
        let asked = attach::asked_for(extensions, &self.core.settings.admission);
        send(&self.core, asked, Rest { next, extensions }, request).await
    }
}

impl fmt::Debug for AuthMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthMiddleware")
            .field("core", &self.core)
            .finish()
    }
}

// === impl PeekLayer ===

impl PeekLayer {
    /// This layer as a middleware of `reqwest_middleware`, to come after that of an
    /// [`AuthLayer`].
    ///
    /// ```
    /// # fn clients(
    /// #     auth: tower_reauth::AuthLayer<tower_reauth::provider::FixedToken>,
    /// #     http: reqwest::Client,
    /// # ) {
    /// # use tower_reauth::peek::PeekLayer;
    /// let peek = PeekLayer::new(|glimpse| glimpse.body().starts_with(br#"{"success":false"#));
    /// let client = reqwest_middleware::ClientBuilder::new(http)
    ///     .with(auth.middleware())
    ///     .with(peek.middleware())
    ///     .build();
    /// # }
    /// ```
    #[must_use]
    pub fn middleware(&self) -> PeekMiddleware {
        PeekMiddleware(self.clone())
    }
}

// === impl PeekMiddleware ===

#[async_trait]
impl Middleware for PeekMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> ChainResult<Response> {
        let response = next.run(request, extensions).await?;
        Ok(look(&self.0, response).await)
    }
}

// === impl Rest ===

impl Carrier for Rest<'_> {
    type Error = ChainError;

    async fn carry(&mut self, request: Request) -> ChainResult<Response> {
        self.next.clone().run(request, self.extensions).await
    }

    fn own(error: Error) -> ChainError {
        ChainError::middleware(Own(error))
    }
}

// === impl Own ===

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Own {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}
