//! How a Redis is reached.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    RedisStore,
    address::{ANSWERS_WITHIN, Address},
    client::{Client, Line},
    tls::Tls,
};
use crate::{store::StoreError, token::Secret};

/// Sets up a [`RedisStore`].
///
/// ```
/// # fn main() -> Result<(), tower_reauth::store::StoreError> {
/// use tower_reauth::store::RedisStore;
///
/// let password = std::env::var("REDIS_PASSWORD").unwrap_or_default();
/// let store = RedisStore::builder("rediss://redis.internal:6380")
///     .user("tower-reauth")
///     .password(password)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct RedisStoreBuilder {
    address: Result<Address, StoreError>,
    tls: Result<Tls, StoreError>,
    prefix: String,
    answers_within: Duration,
    replicas: usize,
    danger_plain: bool,
}

// === impl RedisStoreBuilder ===

impl RedisStoreBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            address: Address::parse(url),
            tls: Ok(Tls::default()),
            prefix: "tower-reauth".to_owned(),
            answers_within: ANSWERS_WITHIN,
            replicas: 0,
            danger_plain: false,
        }
    }

    /// The user of Redis's ACL, instead of the address's.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_reauth::store::StoreError> {
    /// # use tower_reauth::store::RedisStore;
    /// let store = RedisStore::builder("redis://localhost").user("tower-reauth").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn user(mut self, user: impl Into<String>) -> Self {
        if let Ok(address) = &mut self.address {
            address.user = Some(user.into());
        }
        self
    }

    /// The password, instead of the address's.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_reauth::store::StoreError> {
    /// # use tower_reauth::store::RedisStore;
    /// let store = RedisStore::builder("redis://localhost").password("s3cr3t").build()?;
    /// assert!(!format!("{store:?}").contains("s3cr3t"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn password(mut self, password: impl Into<Secret>) -> Self {
        if let Ok(address) = &mut self.address {
            address.password = Some(password.into());
        }
        self
    }

    /// What the names of keys begin with, instead of `tower-reauth`. Braces are refused: a cluster
    /// reads a session's own part from between them.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_reauth::store::StoreError> {
    /// # use tower_reauth::store::RedisStore;
    /// let store = RedisStore::builder("redis://localhost").key_prefix("shop:sessions").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long Redis may take to answer, and as long to be connected to: 500 ms unless it is set.
    /// More than 5 s for both is of no use, since the layer does not wait for longer.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_reauth::store::StoreError> {
    /// # use tower_reauth::store::RedisStore;
    /// # use std::time::Duration;
    /// let far = RedisStore::builder("rediss://redis.example")
    ///     .answers_within(Duration::from_secs(2))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn answers_within(mut self, limit: Duration) -> Self {
        self.answers_within = limit;
        self
    }

    /// A write counts only when this many replicas have it (`WAIT`), 0 unless it is set. A write
    /// that fewer have is an error, and nothing is spent on it: give it where a failover must not
    /// lose what was written last, and one more replica is there than this number.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_reauth::store::StoreError> {
    /// # use tower_reauth::store::RedisStore;
    /// let store = RedisStore::builder("redis://localhost").wait_for_replicas(1).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Trusts the certificate authorities in `pem` and no others, instead of Mozilla's: for a
    /// Redis with a certificate of one's own authority.
    ///
    /// ```
    /// # use tower_reauth::store::{RedisStore, StoreFailure};
    /// let builder = RedisStore::builder("rediss://redis.internal").root_certificates("no PEM");
    /// assert_eq!(builder.build().unwrap_err().failure(), StoreFailure::Misconfigured);
    /// ```
    pub fn root_certificates(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.tls = Tls::trusting(pem.as_ref());
        self
    }

    /// Allows a connection without TLS to another machine. Whoever can read along has every token,
    /// and the password.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_reauth::store::StoreError> {
    /// # use tower_reauth::store::RedisStore;
    /// // A sidecar of the mesh encrypts what leaves the pod.
    /// let store = RedisStore::builder("redis://redis.svc").danger_allow_plain_connections().build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn danger_allow_plain_connections(mut self) -> Self {
        self.danger_plain = true;
        self
    }

    /// The store. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where the address is none, where it is one without TLS on another machine,
    /// or where certificates or the prefix are no such thing.
    pub fn build(self) -> Result<RedisStore, StoreError> {
        let address = self.address?;
        if !self.danger_plain && !address.is_private() {
            return Err(StoreError::misconfigured(
                "tokens do not go over a plain connection to another machine: use `rediss://`, \
                 seal them, or see `danger_allow_plain_connections`",
            ));
        }
        if self.prefix.contains(['{', '}']) {
            return Err(StoreError::misconfigured(
                "the prefix of keys must not hold braces",
            ));
        }
        Ok(RedisStore {
            client: Arc::new(Client {
                address,
                tls: self.tls?,
                answers_within: self.answers_within,
                replicas: self.replicas,
                line: Line::default(),
            }),
            prefix: self.prefix.into(),
        })
    }

    /// The store, with its tokens sealed. Then a connection without TLS may lead to another
    /// machine: what goes over it is of no use to who reads along. The password is.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_reauth::store::StoreError> {
    /// use tower_reauth::store::{RedisStore, SealKey, SealKeys};
    ///
    /// let keys = SealKeys::new(SealKey::new("2026-11", [7; 32])?); // 32 random bytes
    /// let store = RedisStore::builder("redis://10.0.0.5").sealed(keys)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As those of [`build`](Self::build).
    #[cfg(feature = "seal")]
    pub fn sealed(
        mut self,
        keys: crate::store::SealKeys,
    ) -> Result<crate::store::Sealed<RedisStore>, StoreError> {
        self.danger_plain = true;
        Ok(crate::store::Sealed::new(self.build()?, keys))
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("address", &self.address)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
