//! Salesforce: no lifetime, and with the token the address of the API that takes it, which changes when
//! an organisation is moved.

use form_urlencoded::Serializer;
use http::{Request, header::CONTENT_TYPE};
use serde::Deserialize;
use tower_reauth::{
    Provider, Token,
    provider::{Exchange, Origins, Profile, ProviderError},
    token::Secret,
};

pub(crate) struct Salesforce {
    pub(crate) login: String,
    pub(crate) client_id: String,
}

#[derive(Deserialize)]
struct Reply {
    access_token: Secret,
    refresh_token: Option<Secret>,
    instance_url: String,
}

#[derive(Deserialize)]
struct Failure {
    error: String,
}

impl Provider for Salesforce {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", &self.client_id)
            .append_pair("refresh_token", exchange.refresh_token()?.expose())
            .finish();
        let request = Request::post(format!("{}/services/oauth2/token", self.login))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into())
            .map_err(|_| ProviderError::misconfigured("the login URL is none"))?;
        let reply = exchange.client().send(request).await?;
        if reply.status() == 400 && reply.is_complete() {
            let Failure { error } = reply.json()?;
            if error == "invalid_grant" {
                return Err(
                    ProviderError::refused("Salesforce wants a new login").code("invalid_grant")
                );
            }
        }
        let reply = reply.success()?;
        let body: Reply = reply.json()?;
        let token = Token::new(body.access_token)
            .with_origin(body.instance_url)
            .with_asked_at(reply.sent_at());
        Ok(match body.refresh_token {
            Some(refresh) => token.with_refresh_token(refresh),
            None => token,
        })
    }

    fn profile(&self) -> Profile {
        let origins = Origins::from([&self.login]).and_those_of_tokens();
        Profile::new("salesforce").origins(origins)
    }
}
