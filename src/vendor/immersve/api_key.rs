//! Immersve's other scheme: a key and a secret, which do not expire.

use http::HeaderName;

use super::{super::fingerprint, ACCOUNT_ID, LIVE, TEST, default_origins};
use crate::{
    oauth2::wire::{self, Endpoint},
    provider::{
        Exchange, Origins, Placement, Profile, Provider, ProviderError, Refusal, Rotation,
        SessionParts,
    },
    token::{Secret, Token},
};

/// A partner's key at Immersve, sent with each API call as `x-api-key` and `x-api-secret`.
///
/// There is nothing to refresh and no login: a refusal of the key is handed to the caller.
///
/// ```
/// use tower_reauth::AuthLayer;
/// use tower_reauth::vendor::ImmersveApiKey;
///
/// let provider = ImmersveApiKey::new("k3y", "s3cr3t").account_id("account");
/// let auth = AuthLayer::new(provider);
/// ```
#[derive(Clone, Debug)]
pub struct ImmersveApiKey {
    key: Secret,
    secret: Secret,
    base: Endpoint,
    origins: Option<Origins>,
    account_id: Option<Secret>,
}

// === impl ImmersveApiKey ===

impl ImmersveApiKey {
    /// The live environment, with this key and its secret.
    #[must_use]
    pub fn new(key: impl Into<Secret>, secret: impl Into<Secret>) -> Self {
        Self {
            key: key.into(),
            secret: secret.into(),
            base: Endpoint::base(LIVE),
            origins: None,
            account_id: None,
        }
    }

    /// The vendor's test environment instead of the live one.
    #[must_use]
    pub fn test_environment(self) -> Self {
        self.base_url(TEST)
    }

    /// Another place where the vendor's API is.
    #[must_use]
    pub fn base_url(mut self, base_url: impl AsRef<str>) -> Self {
        self.base = Endpoint::base(base_url.as_ref());
        self
    }

    /// The origins that may see the key. Without it these are the environment's API and the host
    /// beside it that shows card secrets, or the origin of another base URL.
    #[must_use]
    pub fn origins(mut self, origins: impl Into<Origins>) -> Self {
        self.origins = Some(origins.into());
        self
    }

    /// The account that API calls are about: sent with each of them as `x-account-id`.
    #[must_use]
    pub fn account_id(mut self, account_id: impl Into<String>) -> Self {
        self.account_id = Some(Secret::from(account_id.into()));
        self
    }

    fn placement(&self) -> Placement {
        let placement = Placement::header(API_KEY).and_fixed(API_SECRET, self.secret.clone());
        match &self.account_id {
            Some(account) => placement.and_fixed(ACCOUNT_ID, account.clone()),
            None => placement,
        }
    }
}

impl Provider for ImmersveApiKey {
    async fn obtain(&self, _: Exchange) -> Result<Token, ProviderError> {
        if wire::secret_header(&self.key).is_none_or(|value| value.is_empty()) {
            return Err(ProviderError::misconfigured(
                "the API key is empty, or holds bytes that no header may hold",
            ));
        }
        Ok(Token::new(self.key.clone()))
    }

    fn profile(&self) -> Profile {
        let account = self.account_id.as_ref().map_or("", Secret::expose);
        let origins = self.origins.clone();
        Profile::new("immersve-api-key")
            .identity(SessionParts {
                namespace: String::new(),
                vendor: "immersve-api-key".to_owned(),
                base_url: self.base.url().to_owned(),
                client: fingerprint::of(&Ok(self.key.clone())),
                account: account.to_owned(),
                scope: String::new(),
                resource: Vec::new(),
                audience: Vec::new(),
                binding: String::new(),
                session_key: String::new(),
            })
            .placement(self.placement())
            .origins(origins.unwrap_or_else(|| default_origins(&self.base)))
            .rotation(Rotation::Never)
            .refusal(Refusal::never())
    }
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const API_SECRET: HeaderName = HeaderName::from_static("x-api-secret");
