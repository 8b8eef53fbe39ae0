//! Logins of processes that share a store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::SystemTime,
};

use tower_reauth::{
    AuthLayer, Error, Token,
    provider::{ProviderError, SessionId},
    store::{
        Expected, Lease, MemoryStore, Record, Seen, SessionKey, StoreError, TokenStore, Written,
    },
    test_util::ManualClock,
};

use crate::{
    stage::{LIFETIME, NAME, Vendor, access, ask, pass, refresh},
    support::{parts, secs, settle},
};

/// A clock, a vendor, and a store that all processes share.
fn stage(vendor: Vendor) -> (ManualClock, Vendor, MemoryStore) {
    (ManualClock::new(), vendor, MemoryStore::new())
}

/// The access token that a caller is given, who asks now and is answered within two seconds.
async fn token(clock: &ManualClock, layer: &AuthLayer<Vendor>) -> Result<String, Error> {
    let caller = ask(&layer.handle());
    pass(clock, secs(2)).await;
    caller.await.unwrap()
}

#[tokio::test]
async fn two_replicas_with_nothing_in_their_store_ask_one_person() {
    let (clock, vendor, store) = stage(Vendor::with_a_person());
    let layers = [0, 1].map(|_| vendor.replica(&clock, &store));
    let handles = layers.each_ref().map(|layer| layer.handle());
    let callers: Vec<_> = handles.iter().map(ask).collect();
    pass(&clock, secs(31)).await;
    for caller in callers {
        let error = caller.await.unwrap().unwrap_err();
        assert!(error.is_login_in_progress(), "{error}");
    }
    // For longer than anybody waits for a lease.
    pass(&clock, secs(200)).await;
    assert!(handles.iter().all(|handle| handle.status().logging_in));
    assert_eq!(vendor.asked_at_once(), 1);
    vendor.answer(1);
    pass(&clock, secs(3)).await;
    for handle in &handles {
        assert_eq!(access(handle.token().await).unwrap(), "access-1");
    }
    assert_eq!(vendor.logins(), 1);
    assert!(vendor.sent().is_empty());
}

#[tokio::test]
async fn a_refresh_token_that_is_dead_for_all_replicas_calls_for_one_login() {
    let (clock, vendor, store) = stage(Vendor::with_a_person());
    let layers = [0, 1, 2].map(|_| vendor.replica(&clock, &store));
    let dead = Token::from_refresh_token(refresh(99));
    layers[0].handle().replace(dead).await.unwrap();
    let handles = layers.each_ref().map(|layer| layer.handle());
    let callers: Vec<_> = handles.iter().map(ask).collect();
    pass(&clock, secs(5)).await;
    vendor.answer(1);
    pass(&clock, secs(5)).await;
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), "access-1");
    }
    assert_eq!((vendor.logins(), vendor.sent().len()), (1, 1));
    // And all go on from there.
    clock.advance(LIFETIME);
    for handle in &handles {
        let caller = ask(handle);
        pass(&clock, secs(3)).await;
        assert_eq!(caller.await.unwrap().unwrap(), "access-2");
    }
    assert_eq!((vendor.logins(), vendor.sent().len()), (1, 2));
}

#[tokio::test]
async fn a_refused_login_is_refused_for_all_that_had_begun_and_a_restart_may_try_again() {
    for seed in [None, Some(Token::from_refresh_token(refresh(99)))] {
        let (clock, vendor) = (ManualClock::new(), Vendor::new());
        let store = MemoryStore::new();
        let layers = [0, 1, 2].map(|_| vendor.replica(&clock, &store));
        if let Some(seed) = seed {
            layers[0].handle().replace(seed).await.unwrap();
        }
        vendor.next(ProviderError::refused("declined"));
        clock.advance(secs(1));
        for round in 0..20 {
            for layer in &layers {
                let error = token(&clock, layer).await.unwrap_err();
                assert!(error.is_login_required(), "{round}: {error}");
            }
            clock.advance(secs(60));
        }
        assert_eq!(vendor.logins(), 1);
        let restarted = vendor.replica(&clock, &store);
        assert_eq!(token(&clock, &restarted).await.unwrap(), "access-1");
        // The others look into the store, and find what it brought.
        clock.advance(secs(60));
        for layer in &layers {
            assert_eq!(token(&clock, layer).await.unwrap(), "access-1");
        }
        assert_eq!(vendor.logins(), 2);
    }
}

#[tokio::test]
async fn a_token_handed_over_at_another_replica_beats_a_login_that_began_before() {
    let (clock, vendor, store) = stage(Vendor::with_a_person());
    let [here, there] = [0, 1].map(|_| vendor.replica(&clock, &store));
    let waiting = ask(&here.handle());
    pass(&clock, secs(5)).await;
    let token = Token::new("handed over").with_lifetime(LIFETIME);
    there.handle().replace(token).await.unwrap();
    vendor.answer(1);
    pass(&clock, secs(5)).await;
    assert_eq!(vendor.logins(), 1);
    assert_eq!(waiting.await.unwrap().unwrap(), "handed over");
    assert_eq!(access(there.handle().token().await).unwrap(), "handed over");
}

