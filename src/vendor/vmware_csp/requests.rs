//! What the vendor is asked for an access token with.

use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};

use super::{Proof, VmwareCsp, refusals};
use crate::{
    oauth2::wire::{self, Names},
    provider::{Credential, Exchange, ProviderError},
    token::{Secret, Token},
};

/// The access token of a service account.
pub(super) async fn serve(
    exchange: &Exchange,
    request: Request<Bytes>,
) -> Result<Token, ProviderError> {
    let reply = exchange.client().send(request).await?;
    match reply.status().is_success() {
        true => wire::issued(&reply, &NAMES),
        false => Err(refusals::of_account(&reply)),
    }
}

// === impl VmwareCsp ===

impl VmwareCsp {
    /// The access token that an API token is exchanged for, with a passcode where one is asked for.
    pub(super) async fn exchange_api_token(
        &self,
        exchange: &Exchange,
        passcode: Option<Secret>,
    ) -> Result<Token, ProviderError> {
        let Proof::ApiToken {
            api_token,
            parameter,
            details,
            ..
        } = &self.proof
        else {
            return Err(ProviderError::misconfigured("there is no API token"));
        };
        let api_token = api_token.look_up()?;
        if api_token.is_empty() {
            return Err(ProviderError::misconfigured("the API token is empty"));
        }
        let uri = self
            .base
            .uri("/csp/gateway/am/api/auth/api-tokens/authorize")?;
        let mut parameters = vec![(*parameter, api_token.expose())];
        if let Some(passcode) = &passcode {
            parameters.push(("passcode", passcode.expose()));
        }
        let request = wire::post_form(uri, &parameters)?;
        let reply = exchange.client().send(request).await?;
        if !reply.status().is_success() {
            return Err(match passcode {
                Some(_) => refusals::of_passcode(&reply),
                None => refusals::of_api_token(&reply),
            });
        }
        let token = wire::issued(&reply, &NAMES)?;
        let expiry = match details {
            Some(details) => details.expiry(self, exchange, &api_token).await,
            None => None,
        };
        Ok(match expiry {
            Some(at) => token.with_credential_expiry(at),
            None => token,
        })
    }

    pub(super) fn service_request(
        &self,
        client_id: &str,
        client_secret: &Credential,
        org_id: Option<&str>,
    ) -> Result<Request<Bytes>, ProviderError> {
        let uri = self.base.uri("/csp/gateway/am/api/auth/authorize")?;
        let mut parameters = vec![("grant_type", "client_credentials")];
        parameters.extend(org_id.map(|id| ("orgId", id)));
        let mut request = wire::post_form(uri, &parameters)?;
        let basic = wire::basic(client_id, &client_secret.look_up()?)?;
        request.headers_mut().insert(AUTHORIZATION, basic);
        Ok(request)
    }
}

const NAMES: Names = Names {
    access: "access_token",
    refresh: None,
    lifetime: Some("expires_in"),
    refresh_lifetimes: &[],
    token_type: Some("token_type"),
    scope: Some("scope"),
};
