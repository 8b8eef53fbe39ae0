//! Sessions that live in a store: nothing is spent twice, nothing is lost, whoever fails when
//! (promises 5 to 8).

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

#[path = "support/join.rs"]
mod join;
#[path = "support/replicas.rs"]
mod replicas;
mod support;

use std::time::Duration;

use join::side_by_side;
use replicas::{
    Act, LIFETIME, Replica, Shelf, Vendor, access, exposed, pass, refresh, revision, stage,
    stage_by, within,
};
use support::{Api, a_few_turns, secs, send, settle};
use tower::Layer;
use tower_reauth::{Error, Token, clock::Clock, provider::LostReply, test_util::ManualClock};

/// A replica whose exchange is under way, and whose vendor answers when it is let.
async fn held_up(rule: LostReply) -> (ManualClock, Vendor, Shelf, Replica) {
    let (clock, vendor, store, seed) = stage_by(rule);
    vendor.next(Act::HoldReply);
    let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
    replica.refreshing().await;
    (clock, vendor, store, replica)
}

/// A replica that has a token.
async fn at_work(rule: LostReply) -> (ManualClock, Vendor, Shelf, Replica) {
    let (clock, vendor, store, seed) = stage_by(rule);
    let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
    replica.token().await.unwrap();
    (clock, vendor, store, replica)
}

/// A replica with the token of a login, and another one that knows of nothing.
fn two(rule: LostReply) -> (ManualClock, Vendor, Shelf, [Replica; 2]) {
    let (clock, vendor, store, seed) = stage_by(rule);
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    let other = Replica::new(&vendor, &store.another(), &clock, None);
    (clock, vendor, store, [one, other])
}

#[tokio::test]
async fn store_a_restart_goes_on_from_the_record_and_not_from_the_seed() {
    let (clock, vendor, store, seed) = stage();
    for life in 1..=5 {
        let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
        assert_eq!(replica.token().await.unwrap(), access(1, life));
        drop(replica);
        settle().await;
        clock.advance(LIFETIME);
    }
    let spent: Vec<_> = (0..5).map(|number| refresh(1, number)).collect();
    assert_eq!(vendor.arrived(), spent);
}

#[tokio::test]
async fn store_a_restart_with_a_good_token_asks_nobody() {
    let (clock, vendor, store, seed) = stage();
    let first = Replica::new(&vendor, &store, &clock, Some(&seed));
    first.token().await.unwrap();
    for _ in 0..3 {
        clock.advance(secs(600));
        let next = Replica::new(&vendor, &store, &clock, None);
        assert_eq!(next.token().await.unwrap(), access(1, 1));
        let expires = |it: &Replica| it.layer.handle().status().expires_at;
        assert_eq!(
            expires(&next),
            expires(&first),
            "it does not live longer for it"
        );
    }
    assert_eq!(vendor.exchanges(), 1);
}

#[tokio::test]
async fn store_a_seed_is_not_published_before_the_store_was_read() {
    let (clock, vendor, store, seed) = stage();
    Replica::new(&vendor, &store, &clock, Some(&seed))
        .token()
        .await
        .unwrap();
    let old = Token::from_pair("old-access", seed.refresh_token().unwrap().clone());
    let api = Api::accepting_all();
    let replica = Replica::new(&vendor, &store, &clock, Some(&old));
    assert!(!replica.layer.handle().status().usable);
    send(&replica.layer.layer(api.clone())).await.unwrap();
    assert_eq!(api.seen(), [format!("Bearer {}", access(1, 1))]);
    assert_eq!(vendor.exchanges(), 1);
}

#[tokio::test]
async fn store_a_seed_with_a_good_access_token_is_adopted_and_used_without_an_exchange() {
    let (clock, vendor, store, seed) = stage();
    let pair = Token::from_pair("first-access", seed.refresh_token().unwrap().clone());
    let replica = Replica::new(&vendor, &store, &clock, Some(&pair.with_lifetime(LIFETIME)));
    assert_eq!(replica.token().await.unwrap(), "first-access");
    assert_eq!(
        (vendor.exchanges(), revision(&store.record().await.unwrap())),
        (0, 0)
    );
    clock.advance(LIFETIME);
    assert_eq!(replica.token().await.unwrap(), access(1, 1));
}

