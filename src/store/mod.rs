//! Durable homes of sessions, shared by processes.
//!
//! A rotating refresh token is a baton: whoever drops it, or hands it on twice, loses the session.
//! A [`TokenStore`] keeps it where a restart finds it, and where other replicas see who has it.
//!
//! ```no_run
//! use tower_reauth::{AuthLayer, Token, store::FileStore, vendor::Immersve};
//!
//! # fn main() -> Result<(), tower_reauth::Error> {
//! let auth = AuthLayer::builder(Immersve::new("client-app-id", "https://app.example"))
//!     .initial(Token::from_refresh_token("from-the-login"))
//!     .store(FileStore::new("session.json"))
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! | store | survives a restart | shared by |
//! | --- | --- | --- |
//! | [`MemoryStore`] | no: a restart needs a new login | the layers of one process |
//! | [`FileStore`] | yes | the processes of one machine |
//! | `RedisStore` (feature `redis`) | if Redis is set up for it | processes on many machines |
//!
//! `Sealed` (feature `seal`) encrypts the tokens in any of them.
//!
//! # What happens to a refresh token
//!
//! ```text
//! look ─▶ is there a newer good token? use it, ask nobody
//!  │
//!  ├─▶ somebody's open intent? wait it out, then go by the vendor's rule
//!  │
//!  └─▶ take the lease ─▶ look again
//!       │
//!       └─▶ write the intent ─▶ ask the vendor ─▶ save ─▶ release the lease ─▶ use it
//!             if the record      nothing sent?     if the record is not newer;
//!             is as it was       take it back      clears the intent
//! ```
//!
//! - The **lease** keeps replicas from asking at the same time. It is no more than that: it ends by
//!   itself, whatever its holder does.
//! - The **intent** is what makes a token be spent once. Nobody else spends that revision while it
//!   is open, and when its deadline has passed, only as the vendor's
//!   [rule for a lost reply](crate::provider::LostReply) has it.
//! - The **save** compares the version of the record, not the lease and not the intent: a process
//!   that was stopped in between, and won at the vendor, still lands its token.
//! - A token that could not be saved is used all the same, kept, and saved as soon as the store
//!   answers. Its process may go on rotating in memory meanwhile, where it is certain that the save has
//!   not landed ([`StoreError::nothing_written`]): then its open intent keeps the others out. All
//!   others use what they have while it is good, and then fail: without the store they cannot know.
//! - A session that was [revoked](crate::handle::AuthHandle::revoke) leaves a record without tokens,
//!   in a lineage of its own. No exchange of the one before it gets past that, and no seed that the
//!   session has had: only a new login does.
//! - The seed that a layer is built with counts only where the record has never seen it. So a
//!   deploy that rolls forward or back does not go back to a token that was spent long ago.
//!
//! # Writing a store
//!
//! Implement [`TokenStore`], and run `test_util::store_conformance` on it (feature `test-util`).

mod erased;
mod error;
mod expected;
mod file;
mod fingerprint;
#[cfg(test)]
#[path = "../../tests/fuzz/stores.rs"]
pub(crate) mod fuzz;
mod held;
mod intent;
mod lease;
mod leases;
mod memory;
mod record;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "test-util")]
mod sample;
#[cfg(feature = "seal")]
mod sealed;
mod stored;
mod unix;
mod wire;

use std::{future::Future, time::SystemTime};

#[cfg(feature = "redis")]
pub use self::redis::{RedisStore, RedisStoreBuilder};
#[cfg(feature = "seal")]
pub use self::sealed::{SealKey, SealKeys, Sealed};
pub(crate) use self::{erased::ErasedStore, stored::Stored};
pub use self::{
    error::{StoreError, StoreFailure},
    expected::{Expected, ExpectedIntent, Written},
    file::FileStore,
    fingerprint::SessionKey,
    intent::{Intent, IntentId},
    lease::Lease,
    memory::MemoryStore,
    record::{Record, Version},
};

/// A place where the records of sessions live.
///
/// # The contract
///
/// *What must never happen:* a write that was acknowledged is lost or undone; two writes land that
/// expected the same version, one of which is newer; a read gives a mixture of two records, or none
/// where there is one. Any of these makes a refresh token be spent twice, which ends sessions. If
/// what is there cannot be read, say so with an error: "nothing there" lets a session begin from its
/// seed.
///
/// *What may happen:* any call fails, and a write that failed has landed all the same, unless the
/// error says [otherwise](StoreError::nothing_written). Leases get
/// lost, or are held by two at once; that costs load, and nothing else.
///
/// *Within a store,* calls for one key take effect one after the other, in some order that all
/// processes agree on, and a read sees every write that was acknowledged before it began. Records
/// do not expire.
///
/// # Time
///
/// Deadlines in records and leases are compared with the store's own clock, where it has one: what
/// [`read`](Self::read) gives back. One without uses the `now` that it is given, the caller's wall
/// clock.
///
/// # Cancel safety
///
/// Any of these futures may be dropped at any time. A write then has landed whole or not at all.
/// A call should fail on its own after a moment; the layer stops waiting after 5 seconds.
pub trait TokenStore: Send + Sync + 'static {
    /// Reads a record, and the store's clock.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering, or the record from being read whole.
    fn read(
        &self,
        key: &SessionKey,
        now: SystemTime,
    ) -> impl Future<Output = Result<Seen, StoreError>> + Send;

    /// Writes `record`, if what is there is as `expected`; says whether it was. The comparison
    /// and the write are one step. When it answers *done*, the record has to outlive a crash.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering. The record may have been written all the same.
    fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> impl Future<Output = Result<Written, StoreError>> + Send;

    /// Takes the lease of a session, or makes one that this holder has last longer. Gives false
    /// where another holder has it.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Gives the lease up, if this holder has it.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering; the lease then ends by itself.
    fn release_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What a read saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The record, if there is one.
    pub record: Option<Record>,
    /// What the store's clock showed.
    pub now: SystemTime,
}
