mod provider;
mod vendor;

use std::time::Duration;

use tower::Layer;
use tower_reauth::{AuthLayer, replay::Replay, test_util::ManualClock};

use crate::{
    common::{Case, check},
    stage::{Server, client, get, stage, until},
};
use provider::{Feishu, peek};

fn layer(server: &Server, clock: &ManualClock) -> AuthLayer<Feishu> {
    let feishu = Feishu {
        base: server.url.clone(),
        app_id: "cli_1".into(),
        app_secret: "canary".into(),
    };
    AuthLayer::builder(feishu)
        .clock(clock.clone())
        .build()
        .unwrap()
}

#[tokio::test]
async fn feishu_is_refreshed_recovered_and_refused_by_a_code_inside_a_200() {
    let (clock, book) = stage();
    let server = vendor::start(&book).await;
    let auth = layer(&server, &clock);
    let service = auth.layer(peek().layer(client()));
    let case = Case {
        lifetime: vendor::LIFETIME,
        is_access: |token| token.starts_with("t-"),
        good: |body| body["code"] == 0,
        has_refresh_token: false,
        renews_early: true,
    };
    check(&book, &server.url, &auth.handle(), &service, case).await;
}

#[tokio::test]
async fn feishu_is_asked_when_there_is_a_new_token_to_be_had_and_not_before() {
    let (clock, book) = stage();
    let server = vendor::start(&book).await;
    let auth = layer(&server, &clock);
    let service = auth.layer(client());
    let minutes: usize = 60 * 24;
    for _ in 0..minutes {
        assert_eq!(get(&service, &server.url).await.unwrap().body["code"], 0);
        until(|| !auth.handle().status().exchanging).await;
        clock.advance(Duration::from_secs(60));
    }
    // A token is good for two hours, and its successor is there 29 minutes before.
    let tokens = minutes.div_ceil(91);
    assert!(book.exchanges() <= tokens, "{} exchanges", book.exchanges());
    assert_eq!(book.refused(), 0);
}

#[tokio::test]
async fn feishu_the_same_token_again_stops_the_recovery_and_does_not_loop() {
    let (clock, book) = stage();
    // The API does not know what the vendor goes on handing out.
    let issuer = vendor::start(&book).await;
    let api = Server::start(|_| (400, serde_json::json!({"code": 99991663}))).await;
    let auth = layer(&issuer, &clock);
    let feishu = tower_reauth::provider::provider_fn({
        let handle = auth.handle();
        move |_| {
            let handle = handle.clone();
            async move { Ok(handle.refresh().await?) }
        }
    });
    let outer = AuthLayer::builder(feishu.origins([&api.url]))
        .clock(clock.clone())
        .build()
        .unwrap();
    let service = outer.layer(peek().layer(client()));
    let got = get(&service, &api.url).await.unwrap();
    assert_eq!(
        (got.status.as_u16(), got.replay),
        (400, Some(Replay::NoNewerToken))
    );
    assert_eq!(
        book.exchanges(),
        2,
        "the first token, and one try to get another"
    );
    for _ in 0..10 {
        let got = get(&service, &api.url).await.unwrap();
        assert_eq!(
            got.body["code"], 99991663,
            "the caller sees what the API said"
        );
    }
    assert_eq!(book.exchanges(), 2, "no further one while it is of no use");
    clock.advance(Duration::from_secs(31));
    get(&service, &api.url).await.unwrap();
    assert_eq!(book.exchanges(), 3);
}
