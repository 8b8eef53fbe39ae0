//! Token requests with or without a proof of possession: the one place that knows whether feature
//! `dpop` is on.

use bytes::Bytes;
use http::Request;

#[cfg(feature = "dpop")]
use super::dpop::{Dpop, DpopKey};
use super::{OAuth2, wire::TokenType};
use crate::{
    provider::{Profile, ProviderError, TokenClient, TokenReply},
    token::Token,
};

/// The key that the token of one exchange will be bound to; none for bearer tokens.
#[cfg(feature = "dpop")]
pub(super) type Key = Option<DpopKey>;
/// Nothing: all tokens are bearer tokens.
#[cfg(not(feature = "dpop"))]
pub(super) struct Key;

// === impl OAuth2 ===

#[cfg(feature = "dpop")]
impl OAuth2 {
    /// The key of a session that has this token, or that begins.
    pub(super) fn key_of(&self, last: Option<&Token>) -> Result<Key, ProviderError> {
        self.dpop.as_ref().map(|dpop| dpop.key_of(last)).transpose()
    }

    /// Sends what `make` makes, with a proof where there is a key: then again if only that is wrong.
    pub(super) async fn send(
        &self,
        client: &TokenClient,
        key: &Key,
        make: impl Fn() -> Result<Request<Bytes>, ProviderError> + Send,
    ) -> Result<TokenReply, ProviderError> {
        match (&self.dpop, key) {
            (Some(dpop), Some(key)) => dpop.send(client, key, make).await,
            _ => client.send(make()?).await,
        }
    }

    pub(super) fn bound_to(
        &self,
        key: &Key,
        result: Result<Token, ProviderError>,
    ) -> Result<Token, ProviderError> {
        match (&self.dpop, key) {
            (Some(dpop), Some(key)) => dpop.bound_to(key, result),
            _ => result,
        }
    }

    pub(super) fn token_type(&self) -> TokenType {
        match self.dpop {
            Some(_) => TokenType::Dpop,
            None => TokenType::Bearer,
        }
    }

    /// What tokens are bound to: a certificate, a key, or both.
    pub(super) fn binding(&self) -> String {
        let key = self.dpop.as_ref().map_or("", Dpop::identity);
        match (self.client_auth.binding(), key) {
            ("", key) => key.to_owned(),
            (certificate, "") => certificate.to_owned(),
            (certificate, key) => format!("{certificate} {key}"),
        }
    }

    pub(super) fn bound(&self, profile: Profile) -> Profile {
        match &self.dpop {
            Some(dpop) => profile.bound_by(std::sync::Arc::new(dpop.clone())),
            None => profile,
        }
    }
}

#[cfg(not(feature = "dpop"))]
impl OAuth2 {
    #[expect(clippy::unnecessary_wraps, reason = "as with feature `dpop`")]
    pub(super) fn key_of(&self, _: Option<&Token>) -> Result<Key, ProviderError> {
        Ok(Key)
    }

    pub(super) async fn send(
        &self,
        client: &TokenClient,
        _: &Key,
        make: impl Fn() -> Result<Request<Bytes>, ProviderError> + Send,
    ) -> Result<TokenReply, ProviderError> {
        client.send(make()?).await
    }

    pub(super) fn bound_to(
        &self,
        _: &Key,
        result: Result<Token, ProviderError>,
    ) -> Result<Token, ProviderError> {
        result
    }

    pub(super) fn token_type(&self) -> TokenType {
        TokenType::Bearer
    }

    pub(super) fn binding(&self) -> String {
        self.client_auth.binding().to_owned()
    }

    pub(super) fn bound(&self, profile: Profile) -> Profile {
        profile
    }
}
