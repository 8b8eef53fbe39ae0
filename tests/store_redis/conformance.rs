//! The contract of stores, and what Redis adds to it.

use std::{
    future::Future,
    time::{Duration, SystemTime},
};

use tower_reauth::{
    provider::{SessionId, SessionParts},
    store::{
        Expected, Lease, Record, RedisStore, SealKey, SealKeys, Sealed, SessionKey, StoreError,
        StoreFailure, TokenStore, Written,
    },
    test_util::{StoreTime, store_conformance},
};

use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn redis_it_conforms() {
    let Some(server) = Server::start() else {
        return;
    };
    let open = async || RedisStore::new(server.url()).unwrap();
    store_conformance(open, StoreTime::Own).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_it_conforms_sealed() {
    let Some(server) = Server::start() else {
        return;
    };
    let open = async || {
        let keys = SealKeys::new(SealKey::new("one", [1; 32]).unwrap());
        Sealed::new(RedisStore::new(server.url()).unwrap(), keys)
    };
    store_conformance(open, StoreTime::Own).await.unwrap();
    let names = server.command(&["KEYS", "*:record"]);
    let mut sealed = 0;
    for name in names.lines() {
        let json = server.command(&["HGET", name, "record"]);
        assert!(json.contains("\"sealed\":\"1.one."), "{name}");
        assert!(json.contains("\"token\":null"), "{name}");
        sealed += 1;
    }
    assert!(sealed > 3, "the suite left its records elsewhere");
}

pub fn key() -> SessionKey {
    SessionKey::of(&SessionId::new(SessionParts {
        namespace: "test".to_owned(),
        vendor: String::new(),
        base_url: String::new(),
        client: String::new(),
        account: String::new(),
        scope: String::new(),
        resource: Vec::new(),
        audience: Vec::new(),
        binding: String::new(),
        session_key: String::new(),
    }))
}

pub fn record(lineage: u64, revision: u64) -> Record {
    let json = format!(r#"{{"format":1,"lineage":{lineage},"revision":{revision}}}"#);
    Record::from_json(&json).unwrap()
}

/// Writes the first record of [`key`].
pub async fn begin(store: &impl TokenStore, record: &Record) -> Result<Written, StoreError> {
    let expected = Expected::version(None);
    store.write(&key(), &expected, record).await
}

pub const NOW: SystemTime = SystemTime::UNIX_EPOCH;

#[tokio::test]
async fn redis_versions_are_compared_beyond_what_a_float_holds() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = RedisStore::new(server.url()).unwrap();
    let (at, next) = (u64::MAX - 1, u64::MAX);
    let first = record(at, at);
    let write = async |expected: Option<&Record>, record: &Record| {
        let expected = Expected::version(expected.map(Record::version));
        store.write(&key(), &expected, record).await.unwrap()
    };
    assert_eq!(write(None, &first).await, Written::Done);
    for wrong in [record(at, next), record(next, at), record(at, at - 1)] {
        assert_eq!(write(Some(&wrong), &record(1, 1)).await, Written::Conflict);
    }
    assert_eq!(write(Some(&first), &record(at, next)).await, Written::Done);
    let seen = store.read(&key(), NOW).await.unwrap();
    assert_eq!(seen.record, Some(record(at, next)));
}

#[tokio::test]
async fn redis_a_write_that_is_sent_again_is_done_and_not_a_conflict() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = RedisStore::new(server.url()).unwrap();
    let expected = Expected::version(None);
    for _ in 0..3 {
        let written = store.write(&key(), &expected, &record(1, 0)).await.unwrap();
        assert_eq!(written, Written::Done);
    }
    let other = store.write(&key(), &expected, &record(2, 0)).await.unwrap();
    assert_eq!(other, Written::Conflict);
}