#[tokio::test]
async fn store_many_replicas_make_one_exchange_for_each_lifetime() {
    let (clock, vendor, store, seed) = stage();
    let replicas: Vec<_> = (0..20)
        .map(|_| Replica::new(&vendor, &store.another(), &clock, Some(&seed)))
        .collect();
    for life in 1..=4 {
        let all = replicas.iter().map(token_alone);
        let tokens = within(&clock, secs(30), side_by_side(all)).await.unwrap();
        for token in tokens {
            assert_eq!(token.unwrap(), access(1, life));
        }
        clock.advance(LIFETIME);
    }
    assert_eq!((vendor.exchanges(), vendor.spent_twice()), (4, 0));
}

#[tokio::test]
async fn store_a_token_is_saved_before_anybody_gets_it() {
    let (_, vendor, store, replica) = held_up(LostReply::LastResort).await;
    store.hold(true);
    vendor.open(1);
    settle().await;
    let status = replica.layer.handle().status();
    assert!(!status.usable && status.exchanging, "the save is under way");
    assert_eq!(revision(&store.record().await.unwrap()), 0);
    store.hold(false);
    settle().await;
    assert!(replica.layer.handle().status().usable);
    let record = store.record().await.unwrap();
    assert_eq!(revision(&record), 1);
    assert!(record.intent().is_none(), "the same write has cleared it");
}

#[tokio::test]
async fn store_a_token_that_could_not_be_saved_is_used_and_the_save_tried_until_it_lands() {
    let (clock, vendor, store, replica) = held_up(LostReply::LastResort).await;
    store.fail_writes(5);
    let tries = store.tries();
    vendor.open(1);
    settle().await;
    assert_eq!(replica.token().await.unwrap(), access(1, 1));
    // At once and by the task that settles; then after 50 ms, 250 ms, and every 2 s.
    for (pause, expected) in [
        (0, 2),
        (50, 3),
        (250, 4),
        (2_000, 5),
        (2_000, 6),
        (60_000, 6),
    ] {
        clock.advance(Duration::from_millis(pause));
        settle().await;
        assert_eq!(store.tries() - tries, expected, "after {pause} ms");
    }
    assert_eq!(revision(&store.record().await.unwrap()), 1);
}

#[tokio::test]
async fn store_what_is_not_saved_yet_is_reported_until_it_is() {
    let (clock, vendor, store, replica) = held_up(LostReply::LastResort).await;
    store.fail_writes(4);
    let handle = replica.layer.handle();
    assert!(!handle.status().unsaved);
    vendor.open(1);
    settle().await;
    let mut states = handle.subscribe();
    let status = states.changed().await.unwrap();
    assert!(
        status.usable && status.unsaved && status.failure.is_none(),
        "{status:?}"
    );
    let status = within(&clock, secs(10), states.changed())
        .await
        .unwrap()
        .unwrap();
    assert!(status.usable && !status.unsaved, "{status:?}");
    assert_eq!(revision(&store.record().await.unwrap()), 1);
}

#[tokio::test]
async fn store_shutdown_waits_until_what_is_unsaved_has_landed() {
    let (clock, vendor, store, replica) = held_up(LostReply::LastResort).await;
    store.fail_writes(4);
    vendor.open(1);
    let handle = replica.layer.handle();
    assert!(within(&clock, secs(1), handle.shutdown()).await.is_none());
    within(&clock, secs(10), handle.shutdown()).await.unwrap();
    assert_eq!(revision(&store.record().await.unwrap()), 1);
}

#[tokio::test]
async fn store_a_save_that_landed_without_a_word_is_not_taken_for_somebody_elses() {
    let (clock, vendor, store, replica) = held_up(LostReply::LastResort).await;
    store.lose_acks(1);
    vendor.open(1);
    pass(&clock, secs(5)).await;
    assert_eq!(replica.token().await.unwrap(), access(1, 1));
    clock.advance(LIFETIME);
    assert_eq!(replica.token().await.unwrap(), access(1, 2));
    assert_eq!(vendor.spent_twice(), 0);
}

#[tokio::test]
async fn store_an_intent_is_written_before_the_token_is_spent() {
    let (clock, vendor, store, seed) = stage();
    let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
    store.hold(true);
    replica.refreshing().await;
    settle().await;
    store.hold(false);
    vendor.next(Act::HoldReply);
    settle().await;
    let record = store.record().await.unwrap();
    assert_eq!((vendor.exchanges(), revision(&record)), (1, 0));
    assert!(record.intent().is_some());
    let writes = store.writes();
    assert!(
        writes[0].intent().is_none() && writes[1].intent().is_some(),
        "seed, then intent"
    );
}

