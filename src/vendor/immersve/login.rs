//! Logins at Immersve: a message that a wallet signs.

use std::future::Future;

use bytes::Bytes;
use http::{
    Request,
    header::{ACCEPT, HeaderValue},
};

use super::{super::hook::Hook, Immersve, NAMES};
use crate::{
    oauth2::wire::{self, Json, Member, Names},
    provider::{Exchange, ProviderError, TokenReply},
    token::{Secret, Token},
};

/// How one wallet logs in: the vendor hands out a message, the wallet signs it, and the signature is
/// exchanged for tokens. For [`Immersve::login`].
///
/// The signer is a function of the application's, which may ask its user: it gets the message as it
/// came, within five minutes has the signature or an error, and is asked once for each login. A
/// [`refused`](ProviderError::refused) says that somebody declined, which is final; a
/// [`transient`](ProviderError::transient) that it may work later.
///
/// ```
/// use tower_reauth::provider::ProviderError;
/// use tower_reauth::vendor::{Immersve, ImmersveLogin};
///
/// # async fn wallet_signs(message: &str) -> Option<String> { None }
/// let address = "0xA3058369d6A481B1ff08F62B352409c3D709De9b";
/// let login = ImmersveLogin::siwe("polygon-mainnet", address, |message| async move {
///     let signature = wallet_signs(&message).await;
///     signature.map(Into::into).ok_or_else(|| ProviderError::refused("the user declined to sign"))
/// });
/// let provider = Immersve::new("client-app-id", "https://app.example").login(login);
/// ```
#[derive(Clone, Debug)]
pub struct ImmersveLogin {
    method: Method,
    /// An address or a public key: it names a user.
    wallet: Secret,
    signer: Hook,
    url: Option<String>,
    signs_up: bool,
}

#[derive(Clone, Debug)]
enum Method {
    Siwe { network: String },
    Algorand { network: String },
    Xrpl { network: String },
    DeprecatedSiwe { chain_id: u64 },
}

/// What is to be signed, and what the signature goes with.
struct Challenge {
    message: Secret,
    /// The login request's id; the deprecated endpoints have none, and want the message.
    id: Option<Secret>,
}

// === impl ImmersveLogin ===

