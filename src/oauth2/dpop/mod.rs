//! Tokens that are of no use to whoever steals them: DPoP (RFC 9449).
//!
//! A token is bound to a key, and each request proves that its sender has that key.
//!
//! ```
//! use tower_reauth::{AuthLayer, Token, oauth2::OAuth2};
//!
//! # fn main() -> Result<(), tower_reauth::Error> {
//! let provider = OAuth2::refresh_token("https://id.example.com/token", "orders")
//!     .dpop()
//!     .origins(["https://api.example.com"]);
//! let auth = AuthLayer::builder(provider)
//!     .initial(Token::from_refresh_token("from-the-last-login"))
//!     .memory_only()
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Keys
//!
//! With [`dpop`](OAuth2::dpop) each session has a key of its own, for its whole life. It comes with the
//! token that the session starts from ([`Token::with_dpop_key`]), or is made for it; a
//! [store](crate::store) keeps it with the session, so that a restart goes on with it and replicas
//! share it. It is as secret as the refresh token beside it, and a sealed store encrypts both.
//!
//! Without a store the key dies with the process. A seed that does not bring its key gets a new one, and
//! a server that had bound the refresh token to the old one, as servers do for public clients, refuses it.
//!
//! With [`dpop_key`](OAuth2::dpop_key) the application has one key for all sessions, and keeps it. Its
//! thumbprint is a part of their identity: another key, other sessions.
//!
//! # Nonces
//!
//! A server may want a nonce in each proof, and gives the next one with any response. The latest is
//! kept for each origin, and for the token endpoint apart from them. A response that asks for another
//! one (401 with `use_dpop_nonce` of an API, 400 of a token endpoint) is answered once for each token
//! that a request is sent with: with the same token, and a fresh proof. That is no refusal of the
//! token, and leaves the [replay](crate::replay) for one. If the second proof is not good enough
//! either, the response goes to the caller, and the token stays. A body that
//! [cannot be sent twice](crate::replay::Replay) leaves the challenge to the caller as well: the next
//! request has the nonce.
//!
//! # What else is checked
//!
//! A reply whose `token_type` is not `DPoP` is an error, and its access token is used nowhere: it
//! would be a bearer token (section 5). The refresh token in it is kept.
//!
//! # Clocks
//!
//! A proof says when it was made, and servers take it for a short time around that, in seconds or
//! minutes. Where one refuses a proof (`invalid_dpop_proof`), and its `Date` shows that its clock
//! differs from ours by more than five seconds, proofs for it go by its clock from then on, and the
//! request is sent once more. Servers that ask for nonces need no clock.
//!
//! # Requests without an address
//!
//! A proof names the address of its request. Where that holds a path only, as requests of a generated
//! gRPC client do, it is taken to be at the provider's origin if just one is
//! [declared](OAuth2::origins); else such a request is answered with an error that says so.
//!
//! # What it costs
//!
//! A signature of ES256 for each sending, and a few allocations; `cargo bench --all-features --bench
//! dpop` tells how long it takes. Requests of other providers pay nothing for it. See
//! [performance](crate::docs::performance).

mod key;
mod nonces;
mod proof;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request};

use self::nonces::Nonces;
use super::{OAuth2, wire::decision};
use crate::{
    clock::Moment,
    provider::{
        Binding, Heard, Origin, Origins, ProofFault, Prover, ProviderError, Target, TokenClient,
        TokenReply, Told,
    },
    token::Token,
};

pub use self::key::DpopKey;

/// What all sessions of a provider know about proofs.
#[derive(Clone)]
pub(super) struct Dpop(Arc<Shared>);

#[derive(Default)]
struct Shared {
    own: Option<DpopKey>,
    apis: Nonces<Origin>,
    /// Those of the token endpoint, which are others even where it is at the same origin.
    tokens: Nonces<()>,
}

/// Proves for one access token.
struct Proofs {
    key: DpopKey,
    access_token_hash: String,
    shared: Arc<Shared>,
}

// === impl OAuth2 ===

impl OAuth2 {
    /// Binds tokens to a key of their session (RFC 9449). See [`dpop`](self).
    #[must_use]
    pub fn dpop(mut self) -> Self {
        self.dpop = Some(Dpop(Arc::default()));
        self
    }

    /// Binds the tokens of all sessions to `key`, which the application keeps. Its thumbprint becomes
    /// a part of each session's identity.
    #[must_use]
    pub fn dpop_key(mut self, key: DpopKey) -> Self {
        let shared = Shared {
            own: Some(key),
            ..Shared::default()
        };
        self.dpop = Some(Dpop(Arc::new(shared)));
        self
    }
}

// === impl Dpop ===

impl Dpop {
    /// What makes these sessions different from those that are bound otherwise.
    pub(super) fn identity(&self) -> &str {
        self.0.own.as_ref().map_or("dpop", DpopKey::thumbprint)
    }

