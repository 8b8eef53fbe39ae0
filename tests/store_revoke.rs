//! Sessions in a store that the application ends: everywhere, and for good.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

#[path = "support/proof.rs"]
mod proof;
#[path = "support/replicas.rs"]
mod replicas;
mod support;

use proof::Proof;
use replicas::{
    Act, LIFETIME, Replica, Shelf, Vendor, access, pass, refresh, stage, token_within, within,
};
use support::{secs, settle};
use tower_reauth::{AuthLayer, Token, test_util::ManualClock};

/// Two processes that share a session, and have its token. The first one's way to the store is `Shelf`.
async fn two() -> (ManualClock, Vendor, Shelf, [Replica; 2]) {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    let other = Replica::new(&vendor, &store.another(), &clock, Some(&seed));
    one.token().await.unwrap();
    other.token().await.unwrap();
    (clock, vendor, store, [one, other])
}

#[tokio::test]
async fn store_a_revoked_session_leaves_no_token_behind_and_is_over_for_all() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    let other = Replica::new(&vendor, &store.another(), &clock, Some(&seed));
    assert_eq!(one.token().await.unwrap(), access(1, 1));
    assert_eq!(other.token().await.unwrap(), access(1, 1));
    one.revoke().await.unwrap();
    assert_eq!(vendor.revoked(), [refresh(1, 1)]);
    let record = store.record().await.unwrap();
    let json = record.to_json().unwrap();
    assert!(!json.expose().contains("access-"), "{}", json.expose());
    assert!(!json.expose().contains("refresh-"), "{}", json.expose());
    assert!(one.token().await.unwrap_err().is_login_required());
    // The other has a token that its vendor may still take; when that is dead it finds out.
    assert_eq!(other.token().await.unwrap(), access(1, 1));
    clock.advance(LIFETIME);
    assert!(other.token().await.unwrap_err().is_login_required());
    assert!(other.layer.handle().status().is_login_required());
    assert_eq!(
        vendor.exchanges(),
        1,
        "a revoked refresh token is not spent"
    );
    // A process that starts later has nothing but the old seed.
    let late = Replica::new(&vendor, &store.another(), &clock, Some(&seed));
    assert!(late.token().await.unwrap_err().is_login_required());
    assert_eq!(vendor.exchanges(), 1);
}

#[tokio::test]
async fn store_a_login_after_a_revocation_is_found_by_all() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    let other = Replica::new(&vendor, &store.another(), &clock, Some(&seed));
    one.token().await.unwrap();
    one.revoke().await.unwrap();
    clock.advance(LIFETIME);
    assert!(other.token().await.unwrap_err().is_login_required());
    let login = vendor.log_in();
    let late = Replica::new(&vendor, &store.another(), &clock, Some(&login));
    assert_eq!(late.token().await.unwrap(), access(2, 1));
    pass(&clock, secs(31)).await;
    assert_eq!(one.token().await.unwrap(), access(2, 1));
    assert_eq!(other.token().await.unwrap(), access(2, 1));
    assert_eq!(vendor.spent_twice(), 0);
}

#[tokio::test]
async fn store_what_is_revoked_is_the_newest_token_and_not_the_one_in_memory() {
    let (clock, vendor, _, [one, other]) = two().await;
    clock.advance(LIFETIME);
    assert_eq!(other.token().await.unwrap(), access(1, 2));
    one.revoke().await.unwrap();
    assert_eq!(vendor.revoked(), [refresh(1, 2)]);
}

#[tokio::test]
async fn store_a_revocation_waits_for_the_exchange_of_another() {
    let (clock, vendor, _, [one, other]) = two().await;
    vendor.next(Act::HoldReply);
    other.refreshing().await;
    let revoking = one.revoking().await;
    pass(&clock, secs(2)).await;
    assert!(vendor.revoked().is_empty(), "the exchange is under way");
    vendor.open(1);
    pass(&clock, secs(2)).await;
    revoking.await.unwrap().unwrap();
    assert_eq!(vendor.revoked(), [refresh(1, 2)]);
}

