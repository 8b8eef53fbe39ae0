mod provider;
mod vendor;

use tower::Layer;
use tower_reauth::{AuthLayer, Token, test_util::ManualClock};

use crate::{
    common::{Case, check},
    stage::{client, get, stage},
};
use provider::{Bluesky, peek};

fn layer(pds: &str, refresh: String, clock: &ManualClock) -> AuthLayer<Bluesky> {
    let builder = AuthLayer::builder(Bluesky {
        pds: pds.to_owned(),
    });
    let builder = builder.initial(Token::from_refresh_token(refresh));
    builder.memory_only().clock(clock.clone()).build().unwrap()
}

#[tokio::test]
async fn bluesky_is_refreshed_by_its_jwt_recovered_from_a_400_and_refused() {
    let (clock, book) = stage();
    let server = vendor::start(&book).await;
    let auth = layer(&server.url, vendor::log_in(&book), &clock);
    let service = auth.layer(peek().layer(client()));
    let case = Case {
        lifetime: vendor::LIFETIME,
        is_access: |token| token.starts_with("access"),
        good: |body| body["path"] == "/api/things",
        has_refresh_token: true,
        renews_early: true,
    };
    check(&book, &server.url, &auth.handle(), &service, case).await;
}

#[tokio::test]
async fn bluesky_another_400_is_the_callers_and_refreshes_nothing() {
    let (clock, book) = stage();
    let server = vendor::start(&book).await;
    let auth = layer(&server.url, vendor::log_in(&book), &clock);
    let service = auth.layer(peek().layer(client()));
    let got = get(&service, &format!("{}/api/wrong", server.url))
        .await
        .unwrap();
    assert_eq!((got.status.as_u16(), got.replay), (400, None));
    assert_eq!(got.body["error"], "InvalidRequest");
    assert_eq!(book.exchanges(), 1);
}

#[tokio::test]
async fn bluesky_a_server_that_is_not_there_has_not_spent_the_token_in_the_head() {
    let (clock, book) = stage();
    let server = vendor::start(&book).await;
    let pds = server.url.clone();
    drop(server);
    let auth = layer(&pds, vendor::log_in(&book), &clock);
    let error = auth.handle().token().await.unwrap_err();
    assert!(
        error.is_transient() && !error.is_unknown_outcome(),
        "{error}"
    );
    assert!(!format!("{error} {error:?} {error:#?}").contains("canary"));
}
