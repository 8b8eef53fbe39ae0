mod provider;
mod vendor;

use tower::Layer;
use tower_reauth::{AuthLayer, Token, layer::AuthLayerBuilder, test_util::ManualClock};

use crate::{
    common::{Case, check},
    stage::{Server, client, get, stage},
};
use provider::{Slack, peek};

fn layer(server: &Server, clock: &ManualClock, secret: &str) -> AuthLayerBuilder<Slack> {
    let slack = Slack {
        base: server.url.clone(),
        client_id: "id".into(),
        client_secret: secret.into(),
    };
    AuthLayer::builder(slack)
        .initial(Token::from_refresh_token("xoxe-1-canary-0"))
        .memory_only()
        .clock(clock.clone())
}

#[tokio::test]
async fn slack_is_refreshed_recovered_and_refused_although_all_of_it_is_a_200() {
    let (clock, book) = stage();
    let server = vendor::start(&book).await;
    let auth = layer(&server, &clock, "s3cr3t&").build().unwrap();
    let service = auth.layer(peek().layer(client()));
    let case = Case {
        lifetime: vendor::LIFETIME,
        is_access: |token| token.starts_with("xoxe.xoxb-"),
        good: |body| body["ok"] == true,
        has_refresh_token: true,
        renews_early: true,
    };
    check(&book, &server.url, &auth.handle(), &service, case).await;
}

#[tokio::test]
async fn slack_a_wrong_setting_inside_a_200_is_not_the_end_of_a_session() {
    let (clock, book) = stage();
    let server = vendor::start(&book).await;
    let auth = layer(&server, &clock, "wrong").build().unwrap();
    let service = auth.layer(peek().layer(client()));
    let error = get(&service, &format!("{}/api/chat", server.url))
        .await
        .unwrap_err();
    assert!(
        error.is_misconfigured() && !error.is_login_required(),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("bad_client_secret"));
}
