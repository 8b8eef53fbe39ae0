//! The suite for stores: the crate's own pass it, and one that breaks a rule is told which.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

#[path = "support/folder.rs"]
mod folder;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use folder::Folder;
use tower_reauth::{
    store::{
        Expected, ExpectedIntent, FileStore, Lease, MemoryStore, Record, SealKey, SealKeys, Sealed,
        Seen, SessionKey, StoreError, TokenStore, Written,
    },
    test_util::{StoreTime, store_conformance},
};

#[tokio::test(flavor = "multi_thread")]
async fn store_the_memory_conforms() {
    let store = MemoryStore::new();
    store_conformance(async || store.clone(), StoreTime::Given)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn store_the_file_conforms() {
    let folder = Folder::new();
    let open = async || FileStore::new(folder.path("sessions.json"));
    store_conformance(open, StoreTime::Given).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn store_a_seal_conforms() {
    let keys = || SealKeys::new(SealKey::new("one", [1; 32]).unwrap());
    let memory = MemoryStore::new();
    let open = async || Sealed::new(memory.clone(), keys());
    store_conformance(open, StoreTime::Given).await.unwrap();
    let folder = Folder::new();
    let open = async || Sealed::new(FileStore::new(folder.path("sessions.json")), keys());
    store_conformance(open, StoreTime::Given).await.unwrap();
}

// On one thread, so that its writers meet every time.
#[tokio::test]
async fn store_one_that_breaks_a_rule_is_told_which() {
    for (fault, rule) in [
        (
            Fault::AcceptsAnyVersion,
            "a write lands only on the version that it expects",
        ),
        (
            Fault::AcceptsAnyIntent,
            "a write lands only on the intent that it expects, if it expects one",
        ),
        (
            Fault::SavesNeedNoIntent,
            "a write lands only on the intent that it expects, if it expects one",
        ),
        (
            Fault::OneForAll,
            "a key that was never written reads as nothing",
        ),
        (
            Fault::GivesLeasesToAll,
            "a lease is held by one until it is released, and only its holder can",
        ),
        (
            Fault::AnybodyReleases,
            "a lease is held by one until it is released, and only its holder can",
        ),
        (
            Fault::LeasesLastForEver,
            "a lease that is not made to last longer is over when its time is",
        ),
        (
            Fault::ReadsThenWrites,
            "of writers that expect the same version, one lands",
        ),
    ] {
        let broken = Broken {
            inner: MemoryStore::new(),
            fault,
            written: Arc::default(),
        };
        let error = store_conformance(async || broken.clone(), StoreTime::Given)
            .await
            .unwrap_err();
        assert_eq!(error.rule(), rule, "{fault:?}: {error}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    AcceptsAnyVersion,
    AcceptsAnyIntent,
    SavesNeedNoIntent,
    OneForAll,
    GivesLeasesToAll,
    AnybodyReleases,
    LeasesLastForEver,
    ReadsThenWrites,
}

#[derive(Clone)]
struct Broken {
    inner: MemoryStore,
    fault: Fault,
    written: Arc<AtomicBool>,
}

impl TokenStore for Broken {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        let mut seen = self.inner.read(key, now).await?;
        if self.fault == Fault::OneForAll && !self.written.load(Ordering::SeqCst) {
            let json = r#"{"format":1,"lineage":1,"revision":0}"#;
            seen.record = Some(Record::from_json(json)?);
        }
        Ok(seen)
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        let current = self.inner.read(key, SystemTime::UNIX_EPOCH).await?.record;
        let version = current.as_ref().map(Record::version);
        let as_is = current
            .as_ref()
            .map_or(Expected::version(None), Expected::as_seen);
        let expected = match self.fault {
            Fault::AcceptsAnyVersion => as_is,
            Fault::AcceptsAnyIntent => Expected::version(expected.version),
            Fault::SavesNeedNoIntent if expected.intent == ExpectedIntent::Any => Expected {
                version: expected.version,
                intent: ExpectedIntent::None,
            },
            Fault::ReadsThenWrites if expected.is_met_by(current.as_ref()) => {
                // Somebody else has a turn between the comparison and the write.
                tokio::task::yield_now().await;
                let now = self.inner.read(key, SystemTime::UNIX_EPOCH).await?.record;
                now.as_ref()
                    .map_or(Expected::version(version), Expected::as_seen)
            }
            _ => expected.clone(),
        };
        self.inner.write(key, &expected, record).await
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        let now = match self.fault {
            Fault::LeasesLastForEver => SystemTime::UNIX_EPOCH,
            _ => now,
        };
        let taken = self.inner.take_lease(key, lease, now).await?;
        Ok(taken || self.fault == Fault::GivesLeasesToAll)
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        if self.fault == Fault::AnybodyReleases {
            // Long after anybody's time.
            let late = SystemTime::now_by_the_crate();
            self.inner.take_lease(key, lease, late).await?;
        }
        self.inner.release_lease(key, lease).await
    }
}

/// The tests read no clock either, but the crate's.
trait Late {
    fn now_by_the_crate() -> SystemTime;
}

impl Late for SystemTime {
    fn now_by_the_crate() -> SystemTime {
        use tower_reauth::clock::{Clock, SystemClock};
        SystemClock
            .now()
            .after(std::time::Duration::from_secs(86_400))
            .wall()
    }
}
