//! What is true of every vendor: the first token, the next one before it dies, a refusal that is
//! recovered, and an end that is told as one.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Empty;
use serde_json::Value;
use tower::Service;
use tower_reauth::{BoxError, handle::AuthHandle, replay::Replay};

use crate::stage::{Book, get, until};

/// How the tokens of a vendor look, and its answers.
pub(crate) struct Case {
    pub(crate) lifetime: Duration,
    pub(crate) is_access: fn(&str) -> bool,
    pub(crate) good: fn(&Value) -> bool,
    pub(crate) has_refresh_token: bool,
    /// Whether there is another token to be had before the current one dies.
    pub(crate) renews_early: bool,
}

/// Checks all of it with a `service` that calls the API at `url`, and `handle` that of its session.
pub(crate) async fn check<S, B>(
    book: &Book,
    url: &str,
    handle: &AuthHandle,
    service: &S,
    case: Case,
) where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = BoxError> + Clone,
    B: Body<Data: Send, Error: std::fmt::Debug>,
{
    let call = async || get(service, &format!("{url}/api/things")).await;
    let fine = async |replay: Option<Replay>| {
        let got = call().await.unwrap();
        assert!(
            got.status == StatusCode::OK && (case.good)(&got.body),
            "{got:?}"
        );
        assert_eq!(got.replay, replay, "{got:?}");
    };
    // The first token, by the first call; and no other for the second.
    fine(None).await;
    fine(None).await;
    assert_eq!((book.exchanges(), book.refused()), (1, 0));

    if case.renews_early {
        // The next one, before this one dies, beside a call that goes on at once.
        book.clock.advance(case.lifetime - case.lifetime / 50);
        fine(None).await;
        until(|| book.exchanges() > 1 && !handle.status().exchanging).await;
        book.clock.advance(case.lifetime / 40);
        fine(None).await;
        assert_eq!(book.refused(), 0);
    }

    // A refusal by the API: one exchange, and the caller does not notice.
    let before = book.exchanges();
    book.revoke(case.is_access);
    fine(Some(Replay::Replayed)).await;
    fine(None).await;
    assert_eq!((book.exchanges(), book.refused()), (before + 1, 1));

    // The end: a typed error, and the vendor is left alone with a dead credential.
    *book.ended.lock().unwrap() = true;
    book.clock.advance(2 * case.lifetime);
    let before = book.exchanges();
    for _ in 0..5 {
        // A token without a known end is sent and refused, with the error beside the refusal.
        let error = call()
            .await
            .map_or_else(|error| error, |got| got.error.unwrap());
        assert!(error.is_login_required(), "{error} {error:?}");
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
    assert_eq!(book.exchanges(), before + 1, "it is hammered");
    assert!(handle.status().is_login_required());

    // Somebody has installed the app again, or put its secret right. A refresh token stays dead.
    *book.ended.lock().unwrap() = false;
    if !case.has_refresh_token {
        handle.refresh().await.unwrap();
        fine(None).await;
    }
}
