//! Feishu's tenant token: `code` says whether a 200 was a success, the lifetime is in `expire`, and for
//! as long as half an hour is left of a token, asking gives the same one.

use std::time::Duration;

use http::{Request, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;
use tower_reauth::{
    Provider, Token,
    peek::{Glimpse, PeekLayer},
    provider::{Credential, Exchange, Profile, ProviderError, Rotation},
    token::Secret,
};

pub(crate) struct Feishu {
    pub(crate) base: String,
    pub(crate) app_id: String,
    pub(crate) app_secret: Credential,
}

#[derive(Deserialize)]
struct Reply {
    code: i64,
    tenant_access_token: Option<Secret>,
    #[serde(default)]
    expire: u64,
}

/// A new token is to be had when so much is left of the last one, and not before.
const OVERLAP: Duration = Duration::from_secs(29 * 60);

impl Provider for Feishu {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let secret = self.app_secret.look_up()?;
        let body = json!({ "app_id": self.app_id, "app_secret": secret.expose() });
        let path = "/open-apis/auth/v3/tenant_access_token/internal";
        let request = Request::post(format!("{}{path}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string().into())
            .map_err(|_| ProviderError::misconfigured("the base URL is none"))?;
        let reply = exchange.client().send(request).await?.success()?;
        let Reply {
            code,
            tenant_access_token,
            expire,
        } = reply.json()?;
        match (code, tenant_access_token) {
            (0, Some(token)) => {
                let lifetime = Duration::from_secs(expire);
                Ok(Token::new(token)
                    .with_lifetime(lifetime)
                    .with_refresh_hint(lifetime.saturating_sub(OVERLAP))
                    .with_asked_at(reply.sent_at()))
            }
            (10003 | 10014, _) => Err(ProviderError::refused(
                "Feishu does not know this app and secret",
            )),
            (99991400, _) => Err(ProviderError::throttled(reply.retry_after())),
            _ => {
                Err(ProviderError::misconfigured("Feishu gives no token").vendor_text(reply.body()))
            }
        }
    }

    fn profile(&self) -> Profile {
        Profile::new("feishu")
            .origins([&self.base])
            .rotation(Rotation::Never)
    }
}

pub(crate) fn peek() -> PeekLayer {
    let code = b"\"code\":99991663";
    PeekLayer::new(move |glimpse: &Glimpse<'_>| {
        glimpse.body().windows(code.len()).any(|it| it == code)
    })
}