#[tokio::test]
async fn store_a_revocation_waits_for_an_exchange_whose_process_may_have_died() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    let way = store.another();
    let dead = Replica::new(&vendor, &way, &clock, None);
    dead.token().await.unwrap();
    vendor.next(Act::HoldReply);
    dead.refreshing().await;
    way.cut(true);
    let revoking = one.revoking().await;
    // The lease is over by then, the intent is not.
    pass(&clock, secs(11)).await;
    assert!(vendor.revoked().is_empty(), "its exchange may be under way");
    pass(&clock, secs(6)).await;
    revoking.await.unwrap().unwrap();
    assert_eq!(vendor.revoked(), [refresh(1, 1)]);
}

#[tokio::test]
async fn store_nobody_exchanges_a_token_that_is_being_revoked() {
    let (clock, vendor, _, [one, other]) = two().await;
    vendor.next(Act::HoldReply);
    let revoking = one.revoking().await;
    let exchanging = other.refreshing().await;
    pass(&clock, secs(15)).await;
    assert_eq!(vendor.exchanges(), 1, "the lease lasts as long as it takes");
    vendor.open(1);
    pass(&clock, secs(2)).await;
    revoking.await.unwrap().unwrap();
    assert!(exchanging.await.unwrap().unwrap_err().is_login_required());
    assert_eq!(vendor.exchanges(), 1);
}

#[tokio::test]
async fn store_a_token_that_landed_meanwhile_is_revoked_as_well() {
    let (clock, vendor, store, seed) = stage();
    let way = store.another();
    let one = Replica::new(&vendor, &way, &clock, Some(&seed));
    let other = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    other.token().await.unwrap();
    vendor.next(Act::HoldReply);
    let revoking = one.revoking().await;
    // Its lease is lost, and another makes an exchange.
    way.cut(true);
    other.refresh_within(secs(20)).await.unwrap();
    way.cut(false);
    vendor.open(1);
    pass(&clock, secs(2)).await;
    revoking.await.unwrap().unwrap();
    assert_eq!(vendor.revoked(), [refresh(1, 1), refresh(1, 2)]);
    let json = store.json().await;
    assert!(!json.contains("refresh-"), "{json}");
}

#[tokio::test]
async fn store_a_revoked_token_that_somebody_kept_does_not_bring_the_session_back() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    one.revoke().await.unwrap();
    let kept = Token::from_refresh_token(refresh(1, 1));
    let late = Replica::new(&vendor, &store.another(), &clock, Some(&kept));
    assert!(late.token().await.unwrap_err().is_login_required());
    assert_eq!(vendor.exchanges(), 1);
}

#[tokio::test]
async fn store_a_winner_that_was_paused_does_not_bring_a_revoked_session_back() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    let way = store.another();
    let paused = Replica::new(&vendor, &way, &clock, None);
    paused.token().await.unwrap();
    vendor.next(Act::HoldReply);
    let exchanging = paused.refreshing().await;
    // Its lease ends, and so does its intent.
    way.cut(true);
    let revoked = within(&clock, secs(29), one.layer.handle().revoke()).await;
    revoked.unwrap().unwrap();
    assert_eq!(vendor.revoked(), [refresh(1, 1)]);
    way.cut(false);
    vendor.open(1);
    pass(&clock, secs(40)).await;
    assert!(exchanging.await.unwrap().unwrap_err().is_login_required());
    let json = store.json().await;
    assert!(!json.contains("refresh-"), "{json}");
}

#[tokio::test]
async fn store_a_revocation_that_could_not_be_written_is_owed_and_paid() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    store.fail_writes(3);
    one.revoke().await.unwrap();
    assert_eq!(vendor.revoked(), [refresh(1, 1)]);
    pass(&clock, secs(5)).await;
    let json = store.json().await;
    assert!(!json.contains("refresh-"), "{json}");
    assert_eq!(vendor.revoked().len(), 1, "the vendor was told once");
}

#[tokio::test]
async fn store_without_its_store_a_session_is_not_revoked() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    store.cut(true);
    assert!(one.revoke().await.unwrap_err().is_transient());
    assert!(vendor.revoked().is_empty());
    store.cut(false);
    assert_eq!(one.token().await.unwrap(), access(1, 1));
    vendor.fail_revocations(1);
    assert!(one.revoke().await.unwrap_err().is_transient());
    assert_eq!(one.token().await.unwrap(), access(1, 1));
    one.revoke().await.unwrap();
}