#[tokio::test]
async fn a_refresh_token_handed_over_at_another_replica_does_not_wait_for_a_person_to_answer() {
    let (clock, vendor, store) = stage(Vendor::with_a_person());
    let [here, there] = [0, 1].map(|_| vendor.replica(&clock, &store));
    let waiting = ask(&here.handle());
    pass(&clock, secs(5)).await;
    assert_eq!(vendor.logins(), 1);
    let token = vendor.log_in_elsewhere();
    there.handle().replace(token).await.unwrap();
    let caller = ask(&there.handle());
    pass(&clock, secs(10)).await;
    assert!(caller.is_finished(), "the lease was given up");
    let token = caller.await.unwrap().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), token);
    assert_eq!((vendor.logins(), vendor.sent().len()), (1, 1));
}

#[tokio::test]
async fn a_session_that_was_revoked_elsewhere_is_not_logged_in_to() {
    let (clock, vendor, store) = stage(Vendor::new());
    let [here, there] = [0, 1].map(|_| vendor.replica(&clock, &store));
    for layer in [&here, &there] {
        token(&clock, layer).await.unwrap();
    }
    there.handle().revoke().await.unwrap();
    clock.advance(LIFETIME);
    for layer in [&here, &there, &vendor.replica(&clock, &store)] {
        let error = token(&clock, layer).await.unwrap_err();
        assert!(error.is_login_required(), "{error}");
    }
    assert_eq!(vendor.logins(), 1);
}

#[tokio::test]
async fn a_process_that_dies_while_it_logs_in_loses_the_login_and_nothing_else() {
    let (clock, vendor, store) = stage(Vendor::with_a_person());
    let dying = vendor.replica(&clock, &store);
    let handle = dying.handle();
    let runtime = std::thread::spawn(crate::support::runtime).join().unwrap();
    runtime.spawn(async move { handle.token().await });
    let runtime = std::thread::spawn(move || {
        runtime.block_on(settle());
        runtime
    });
    let runtime = runtime.join().unwrap();
    assert_eq!(vendor.logins(), 1);
    std::thread::spawn(move || drop(runtime)).join().unwrap();
    let next = vendor.replica(&clock, &store);
    let caller = ask(&next.handle());
    vendor.answer(1);
    // The lease of the dead ends by itself.
    pass(&clock, secs(15)).await;
    assert_eq!(caller.await.unwrap().unwrap(), "access-1");
    assert_eq!(vendor.logins(), 2);
}

#[tokio::test]
async fn a_login_begins_a_lineage_in_the_store_and_holds_no_intent_open() {
    let (clock, vendor, store) = stage(Vendor::with_a_person());
    let layer = vendor.replica(&clock, &store);
    let seed = Token::from_refresh_token(refresh(99));
    layer.handle().replace(seed).await.unwrap();
    let key = SessionKey::of(&SessionId::new(parts(NAME)));
    let read = async || {
        let now = std::time::SystemTime::UNIX_EPOCH;
        store.read(&key, now).await.unwrap().record.unwrap()
    };
    let before = read().await;
    let caller = ask(&layer.handle());
    pass(&clock, secs(60)).await;
    let meanwhile = read().await;
    assert!(meanwhile.intent().is_none(), "nothing is being spent");
    assert_eq!(meanwhile.version(), before.version());
    vendor.answer(1);
    pass(&clock, secs(2)).await;
    drop(caller);
    let after = read().await;
    assert!(after.version().lineage > before.version().lineage);
    assert_eq!(after.version().revision, 0);
    assert!(after.intent().is_none());
}

/// A store that takes no writes while it is told so; leases it gives.
#[derive(Clone, Default)]
struct Stubborn(MemoryStore, Arc<AtomicBool>);

impl TokenStore for Stubborn {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        self.0.read(key, now).await
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        match self.1.load(SeqCst) {
            true => Err(StoreError::unavailable("the disk is full")),
            false => self.0.write(key, expected, record).await,
        }
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        self.0.take_lease(key, lease, now).await
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        self.0.release_lease(key, lease).await
    }
}

#[tokio::test]
async fn a_refused_login_is_not_made_again_although_the_store_could_not_take_note_of_it() {
    let (clock, vendor, store) = (ManualClock::new(), Vendor::new(), Stubborn::default());
    let layer = vendor.layer(&clock).store(store.clone()).build().unwrap();
    let handle = layer.handle();
    vendor.next(ProviderError::refused("wrong password"));
    store.1.store(true, SeqCst);
    for _ in 0..5 {
        let caller = ask(&handle);
        pass(&clock, secs(2)).await;
        let error = caller.await.unwrap().unwrap_err();
        assert!(error.is_login_required(), "{error}");
        clock.advance(secs(60));
    }
    assert_eq!(vendor.logins(), 1);
    store.1.store(false, SeqCst);
    let token = Token::from_refresh_token(refresh(99));
    handle.replace(token).await.unwrap();
    let caller = ask(&handle);
    pass(&clock, secs(2)).await;
    assert_eq!(caller.await.unwrap().unwrap(), "access-1");
}
