//! Who may connect, and how a Redis is set up.

use std::{process::Command, time::Duration};

use tower_reauth::{
    store::{
        Expected, Lease, RedisStore, SealKey, SealKeys, StoreError, StoreFailure, TokenStore,
        Written,
    },
    token::Secret,
};

use crate::{
    conformance::{NOW, begin, key, record},
    server::Server,
};

#[test]
fn redis_plain_connections_lead_to_this_machine_unless_sealed_or_dared() {
    let far = "redis://user:canary@10.0.0.1";
    let error = RedisStore::new(far).unwrap_err();
    assert_eq!(error.failure(), StoreFailure::Misconfigured);
    assert!(!format!("{error:?} {error}").contains("canary"));
    assert!(RedisStore::new("rediss://10.0.0.1").is_ok());
    assert!(RedisStore::new("redis://localhost").is_ok());
    let builder = || RedisStore::builder(far);
    assert!(builder().danger_allow_plain_connections().build().is_ok());
    let keys = SealKeys::new(SealKey::new("one", [1; 32]).unwrap());
    assert!(builder().sealed(keys).is_ok());
    for braces in ["{", "a}", "{}"] {
        let error = RedisStore::builder("redis://localhost")
            .key_prefix(braces)
            .build();
        assert_eq!(error.unwrap_err().failure(), StoreFailure::Misconfigured);
    }
}

#[tokio::test]
async fn redis_a_user_needs_no_more_than_what_is_documented() {
    let Some(server) = Server::start() else {
        return;
    };
    let acl = "ACL SETUSER tower-reauth on >s3cr%t ~tower-reauth:* resetchannels -@all +hello +auth \
               +ping +select +eval +hmget +hset +exists +persist +get +set +del +time +wait";
    let words: Vec<_> = acl.split_whitespace().collect();
    assert_eq!(server.command(&words), "OK");
    server.command(&["CONFIG", "SET", "requirepass", "another"]);
    let by_url = format!("redis://tower-reauth:s3cr%25t@127.0.0.1:{}", server.port());
    let store = RedisStore::new(by_url).unwrap();
    uses_everything(&store).await.unwrap();
    let by_builder = || RedisStore::builder(server.url()).user("tower-reauth");
    let right = by_builder()
        .password(Secret::from("s3cr%t"))
        .build()
        .unwrap();
    right.read(&key(), NOW).await.unwrap();

    let failure = async |store: RedisStore| {
        let error = store.read(&key(), NOW).await.unwrap_err();
        let shown = format!("{error:?} {error} {store:?}");
        assert!(
            !shown.contains("s3cr") && !shown.contains("canary"),
            "{shown}"
        );
        (error.failure(), error.to_string())
    };
    let wrong = by_builder().password("canary").build().unwrap();
    let (kind, said) = failure(wrong).await;
    assert_eq!(kind, StoreFailure::Misconfigured);
    assert!(said.contains("does not accept"), "{said}");
    let (kind, said) = failure(RedisStore::new(server.url()).unwrap()).await;
    assert_eq!(kind, StoreFailure::Misconfigured);
    assert!(said.contains("asks for a password"), "{said}");
    let prefix = by_builder().password("s3cr%t").key_prefix("other");
    let (kind, said) = failure(prefix.build().unwrap()).await;
    assert_eq!(kind, StoreFailure::Misconfigured);
    assert!(said.contains("ACL"), "{said}");
}

async fn uses_everything(store: &RedisStore) -> Result<(), StoreError> {
    let lease = Lease::new(Duration::from_secs(10));
    assert!(store.take_lease(&key(), &lease, NOW).await?);
    assert!(store.read(&key(), NOW).await?.record.is_none());
    assert_eq!(begin(store, &record(1, 0)).await?, Written::Done);
    store.release_lease(&key(), &lease).await
}

#[tokio::test]
async fn redis_a_write_counts_when_replicas_have_it() {
    let (Some(primary), Some(replica)) = (Server::start(), Server::start()) else {
        return;
    };
    let store = RedisStore::builder(primary.url())
        .answers_within(Duration::from_secs(2))
        .wait_for_replicas(1)
        .build()
        .unwrap();
    let write = async |from: Option<u64>, to: u64| {
        let expected = Expected::version(from.map(|it| record(1, it).version()));
        store.write(&key(), &expected, &record(1, to)).await
    };
    let error = write(None, 0).await.unwrap_err();
    assert_eq!(error.failure(), StoreFailure::Unavailable);
    assert!(error.to_string().contains("replicas"), "{error}");
    replica.follow(&primary);
    // It stands there, and is sent again: now it has to reach the replica.
    assert_eq!(write(None, 0).await.unwrap(), Written::Done);
    assert_eq!(write(Some(0), 1).await.unwrap(), Written::Done);
    assert_eq!(write(Some(7), 8).await.unwrap(), Written::Conflict);
    let name = format!("tower-reauth:{{{}}}:record", key());
    assert_eq!(replica.command(&["HGET", &name, "version"]), "1.1");
    // From the replica itself nobody reads: it may lag behind.
    let lagging = RedisStore::new(replica.url()).unwrap();
    let error = lagging.read(&key(), NOW).await.unwrap_err();
    assert!(error.to_string().contains("replica"), "{error}");
}

#[tokio::test]
async fn redis_tls_is_spoken_and_certificates_are_checked() {
    let Some(plain) = Server::start() else { return };
    let path = |name: &str| plain.folder().path(name).to_str().unwrap().to_owned();
    let (key_file, certificate) = (path("key.pem"), path("cert.pem"));
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key_file, "-out", &certificate])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        eprintln!("SKIPPED, NOTHING WAS TESTED: openssl is not installed");
        return;
    }
    // The port for TLS takes the place of one that is free.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for (name, value) in [
        ("tls-cert-file", certificate.as_str()),
        ("tls-key-file", &key_file),
        ("tls-ca-cert-file", &certificate),
        ("tls-auth-clients", "no"),
        ("tls-port", &port.to_string()),
    ] {
        let done = plain.command(&["CONFIG", "SET", name, value]);
        if done != "OK" {
            println!("CONFIG SET {name}: {done}");
        }
    }
    let url = format!("rediss://localhost:{port}");
    let pem = std::fs::read(&certificate).unwrap();
    let trusting = RedisStore::builder(&url)
        .root_certificates(&pem)
        .build()
        .unwrap();
    uses_everything(&trusting).await.unwrap();
    let error = RedisStore::new(&url)
        .unwrap()
        .read(&key(), NOW)
        .await
        .unwrap_err();
    assert_eq!(error.failure(), StoreFailure::Unavailable);
    let by_address = format!("rediss://127.0.0.1:{port}");
    let other_name = RedisStore::builder(by_address)
        .root_certificates(&pem)
        .build()
        .unwrap();
    assert!(
        other_name.read(&key(), NOW).await.is_err(),
        "the name was not checked"
    );
}
