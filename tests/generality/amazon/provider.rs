//! Amazon's Selling Partner API: some operations want a token of their own, which is asked for with the
//! usual one. A provider that holds the handle of another session.

use std::time::Duration;

use http::{HeaderName, Request, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;
use tower_reauth::{
    Provider, Token,
    handle::AuthHandle,
    provider::{Exchange, Placement, Profile, ProviderError, Rotation},
    token::Secret,
};

pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-amz-access-token");

/// Restricted data tokens for one path.
pub(crate) struct Restricted {
    pub(crate) base: String,
    pub(crate) path: String,
    /// The session that they are asked for with; none where the token client puts its token on.
    pub(crate) usual: Option<AuthHandle>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    restricted_data_token: Secret,
    expires_in: u64,
}

impl Provider for Restricted {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let body = json!({ "restrictedResources": [{ "method": "GET", "path": self.path }] });
        let mut request = Request::post(format!(
            "{}/tokens/2021-03-01/restrictedDataToken",
            self.base
        ))
        .header(CONTENT_TYPE, "application/json");
        let mut sent = None;
        if let Some(usual) = &self.usual {
            // Before the token: a refusal is then never of a newer one.
            sent = Some(usual.status().generation);
            let token = usual.token().await?;
            let access = token.access_token().map_or("", Secret::expose);
            request = request.header(TOKEN, access);
        }
        let request = request.body(body.to_string().into());
        let request = request.map_err(|_| ProviderError::misconfigured("the base URL is none"))?;
        let reply = exchange.client().send(request).await?;
        if reply.status() == 403 && reply.is_complete() {
            if let (Some(usual), Some(sent)) = (&self.usual, sent) {
                usual.reject(sent);
            }
            return Err(
                ProviderError::transient("the usual token was refused").status(reply.status())
            );
        }
        let reply = reply.success()?;
        let Reply {
            restricted_data_token,
            expires_in,
        } = reply.json()?;
        let token =
            Token::new(restricted_data_token).with_lifetime(Duration::from_secs(expires_in));
        Ok(token.with_asked_at(reply.sent_at()))
    }

    fn profile(&self) -> Profile {
        let profile = Profile::new("amazon-rdt").origins([&self.base]);
        profile
            .placement(Placement::header(TOKEN))
            .rotation(Rotation::Never)
    }
}
