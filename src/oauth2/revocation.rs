//! The end of a session, told to the server (RFC 7009).

use http::StatusCode;

use super::{
    OAuth2,
    form::Form,
    wire::{self, Endpoint, Grant},
};
use crate::{
    provider::{Exchange, ProviderError, TokenReply},
    token::Token,
};

impl OAuth2 {
    /// Where [`AuthHandle::revoke`](crate::handle::AuthHandle::revoke) has tokens revoked (RFC 7009,
    /// section 2), where that is not in the server's metadata. It is sent the refresh token, with which
    /// the server should let the session's access tokens go, or the access token where there is no other.
    #[must_use]
    pub fn revocation_endpoint(mut self, url: impl AsRef<str>) -> Self {
        self.revocation = Some(Endpoint::revocation(url.as_ref()));
        self
    }

    pub(super) async fn ask_to_revoke(
        &self,
        exchange: &Exchange,
    ) -> Result<TokenReply, ProviderError> {
        let last = exchange.last();
        let refresh = last.and_then(Token::refresh_token);
        let (token, hint) = match (refresh, last.and_then(Token::access_token)) {
            (Some(refresh), _) => (refresh, "refresh_token"),
            (None, Some(access)) => (access, "access_token"),
            (None, None) => return Err(ProviderError::refused("there is no token to revoke")),
        };
        let client = exchange.client();
        let mtls = self.client_auth.is_mtls();
        let endpoints = self.server.endpoints(client, mtls).await?;
        let endpoint = self.revocation.as_ref().or(endpoints.revocation.as_ref());
        let endpoint = endpoint.ok_or_else(|| {
            ProviderError::misconfigured(
                "no revocation endpoint is set: name it with `.revocation_endpoint(..)`, \
                 if the server has one",
            )
        })?;
        let form = Form::default()
            .with("token", token.expose())
            .with("token_type_hint", hint);
        let request = self.post(client, endpoint, form, &endpoints)?;
        client.send(request).await
    }
}

/// What the server says. A token that it does not know is as good as revoked, and a success needs no
/// body (section 2.2).
pub(super) fn read(reply: &TokenReply) -> Result<(), ProviderError> {
    if reply.status().is_success() {
        return Ok(());
    }
    Err(match reply.status() {
        // "The client must assume the token still exists" (section 2.2.1).
        StatusCode::SERVICE_UNAVAILABLE => {
            ProviderError::transient("the server could not revoke the token, which is still good")
                .retry_after(reply.retry_after())
                .status(reply.status())
                .vendor_text(reply.body())
        }
        // What is refused here is the request, never the session.
        _ => wire::oauth_failure(reply, Grant::ClientCredentials),
    })
}