#[tokio::test]
async fn store_an_intent_that_cannot_be_written_spends_nothing() {
    let (clock, vendor, store, replica) = at_work(LostReply::Never).await;
    clock.advance(LIFETIME);
    for lost in [false, true] {
        match lost {
            false => store.fail_writes(1),
            true => store.lose_acks(1),
        }
        let error = replica.token().await.unwrap_err();
        assert!(
            error.is_transient() && !error.is_login_required(),
            "{error}"
        );
        assert_eq!(vendor.exchanges(), 1);
        // Nothing was sent under it: it is taken back, and held against nobody.
        pass(&clock, secs(3)).await;
        assert!(store.record().await.unwrap().intent().is_none());
    }
    assert_eq!(replica.token().await.unwrap(), access(1, 2));
}

#[tokio::test]
async fn store_an_intent_that_spent_nothing_is_held_against_nobody_before_it_is_taken_back() {
    let (clock, _, store, replica) = at_work(LostReply::Never).await;
    clock.advance(LIFETIME);
    store.lose_an_ack_and_fail(1);
    assert!(
        replica
            .layer
            .handle()
            .token()
            .await
            .unwrap_err()
            .is_transient()
    );
    settle().await;
    assert!(
        store.record().await.unwrap().intent().is_some(),
        "it stands there still"
    );
    assert_eq!(replica.refresh().await.unwrap(), access(1, 2));
}

#[tokio::test]
async fn store_an_intent_that_spent_nothing_is_remembered_over_another_that_did_not_arrive() {
    let (clock, _, store, replica) = at_work(LostReply::Never).await;
    clock.advance(LIFETIME);
    // The first one lands. It cannot be taken back, and the next does not arrive.
    store.lose_an_ack_and_fail(2);
    let handle = replica.layer.handle();
    assert!(handle.token().await.unwrap_err().is_transient());
    settle().await;
    assert!(handle.refresh().await.unwrap_err().is_transient());
    assert!(store.record().await.unwrap().intent().is_some());
    assert_eq!(
        handle.refresh().await.map(|it| exposed(&it)).unwrap(),
        access(1, 2)
    );
}

#[tokio::test]
async fn store_a_session_whose_last_handle_is_gone_saves_what_it_got_all_the_same() {
    let (clock, vendor, store, seed) = stage();
    vendor.next(Act::HoldReply);
    let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
    let handle = replica.layer.handle();
    let request = tokio::spawn(async move { handle.token().await });
    settle().await;
    request.abort();
    drop(replica);
    settle().await;
    store.fail_writes(3);
    vendor.open(1);
    pass(&clock, secs(5)).await;
    assert_eq!(revision(&store.record().await.unwrap()), 1);
    assert_eq!(vendor.holders(), 1, "and then nothing is left of it");
}

#[tokio::test]
async fn store_an_intent_is_taken_back_where_nothing_was_sent() {
    let (clock, vendor, store, [one, other]) = two(LostReply::Never);
    one.token().await.unwrap();
    clock.advance(LIFETIME);
    vendor.next(Act::Unsent);
    assert!(one.token().await.unwrap_err().is_transient());
    assert!(store.record().await.unwrap().intent().is_none());
    assert_eq!(
        other.token().await.unwrap(),
        access(1, 2),
        "at once, whatever the rule"
    );
}

#[tokio::test]
async fn store_a_store_that_takes_too_long_for_the_intent_spends_nothing() {
    let (clock, vendor, store, replica) = at_work(LostReply::LastResort).await;
    clock.advance(LIFETIME);
    store.hold(true);
    replica.refreshing().await;
    clock.advance(secs(3));
    store.hold(false);
    settle().await;
    assert_eq!(vendor.exchanges(), 1);
    assert!(
        store.record().await.unwrap().intent().is_none(),
        "and it was taken back"
    );
}

#[tokio::test]
async fn store_an_open_intent_is_waited_out_and_then_answered_by_the_rule() {
    for (rule, tried) in [
        (LostReply::Harmless, true),
        (LostReply::LastResort, true),
        (LostReply::ReplayWithin(secs(60)), true),
        (LostReply::Never, false),
    ] {
        let (clock, vendor, store, seed) = stage_by(rule);
        let one = Replica::new(&vendor, &store, &clock, Some(&seed));
        let other = Replica::new(&vendor, &store.another(), &clock, None);
        one.token().await.unwrap();
        clock.advance(LIFETIME);
        // It is processed, and then its process is gone.
        vendor.next(Act::HoldReply);
        one.refreshing().await;
        store.cut(true);
        let handle = other.layer.handle();
        let waiting = tokio::spawn(async move { handle.token().await });
        pass(&clock, secs(11)).await;
        assert_eq!(
            (vendor.exchanges(), waiting.is_finished()),
            (2, false),
            "{rule:?}"
        );
        pass(&clock, secs(10)).await;
        assert_eq!(vendor.exchanges(), 2 + usize::from(tried), "{rule:?}");
        let error = waiting.await.unwrap().unwrap_err();
        assert!(error.is_login_required(), "{rule:?}: {error}");
    }
}

