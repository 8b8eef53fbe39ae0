//! The contract of a store, as a suite to run.

mod rule;
mod writers;

use std::time::{Duration, SystemTime};

pub use self::rule::Nonconformity;
use self::{
    rule::Rule,
    writers::{WRITERS, of_many_writers_none_loses_a_write},
};
use crate::{
    clock::{Clock, SystemClock},
    provider::{SessionId, SessionParts},
    store::{Expected, ExpectedIntent, Lease, Record, SessionKey, TokenStore, Version, Written},
};

/// Whose time a store goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreTime {
    /// The `now` that its methods are given.
    Given,
    /// Its own clock; the suite then waits for a second, until a lease is over.
    Own,
}

/// Runs the contract of [`TokenStore`] against a store: what may not be lost, what may not happen
/// twice, and what a lease is.
///
/// `open` opens one more way to the same home, as another process would. The home may hold other
/// sessions; the suite uses keys that nobody else has, and leaves their records behind. Call it on a
/// tokio runtime with several threads, so that writers can meet.
///
/// What it cannot check is that an acknowledged write outlives a crash.
///
/// ```
/// use tower_reauth::{BoxError, store::MemoryStore, test_util::{StoreTime, store_conformance}};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), BoxError> {
/// let store = MemoryStore::new();
/// store_conformance(async || store.clone(), StoreTime::Given).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The first rule that does not hold.
pub async fn store_conformance<S: TokenStore>(
    open: impl AsyncFn() -> S,
    time: StoreTime,
) -> Result<(), Nonconformity> {
    let suite = Suite {
        one: open().await,
        other: open().await,
        time,
    };
    suite.what_is_not_there_reads_as_nothing().await?;
    suite.a_record_comes_back_whole().await?;
    suite.a_write_expects_a_version().await?;
    suite.a_write_expects_an_intent().await?;
    suite.keys_do_not_meet().await?;
    suite.a_lease_is_for_one_holder().await?;
    suite.a_lease_is_over_when_its_time_is().await?;
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(open().await);
    }
    of_many_writers_none_loses_a_write(&suite, writers).await
}

struct Suite<S> {
    one: S,
    other: S,
    time: StoreTime,
}

// === impl Suite ===

impl<S: TokenStore> Suite<S> {
    async fn what_is_not_there_reads_as_nothing(&self) -> Result<(), Nonconformity> {
        let rule = Rule("a key that was never written reads as nothing");
        let found = self.read(&rule, &new_key()).await?;
        rule.holds(found.is_none(), || format!("{found:?}"))
    }

    async fn a_record_comes_back_whole(&self) -> Result<(), Nonconformity> {
        let rule = Rule("a record is read back whole, by others too");
        let key = new_key();
        for record in [Record::sample(), Record::sample().sample_intended()] {
            let before = self.read(&rule, &key).await?;
            let expected = Expected::version(before.as_ref().map(Record::version));
            self.write(&rule, &key, expected, &record, Written::Done)
                .await?;
            self.reads(&rule, &key, Some(&record)).await?;
        }
        Ok(())
    }

    async fn a_write_expects_a_version(&self) -> Result<(), Nonconformity> {
        let rule = Rule("a write lands only on the version that it expects");
        let key = new_key();
        let first = Record::sample();
        let next = first.sample_exchanged();
        let at = |version: Version| Expected::version(Some(version));
        let (done, conflict) = (Written::Done, Written::Conflict);
        self.write(&rule, &key, at(first.version()), &next, conflict)
            .await?;
        self.reads(&rule, &key, None).await?;
        self.write(&rule, &key, Expected::version(None), &first, done)
            .await?;
        self.write(&rule, &key, Expected::version(None), &next, conflict)
            .await?;
        for (lineage, revision) in [(0, 1), (1, 0), (1, 1)] {
            let mut wrong = first.version();
            wrong.lineage += lineage;
            wrong.revision += revision;
            self.write(&rule, &key, at(wrong), &next, conflict).await?;
            self.reads(&rule, &key, Some(&first)).await?;
        }
        self.write(&rule, &key, at(first.version()), &next, done)
            .await?;
        self.write(&rule, &key, at(first.version()), &first, conflict)
            .await?;
        self.reads(&rule, &key, Some(&next)).await
    }

    async fn a_write_expects_an_intent(&self) -> Result<(), Nonconformity> {
        let rule = Rule("a write lands only on the intent that it expects, if it expects one");
        let key = new_key();
        let free = Record::sample();
        let (ours, theirs) = (free.sample_intended(), free.sample_intended());
        let version = Some(free.version());
        let none = Expected::as_seen(&free);
        let (done, conflict) = (Written::Done, Written::Conflict);
        self.write(&rule, &key, Expected::version(None), &free, done)
            .await?;
        self.write(&rule, &key, Expected::as_seen(&ours), &theirs, conflict)
            .await?;
        self.write(&rule, &key, none.clone(), &ours, done).await?;
        self.write(&rule, &key, none, &theirs, conflict).await?;
        self.write(&rule, &key, Expected::as_seen(&theirs), &free, conflict)
            .await?;
        self.reads(&rule, &key, Some(&ours)).await?;
        self.write(&rule, &key, Expected::as_seen(&ours), &theirs, done)
            .await?;
        let any = Expected {
            version,
            intent: ExpectedIntent::Any,
        };
        let saved = free.sample_exchanged();
        self.write(&rule, &key, any, &saved, done).await?;
        self.reads(&rule, &key, Some(&saved)).await
    }

