//! A GitHub App's installation token: asked for with a JWT that the app signs itself, answered with 201
//! and a time in ISO 8601.

use http::{Request, StatusCode, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Deserialize;
use serde_json::json;
use tower_reauth::{
    Provider, Token,
    provider::{Exchange, Profile, ProviderError, Rotation},
    token::Secret,
};

pub(crate) struct GithubApp {
    pub(crate) base: String,
    pub(crate) app_id: String,
    pub(crate) installation: u64,
    pub(crate) key: EncodingKey,
}

#[derive(Deserialize)]
struct Reply {
    token: Secret,
    expires_at: String,
}

impl GithubApp {
    /// Signed anew for every exchange: it lives for ten minutes at most, by GitHub's clock.
    fn jwt(&self, now: u64) -> Result<String, ProviderError> {
        let claims = json!({ "iss": self.app_id, "iat": now.saturating_sub(60), "exp": now + 540 });
        encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map_err(|_| ProviderError::misconfigured("the app's key is no RSA key"))
    }
}

impl Provider for GithubApp {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let jwt = self.jwt(exchange.client().now().unix().as_secs())?;
        let url = format!(
            "{}/app/installations/{}/access_tokens",
            self.base, self.installation
        );
        let request = Request::post(url)
            .header(AUTHORIZATION, format!("Bearer {jwt}"))
            .header("accept", "application/vnd.github+json")
            .body(Default::default())
            .map_err(|_| ProviderError::misconfigured("the base URL is none"))?;
        let reply = exchange.client().send(request).await?;
        if reply.status() == StatusCode::NOT_FOUND && reply.is_complete() {
            return Err(
                ProviderError::refused("the app is not installed any more").status(reply.status())
            );
        }
        let reply = reply.success()?;
        let Reply { token, expires_at } = reply.json()?;
        let expires_at = humantime::parse_rfc3339(&expires_at)
            .map_err(|_| ProviderError::unknown_outcome("`expires_at` is no time"))?;
        Ok(Token::new(token)
            .with_expiry(expires_at)
            .with_asked_at(reply.sent_at()))
    }

    fn profile(&self) -> Profile {
        Profile::new("github-app")
            .origins([&self.base])
            .rotation(Rotation::Never)
    }
}