#[tokio::test]
async fn store_an_intent_of_a_clock_that_was_hours_ahead_is_over_in_minutes() {
    let (clock, vendor, store, seed) = stage();
    let ahead = ManualClock::new();
    ahead.step_wall_forward(secs(3 * 3600));
    let one = Replica::new(&vendor, &store, &ahead, Some(&seed));
    vendor.next(Act::HoldReply);
    one.refreshing().await;
    store.cut(true);
    let other = Replica::new(&vendor, &store.another(), &clock, None);
    let began = clock.now();
    while !other.token().await.is_err_and(|it| it.is_login_required()) {
        let waited = clock.now().monotonic() - began.monotonic();
        assert!(waited < secs(7 * 60), "it waits by the store's clock");
        pass(&clock, secs(5)).await;
    }
    assert_eq!(
        (vendor.exchanges(), vendor.spent_twice()),
        (2, 1),
        "by the rule"
    );
}

#[tokio::test]
async fn store_a_last_resort_waits_for_as_long_as_the_access_token_is_good() {
    let (clock, vendor, _, [one, other]) = two(LostReply::LastResort);
    one.token().await.unwrap();
    vendor.next(Act::LoseReply);
    assert!(one.refresh().await.unwrap_err().is_unknown_outcome());
    drop(one);
    for _ in 0..58 {
        assert_eq!(other.token().await.unwrap(), access(1, 1));
        settle().await;
        assert_eq!(vendor.exchanges(), 2);
        clock.advance(secs(60));
    }
    clock.advance(secs(120));
    assert!(other.token().await.unwrap_err().is_login_required());
    assert_eq!(
        (vendor.exchanges(), vendor.spent_twice()),
        (3, 1),
        "inside of the rule"
    );
}

#[tokio::test]
async fn store_a_winner_that_was_paused_past_its_lease_still_lands_its_token() {
    let (clock, vendor, store, [one, other]) = two(LostReply::LastResort);
    vendor.next(Act::HoldReply);
    one.refreshing().await;
    // Its process is stopped: no heartbeat. The lease and the intent run out; the other one tries,
    // and writes an intent of its own.
    clock.advance(secs(20));
    vendor.next(Act::HoldReply);
    let intent = |record: Option<tower_reauth::store::Record>| {
        record.and_then(|it| it.intent().map(|it| it.id().as_str().to_owned()))
    };
    let first = intent(store.record().await);
    let taken = store.another();
    let handle = other.layer.handle();
    tokio::spawn(async move { handle.token().await });
    settle().await;
    assert!(first.is_some());
    // Whether or not the other one has come that far, the first one's save is good.
    vendor.open(1);
    pass(&clock, secs(1)).await;
    assert_eq!(one.token().await.unwrap(), access(1, 1));
    let record = taken.record().await.unwrap();
    assert_eq!((revision(&record), record.intent().is_none()), (1, true));
    assert_eq!(other.token().await.unwrap(), access(1, 1));
}

#[tokio::test]
async fn store_a_lease_is_made_to_last_for_as_long_as_the_exchange_takes() {
    let (clock, vendor, _, [one, other]) = two(LostReply::Harmless);
    vendor.next(Act::HoldReply);
    one.refreshing().await;
    other.refreshing().await;
    // The intent is over after 12 s, and the rule would let the other one try.
    pass(&clock, secs(40)).await;
    assert_eq!(vendor.exchanges(), 1);
    vendor.open(1);
    pass(&clock, secs(1)).await;
    assert_eq!(other.token().await.unwrap(), access(1, 1));
    assert_eq!(vendor.exchanges(), 1);
}

