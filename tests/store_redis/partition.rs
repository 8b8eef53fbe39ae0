//! The network between replicas and Redis breaks: no token is spent twice, and all agree again.

use std::{env, sync::atomic::Ordering, time::Duration};

use tower_reauth::store::{Expected, Record, RedisStore, StoreFailure, TokenStore, Written};

use crate::{
    conformance::{NOW, key, record},
    proxy::{Fault, Proxy},
    replica::{replica, vendor},
    server::Server,
};

const LIMIT: Duration = Duration::from_millis(250);

fn store(way: &Proxy) -> RedisStore {
    let builder = RedisStore::builder(way.url());
    builder.answers_within(LIMIT).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_partition_is_an_error_in_time_and_over_when_it_is_over() {
    let Some(server) = Server::start() else {
        return;
    };
    let way = Proxy::to(server.port()).await;
    let store = store(&way);
    let expected = Expected::version(None);
    assert_eq!(
        store.write(&key(), &expected, &record(1, 0)).await.unwrap(),
        Written::Done
    );
    for fault in [
        Fault::Cut,
        Fault::Delay(2 * LIMIT),
        Fault::NoAnswers,
        Fault::HalfClose,
        Fault::Silence,
    ] {
        way.set(fault);
        // What is under way breaks, too.
        tokio::time::sleep(LIMIT / 5).await;
        for _ in 0..2 {
            let key = key();
            let read = tokio::time::timeout(4 * LIMIT, store.read(&key, NOW));
            let error = read.await.expect("within its limit").unwrap_err();
            assert_eq!(error.failure(), StoreFailure::Unavailable, "{fault:?}");
        }
        way.set(Fault::None);
        let seen = store.read(&key(), NOW).await;
        let seen = seen.unwrap_or_else(|error| panic!("after {fault:?}: {error}"));
        assert_eq!(seen.record, Some(record(1, 0)), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_partition_a_connection_that_was_lost_meanwhile_costs_no_call() {
    let Some(mut server) = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]) else {
        return;
    };
    let store = RedisStore::new(server.url()).unwrap();
    for revision in 0..5_u64 {
        let before = revision.checked_sub(1).map(|it| record(1, it).version());
        let expected = Expected::version(before);
        let written = store.write(&key(), &expected, &record(1, revision)).await;
        assert_eq!(written.unwrap(), Written::Done);
        server.restart();
    }
    let seen = store.read(&key(), NOW).await.unwrap().record;
    assert_eq!(seen.map(|it: Record| it.version().revision), Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_partition_a_call_whose_answer_was_lost_with_its_connection_is_sent_again() {
    let Some(server) = Server::start() else {
        return;
    };
    let way = Proxy::to(server.port()).await;
    let store = store(&way);
    store.read(&key(), NOW).await.unwrap();
    for revision in 0..5_u64 {
        let before = revision.checked_sub(1).map(|it| record(1, it).version());
        way.set(Fault::BreakAtAnswer);
        let expected = Expected::version(before);
        let written = store.write(&key(), &expected, &record(1, revision)).await;
        assert_eq!(written.unwrap(), Written::Done, "it had landed");
    }
}

/// Each answer takes 400 ms of the 500 that it is given, from the first one on, and that one is to
/// the password.
#[tokio::test(flavor = "multi_thread")]
async fn redis_partition_that_is_nothing_but_slow_loses_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    server.command(&["CONFIG", "SET", "requirepass", "s3cret"]);
    let vendor = vendor().await;
    let login = vendor.seed().refresh_token;
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let way = Proxy::to(server.port()).await;
        way.set(Fault::Delay(Duration::from_millis(200)));
        let store = RedisStore::builder(way.url()).password("s3cret").build();
        let store = store.unwrap();
        replicas.push((replica(&vendor, store, Some(&login)), way));
    }
    for exchanges in 1..=2 {
        let mut last = Vec::new();
        for (replica, _) in &replicas {
            last.push(replica.refresh().await.unwrap());
        }
        last.dedup();
        assert_eq!(last.len(), 1, "they agree");
        let counters = vendor.counters();
        assert_eq!((counters.rotations, counters.spent_twice), (exchanges, 0));
    }
    for (replica, _) in &replicas {
        assert_eq!(replica.noticed.failed.load(Ordering::SeqCst), 0);
    }
}

/// Three replicas, each with a way of its own that breaks at random, while all want a newer token.
/// Afterwards all agree, and the vendor has seen no token twice.
#[tokio::test(flavor = "multi_thread")]
async fn redis_partition_at_any_time_spends_nothing_twice() {
    let Some(server) = Server::start() else {
        return;
    };
    let given = env::var("TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let rounds = match env::var_os("TOWER_REAUTH_LONG") {
        Some(_) => 100,
        None => 4,
    };
    let vendor = vendor().await;
    let login = vendor.seed().refresh_token;
    let mut ways = Vec::new();
    for _ in 0..3 {
        ways.push(Proxy::to(server.port()).await);
    }
    let replicas: Vec<_> = ways
        .iter()
        .map(|way| replica(&vendor, store(way), Some(&login)))
        .collect();
    for replica in &replicas {
        replica.token().await.unwrap();
    }
    let (mut failed, mut exchanges) = (0, vec![vendor.counters().rotations]);
    'rounds: for _ in 0..rounds {
        let faults = [
            Fault::None,
            Fault::Cut,
            Fault::Delay(Duration::from_millis(random.u64(10..400))),
            Fault::NoAnswers,
            Fault::HalfClose,
            Fault::Silence,
        ];
        let asking: Vec<_> = replicas
            .iter()
            .map(|replica| {
                let handle = replica.layer.handle();
                tokio::spawn(async move { handle.refresh().await.is_err() })
            })
            .collect();
        for way in &ways {
            let delay = Duration::from_micros(random.u64(..4_000));
            tokio::time::sleep(delay).await;
            way.set(faults[random.usize(..faults.len())]);
        }
        tokio::time::sleep(Duration::from_millis(random.u64(100..900))).await;
        ways.iter().for_each(|way| way.set(Fault::None));
        for asking in asking {
            failed += u64::from(asking.await.unwrap());
        }
        // All agree again: each has a token, and the last one's is everybody's.
        for replica in &replicas {
            let Err(error) = replica.refresh_unless_careful().await else {
                continue;
            };
            // An intent was left whose end nobody knows: minutes without another exchange.
            assert!(replica.layer.handle().status().usable, "{error}");
            println!("careful: {error}");
            break 'rounds;
        }
        exchanges.push(vendor.counters().rotations);
        assert_eq!(vendor.counters().spent_twice, 0, "TEST_SEED={seed}");
    }
    let counters = vendor.counters();
    println!(
        "{rounds} rounds: {failed} of {} calls failed, {} exchanges, {} spent twice, {} sessions lost",
        rounds * 3,
        counters.rotations,
        counters.spent_twice,
        counters.families_killed
    );
    assert_eq!((counters.spent_twice, counters.families_killed), (0, 0));
}
