//! Calls for which no token can be obtained: what their callers are told (gRFC A97), and by whom.

use http::StatusCode;
use tonic::{Code, transport::Endpoint};
use tower::Layer;
use tower_reauth::{
    AuthLayer, Error,
    oauth2::OAuth2,
    provider::{FixedToken, ProviderError, provider_fn},
};

use crate::{
    caller::call,
    notes::NotesClient,
    server::{Kind, Refuse, Wire},
    stand::{DAY, Stand},
    support::{Script, secs, settle},
};

type Failure = (
    &'static str,
    fn() -> ProviderError,
    Code,
    fn(&Error) -> bool,
);

/// Each kind of failure, what a caller is told, and what it finds behind it.
const FAILURES: [Failure; 14] = [
    (
        "not reached",
        || ProviderError::transient("no route").because(reset()),
        Code::Unavailable,
        Error::is_transient,
    ),
    (
        "transient",
        || ProviderError::transient("down"),
        Code::Unavailable,
        Error::is_transient,
    ),
    (
        "throttled",
        || ProviderError::throttled(Some(secs(7))),
        Code::Unavailable,
        Error::is_throttled,
    ),
    (
        "429",
        || ProviderError::throttled(None).status(StatusCode::TOO_MANY_REQUESTS),
        Code::Unavailable,
        Error::is_throttled,
    ),
    (
        "lost reply",
        || ProviderError::unknown_outcome("cut off"),
        Code::Unavailable,
        Error::is_unknown_outcome,
    ),
    (
        "502",
        || replied(502),
        Code::Unavailable,
        Error::is_unknown_outcome,
    ),
    (
        "503",
        || replied(503),
        Code::Unavailable,
        Error::is_unknown_outcome,
    ),
    (
        "504",
        || replied(504),
        Code::Unavailable,
        Error::is_unknown_outcome,
    ),
    (
        "500",
        || replied(500),
        Code::Unauthenticated,
        Error::is_unknown_outcome,
    ),
    (
        "408",
        || ProviderError::transient("slow").status(StatusCode::REQUEST_TIMEOUT),
        Code::Unauthenticated,
        Error::is_transient,
    ),
    (
        "refused",
        || ProviderError::refused("revoked"),
        Code::Unauthenticated,
        Error::is_login_required,
    ),
    (
        "refused, 400",
        || ProviderError::refused("revoked").status(StatusCode::BAD_REQUEST),
        Code::Unauthenticated,
        Error::is_login_required,
    ),
    (
        "misconfigured",
        || ProviderError::misconfigured("a typo"),
        Code::Unauthenticated,
        Error::is_misconfigured,
    ),
    (
        "misconfigured, 404",
        || ProviderError::misconfigured("a typo").status(StatusCode::NOT_FOUND),
        Code::Unauthenticated,
        Error::is_misconfigured,
    ),
];

fn reset() -> std::io::Error {
    std::io::ErrorKind::ConnectionReset.into()
}

fn replied(status: u16) -> ProviderError {
    ProviderError::unknown_outcome("failed").status(StatusCode::from_u16(status).unwrap())
}

#[tokio::test]
async fn each_failure_has_the_code_that_grfc_a97_gives_it_and_our_error_behind_it() {
    for (name, failure, code, is_it) in FAILURES {
        for kind in Kind::ALL {
            let told = format!("{name} {kind:?}");
            let script = Script::with_lifetime(secs(DAY));
            script.usually(move |_| Err(failure()));
            let stand = Stand::new(Wire::Plain, Refuse::AtOnce, script, |layer| layer).await;
            let client = stand.client().await;
            // The second is answered from the pause after the failure.
            for _ in 0..2 {
                let status = call(&client, kind, &["one"]).await.end.unwrap_err();
                assert_eq!(status.code(), code, "{told}: {status:?}");
                let ours = Error::find(&status).expect(&told);
                assert!(is_it(ours), "{told}: {ours:?}");
                assert_eq!(status.message(), ours.to_string(), "{told}");
            }
            assert_eq!(stand.script.exchanges(), 1, "{told}");
            assert_eq!(stand.server.log.uris().len(), 0, "{told}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_still_under_way_is_unavailable() {
    for kind in Kind::ALL {
        let stand = Stand::waiting().await;
        let client = stand.client().await;
        let late = {
            let client = client.clone();
            tokio::spawn(async move { call(&client, kind, &["one"]).await })
        };
        settle().await;
        stand.clock.advance(secs(30));
        let status = late.await.unwrap().end.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{kind:?}: {status:?}");
        assert!(Error::find(&status).unwrap().is_in_progress(), "{kind:?}");

        stand.script.open(1);
        assert_eq!(call(&client, kind, &["one"]).await.code(), Code::Ok);
        assert_eq!(stand.script.exchanges(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_provider_that_panics_is_unavailable() {
    let script = Script::with_lifetime(secs(DAY));
    script.next(|_| panic!("on purpose"));
    let stand = Stand::new(Wire::Plain, Refuse::AtOnce, script, |layer| layer).await;
    let client = stand.client().await;
    let status = call(&client, Kind::Unary, &["one"]).await.end.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(Error::find(&status).unwrap().is_unknown_outcome());
}

#[tokio::test]
async fn a_token_endpoint_that_nobody_listens_at_is_unavailable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", port.local_addr().unwrap());
    drop(port);
    let provider = OAuth2::client_credentials(url, "client", "secret");
    let layer = AuthLayer::new(provider.origins(["http://127.0.0.1"]));
    let client = NotesClient::new(layer.layer(nowhere()));
    let status = call(&client, Kind::Unary, &["one"]).await.end.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(Error::find(&status).unwrap().is_transient());
}

#[tokio::test]
async fn a_layer_without_origins_says_so_as_unauthenticated() {
    let layer = AuthLayer::new(FixedToken::bearer("t0ken"));
    let client = NotesClient::new(layer.layer(nowhere()));
    for kind in Kind::ALL {
        let status = call(&client, kind, &["one"]).await.end.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        assert!(Error::find(&status).unwrap().is_misconfigured(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_session_that_was_shut_down_says_so_as_unauthenticated() {
    let stand = Stand::waiting().await;
    let client = stand.client().await;
    stand.layer.handle().shutdown().await;
    let status = call(&client, Kind::Unary, &["one"]).await.end.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    assert!(Error::find(&status).unwrap().is_shut_down());
}

#[tokio::test]
async fn a_status_says_nothing_of_what_the_vendor_said() {
    let provider = provider_fn(|_| async {
        let error = ProviderError::refused("the login has ended");
        Err(error.vendor_text(b"canary"))
    });
    let layer = AuthLayer::new(provider.origins(["https://api.example.com"]));
    let client = NotesClient::new(layer.layer(nowhere()));
    let status = call(&client, Kind::Unary, &["one"]).await.end.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(
        !format!("{status} {status:?}").contains("canary"),
        "{status:?}"
    );
}

/// A channel that is never used.
fn nowhere() -> tonic::transport::Channel {
    Endpoint::from_static("http://127.0.0.1:1").connect_lazy()
}