#[tokio::test]
async fn store_waiting_for_a_lease_is_no_exchange_time() {
    let (clock, vendor, _, [one, other]) = two(LostReply::LastResort);
    one.token().await.unwrap();
    clock.advance(LIFETIME);
    vendor.next(Act::HoldUnsent);
    one.refreshing().await;
    other.refreshing().await;
    pass(&clock, secs(8)).await;
    assert_eq!(vendor.allowed().len(), 2, "the other one waits");
    // The holder finds out that nothing was sent, and the other one begins.
    vendor.open(1);
    pass(&clock, secs(1)).await;
    assert_eq!(other.token().await.unwrap(), access(1, 2));
    assert_eq!(vendor.allowed(), [secs(10); 3]);
}

#[tokio::test]
async fn store_a_new_seed_wins_once_and_a_rollback_does_not_flip_back() {
    let (clock, vendor, store, old) = stage();
    Replica::new(&vendor, &store, &clock, Some(&old))
        .token()
        .await
        .unwrap();
    let new = vendor.log_in();
    let deployed = Replica::new(&vendor, &store, &clock, Some(&new));
    assert_eq!(deployed.token().await.unwrap(), access(2, 1));
    for seed in [&old, &new, &old] {
        let replica = Replica::new(&vendor, &store, &clock, Some(seed));
        assert_eq!(replica.token().await.unwrap(), access(2, 1));
    }
    clock.advance(LIFETIME);
    let rolled_back = Replica::new(&vendor, &store, &clock, Some(&old));
    assert_eq!(rolled_back.token().await.unwrap(), access(2, 2));
    assert_eq!((vendor.exchanges(), vendor.spent_twice()), (3, 0));
}

#[tokio::test]
async fn store_a_token_that_was_rotated_away_does_not_win_as_a_seed() {
    let (clock, vendor, store, seed) = stage();
    let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
    for _ in 0..3 {
        replica.refresh().await.unwrap();
    }
    // An application that has kept the refresh token by itself, one exchange ago.
    let kept = Token::from_refresh_token(refresh(1, 2));
    let restarted = Replica::new(&vendor, &store, &clock, Some(&kept));
    assert_eq!(restarted.token().await.unwrap(), access(1, 3));
    clock.advance(LIFETIME);
    assert_eq!(restarted.token().await.unwrap(), access(1, 4));
    assert_eq!(vendor.spent_twice(), 0);
}

#[tokio::test]
async fn store_a_store_that_cannot_be_reached_at_the_start_spends_no_seed() {
    let (clock, vendor, store, seed) = stage();
    Replica::new(&vendor, &store, &clock, Some(&seed))
        .token()
        .await
        .unwrap();
    store.cut(true);
    let pair = Token::from_pair("old-access", seed.refresh_token().unwrap().clone());
    for seed in [seed, pair] {
        let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
        for _ in 0..20 {
            let error = replica.token().await.unwrap_err();
            assert!(
                error.is_transient() && !error.is_login_required(),
                "{error}"
            );
            clock.advance(secs(10));
        }
        assert_eq!(vendor.exchanges(), 1);
        store.cut(false);
        clock.advance(secs(120));
        assert_eq!(replica.token().await.unwrap(), access(1, 1));
        store.cut(true);
    }
}

#[tokio::test]
async fn store_a_credential_that_does_not_rotate_goes_on_without_the_store() {
    let clock = ManualClock::new();
    let vendor = Vendor::lasting(&clock);
    let seed = vendor.log_in();
    for known in [true, false] {
        let store = Shelf::new();
        let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
        if known {
            replica.token().await.unwrap();
        }
        store.cut(true);
        for _ in 0..5 {
            clock.advance(LIFETIME);
            replica.token().await.unwrap();
            settle().await;
        }
        store.cut(false);
        pass(&clock, secs(3)).await;
        let latest = replica.token().await.unwrap();
        let other = Replica::new(&vendor, &store.another(), &clock, Some(&seed));
        if known {
            assert_eq!(
                other.token().await.unwrap(),
                latest,
                "saved when the store was back"
            );
        }
    }
}

#[tokio::test]
async fn store_without_the_store_a_good_token_is_used_and_then_nothing_is_spent() {
    let (clock, vendor, store, replica) = at_work(LostReply::LastResort).await;
    store.cut(true);
    for minute in 0..120 {
        match replica.token().await {
            Ok(token) => assert_eq!((token, minute < 60), (access(1, 1), true)),
            Err(error) => {
                assert!(minute >= 59 && error.is_transient(), "{minute}: {error}");
                assert!(!error.is_login_required());
            }
        }
        settle().await;
        assert_eq!(vendor.exchanges(), 1);
        clock.advance(secs(60));
    }
    store.cut(false);
    clock.advance(secs(120));
    assert_eq!(replica.token().await.unwrap(), access(1, 2));
}

