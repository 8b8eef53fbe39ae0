//! Bluesky (atproto): the refresh token is a JWT that goes as Bearer on a request without a body, and an
//! API says with a 400 that a token has expired.

use http::{Request, header::AUTHORIZATION};
use serde::Deserialize;
use tower_reauth::{
    Provider, Token,
    peek::{Glimpse, PeekLayer},
    provider::{Exchange, Profile, ProviderError, Rotation},
    token::Secret,
};

pub(crate) struct Bluesky {
    pub(crate) pds: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    access_jwt: Secret,
    refresh_jwt: Secret,
}

#[derive(Deserialize)]
struct Failure {
    error: String,
}

impl Provider for Bluesky {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let bearer = format!("Bearer {}", exchange.refresh_token()?.expose());
        let request = Request::post(format!(
            "{}/xrpc/com.atproto.server.refreshSession",
            self.pds
        ))
        .header(AUTHORIZATION, bearer)
        .body(Default::default())
        .map_err(|_| ProviderError::misconfigured("the address or the refresh token is none"))?;
        let reply = exchange.client().send(request).await?;
        if matches!(reply.status().as_u16(), 400 | 401) && reply.is_complete() {
            let Failure { error } = reply.json()?;
            if matches!(&*error, "ExpiredToken" | "InvalidToken" | "AccountTakedown") {
                return Err(
                    ProviderError::refused("Bluesky wants a new login").status(reply.status())
                );
            }
        }
        let reply = reply.success()?;
        let Reply {
            access_jwt,
            refresh_jwt,
        } = reply.json()?;
        let token = Token::new(access_jwt).with_refresh_token(refresh_jwt);
        Ok(token.with_asked_at(reply.sent_at()))
    }

    fn profile(&self) -> Profile {
        Profile::new("bluesky")
            .origins([&self.pds])
            .rotation(Rotation::Must)
    }
}

pub(crate) fn peek() -> PeekLayer {
    PeekLayer::new(|glimpse: &Glimpse<'_>| {
        let says = |it: Failure| it.error == "ExpiredToken";
        glimpse.status() == 400 && serde_json::from_slice(glimpse.body()).is_ok_and(says)
    })
}
