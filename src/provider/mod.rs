//! The side that asks a vendor.
//!
//! A [`Provider`] has one duty: given an [`Exchange`], ask the vendor for the next [`Token`]. It
//! declares what it knows about its vendor in a [`Profile`]; everything else (who asks when, who
//! waits, what a failure means for the next try) is the cell's work, the same for all vendors.
//!
//! # Writing one
//!
//! ```
//! use std::time::Duration;
//! use serde::Deserialize;
//! use tower_reauth::{Provider, Token};
//! use tower_reauth::provider::{Exchange, Profile, ProviderError};
//!
//! struct Acme { key: String }
//!
//! #[derive(Deserialize)]
//! struct Reply { token: String, ttl: u64 }
//!
//! impl Provider for Acme {
//!     async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
//!         let request = http::Request::post("https://id.acme.example/token")
//!             .header("x-key", &self.key)
//!             .body(Default::default())
//!             .map_err(|_| ProviderError::misconfigured("the key is not a header value"))?;
//!         let reply = exchange.client().send(request).await?.success()?;
//!         let body: Reply = reply.json()?;
//!         let lifetime = Duration::from_secs(body.ttl);
//!         Ok(Token::new(body.token).with_lifetime(lifetime).with_asked_at(reply.sent_at()))
//!     }
//!
//!     fn profile(&self) -> Profile {
//!         Profile::new("acme").origins(["https://api.acme.example"])
//!     }
//! }
//! ```
//!
//! [`provider_fn`] makes one out of a closure, [`FixedToken`] out of a token that never changes,
//! and [`BoxProvider`] hides which one it is.

mod boxed;
mod client;
mod credential;
mod error;
mod exchange;
mod fixed;
mod function;
mod identity;
mod login;
mod origin;
mod placement;
mod profile;
mod proof;
mod refusal;
mod reply;

use std::future::Future;

use crate::token::Token;

pub use self::{
    boxed::BoxProvider,
    client::TokenClient,
    credential::Credential,
    error::{FailureKind, ProviderError},
    exchange::{Exchange, Reason},
    fixed::FixedToken,
    function::{ProviderFn, provider_fn},
    identity::{SessionId, SessionParts},
    login::Login,
    origin::{Origin, Origins},
    placement::Placement,
    profile::{LostReply, Profile, Rotation},
    refusal::Refusal,
    reply::TokenReply,
};
pub(crate) use self::{
    boxed::ErasedProvider,
    client::{HeldBack, SendBefore, SendFuture, TokenRequest, Transport},
    exchange::ExchangeParts,
    login::Wanted,
    origin::{OriginIndex, is_loopback},
    placement::Headers,
    proof::{Binding, Heard, ProofFault, Prover, Target, Told},
};

/// Asks one vendor for the next token.
///
/// One provider serves all sessions of a layer; what differs between sessions is in the exchange.
///
/// # Cancel safety
///
/// The layer runs `obtain` in a task of its own, so no caller can drop it. It can still be dropped
/// at any await when its runtime is shut down; the layer then assumes that the refresh token may
/// have been spent, and goes on as [`Profile::lost_reply`] says. Do not put a time limit of your
/// own around the whole of it: the token client limits each try and keeps what had arrived.
pub trait Provider: Send + Sync + 'static {
    /// Asks the vendor for the next token.
    ///
    /// # Errors
    ///
    /// A [`ProviderError`] says which of five kinds of failure it was, and with that whether the
    /// refresh token may have been spent.
    fn obtain(
        &self,
        exchange: Exchange,
    ) -> impl Future<Output = Result<Token, ProviderError>> + Send;

    /// Logs in: begins a session anew, where there is no refresh token to spend or it was refused for
    /// good. Called only where the [profile](Profile::login) says that there is a login, at most once
    /// for each refused refresh token, and never for an idle session: the next request logs in.
    ///
    /// It may wait for a person, until the exchange's [deadline](Exchange::deadline) in five minutes,
    /// and does so with [`Exchange::by_the_deadline`]. Callers wait for half a minute, and are then
    /// told that a [login is in progress](crate::Error::is_login_in_progress).
    ///
    /// Say of its token when it was asked for ([`Token::with_asked_at`]), as the reply of the request
    /// that brought it does: else its lifetime counts from before anybody was asked.
    ///
    /// # Errors
    ///
    /// *Refused* and *unknown outcome* are final: no login is tried again until the application hands
    /// a token over, or the process begins anew. The former says that the password, the signature or
    /// the code is not good, or that somebody declined; the latter that something good for one use
    /// may have been used. All others are tried again, each time after a pause, so they must mean
    /// that nothing of the kind was.
    fn login(
        &self,
        exchange: Exchange,
    ) -> impl Future<Output = Result<Token, ProviderError>> + Send {
        let _ = exchange;
        async { Err(ProviderError::refused("this provider has no login")) }
    }

    /// What is known about the vendor. Read once, when the layer is built.
    fn profile(&self) -> Profile {
        Profile::new("custom")
    }

    /// Pays what an exchange left owing, such as a record that could not be saved. Called after
    /// every exchange, and again until it succeeds.
    ///
    /// # Errors
    ///
    /// Any error means that it is still owed.
    fn settle(
        &self,
        session: &SessionId,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send {
        let _ = session;
        async { Ok(()) }
    }

    /// Takes note of a token that did not come from `obtain`: a new login, handed over by the
    /// application. Called before the token is used.
    ///
    /// # Errors
    ///
    /// An error refuses the token; the session goes on with the one it has.
    fn replace(
        &self,
        session: &SessionId,
        token: &Token,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send {
        let _ = (session, token);
        async { Ok(()) }
    }

    /// Has the vendor end the session whose token is `exchange.last()`: a revocation (RFC 7009), a
    /// logout. Called by [`AuthHandle::revoke`](crate::handle::AuthHandle::revoke) and by nothing
    /// else, while no exchange is under way.
    ///
    /// # Errors
    ///
    /// After any error the layer goes on with the session. *Refused* means that the access token was
    /// not taken as the proof of who asks: it is exchanged, and this called again.
    fn revoke(&self, exchange: Exchange) -> impl Future<Output = Result<(), ProviderError>> + Send {
        let _ = exchange;
        async {
            Err(ProviderError::misconfigured(
                "this provider has no way to revoke a session: its tokens live until they expire",
            ))
        }
    }
}