#[tokio::test]
async fn store_the_holder_of_the_newest_token_goes_on_in_memory_and_saves_the_last() {
    let (clock, vendor, store, replica) = held_up(LostReply::LastResort).await;
    store.cut(true);
    vendor.open(1);
    settle().await;
    for life in 1..=4 {
        assert_eq!(replica.token().await.unwrap(), access(1, life));
        settle().await;
        clock.advance(LIFETIME);
    }
    assert_eq!(revision(&store.record().await.unwrap()), 0);
    store.cut(false);
    pass(&clock, secs(3)).await;
    let record = store.record().await.unwrap();
    assert_eq!((revision(&record), record.intent().is_none()), (4, true));
    assert_eq!(vendor.spent_twice(), 0);
}

#[tokio::test]
async fn store_a_reply_lost_in_memory_is_saved_as_an_open_intent() {
    let (clock, vendor, store, replica) = held_up(LostReply::Never).await;
    store.cut(true);
    vendor.open(1);
    settle().await;
    vendor.next(Act::LoseReply);
    assert!(replica.refresh().await.unwrap_err().is_unknown_outcome());
    store.cut(false);
    pass(&clock, secs(3)).await;
    let record = store.record().await.unwrap();
    assert_eq!((revision(&record), record.intent().is_some()), (1, true));
    clock.advance(LIFETIME);
    let other = Replica::new(&vendor, &store.another(), &clock, None);
    assert!(other.token().await.unwrap_err().is_login_required());
    assert_eq!(vendor.spent_twice(), 0);
}

#[tokio::test]
async fn store_a_new_login_is_written_through_and_begins_a_lineage() {
    let (clock, vendor, store, [one, other]) = two(LostReply::LastResort);
    one.token().await.unwrap();
    other.token().await.unwrap();
    let before = store.record().await.unwrap().version();
    let login = vendor.log_in();
    one.layer.handle().replace(login).await.unwrap();
    let after = store.record().await.unwrap().version();
    assert!(after > before && after.lineage > before.lineage && after.revision == 0);
    assert_eq!(one.token().await.unwrap(), access(2, 1));
    clock.advance(LIFETIME);
    assert_eq!(
        other.token().await.unwrap(),
        access(2, 2),
        "it goes on from the new login"
    );
    assert_eq!(vendor.spent_twice(), 0);
}

#[tokio::test]
async fn store_a_new_login_that_cannot_be_written_is_refused_and_the_session_goes_on() {
    let (_, vendor, store, replica) = at_work(LostReply::LastResort).await;
    store.cut(true);
    let error = replica
        .layer
        .handle()
        .replace(vendor.log_in())
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(replica.token().await.unwrap(), access(1, 1));
}

#[tokio::test]
async fn store_an_exchange_of_an_older_login_does_not_land_on_a_newer_one() {
    let (_, vendor, store, [one, other]) = two(LostReply::LastResort);
    vendor.next(Act::HoldReply);
    one.refreshing().await;
    other.layer.handle().replace(vendor.log_in()).await.unwrap();
    vendor.open(1);
    settle().await;
    assert_eq!(
        one.token().await.unwrap(),
        access(2, 1),
        "what its login got is not used"
    );
    assert_eq!(other.token().await.unwrap(), access(2, 1));
    assert_eq!(revision(&store.record().await.unwrap()), 1);
}

#[tokio::test]
async fn store_a_store_that_lost_its_records_is_healed_before_any_seed_is_tried() {
    let (clock, vendor, store, seed) = stage();
    let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
    replica.token().await.unwrap();
    let older = store.record().await;
    replica.refresh().await.unwrap();
    for lost in [older, None] {
        store.falls_back_to(lost).await;
        let newest = replica.refresh().await.unwrap();
        let restarted = Replica::new(&vendor, &store.another(), &clock, Some(&seed));
        assert_eq!(restarted.token().await.unwrap(), newest);
    }
    assert_eq!((vendor.exchanges(), vendor.spent_twice()), (4, 0));
}

