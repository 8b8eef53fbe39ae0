//! First tokens at Dressipi: an authorization code, with PKCE.
//!
//! Assumptions of ours: the vendor does not say what the body looks like that holds the code (JSON
//! with a `code` in it, or the code alone, is taken), nor how long a code is good.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::Request;

use super::{super::hook::Hook, Dressipi, NAMES, REDIRECT_URI};
use crate::{
    oauth2::{
        Pkce, random,
        wire::{self, Grant, Json},
    },
    provider::{Exchange, FailureKind, ProviderError, TokenReply},
    token::{Secret, Token},
};

/// Where codes come from.
#[derive(Clone, Debug)]
pub(super) enum Codes {
    /// One that the application has got.
    Given(Slot),
    /// The application gets one at an address.
    Asked(Hook),
    /// The vendor is asked for one, which makes another shopper. One that could not be sent is kept.
    Authorized(Slot),
}

/// A code that is there until it is used.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Code>>>);

#[derive(Clone)]
pub(super) struct Code {
    code: Secret,
    pkce: Result<Pkce, ProviderError>,
}

// === impl Codes ===

impl Codes {
    pub(super) fn given(code: Secret, verifier: Secret) -> Self {
        let pkce = Pkce::from_verifier(verifier);
        Self::Given(Slot(Arc::new(Mutex::new(Some(Code { code, pkce })))))
    }

    /// Takes a code for the one time that it is good for.
    async fn take(&self, provider: &Dressipi, exchange: &Exchange) -> Result<Code, ProviderError> {
        match self {
            Self::Given(slot) => slot.take().ok_or_else(|| {
                ProviderError::refused(
                    "the authorization code was used: get another one, or hand a token over \
                     with the handle's `replace`",
                )
            }),
            Self::Asked(hook) => {
                let pkce = Pkce::generate()?;
                let address = provider.authorize_address(&pkce)?;
                let code = hook.ask(exchange, address).await?;
                Ok(Code {
                    code,
                    pkce: Ok(pkce),
                })
            }
            Self::Authorized(slot) => match slot.take() {
                Some(code) => Ok(code),
                None => provider.authorize(exchange).await,
            },
        }
    }

    /// Keeps a code that the vendor has not seen.
    fn put_back(&self, code: Code) {
        match self {
            Self::Given(slot) | Self::Authorized(slot) => slot.put(code),
            Self::Asked(_) => {}
        }
    }
}

// === impl Slot ===

impl Slot {
    fn take(&self) -> Option<Code> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, code: Code) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slot(..)")
    }
}

// === impl Dressipi ===

impl Dressipi {
    pub(super) async fn log_in(
        &self,
        codes: &Codes,
        exchange: &Exchange,
    ) -> Result<Token, ProviderError> {
        let code = codes.take(self, exchange).await?;
        let request = self.redeem(&code)?;
        let redeemed = match exchange.client().send(request).await {
            Ok(reply) => read(&reply),
            Err(error) => Err(error),
        };
        let unseen = |error: &ProviderError| {
            matches!(
                error.kind(),
                FailureKind::Transient | FailureKind::Throttled
            )
        };
        if redeemed.as_ref().is_err_and(unseen) {
            codes.put_back(code);
        }
        redeemed
    }

    fn redeem(&self, code: &Code) -> Result<Request<Bytes>, ProviderError> {
        let pkce = code.pkce.as_ref().map_err(Clone::clone)?;
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code.code.expose()),
            ("code_verifier", pkce.verifier().expose()),
            ("client_id", &self.client_id),
            ("redirect_uri", REDIRECT_URI),
        ];
        let mut request = wire::post_form(self.base.uri("/oauth/token")?, &parameters)?;
        self.put_api_key(request.headers_mut())?;
        Ok(request)
    }

    /// Where a code is to be had, with the challenge in it.
    fn authorize_address(&self, pkce: &Pkce) -> Result<String, ProviderError> {
        let query = Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("state", random::text::<32>()?.expose())
            .append_pair("code_challenge", &pkce.challenge())
            .append_pair("code_challenge_method", Pkce::METHOD)
            .append_pair("redirect_uri", REDIRECT_URI)
            .finish();
        let uri = self.base.uri(&format!("/oauth/authorize?{query}"))?;
        Ok(uri.to_string())
    }

    /// Makes a shopper. A call whose answer is lost has most likely made one, so it is not made again.
    async fn authorize(&self, exchange: &Exchange) -> Result<Code, ProviderError> {
        let pkce = Pkce::generate()?;
        let address = self.authorize_address(&pkce)?;
        let address = address.parse().map_err(|_| {
            ProviderError::misconfigured("the base URL cannot be asked for a code: check it")
        })?;
        let mut request = wire::get(address);
        self.put_api_key(request.headers_mut())?;
        let reply = exchange.client().send(request).await?;
        if !reply.status().is_success() {
            return Err(wire::oauth_failure(&reply, Grant::ClientCredentials));
        }
        let code = code_in(&reply).ok_or_else(|| {
            ProviderError::unknown_outcome("the reply holds no code that can be read")
                .status(reply.status())
                .vendor_text(reply.body())
        })?;
        Ok(Code {
            code,
            pkce: Ok(pkce),
        })
    }
}

/// The code in the body of a success.
fn code_in(reply: &TokenReply) -> Option<Secret> {
    if !reply.is_complete() {
        return None;
    }
    let json = Json::read(reply.body(), &["code"]);
    if json.fault().is_none() {
        return json.secret("code").cloned();
    }
    let text = std::str::from_utf8(reply.body()).ok()?.trim();
    let code = |byte: u8| byte.is_ascii_graphic() && !b"<>\"'{}".contains(&byte);
    let is_code = (1..=2048).contains(&text.len()) && text.bytes().all(code);
    is_code.then(|| Secret::from(text))
}

fn read(reply: &TokenReply) -> Result<Token, ProviderError> {
    let refused = wire::decision(reply, &["error"])
        .is_some_and(|json| json.text("error") == Some("invalid_grant"));
    if refused {
        return Err(ProviderError::refused(
            "the vendor refuses the authorization code: it was used, is too old, or its verifier \
             is another one",
        )
        .code("invalid_grant")
        .status(reply.status())
        .vendor_text(reply.body()));
    }
    wire::oauth_token(reply, &NAMES, Grant::ClientCredentials)
}