#[tokio::test]
async fn store_one_that_lost_the_end_of_a_session_is_told_again() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    let before = store.record().await;
    one.revoke().await.unwrap();
    store.falls_back_to(before).await;
    assert!(one.token().await.unwrap_err().is_login_required());
    let json = store.json().await;
    assert!(!json.contains("refresh-"), "{json}");
    assert_eq!(vendor.exchanges(), 1);
}

#[tokio::test]
async fn store_a_login_made_while_the_session_is_revoked_is_not_revoked() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    vendor.next(Act::HoldReply);
    let revoking = one.revoking().await;
    pass(&clock, secs(1)).await;
    let login = vendor.log_in_with_a_pair();
    one.layer.handle().replace(login).await.unwrap();
    vendor.open(1);
    pass(&clock, secs(2)).await;
    revoking.await.unwrap().unwrap();
    assert_eq!(vendor.revoked(), [refresh(1, 1)]);
    assert_eq!(one.token().await.unwrap(), access(2, 0));
}

/// A login comes while a revocation waits for the lease: here, or at a third replica. What is revoked
/// then is nothing.
async fn a_login_before_the_revocation_had_its_turn(elsewhere: bool) -> [Replica; 2] {
    let (clock, vendor, store, [one, other]) = two().await;
    let third = Replica::new(&vendor, &store.another(), &clock, None);
    third.token().await.unwrap();
    vendor.next(Act::HoldReply);
    other.refreshing().await;
    let revoking = one.revoking().await;
    pass(&clock, secs(1)).await;
    let login = vendor.log_in_with_a_pair();
    let logged_in = if elsewhere { &third } else { &one };
    logged_in.layer.handle().replace(login).await.unwrap();
    vendor.open(1);
    pass(&clock, secs(5)).await;
    let error = revoking.await.unwrap().unwrap_err();
    assert!(
        error.to_string().contains("a login took the place"),
        "{error}"
    );
    assert!(vendor.revoked().is_empty(), "{:?}", vendor.revoked());
    [one, third]
}

#[tokio::test]
async fn store_a_login_made_before_the_revocation_had_its_turn_is_not_revoked() {
    let [one, _] = a_login_before_the_revocation_had_its_turn(false).await;
    assert_eq!(one.token().await.unwrap(), access(2, 0));
}

#[tokio::test]
async fn store_a_login_elsewhere_while_a_revocation_waits_for_the_lease_is_not_revoked() {
    let [_, third] = a_login_before_the_revocation_had_its_turn(true).await;
    assert_eq!(third.token().await.unwrap(), access(2, 0));
}

#[tokio::test]
async fn store_a_login_made_elsewhere_meanwhile_is_not_revoked() {
    let (clock, vendor, _, [one, other]) = two().await;
    vendor.next(Act::HoldReply);
    let revoking = one.revoking().await;
    pass(&clock, secs(1)).await;
    let login = vendor.log_in_with_a_pair();
    other.layer.handle().replace(login).await.unwrap();
    vendor.open(1);
    pass(&clock, secs(2)).await;
    revoking.await.unwrap().unwrap();
    assert_eq!(vendor.revoked(), [refresh(1, 1)]);
    assert_eq!(one.token().await.unwrap(), access(2, 0));
}

#[tokio::test]
async fn store_the_next_login_of_a_session_whose_revocation_waits_is_not_revoked() {
    let (clock, vendor, store, seed) = stage();
    let layer = |store: &Shelf| Replica::new(&vendor, store, &clock, None).layer;
    let (first, second) = (layer(&store), layer(&store.another()));
    let ours = first.with_session("u", seed.clone()).unwrap();
    let theirs = second.with_session("u", seed).unwrap();
    for session in [&ours, &theirs] {
        token_within(&clock, secs(5), session).await.unwrap();
    }
    vendor.next(Act::HoldReply);
    let handle = theirs.handle();
    tokio::spawn(async move { handle.refresh().await });
    settle().await;
    let handle = ours.handle();
    let revoking = tokio::spawn(async move { handle.revoke().await });
    pass(&clock, secs(1)).await;
    revoking.abort();
    drop(ours);
    settle().await;
    let login = vendor.log_in_with_a_pair();
    let taken = first.with_session("u", login.clone());
    assert!(taken.is_err(), "it is still at work");
    vendor.open(1);
    pass(&clock, secs(5)).await;
    assert_eq!(vendor.revoked(), [refresh(1, 2)]);
    let again = first.with_session("u", login).unwrap();
    let token = token_within(&clock, secs(40), &again).await;
    assert_eq!(token.unwrap(), access(2, 0));
}