#[tokio::test]
async fn store_a_refusal_for_good_is_shared_and_ended_by_a_login_elsewhere() {
    let (clock, vendor, store, seed) = stage();
    let one = Replica::new(&vendor, &store, &clock, Some(&seed));
    let others: Vec<_> = (0..5)
        .map(|_| Replica::new(&vendor, &store.another(), &clock, None))
        .collect();
    vendor.next(Act::Refuse);
    assert!(one.token().await.unwrap_err().is_login_required());
    for _ in 0..60 {
        for replica in others.iter().chain([&one]) {
            assert!(replica.token().await.unwrap_err().is_login_required());
            assert!(replica.layer.handle().status().is_login_required());
        }
        clock.advance(secs(20));
    }
    assert_eq!(vendor.exchanges(), 1, "nobody tries it again");
    one.layer.handle().replace(vendor.log_in()).await.unwrap();
    let token = one.token().await.unwrap();
    clock.advance(secs(30));
    for replica in &others {
        assert_eq!(replica.token().await.unwrap(), token);
        assert!(!replica.layer.handle().status().is_login_required());
    }
    assert_eq!(vendor.exchanges(), 2);
}

#[tokio::test]
async fn store_a_lost_reply_that_needs_a_login_is_ended_by_a_login_elsewhere() {
    let (clock, vendor, _, [one, other]) = two(LostReply::Never);
    one.token().await.unwrap();
    clock.advance(LIFETIME);
    vendor.next(Act::LoseReply);
    assert!(one.token().await.unwrap_err().is_unknown_outcome());
    assert!(one.layer.handle().status().is_login_required());
    for _ in 0..30 {
        assert!(one.token().await.unwrap_err().is_login_required());
        clock.advance(secs(20));
    }
    assert_eq!(vendor.exchanges(), 2, "it is not sent again");
    other.layer.handle().replace(vendor.log_in()).await.unwrap();
    let token = other.token().await.unwrap();
    clock.advance(secs(30));
    assert_eq!(one.token().await.unwrap(), token);
    assert_eq!((vendor.exchanges(), vendor.spent_twice()), (3, 0));
}

#[tokio::test]
async fn store_a_process_that_knows_nothing_does_not_begin_without_the_store() {
    // Nothing rotates away here, but the store may hold what does.
    let (clock, vendor, store, seed) = stage();
    Replica::new(&vendor, &store, &clock, Some(&seed))
        .token()
        .await
        .unwrap();
    store.cut(true);
    let replica = Replica::new(&vendor, &store, &clock, None);
    let error = replica.token().await.unwrap_err();
    assert!(
        error.is_transient() && !error.is_login_required(),
        "{error}"
    );
    store.cut(false);
    clock.advance(secs(2));
    assert_eq!(replica.token().await.unwrap(), access(1, 1));
}

#[tokio::test]
async fn store_a_store_that_never_answers_holds_nobody_up_for_long() {
    let (clock, vendor, store, replica) = at_work(LostReply::LastResort).await;
    clock.advance(LIFETIME);
    store.hold(true);
    let handle = replica.layer.handle();
    let error = within(&clock, secs(6), handle.token())
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.is_transient() && !error.is_in_progress(), "{error}");
    assert_eq!(vendor.exchanges(), 1);
}

#[tokio::test]
async fn store_a_refused_credential_that_does_not_rotate_is_probed_by_one_replica() {
    let clock = ManualClock::new();
    let vendor = Vendor::lasting(&clock);
    let (store, seed) = (Shelf::new(), vendor.log_in());
    let replicas: Vec<_> = (0..5)
        .map(|_| Replica::new(&vendor, &store.another(), &clock, Some(&seed)))
        .collect();
    for _ in 0..1_000 {
        vendor.next(Act::Refuse);
    }
    for _ in 0..360 {
        for replica in &replicas {
            assert!(replica.token().await.unwrap_err().is_login_required());
        }
        clock.advance(secs(10));
    }
    // Every 5 to 15 min, for an hour.
    let probes = vendor.exchanges();
    assert!((4..=13).contains(&probes), "{probes}");
}

#[tokio::test]
async fn store_a_pause_that_the_vendor_asks_for_is_shared() {
    let (clock, vendor, _, [one, other]) = two(LostReply::LastResort);
    vendor.next(Act::Throttle(secs(300)));
    assert!(one.token().await.unwrap_err().is_throttled());
    clock.advance(secs(100));
    let error = other.token().await.unwrap_err();
    assert!(error.is_throttled(), "{error}");
    let pause = error.retry_after().unwrap();
    assert!(pause > secs(198) && pause <= secs(200), "{pause:?}");
    assert_eq!(vendor.exchanges(), 1);
    clock.advance(secs(200));
    assert_eq!(other.token().await.unwrap(), access(1, 1));
}

