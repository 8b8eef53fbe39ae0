//! Tokens that are bound to a key: whoever sends one proves with each request that it has the key.
//!
//! How a proof is made is known outside (`oauth2/dpop`); here is what the cell and the way of a
//! request need to know of it.

#![cfg_attr(
    not(feature = "dpop"),
    allow(dead_code, reason = "without DPoP nobody proves anything")
)]

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, Method};

use super::{Origin, ProviderError};
use crate::{clock::Moment, token::Token};

/// How the tokens of a provider are bound to keys.
pub(crate) trait Binding: fmt::Debug + Send + Sync {
    /// A token that a session starts from, with the key that it is bound to.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where it cannot be bound to any.
    fn bind(&self, seed: Token) -> Result<Token, ProviderError>;

    /// What proves for `token`, which is an access token, with each request.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where its key is not there or is none.
    fn prover(&self, token: &Token) -> Result<Arc<dyn Prover>, ProviderError>;
}

/// Proves for one access token.
pub(crate) trait Prover: fmt::Debug + Send + Sync {
    /// The proof that goes with the token on one sending of a request, never on another.
    ///
    /// # Errors
    ///
    /// *Transient*, where it cannot be signed.
    fn prove(&self, target: &Target<'_>) -> Result<HeaderValue, ProviderError>;

    /// Takes note of what a response says about proofs. Gives what the next one has to look like,
    /// where this one was not good and another may be.
    fn hear(&self, heard: &Heard<'_>) -> Option<Told>;
}

/// What a proof is made for.
pub(crate) struct Target<'a> {
    pub(crate) method: &'a Method,
    pub(crate) origin: &'a Origin,
    pub(crate) path: &'a str,
    pub(crate) now: Moment,
    /// What this server said just now; else what it is known to have said.
    pub(crate) told: Option<&'a Told>,
}

/// A response, as far as it may speak of proofs.
pub(crate) struct Heard<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) fault: Option<ProofFault>,
    pub(crate) now: Moment,
}

/// What a server finds wrong with a proof. It says nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProofFault {
    /// It wants a nonce in it, or another one.
    Nonce,
    /// Anything else.
    Invalid,
}

/// What a server wants to find in the proofs that are made for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) nonce: Option<Arc<str>>,
    /// How many seconds its clock is ahead of ours, where that mattered.
    pub(crate) ahead: i64,
}