#[tokio::test]
async fn store_a_replica_that_went_on_in_memory_does_not_bring_a_revoked_session_back() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    let way = store.another();
    let apart = Replica::new(&vendor, &way, &clock, None);
    apart.token().await.unwrap();
    vendor.next(Act::HoldReply);
    let exchanging = apart.refreshing().await;
    way.cut(true);
    vendor.open(1);
    pass(&clock, secs(1)).await;
    exchanging.await.unwrap().unwrap();
    for _ in 0..3 {
        apart.refresh_within(secs(20)).await.unwrap();
    }
    one.revoke().await.unwrap();
    way.cut(false);
    pass(&clock, secs(40)).await;
    let json = store.json().await;
    assert!(!json.contains("refresh-"), "{json}");
}

#[tokio::test]
async fn store_what_an_exchange_brings_that_began_meanwhile_is_revoked_as_well() {
    let (clock, vendor, store, seed) = stage();
    let way = store.another();
    let one = Replica::new(&vendor, &way, &clock, Some(&seed));
    let other = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    other.token().await.unwrap();
    vendor.next(Act::HoldReply);
    let revoking = one.revoking().await;
    // Its lease is lost, and another has begun an exchange when the vendor answers.
    way.cut(true);
    vendor.next(Act::HoldReply);
    let exchanging = other.refreshing().await;
    pass(&clock, secs(12)).await;
    assert_eq!(vendor.exchanges(), 2);
    way.cut(false);
    vendor.open(1);
    pass(&clock, secs(2)).await;
    assert!(!revoking.is_finished());
    vendor.open(1);
    pass(&clock, secs(5)).await;
    revoking.await.unwrap().unwrap();
    exchanging.await.unwrap().unwrap();
    assert_eq!(vendor.revoked(), [refresh(1, 1), refresh(1, 2)]);
}

#[tokio::test]
async fn store_a_login_that_cannot_be_told_from_others_wins_over_no_token_at_all() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    one.token().await.unwrap();
    one.revoke().await.unwrap();
    vendor.log_in();
    // Too short for a fingerprint.
    let login = Token::from_refresh_token("refresh-2-0");
    let late = Replica::new(&vendor, &store.another(), &clock, Some(&login));
    assert_eq!(late.token().await.unwrap(), access(2, 1));
}

#[tokio::test]
async fn store_a_refused_proof_is_not_tried_again_because_another_replica_has_it() {
    let clock = ManualClock::new();
    let proof = Proof::refusing(&["access-1"]);
    proof.open(9);
    let shelf = Shelf::new();
    let replica = |shelf: &Shelf| {
        let builder = AuthLayer::builder(proof.clone()).clock(clock.clone());
        let builder = builder.store(shelf.clone()).keep_idle_sessions_alive(false);
        builder
            .initial(Token::from_pair("seed", "refresh"))
            .build()
            .unwrap()
    };
    let (one, other) = (replica(&shelf), replica(&shelf.another()));
    for layer in [&one, &other] {
        within(&clock, secs(5), layer.handle().token())
            .await
            .unwrap()
            .unwrap();
    }
    within(&clock, secs(5), other.handle().refresh())
        .await
        .unwrap()
        .unwrap();
    within(&clock, secs(20), one.handle().revoke())
        .await
        .unwrap()
        .unwrap();
    let asked = [
        "spend refresh",
        "revoke access-1",
        "spend refresh-1",
        "revoke access-2",
    ];
    let mut log = proof.log();
    log.dedup();
    assert_eq!(log, asked);
}