    /// Sends the token request that `make` makes, with a proof of `key`, and once more if nothing but
    /// the proof is wrong: nothing was spent then. It is made anew for that, since a client's assertion
    /// may be good for one request.
    pub(super) async fn send(
        &self,
        client: &TokenClient,
        key: &DpopKey,
        make: impl Fn() -> Result<Request<Bytes>, ProviderError>,
    ) -> Result<TokenReply, ProviderError> {
        let tokens = &self.0.tokens;
        let reply = client
            .send(with_proof(make()?, key, tokens.told(&()), client.now())?)
            .await?;
        let now = client.now();
        let told = tokens.hear(&(), reply.headers(), fault(&reply), now);
        if told.is_none() {
            return Ok(reply);
        }
        let reply = client.send(with_proof(make()?, key, told, now)?).await?;
        tokens.hear(&(), reply.headers(), fault(&reply), client.now());
        Ok(reply)
    }

    /// What an exchange gave, bound to the key that it was made with: a refresh token that was saved
    /// out of a bad reply is bound to it as well.
    pub(super) fn bound_to(
        &self,
        key: &DpopKey,
        result: Result<Token, ProviderError>,
    ) -> Result<Token, ProviderError> {
        let kept = self.0.own.is_none().then(|| key.text().clone());
        match result {
            Ok(token) => Ok(token.with_key(kept)),
            Err(error) => Err(match error.salvaged().cloned() {
                Some(token) => error.salvaging(token.with_key(kept)),
                None => error,
            }),
        }
    }

    /// The key of a session that has this token. Without any it begins, and gets one.
    pub(super) fn key_of(&self, last: Option<&Token>) -> Result<DpopKey, ProviderError> {
        match (&self.0.own, last.and_then(Token::proof_key)) {
            (Some(own), _) => Ok(own.clone()),
            (None, Some(text)) => DpopKey::from_text(text),
            (None, None) => DpopKey::generate(),
        }
    }
}

impl Binding for Dpop {
    fn bind(&self, seed: Token) -> Result<Token, ProviderError> {
        match (&self.0.own, seed.dpop_key()?) {
            (Some(own), Some(key)) if *own != key => Err(ProviderError::misconfigured(
                "the token to start from is bound to another key than the provider's",
            )),
            // The application keeps it.
            (Some(_), _) => Ok(seed.with_key(None)),
            (None, Some(_)) => Ok(seed),
            // Whatever its access token is bound to, it is no key that is made now. A refresh token may
            // be bound to none yet.
            (None, None) if seed.refresh_token().is_some() => {
                let key = DpopKey::generate()?;
                Ok(seed.without_access().with_made_key(key.text().clone()))
            }
            (None, None) => Err(ProviderError::misconfigured(
                "the token to start from does not say which key it is bound to: \
                 add that with `Token::with_dpop_key`",
            )),
        }
    }

    fn prover(&self, token: &Token) -> Result<Arc<dyn Prover>, ProviderError> {
        let missing = || {
            ProviderError::misconfigured(
                "the key that the token is bound to is not there: log in again",
            )
        };
        let key = match &self.0.own {
            Some(own) => own.clone(),
            None => token.dpop_key()?.ok_or_else(missing)?,
        };
        let access = token.access_token().ok_or_else(missing)?;
        Ok(Arc::new(Proofs {
            key,
            access_token_hash: proof::access_token_hash(access),
            shared: Arc::clone(&self.0),
        }))
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("own", &self.0.own)
            .finish_non_exhaustive()
    }
}

// === impl Proofs ===

impl Prover for Proofs {
    fn prove(&self, target: &Target<'_>) -> Result<HeaderValue, ProviderError> {
        let known = match target.told {
            Some(_) => None,
            None => self.shared.apis.told(target.origin),
        };
        let target = Target {
            told: target.told.or(known.as_ref()),
            ..*target
        };
        proof::prove(&self.key, &target, Some(&self.access_token_hash))
    }

    fn hear(&self, heard: &Heard<'_>) -> Option<Told> {
        let apis = &self.shared.apis;
        apis.hear(heard.origin, heard.headers, heard.fault, heard.now)
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proofs")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A token request, and the proof for it.
fn with_proof(
    mut request: Request<Bytes>,
    key: &DpopKey,
    told: Option<Told>,
    now: Moment,
) -> Result<Request<Bytes>, ProviderError> {
    let endpoint = Origins::from([request.uri().to_string()]);
    let target = Target {
        method: request.method(),
        origin: &endpoint.check()?[0],
        path: request.uri().path(),
        now,
        told: told.as_ref(),
    };
    let proof = proof::prove(key, &target, None)?;
    request.headers_mut().insert(PROOF, proof);
    Ok(request)
}

/// What a token endpoint finds wrong with a proof (section 8).
fn fault(reply: &TokenReply) -> Option<ProofFault> {
    match decision(reply, &["error"])?.text("error")? {
        "use_dpop_nonce" => Some(ProofFault::Nonce),
        "invalid_dpop_proof" => Some(ProofFault::Invalid),
        _ => None,
    }
}

const PROOF: &str = "dpop";

#[cfg(test)]
mod tests;
