//! Slack's token rotation: everything is a 200, and `ok` says whether it was a success.

use std::time::Duration;

use form_urlencoded::Serializer;
use http::{Request, header::CONTENT_TYPE};
use serde::Deserialize;
use tower_reauth::{
    Provider, Token,
    peek::{Glimpse, PeekLayer},
    provider::{Exchange, Profile, ProviderError, Rotation},
    token::Secret,
};

pub(crate) struct Slack {
    pub(crate) base: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
}

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: Secret,
    refresh_token: Secret,
    expires_in: u64,
}

impl Provider for Slack {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.client_secret.expose())
            .append_pair("refresh_token", exchange.refresh_token()?.expose())
            .finish();
        let request = Request::post(format!("{}/api/oauth.v2.access", self.base))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into())
            .map_err(|_| ProviderError::misconfigured("the base URL is none"))?;
        let reply = exchange.client().send(request).await?.success()?;
        let Verdict { ok, error } = reply.json()?;
        if !ok {
            return Err(match &*error {
                "invalid_refresh_token" => ProviderError::refused("Slack: install the app again"),
                "ratelimited" => ProviderError::throttled(reply.retry_after()),
                "internal_error" | "fatal_error" => ProviderError::unknown_outcome("Slack failed"),
                _ => ProviderError::misconfigured("Slack does not like the request"),
            });
        }
        let tokens: Tokens = reply.json()?;
        Ok(Token::new(tokens.access_token)
            .with_refresh_token(tokens.refresh_token)
            .with_lifetime(Duration::from_secs(tokens.expires_in))
            .with_asked_at(reply.sent_at()))
    }

    fn profile(&self) -> Profile {
        Profile::new("slack")
            .origins([&self.base])
            .rotation(Rotation::Must)
    }
}

/// The API says it in the same way.
pub(crate) fn peek() -> PeekLayer {
    PeekLayer::new(|glimpse: &Glimpse<'_>| {
        let codes = ["token_expired", "token_revoked", "invalid_auth"];
        let says = |it: Verdict| !it.ok && codes.contains(&&*it.error);
        serde_json::from_slice(glimpse.body()).is_ok_and(says)
    })
}
