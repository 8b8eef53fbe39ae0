//! What Redis says when it does not do what it is asked.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower_reauth::store::{RedisStore, StoreFailure, TokenStore};

use crate::conformance::{NOW, key};

/// A server that gives one answer to everything.
async fn saying(answer: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 16 * 1024];
                while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                    stream.write_all(answer.as_bytes()).await.ok();
                }
            });
        }
    });
    format!("redis://127.0.0.1:{port}")
}

#[tokio::test]
async fn redis_every_refusal_says_what_to_do() {
    use StoreFailure::{Full, Misconfigured, Torn, Unavailable};
    for (answer, failure, advice) in [
        (
            "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
            Full,
            "maxmemory",
        ),
        (
            "-ERR Error running script: @user_script: 5: -OOM canary\r\n",
            Full,
            "maxmemory",
        ),
        (
            "-MISCONF Redis is configured to save RDB snapshots\r\n",
            Full,
            "disk",
        ),
        (
            "-READONLY You can't write against a read only replica.\r\n",
            Unavailable,
            "replica",
        ),
        (
            "-LOADING Redis is loading the dataset in memory\r\n",
            Unavailable,
            "starting",
        ),
        (
            "-CLUSTERDOWN Hash slot not served\r\n",
            Unavailable,
            "slots",
        ),
        (
            "-MASTERDOWN Link with MASTER is down\r\n",
            Unavailable,
            "primary",
        ),
        (
            "-NOREPLICAS Not enough good replicas to write.\r\n",
            Unavailable,
            "min-replicas-to-write",
        ),
        ("-MOVED 3999 127.0.0.1:6381\r\n", Misconfigured, "cluster"),
        (
            "-NOAUTH Authentication required.\r\n",
            Misconfigured,
            "password",
        ),
        (
            "-WRONGPASS invalid username-password pair canary\r\n",
            Misconfigured,
            "accept",
        ),
        (
            "-NOPERM this user has no permissions to run 'eval' canary\r\n",
            Misconfigured,
            "ACL",
        ),
        (
            "-ERR unknown command 'EVAL', with args beginning with: 'canary'\r\n",
            Misconfigured,
            "command",
        ),
        (
            "-WRONGTYPE Operation against a key\r\n",
            Torn,
            "something else",
        ),
        (
            "-BUSY Redis is busy running a script.\r\n",
            Unavailable,
            "busy",
        ),
        ("-CANARY canary\r\n", Unavailable, "error"),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", Unavailable, ""),
        ("+OK\r\n", Torn, "something else"),
    ] {
        let store = RedisStore::new(saying(answer).await).unwrap();
        let error = store.read(&key(), NOW).await.unwrap_err();
        assert_eq!(error.failure(), failure, "{answer}: {error}");
        assert!(error.to_string().contains(advice), "{answer}: {error}");
        let shown = format!("{error:?} {error}").to_lowercase();
        assert!(!shown.contains("canary"), "{answer}: {shown}");
    }
}

#[tokio::test]
async fn redis_a_password_that_the_server_quotes_is_not_shown() {
    let answer = "-ERR unknown command 'AUTH', with args beginning with: 'user' 'canary'\r\n";
    let url = saying(answer)
        .await
        .replace("redis://", "redis://user:canary@");
    let store = RedisStore::new(url).unwrap();
    let error = store.read(&key(), NOW).await.unwrap_err();
    let mut shown = format!("{error:?} {error:#?} {error} {store:?} {store:#?}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        shown.push_str(&format!("{error:?} {error}"));
        source = error.source();
    }
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn redis_that_is_not_there_is_said_at_once() {
    let store = RedisStore::new("redis://127.0.0.1:1").unwrap();
    let error = store.read(&key(), NOW).await.unwrap_err();
    assert_eq!(error.failure(), StoreFailure::Unavailable);
    assert!(error.to_string().contains("nothing listens"), "{error}");
}
