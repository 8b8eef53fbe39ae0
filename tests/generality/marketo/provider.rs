//! Marketo: a GET with the secret in its query, the same token again until it expires, of which
//! `expires_in` is what is left, and an API that says in a 200 that it has.

use std::time::Duration;

use form_urlencoded::Serializer;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tower_reauth::{
    Provider, Token,
    peek::{Glimpse, PeekLayer},
    provider::{Credential, Exchange, Profile, ProviderError, Rotation},
    token::Secret,
};

pub(crate) struct Marketo {
    pub(crate) base: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Credential,
}

#[derive(Deserialize)]
struct Reply {
    access_token: Secret,
    expires_in: u64,
}

impl Provider for Marketo {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let query = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.client_secret.look_up()?.expose())
            .finish();
        let request = Request::get(format!("{}/identity/oauth/token?{query}", self.base))
            .body(Default::default())
            .map_err(|_| ProviderError::misconfigured("the base URL is none"))?;
        let reply = exchange.client().send(request).await?;
        if reply.status() == StatusCode::UNAUTHORIZED && reply.is_complete() {
            return Err(ProviderError::refused(
                "Marketo does not know this client and secret",
            ));
        }
        let reply = reply.success()?;
        let Reply {
            access_token,
            expires_in,
        } = reply.json()?;
        // Before it has expired there is no other to be had.
        let lifetime = Duration::from_secs(expires_in);
        let token = Token::new(access_token)
            .with_lifetime(lifetime)
            .with_refresh_hint(lifetime);
        Ok(token.with_asked_at(reply.sent_at()))
    }

    fn profile(&self) -> Profile {
        Profile::new("marketo")
            .origins([&self.base])
            .rotation(Rotation::Never)
    }
}

pub(crate) fn peek() -> PeekLayer {
    PeekLayer::new(|glimpse: &Glimpse<'_>| {
        let body: Value = serde_json::from_slice(glimpse.body()).unwrap_or_default();
        matches!(body["errors"][0]["code"].as_str(), Some("601" | "602"))
    })
}
