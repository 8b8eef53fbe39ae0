mod provider;
mod vendor;

use std::time::Duration;

use tower::Layer;
use tower_reauth::{AuthLayer, layer::AuthLayerBuilder, replay::Replay, test_util::ManualClock};

use crate::{
    common::{Case, check},
    stage::{Server, client, get, stage},
};
use provider::{Marketo, peek};

fn builder(server: &Server, clock: &ManualClock) -> AuthLayerBuilder<Marketo> {
    let marketo = Marketo {
        base: server.url.clone(),
        client_id: "id".into(),
        client_secret: "canary&=".into(),
    };
    AuthLayer::builder(marketo).clock(clock.clone())
}

#[tokio::test]
async fn marketo_is_asked_by_a_get_recovered_from_a_602_and_refused() {
    let (clock, book) = stage();
    let server = vendor::start(&book, false).await;
    let auth = builder(&server, &clock).build().unwrap();
    let service = auth.layer(peek().layer(client()));
    let case = Case {
        lifetime: vendor::LIFETIME,
        is_access: |token| token.ends_with(":int"),
        good: |body| body["success"] == true,
        has_refresh_token: false,
        renews_early: false,
    };
    check(&book, &server.url, &auth.handle(), &service, case).await;
}

#[tokio::test]
async fn marketo_a_token_with_little_left_is_used_up_and_then_the_next_one() {
    let (clock, book) = stage();
    let server = vendor::start(&book, true).await;
    // Another process has had it for most of an hour.
    let other = builder(&server, &clock).build().unwrap();
    other.handle().token().await.unwrap();
    clock.advance(Duration::from_secs(3_000));
    let auth = builder(&server, &clock).build().unwrap();
    let service = auth.layer(peek().layer(client()));
    for _ in 0..1_200 {
        let got = get(&service, &server.url).await.unwrap();
        assert_eq!(got.body["success"], true);
        clock.advance(Duration::from_secs(1));
    }
    // Ten minutes of the first one, and ten of the next.
    assert!(book.exchanges() <= 8, "{} exchanges", book.exchanges());
    assert!(book.refused() <= 1, "{} refusals", book.refused());
}

#[tokio::test]
async fn marketo_the_same_token_again_after_a_602_stops_and_does_not_loop() {
    let (clock, book) = stage();
    let server = vendor::start(&book, true).await;
    let auth = builder(&server, &clock).build().unwrap();
    let service = auth.layer(peek().layer(client()));
    get(&service, &server.url).await.unwrap();
    book.revoke(|_| true);
    for _ in 0..10 {
        let got = get(&service, &server.url).await.unwrap();
        assert_eq!(
            (got.status.as_u16(), got.replay),
            (200, Some(Replay::NoNewerToken))
        );
        assert_eq!(got.body["errors"][0]["code"], "602");
    }
    assert_eq!(
        book.exchanges(),
        2,
        "the first token, and one try to get another"
    );
    clock.advance(vendor::LIFETIME);
    assert_eq!(
        get(&service, &server.url).await.unwrap().body["success"],
        true
    );
}

#[tokio::test]
async fn marketo_no_error_shows_the_query() {
    let (clock, book) = stage();
    let server = vendor::start(&book, false).await;
    let gone = builder(&server, &clock).build().unwrap();
    *book.ended.lock().unwrap() = true;
    let refused = builder(&server, &clock).build().unwrap();
    let mut errors = vec![refused.handle().token().await.unwrap_err()];
    drop(server);
    errors.push(gone.handle().token().await.unwrap_err());
    for error in errors {
        let mut shown = format!("{error} {error:?} {error:#?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            shown += &format!("{cause} {cause:?}");
            source = cause.source();
        }
        assert!(
            !shown.contains("canary") && !shown.contains("client_secret"),
            "{shown}"
        );
    }
}