#[tokio::test]
async fn store_a_wrong_setting_is_not_shared() {
    let (_, vendor, _, [one, other]) = two(LostReply::LastResort);
    vendor.next(Act::Misconfigure);
    assert!(one.token().await.unwrap_err().is_misconfigured());
    assert_eq!(other.token().await.unwrap(), access(1, 1));
}

#[tokio::test]
async fn store_what_a_broken_reply_held_is_saved() {
    let (clock, vendor, store, seed) = stage_by(LostReply::Never);
    let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
    vendor.next(Act::Salvage);
    replica.token().await.unwrap_err();
    drop(replica);
    let restarted = Replica::new(&vendor, &store, &clock, None);
    assert_eq!(restarted.token().await.unwrap(), access(1, 2));
    assert_eq!(vendor.arrived(), [refresh(1, 0), refresh(1, 1)]);
}

#[tokio::test]
async fn store_a_refused_token_is_followed_by_what_another_replica_has_already() {
    let (_, vendor, _, [one, other]) = two(LostReply::LastResort);
    one.token().await.unwrap();
    other.token().await.unwrap();
    one.refresh().await.unwrap();
    let api = Api::new(|header| match header.ends_with("-1") {
        true => http::StatusCode::UNAUTHORIZED,
        false => http::StatusCode::OK,
    });
    let service = other.layer.layer(api.clone());
    assert_eq!(send(&service).await.unwrap(), 200);
    assert_eq!(api.seen().len(), 2, "one replay");
    assert_eq!(vendor.exchanges(), 2);
}

#[tokio::test]
async fn store_a_refresh_token_that_a_reply_leaves_out_is_kept_and_its_end_known() {
    let clock = ManualClock::new();
    let vendor = Vendor::lasting(&clock);
    let (store, day) = (Shelf::new(), secs(86_400));
    let seed = vendor.log_in().with_refresh_lifetime(day);
    let replica = Replica::new(&vendor, &store, &clock, Some(&seed));
    let end = clock.now().after(day).wall();
    for _ in 0..3 {
        clock.advance(LIFETIME);
        replica.token().await.unwrap();
        assert_eq!(
            replica.layer.handle().status().refresh_expires_at,
            Some(end)
        );
        let restarted = Replica::new(&vendor, &store.another(), &clock, None);
        restarted.token().await.unwrap();
        assert_eq!(
            restarted.layer.handle().status().refresh_expires_at,
            Some(end)
        );
    }
}

#[tokio::test]
async fn store_one_replica_keeps_an_idle_session_alive() {
    let clock = ManualClock::new();
    for vendor in [
        Vendor::rotating(&clock, LostReply::LastResort),
        Vendor::lasting(&clock),
    ] {
        let vendor = vendor.with_refresh_lifetime(secs(24 * 3600));
        let (store, seed) = (Shelf::new(), vendor.log_in());
        let layers: Vec<_> = (0..10)
            .map(|_| vendor.replica(&store.another()).initial(seed.clone()))
            .map(|builder| builder.build().unwrap())
            .collect();
        for layer in &layers {
            layer.handle().start().unwrap();
        }
        pass(&clock, secs(5)).await;
        assert_eq!(vendor.exchanges(), 1, "to begin with");
        // Idle for a week: each replica looks, when the access token has long been dead, and one
        // exchange is made for each lifetime, which is 24 h less a quarter and the jitter.
        for _ in 0..7 * 24 * 20 {
            clock.advance(secs(180));
            a_few_turns().await;
            for layer in &layers {
                let status = layer.handle().status();
                let well = status.failure.is_none() && !status.is_login_required();
                assert!(well, "{status:?}");
            }
        }
        let kept_alive = vendor.exchanges() - 1;
        assert!((9..=12).contains(&kept_alive), "{kept_alive}");
        assert_eq!(vendor.spent_twice(), 0);
    }
}

#[tokio::test]
async fn store_no_debug_output_of_a_layer_with_a_store_shows_a_token() {
    let (_, _, store, replica) = at_work(LostReply::LastResort).await;
    let record = store.record().await.unwrap();
    for shown in [format!("{:?}", replica.layer), format!("{record:?}")] {
        assert!(
            !shown.contains("3f9a") && !shown.contains("access-"),
            "{shown}"
        );
    }
}

/// The token of one replica, while others are asked as well.
async fn token_alone(replica: &Replica) -> Result<String, Error> {
    let token = replica.layer.handle().token().await;
    token.map(|token| exposed(&token))
}