impl ImmersveLogin {
    /// Sign-In with Ethereum: `network` is one such as `polygon-mainnet`, and the message is the text
    /// of EIP-4361.
    #[must_use]
    pub fn siwe<F, Fut>(network: impl Into<String>, address: impl Into<Secret>, signer: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, ProviderError>> + Send + 'static,
    {
        let network = network.into();
        Self::new(Method::Siwe { network }, address, signer)
    }

    /// An Algorand wallet: `network` is `algorand-mainnet` or `algorand-testnet`, and the message is
    /// a text, whose bytes are signed and sent as base64.
    #[must_use]
    pub fn algorand<F, Fut>(
        network: impl Into<String>,
        address: impl Into<Secret>,
        signer: F,
    ) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, ProviderError>> + Send + 'static,
    {
        let network = network.into();
        Self::new(Method::Algorand { network }, address, signer)
    }

    /// An XRPL wallet, known by its public key: `network` is `xahau-mainnet` or `xahau-testnet`, and
    /// the message is a transaction in hexadecimal digits.
    #[must_use]
    pub fn xrpl<F, Fut>(
        network: impl Into<String>,
        public_key: impl Into<Secret>,
        signer: F,
    ) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, ProviderError>> + Send + 'static,
    {
        let network = network.into();
        Self::new(Method::Xrpl { network }, public_key, signer)
    }

    /// Sign-In with Ethereum at the vendor's deprecated endpoints, `/siwe/generate-challenge` and
    /// `/siwe/login`, whose replies name the access token `token`.
    #[must_use]
    pub fn deprecated_siwe<F, Fut>(chain_id: u64, address: impl Into<Secret>, signer: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, ProviderError>> + Send + 'static,
    {
        Self::new(Method::DeprecatedSiwe { chain_id }, address, signer)
    }

    fn new<F, Fut>(method: Method, wallet: impl Into<Secret>, signer: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, ProviderError>> + Send + 'static,
    {
        Self {
            method,
            wallet: wallet.into(),
            signer: Hook::new(signer),
            url: None,
            signs_up: false,
        }
    }

    /// The address of the application that the message of Sign-In with Ethereum names. Without it
    /// this is the origin given to [`Immersve::new`].
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Has the vendor make an account for a wallet that has none. Without it, such a wallet is
    /// refused.
    #[must_use]
    pub fn auto_signup(mut self) -> Self {
        self.signs_up = true;
        self
    }

    pub(super) fn wallet(&self) -> &str {
        self.wallet.expose()
    }

    pub(super) async fn log_in(
        &self,
        provider: &Immersve,
        exchange: &Exchange,
    ) -> Result<Token, ProviderError> {
        // Nothing has been signed yet, so nothing can be used up.
        let begun = exchange.client().send(self.init(provider)?).await;
        let reply = begun.map_err(ProviderError::of_nothing_spent)?;
        let challenge = self.challenge(&reply)?;
        let message = challenge.message.expose().to_owned();
        let signature = self.signer.ask(exchange, message).await?;
        let request = self.complete(provider, &challenge, &signature)?;
        let reply = exchange.client().send(request).await?;
        if !reply.status().is_success() {
            return Err(super::failure(&reply));
        }
        match self.method {
            Method::DeprecatedSiwe { .. } => wire::issued(&reply, &DEPRECATED_NAMES),
            _ => wire::issued(&reply, &NAMES),
        }
    }

    fn init(&self, provider: &Immersve) -> Result<Request<Bytes>, ProviderError> {
        wire::check_placement(&provider.placement())?;
        let url = self.url.as_deref().unwrap_or(&provider.origin);
        let (wallet, url) = (Member::Text(self.wallet()), ("url", Member::Text(url)));
        let (path, mut members) = match &self.method {
            Method::DeprecatedSiwe { chain_id } => {
                let chain = ("chainId", Member::Number(*chain_id));
                let members = vec![("walletAddress", wallet), chain, url];
                ("/siwe/generate-challenge", members)
            }
            Method::Siwe { network } => {
                let members = by("siwe", network, ("address", wallet));
                ("/auth/login-init", [members, vec![url]].concat())
            }
            Method::Algorand { network } => {
                let members = by("algorand", network, ("address", wallet));
                ("/auth/login-init", members)
            }
            Method::Xrpl { network } => {
                let members = by("xrpl", network, ("publicKey", wallet));
                ("/auth/login-init", members)
            }
        };
        let id = Member::Text(&provider.client_application_id);
        members.push(("clientApplicationId", id));
        members.push(("scopes", Member::Texts(&SCOPES)));
        if self.signs_up && !self.is_deprecated() {
            members.push(("autoSignup", Member::Flag(true)));
        }
        let mut request = wire::post_json_of(provider.base.uri(path)?, &members)?;
        if self.is_deprecated() {
            let text = HeaderValue::from_static("text/plain, application/json;q=0.9");
            request.headers_mut().insert(ACCEPT, text);
        }
        Ok(request)
    }

    fn challenge(&self, reply: &TokenReply) -> Result<Challenge, ProviderError> {
        if !reply.status().is_success() {
            return Err(super::failure(reply).of_nothing_spent());
        }
        let lost = |what| ProviderError::transient(what).status(reply.status());
        if !reply.is_complete() {
            return Err(lost("the challenge broke off"));
        }
        if self.is_deprecated() {
            let text = std::str::from_utf8(reply.body()).ok();
            let text = text.filter(|text| !text.trim().is_empty());
            let message = text.ok_or_else(|| lost("the challenge is no text"))?.into();
            return Ok(Challenge { message, id: None });
        }
        let json = Json::read(reply.body(), &[ID, MESSAGE]);
        let (id, message) = (json.secret(ID).cloned(), json.secret(MESSAGE).cloned());
        match (json.fault(), id, message) {
            (None, Some(id), Some(message)) => Ok(Challenge {
                message,
                id: Some(id),
            }),
            _ => Err(lost("the vendor's reply holds no message to sign")),
        }
    }

    fn complete(
        &self,
        provider: &Immersve,
        challenge: &Challenge,
        signature: &Secret,
    ) -> Result<Request<Bytes>, ProviderError> {
        let signature = ("signature", Member::Text(signature.expose()));
        let (path, mut members) = match &challenge.id {
            Some(id) => {
                let id = ("loginRequestId", Member::Text(id.expose()));
                ("/auth/login-complete", vec![id, signature])
            }
            None => {
                let message = ("message", Member::Text(challenge.message.expose()));
                ("/siwe/login", vec![message, signature])
            }
        };
        if self.signs_up && self.is_deprecated() {
            members.push(("createCardholderAccount", Member::Flag(true)));
        }
        wire::post_json_of(provider.base.uri(path)?, &members)
    }

    fn is_deprecated(&self) -> bool {
        matches!(self.method, Method::DeprecatedSiwe { .. })
    }
}

fn by<'a>(
    method: &'a str,
    network: &'a str,
    wallet: (&'a str, Member<'a>),
) -> Vec<(&'a str, Member<'a>)> {
    let method = ("loginMethod", Member::Text(method));
    vec![method, ("network", Member::Text(network)), wallet]
}

const ID: &str = "id";
const MESSAGE: &str = "signingChallenge.message";
const SCOPES: [&str; 1] = ["cardholder-partner"];
const DEPRECATED_NAMES: Names = Names {
    access: "token",
    ..NAMES
};
