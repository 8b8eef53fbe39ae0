//! What happens between a session and its store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::SystemTime,
};

use tower_reauth::{
    AuthLayer,
    store::{Expected, Lease, Record, Seen, SessionKey, StoreError, TokenStore, Written},
};

use crate::{
    heard::Heard,
    replicas::{Act, Shelf, Vendor, pass, stage},
    support::{secs, settle},
};

/// A store in which somebody else takes the lease, when told.
#[derive(Clone)]
struct Thieves(Shelf, Arc<AtomicBool>);

impl TokenStore for Thieves {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        self.0.read(key, now).await
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        self.0.write(key, expected, record).await
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        let taken = self.0.take_lease(key, lease, now).await?;
        Ok(taken && !self.1.load(SeqCst))
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        self.0.release_lease(key, lease).await
    }
}

/// An exchange whose lease is lost: two beats of the heart later, it is told once.
pub(crate) async fn lease_lost(heard: &Heard) {
    let (clock, vendor, store, seed) = stage();
    let store = Thieves(store, Arc::default());
    let layer = AuthLayer::builder(vendor.clone())
        .clock(clock.clone())
        .store(store.clone())
        .initial(seed)
        .observer(heard.clone())
        .build()
        .unwrap();
    vendor.next(Act::HoldReply);
    let handle = layer.handle();
    let caller = tokio::spawn(async move { handle.token().await });
    settle().await;
    store.1.store(true, SeqCst);
    pass(&clock, secs(7)).await;
    vendor.open(1);
    settle().await;
    caller.await.unwrap().unwrap();
}

/// What an exchange brought cannot be saved for five seconds.
pub(crate) async fn unsaved(heard: &Heard) {
    let (clock, vendor, store, seed) = stage();
    let layer = replica(&vendor, &store, heard)
        .initial(seed)
        .build()
        .unwrap();
    vendor.next(Act::HoldReply);
    let handle = layer.handle();
    let caller = tokio::spawn(async move { handle.token().await });
    settle().await;
    store.fail_writes(4);
    vendor.open(1);
    settle().await;
    caller.await.unwrap().unwrap();
    pass(&clock, secs(10)).await;
}

/// The store comes back from a backup that is one exchange old, and a reply is lost.
pub(crate) async fn record_lost_and_reply_lost(heard: &Heard) {
    let (clock, vendor, store, seed) = stage();
    let layer = replica(&vendor, &store, heard)
        .initial(seed)
        .build()
        .unwrap();
    let handle = layer.handle();
    handle.token().await.unwrap();
    let backup = store.record().await;
    handle.refresh().await.unwrap();
    store.falls_back_to(backup).await;
    vendor.next(Act::LoseReply);
    handle.refresh().await.unwrap_err();
    // The last resort, when the access token is dead.
    clock.advance(secs(3600));
    handle.token().await.unwrap_err();
    settle().await;
}

/// One of two replicas is quicker.
pub(crate) async fn adopted(heard: &Heard) {
    let (_clock, vendor, store, seed) = stage();
    let quicker = vendor.replica(&store).initial(seed).build().unwrap();
    quicker.handle().token().await.unwrap();
    let layer = replica(&vendor, &store.another(), heard).build().unwrap();
    layer.handle().token().await.unwrap();
}

fn replica(
    vendor: &Vendor,
    store: &Shelf,
    heard: &Heard,
) -> tower_reauth::layer::AuthLayerBuilder<Vendor> {
    vendor.replica(store).observer(heard.clone())
}

#[tokio::test]
async fn a_lease_that_is_lost_is_told_once() {
    let heard = Heard::default();
    lease_lost(&heard).await;
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "LeaseLost",
            "ended: first issued, took 7s, lives 3593s, 1 waiting"
        ]
    );
}

#[tokio::test]
async fn what_is_unsaved_is_told_once_and_again_when_it_is_saved() {
    let heard = Heard::default();
    unsaved(&heard).await;
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "ended: first issued, took 0ns, lives 3600s, 1 waiting",
            "unsaved: transient",
            "Saved",
        ]
    );
}

#[tokio::test]
async fn what_was_never_saved_is_not_told_as_lost() {
    let heard = Heard::default();
    let (clock, vendor, store, seed) = stage();
    let layer = replica(&vendor, &store, &heard);
    let layer = layer.initial(seed).build().unwrap();
    let handle = layer.handle();
    handle.token().await.unwrap();
    vendor.next(Act::HoldReply);
    let refreshing = tokio::spawn({
        let handle = handle.clone();
        async move { handle.refresh().await }
    });
    settle().await;
    store.fail_writes(2);
    vendor.open(1);
    settle().await;
    refreshing.await.unwrap().unwrap();
    assert!(handle.status().unsaved);
    // Sooner than it is saved by itself.
    handle.refresh().await.unwrap();
    pass(&clock, secs(5)).await;
    let heard = heard.take();
    assert!(heard.iter().any(|it| it == "Saved"), "{heard:?}");
    assert!(
        !heard.iter().any(|it| it.starts_with("record")),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_record_that_was_lost_and_one_that_may_be_spent_are_told() {
    let heard = Heard::default();
    record_lost_and_reply_lost(&heard).await;
    let heard = heard.take();
    assert_eq!(
        heard[4..],
        [
            "started: asked",
            "record lost, healed: true",
            "ended: asked unknown_outcome, took 0ns, 1 waiting",
            "started: expired",
            "intent found, own: true",
            "ended: expired refused, took 0ns, 1 waiting",
            "login required: login_required",
            // The layer is gone.
            "LoginNoLongerRequired",
        ]
    );
}

#[tokio::test]
async fn what_another_replica_obtained_is_told_as_adopted() {
    let heard = Heard::default();
    adopted(&heard).await;
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "ended: first adopted, took 0ns, lives 3600s, 1 waiting"
        ]
    );
}
