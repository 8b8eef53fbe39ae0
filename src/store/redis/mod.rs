//! A store in Redis.

mod address;
mod builder;
mod client;
mod failure;
mod link;
mod scripts;
mod tls;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use redis::{Cmd, FromRedisValue, Value, cmd, from_redis_value};

pub use self::builder::RedisStoreBuilder;
use self::client::Client;
#[cfg(test)]
pub(super) use self::{address::Address, failure::meaning};
use super::{
    Expected, ExpectedIntent, IntentId, Lease, Record, Seen, SessionKey, StoreError, TokenStore,
    Version, Written,
};
use crate::clock::Moment;

/// Keeps sessions in Redis or Valkey, for any number of processes on any number of machines.
///
/// Its clones share one connection, which is made at first use and again when it is lost. What is
/// compared is compared by the server, in scripts, so that each write is one step; deadlines are
/// told by the server's clock.
///
/// ```no_run
/// use tower_reauth::{AuthLayer, store::RedisStore, vendor::Immersve};
///
/// # fn main() -> Result<(), tower_reauth::BoxError> {
/// let auth = AuthLayer::builder(Immersve::new("client-app-id", "https://app.example"))
///     .store(RedisStore::new("rediss://user:password@redis.internal:6380")?)
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// # What it leaves in Redis
///
/// For each session a hash, `tower-reauth:{<session key>}:record`, without a time to live, and while
/// somebody asks the vendor, a string `tower-reauth:{<session key>}:lease`, which ends by itself.
/// The braces keep both in one slot of a cluster. Tokens are in clear there: see
/// `Sealed` (feature `seal`).
///
/// # How Redis has to be set up
///
/// The promise that a refresh token is spent once rests on a store that keeps what it has
/// acknowledged. Of itself Redis does not:
///
/// | setting | otherwise |
/// | --- | --- |
/// | `maxmemory-policy noeviction` | records vanish when memory is short |
/// | `appendonly yes`, `appendfsync always` (or `everysec`) | a crash loses what was written since the last snapshot (or in the last second) |
/// | [`wait_for_replicas`](RedisStoreBuilder::wait_for_replicas) and `min-replicas-to-write` | a failover loses what the new primary had not got yet |
///
/// What was lost is noticed by every process that has seen a newer record: it writes that one back
/// before anything else. A process that has not cannot know.
///
/// # What its user may do
///
/// ```text
/// ACL SETUSER tower-reauth on >password ~tower-reauth:* resetchannels -@all +hello +auth +ping
///   +select +eval +hmget +hset +exists +persist +get +set +del +time +wait
/// ```
///
/// # Clusters
///
/// It speaks to one server, and does not follow to the other nodes of a cluster: put a proxy for
/// clusters in front, as the hosted ones have. Record and lease are in one slot.
#[derive(Clone, Debug)]
pub struct RedisStore {
    client: Arc<Client>,
    prefix: Arc<str>,
}

// === impl RedisStore ===

impl RedisStore {
    /// The Redis at `url`: `rediss://user:password@host:6380/0` with TLS, or `redis://…` without,
    /// on this machine. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where it is no address, or one without TLS on another machine.
    pub fn new(url: impl AsRef<str>) -> Result<Self, StoreError> {
        Self::builder(url).build()
    }

    /// One with settings of its own.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_reauth::store::StoreError> {
    /// use tower_reauth::store::RedisStore;
    ///
    /// let store = RedisStore::builder("redis://localhost").key_prefix("shop").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(url: impl AsRef<str>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url.as_ref())
    }

    fn eval(&self, script: &str, key: &SessionKey, what: &str) -> Cmd {
        let mut command = cmd("EVAL");
        let key = format!("{}:{{{key}}}:{what}", self.prefix);
        command.arg(script).arg(1).arg(key);
        command
    }
}

impl TokenStore for RedisStore {
    async fn read(&self, key: &SessionKey, _now: SystemTime) -> Result<Seen, StoreError> {
        let command = self.eval(scripts::READ, key, "record");
        let value = self.client.send(&command).await?;
        seen(value)
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        let (mode, id) = match &expected.intent {
            ExpectedIntent::Any => ("any", ""),
            ExpectedIntent::None => ("none", ""),
            ExpectedIntent::Open(id) => ("open", id.as_str()),
        };
        let mut command = self.eval(scripts::WRITE, key, "record");
        command
            .arg(expected.version.map(written).unwrap_or_default())
            .arg(mode)
            .arg(id)
            .arg(written(record.version()))
            .arg(open(record.intent().map(|intent| intent.id())))
            .arg(record.to_json()?.expose());
        match answer(self.client.send_durably(&command).await?)? {
            1 => Ok(Written::Done),
            0 => Ok(Written::Conflict),
            _ => Err(torn()),
        }
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        _now: SystemTime,
    ) -> Result<bool, StoreError> {
        let mut command = self.eval(scripts::TAKE_LEASE, key, "lease");
        let ttl = u64::try_from(lease.ttl().as_millis()).unwrap_or(u64::MAX);
        command.arg(lease.holder()).arg(ttl.max(1));
        answer(self.client.send(&command).await?)
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        let mut command = self.eval(scripts::RELEASE_LEASE, key, "lease");
        command.arg(lease.holder());
        self.client.send(&command).await.map(drop)
    }
}

/// Seconds and microseconds of the clock; whether there is anything; version, intent, record.
type Sight = (
    u64,
    u64,
    bool,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// What a read saw, by the server's answer.
pub(super) fn seen(value: Value) -> Result<Seen, StoreError> {
    let (seconds, micros, is_there, version, intent, json): Sight = answer(value)?;
    let since_1970 = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
    let now = Moment::new(Duration::ZERO, since_1970).wall();
    if !is_there {
        return Ok(Seen { record: None, now });
    }
    let record = Record::from_json(&json.ok_or_else(torn)?)?;
    if version != Some(written(record.version()))
        || intent.as_deref() != Some(open(record.intent().map(|intent| intent.id())))
    {
        return Err(torn());
    }
    let record = Some(record);
    Ok(Seen { record, now })
}

/// A version as the server compares it. Its numbers are no good for that: they are floating.
fn written(version: Version) -> String {
    format!("{}.{}", version.lineage, version.revision)
}

fn open(intent: Option<&IntentId>) -> &str {
    intent.map_or("", IntentId::as_str)
}

fn answer<T: FromRedisValue>(value: Value) -> Result<T, StoreError> {
    from_redis_value(value).map_err(|_| torn())
}

fn torn() -> StoreError {
    StoreError::torn(
        "Redis holds something else under the record's name: look at the hash with the session's \
         key, and whether anything but this crate writes to it",
    )
}