    async fn keys_do_not_meet(&self) -> Result<(), Nonconformity> {
        let rule = Rule("a write of one key changes no other");
        let (key, other) = (new_key(), new_key());
        let record = Record::sample();
        self.write(&rule, &key, Expected::version(None), &record, Written::Done)
            .await?;
        self.reads(&rule, &other, None).await?;
        let theirs = Record::sample();
        self.write(
            &rule,
            &other,
            Expected::version(None),
            &theirs,
            Written::Done,
        )
        .await?;
        self.reads(&rule, &key, Some(&record)).await
    }

    async fn a_lease_is_for_one_holder(&self) -> Result<(), Nonconformity> {
        let rule = Rule("a lease is held by one until it is released, and only its holder can");
        let (key, other_key) = (new_key(), new_key());
        let (ours, theirs) = (Lease::new(LONG), Lease::new(LONG));
        let now = now();
        let take = async |store: &S, key: &SessionKey, lease: &Lease, expected: bool| {
            let taken = rule.answered(store.take_lease(key, lease, now).await)?;
            rule.holds(taken == expected, || format!("taken: {taken}"))
        };
        take(&self.one, &key, &ours, true).await?;
        take(&self.other, &key, &theirs, false).await?;
        take(&self.other, &other_key, &theirs, true).await?;
        take(&self.one, &key, &ours, true).await?;
        rule.answered(self.other.release_lease(&key, &theirs).await)?;
        take(&self.other, &key, &theirs, false).await?;
        rule.answered(self.one.release_lease(&key, &ours).await)?;
        take(&self.other, &key, &theirs, true).await?;
        rule.answered(self.other.release_lease(&key, &theirs).await)
    }

    async fn a_lease_is_over_when_its_time_is(&self) -> Result<(), Nonconformity> {
        let rule = Rule("a lease that is not made to last longer is over when its time is");
        let key = new_key();
        let (ours, theirs) = (Lease::new(SHORT), Lease::new(SHORT));
        let mut now = now();
        rule.answered(self.one.take_lease(&key, &ours, now).await)?;
        // Made to last from here.
        now = self.pass(now, SHORT / 2).await;
        let held = rule.answered(self.one.take_lease(&key, &ours, now).await)?;
        rule.holds(held, || "the holder lost it early".to_owned())?;
        now = self.pass(now, SHORT * 3 / 4).await;
        let taken = rule.answered(self.other.take_lease(&key, &theirs, now).await)?;
        rule.holds(!taken, || "it was not made to last".to_owned())?;
        now = self.pass(now, SHORT / 2).await;
        let taken = rule.answered(self.other.take_lease(&key, &theirs, now).await)?;
        rule.holds(taken, || "it lasts for too long".to_owned())
    }

    async fn pass(&self, now: SystemTime, time: Duration) -> SystemTime {
        if self.time == StoreTime::Own {
            SystemClock.sleep(time).await;
        }
        now + time
    }

    async fn read(&self, rule: &Rule, key: &SessionKey) -> Result<Option<Record>, Nonconformity> {
        let seen = rule.answered(self.one.read(key, now()).await)?;
        Ok(seen.record)
    }

    /// Both see `expected`.
    async fn reads(
        &self,
        rule: &Rule,
        key: &SessionKey,
        expected: Option<&Record>,
    ) -> Result<(), Nonconformity> {
        for store in [&self.one, &self.other] {
            let seen = rule.answered(store.read(key, now()).await)?.record;
            rule.holds(seen.as_ref() == expected, || {
                format!("{seen:?} instead of {expected:?}")
            })?;
        }
        Ok(())
    }

    async fn write(
        &self,
        rule: &Rule,
        key: &SessionKey,
        expected: Expected,
        record: &Record,
        answer: Written,
    ) -> Result<(), Nonconformity> {
        let written = rule.answered(self.one.write(key, &expected, record).await)?;
        rule.holds(written == answer, || {
            format!(
                "{written:?} for a write of {:?} that expects {expected:?}",
                record.version()
            )
        })
    }
}

fn now() -> SystemTime {
    SystemClock.now().wall()
}

/// The key of a session that nobody else has.
fn new_key() -> SessionKey {
    let drawn = Lease::new(LONG);
    SessionKey::of(&SessionId::new(SessionParts {
        namespace: "conformance".to_owned(),
        vendor: String::new(),
        base_url: String::new(),
        client: String::new(),
        account: String::new(),
        scope: String::new(),
        resource: Vec::new(),
        audience: Vec::new(),
        binding: String::new(),
        session_key: drawn.holder().to_owned(),
    }))
}

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(800);
