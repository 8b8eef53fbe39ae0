//! Redis loses what it has acknowledged: that is noticed, healed or answered, and never silent.

use std::{sync::atomic::Ordering, time::Duration};

use tower_reauth::{
    Error,
    store::{RedisStore, SealKey, SealKeys, Sealed, StoreError, StoreFailure},
};

use crate::{
    proxy::Proxy,
    replica::{replica, vendor},
    server::Server,
};

#[tokio::test(flavor = "multi_thread")]
async fn redis_restarted_with_its_data_lost_is_healed_by_a_live_replica() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let vendor = vendor().await;
    let seed = vendor.seed().refresh_token;
    let open = || RedisStore::new(server.url()).unwrap();
    let one = replica(&vendor, open(), Some(&seed));
    let other = replica(&vendor, open(), Some(&seed));
    let first = one.token().await.unwrap();
    assert_eq!(other.token().await.unwrap(), first);
    for loss in 1..=5 {
        server.restart();
        let token = one.refresh_in_the_end().await;
        assert_eq!(other.refresh_in_the_end().await, token);
        assert_eq!(one.noticed.counts(), (loss, loss), "noticed and healed");
    }
    // A third process, with the seed of the first login: the healed record has seen it.
    let newest = one.token().await.unwrap();
    let late = replica(&vendor, RedisStore::new(server.url()).unwrap(), Some(&seed));
    assert_eq!(late.token().await.unwrap(), newest);
    let counters = vendor.counters();
    println!(
        "5 losses: {:?} noticed and healed, {} exchanges, {} spent twice",
        one.noticed.counts(),
        counters.rotations,
        counters.spent_twice
    );
    assert_eq!((counters.rotations, counters.spent_twice), (6, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_failing_over_to_a_replica_that_missed_writes_is_healed() {
    let (Some(primary), Some(lagging)) = (Server::start(), Server::start()) else {
        return;
    };
    let vendor = vendor().await;
    let seed = vendor.seed().refresh_token;
    let ways = [
        Proxy::to(primary.port()).await,
        Proxy::to(primary.port()).await,
    ];
    let open = |way: &Proxy| RedisStore::new(way.url()).unwrap();
    let one = replica(&vendor, open(&ways[0]), Some(&seed));
    let other = replica(&vendor, open(&ways[1]), Some(&seed));
    one.token().await.unwrap();
    other.token().await.unwrap();
    lagging.follow(&primary);
    one.refresh().await.unwrap();
    until_caught_up(&primary, &lagging);
    // From here on it gets nothing any more.
    lagging.command(&["REPLICAOF", "NO", "ONE"]);
    let unseen = one.refresh().await.unwrap();
    for way in &ways {
        way.lead_to(lagging.port()).await;
    }
    let next = one.refresh_in_the_end().await;
    assert_ne!(next, unseen);
    assert_eq!(other.refresh_in_the_end().await, next);
    assert_eq!(one.noticed.counts(), (1, 1), "noticed and healed");
    let counters = vendor.counters();
    println!(
        "failover with loss: {:?} noticed and healed, {} exchanges, {} spent twice",
        one.noticed.counts(),
        counters.rotations,
        counters.spent_twice
    );
    assert_eq!((counters.rotations, counters.spent_twice), (4, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_losing_what_nobody_else_has_seen_ends_in_a_login_and_not_in_silence() {
    let (Some(primary), Some(lagging)) = (Server::start(), Server::start()) else {
        return;
    };
    let vendor = vendor().await;
    let seed = vendor.seed().refresh_token;
    let way = Proxy::to(primary.port()).await;
    let one = replica(
        &vendor,
        RedisStore::new(primary.url()).unwrap(),
        Some(&seed),
    );
    let other = replica(&vendor, RedisStore::new(way.url()).unwrap(), Some(&seed));
    one.token().await.unwrap();
    other.token().await.unwrap();
    lagging.follow(&primary);
    until_caught_up(&primary, &lagging);
    lagging.command(&["REPLICAOF", "NO", "ONE"]);
    one.refresh().await.unwrap();
    // Who knows of it is gone, and so is the primary.
    drop(one);
    way.lead_to(lagging.port()).await;
    let error = other.refresh().await.unwrap_err();
    assert!(error.is_login_required(), "{error:?}");
    assert_eq!(vendor.counters().spent_twice, 1, "the vendor has said so");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_waits_for_its_replica_loses_nothing_in_a_failover() {
    let (Some(primary), Some(lagging)) = (Server::start(), Server::start()) else {
        return;
    };
    let vendor = vendor().await;
    let seed = vendor.seed().refresh_token;
    lagging.follow(&primary);
    let ways = [
        Proxy::to(primary.port()).await,
        Proxy::to(primary.port()).await,
    ];
    let open = |way: &Proxy| {
        let builder = RedisStore::builder(way.url());
        let builder = builder.answers_within(Duration::from_secs(2));
        builder.wait_for_replicas(1).build().unwrap()
    };
    let one = replica(&vendor, open(&ways[0]), Some(&seed));
    let other = replica(&vendor, open(&ways[1]), Some(&seed));
    one.token().await.unwrap();
    other.token().await.unwrap();
    lagging.command(&["REPLICAOF", "NO", "ONE"]);
    // Its intent reaches no replica: it spends nothing.
    let error = one.refresh().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(vendor.counters().rotations, 1);
    drop(one);
    // The new primary has a replica of its own.
    let Some(third) = Server::start() else { return };
    third.follow(&lagging);
    ways[1].lead_to(lagging.port()).await;
    other.refresh_in_the_end().await;
    let counters = vendor.counters();
    assert_eq!((counters.rotations, counters.spent_twice), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_out_of_memory_is_said_and_survived() {
    let Some(server) = Server::with(&["--maxmemory-policy", "noeviction"]) else {
        return;
    };
    let vendor = vendor().await;
    let seed = vendor.seed().refresh_token;
    let open = || RedisStore::new(server.url()).unwrap();
    let one = replica(&vendor, open(), Some(&seed));
    let other = replica(&vendor, open(), Some(&seed));
    let first = one.token().await.unwrap();
    assert_eq!(other.token().await.unwrap(), first);
    // Between the vendor's answer and the save.
    let port = server.port().to_string();
    one.noticed.after_the_next_answer(move || {
        let mut stream = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let set = b"CONFIG SET maxmemory 1\r\n";
        std::io::Write::write_all(&mut stream, set).unwrap();
        std::io::Read::read_exact(&mut stream, &mut [0; 5]).unwrap();
    });
    let unsaved = one.refresh().await.unwrap();
    assert_ne!(unsaved, first, "it is used all the same");
    let further = one.refresh().await.unwrap();
    assert_ne!(further, unsaved, "its holder goes on in memory");
    assert!(
        one.layer.handle().status().unsaved,
        "which its operator hears of"
    );
    // The other one finds its intent, and waits until it is over.
    let error = other.refresh().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert_eq!(other.token().await.unwrap(), first, "a good token goes on");
    assert!(one.noticed.failed.load(Ordering::SeqCst) > 0);
    // Who has something to write is told what is wrong.
    let login = vendor.seed().refresh_token;
    let newcomer = replica(&vendor, open(), Some(&login));
    let error = newcomer.token().await.unwrap_err();
    assert_eq!(store_failure(&error), Some(StoreFailure::Full), "{error:?}");
    drop(newcomer);

    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    // What is owed is paid every two seconds.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(other.refresh_in_the_end().await, further);
    let counters = vendor.counters();
    println!(
        "out of memory: {} calls failed, {} exchanges, {} spent twice",
        one.noticed.failed.load(Ordering::SeqCst) + other.noticed.failed.load(Ordering::SeqCst),
        counters.rotations,
        counters.spent_twice
    );
    assert_eq!((counters.rotations, counters.spent_twice), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_evicts_or_expires_a_record_is_healed() {
    let Some(server) = Server::start() else {
        return;
    };
    let vendor = vendor().await;
    let seed = vendor.seed().refresh_token;
    let one = replica(&vendor, RedisStore::new(server.url()).unwrap(), Some(&seed));
    one.token().await.unwrap();
    server.command(&["FLUSHALL"]);
    one.refresh().await.unwrap();
    assert_eq!(one.noticed.counts(), (1, 1));
    assert_eq!(vendor.counters().spent_twice, 0);
}

/// Taken for a record, a sealed one would look like a session that has no token yet, and begin anew
/// from its seed.
#[tokio::test(flavor = "multi_thread")]
async fn redis_sealed_sessions_are_not_begun_anew_by_a_process_without_the_key() {
    let Some(server) = Server::start() else {
        return;
    };
    let vendor = vendor().await;
    let seed = vendor.seed().refresh_token;
    let open = || RedisStore::new(server.url()).unwrap();
    let keys = |name: &str, byte| SealKeys::new(SealKey::new(name, [byte; 32]).unwrap());
    let one = replica(&vendor, Sealed::new(open(), keys("one", 1)), Some(&seed));
    one.token().await.unwrap();
    let token = one.refresh().await.unwrap();
    let without = replica(&vendor, open(), Some(&seed));
    let error = without.token().await.unwrap_err();
    assert_eq!(
        store_failure(&error),
        Some(StoreFailure::UnknownKey),
        "{error:?}"
    );
    for (name, byte, failure) in [
        ("two", 1, StoreFailure::UnknownKey),
        ("one", 2, StoreFailure::WrongKey),
    ] {
        let wrong = Sealed::new(open(), keys(name, byte));
        let error = replica(&vendor, wrong, Some(&seed))
            .token()
            .await
            .unwrap_err();
        assert_eq!(store_failure(&error), Some(failure), "{error:?}");
    }
    let both = keys("two", 2).also_opening(SealKey::new("one", [1; 32]).unwrap());
    let other = replica(&vendor, Sealed::new(open(), both), Some(&seed));
    assert_eq!(other.token().await.unwrap(), token);
    let counters = vendor.counters();
    assert_eq!((counters.rotations, counters.spent_twice), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_writes_to_its_disk_loses_nothing_when_it_is_killed() {
    let Some(mut server) = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]) else {
        return;
    };
    let vendor = vendor().await;
    let seed = vendor.seed().refresh_token;
    for life in 1..=3 {
        let one = replica(&vendor, RedisStore::new(server.url()).unwrap(), Some(&seed));
        one.token().await.unwrap();
        one.refresh().await.unwrap();
        drop(one);
        server.restart();
        assert_eq!(vendor.counters().rotations, 1 + life);
    }
    assert_eq!(vendor.counters().spent_twice, 0);
}

/// The kind of the store's failure behind `error`.
fn store_failure(error: &Error) -> Option<StoreFailure> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<StoreError>() {
            return Some(error.failure());
        }
        source = error.source();
    }
    None
}

fn until_caught_up(primary: &Server, replica: &Server) {
    for _ in 0..200 {
        if primary.info("master_repl_offset") == replica.info("master_repl_offset") {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the replica does not catch up");
}