#[tokio::test]
async fn redis_records_have_no_time_to_live_and_leases_have() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = RedisStore::new(server.url()).unwrap();
    let written = begin(&store, &record(1, 0)).await;
    assert_eq!(written.unwrap(), Written::Done);
    let lease = Lease::new(Duration::from_secs(10));
    assert!(store.take_lease(&key(), &lease, NOW).await.unwrap());
    let names = server.command(&["KEYS", "*"]);
    let mut names: Vec<_> = names.lines().collect();
    names.sort_unstable();
    let tag = format!("tower-reauth:{{{}}}", key());
    assert_eq!(names, [format!("{tag}:lease"), format!("{tag}:record")]);
    let left: u64 = server.command(&["PTTL", names[0]]).parse().unwrap();
    assert!(left > 5_000 && left <= 10_000, "{left}");
    assert_eq!(server.command(&["PTTL", names[1]]), "-1");
    // Somebody has set one.
    server.command(&["PEXPIRE", names[1], "100000"]);
    store.read(&key(), NOW).await.unwrap();
    assert_eq!(server.command(&["PTTL", names[1]]), "-1");
}

#[tokio::test]
async fn redis_time_is_the_servers_whatever_ours_is() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = RedisStore::new(server.url()).unwrap();
    let theirs: u64 = server
        .command(&["TIME"])
        .lines()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let years = Duration::from_secs(100 * 365 * 86_400);
    for ours in [NOW, NOW + years, NOW + 2 * years] {
        let shown = store.read(&key(), ours).await.unwrap().now;
        let shown = shown.duration_since(NOW).unwrap().as_secs();
        assert!((theirs..theirs + 60).contains(&shown), "{shown}");
    }
    let (one, other) = (
        Lease::new(Duration::from_secs(60)),
        Lease::new(Duration::from_secs(60)),
    );
    assert!(store.take_lease(&key(), &one, NOW).await.unwrap());
    let late = store.take_lease(&key(), &other, NOW + years).await;
    assert!(
        !late.unwrap(),
        "a lease was over by the clock of whoever wanted it"
    );
}

#[tokio::test]
async fn redis_a_lease_is_given_up_by_its_holder_only() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = RedisStore::new(server.url()).unwrap();
    let (one, other) = (
        Lease::new(Duration::from_secs(60)),
        Lease::new(Duration::from_secs(60)),
    );
    assert!(store.take_lease(&key(), &one, NOW).await.unwrap());
    store.release_lease(&key(), &other).await.unwrap();
    assert!(!store.take_lease(&key(), &other, NOW).await.unwrap());
    store.release_lease(&key(), &one).await.unwrap();
    assert!(store.take_lease(&key(), &other, NOW).await.unwrap());
}

#[tokio::test]
async fn redis_what_is_no_record_is_torn_and_not_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = RedisStore::new(server.url()).unwrap();
    let name = format!("tower-reauth:{{{}}}:record", key());
    let good = r#"{"format":1,"lineage":1,"revision":0}"#;
    let wrong: [&[&str]; 6] = [
        &["SET", &name, "something"],
        &["HSET", &name, "other", "1"],
        &["HSET", &name, "version", "1.0", "intent", ""],
        &["HSET", &name, "version", "1.0", "intent", "", "record", "{"],
        &[
            "HSET", &name, "version", "2.0", "intent", "", "record", good,
        ],
        &[
            "HSET", &name, "version", "1.0", "intent", "x", "record", good,
        ],
    ];
    for command in wrong {
        server.command(&["DEL", &name]);
        server.command(command);
        let error = store.read(&key(), NOW).await.unwrap_err();
        assert_eq!(error.failure(), StoreFailure::Torn, "{command:?}");
        // Nobody begins a session over it.
        let written = begin(&store, &record(2, 0)).await;
        assert!(!matches!(written, Ok(Written::Done)), "{command:?}");
    }
    server.command(&["DEL", &name]);
    let newer = r#"{"format":99,"lineage":1,"revision":0}"#;
    server.command(&[
        "HSET", &name, "version", "1.0", "intent", "", "record", newer,
    ]);
    let error = store.read(&key(), NOW).await.unwrap_err();
    assert_eq!(error.failure(), StoreFailure::Newer);
}

#[test]
fn redis_nothing_is_connected_before_it_is_needed_and_no_runtime_is_an_error() {
    let store = RedisStore::new("redis://127.0.0.1:1").unwrap();
    let key = key();
    let mut read = std::pin::pin!(store.read(&key, NOW));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = read.as_mut().poll(&mut cx) else {
        panic!("it did something without a runtime");
    };
    assert_eq!(error.failure(), StoreFailure::Misconfigured);
}
