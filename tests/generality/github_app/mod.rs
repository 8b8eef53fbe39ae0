mod provider;
mod vendor;

use jsonwebtoken::EncodingKey;
use tower::Layer;
use tower_reauth::{AuthLayer, clock::Clock, test_util::ManualClock};

use crate::{
    common::{Case, check},
    stage::{Server, client, get, stage},
};
use provider::GithubApp;

fn layer(server: &Server, clock: &ManualClock, app_id: &str) -> AuthLayer<GithubApp> {
    let app = GithubApp {
        base: server.url.clone(),
        app_id: app_id.into(),
        installation: 7,
        // Made for this test, and of no use anywhere else.
        key: EncodingKey::from_rsa_der(include_bytes!("private.der")),
    };
    AuthLayer::builder(app)
        .clock(clock.clone())
        .build()
        .unwrap()
}

#[tokio::test]
async fn github_app_signs_for_itself_and_is_refreshed_recovered_and_refused() {
    let (clock, book) = stage();
    let server = vendor::start(&book).await;
    let auth = layer(&server, &clock, "app-1");
    let service = auth.layer(client());
    let case = Case {
        lifetime: vendor::LIFETIME,
        is_access: |token| token.starts_with("ghs_"),
        good: |body| body["path"] == "/api/things",
        has_refresh_token: false,
        renews_early: true,
    };
    check(&book, &server.url, &auth.handle(), &service, case).await;
}

#[tokio::test]
async fn github_app_a_time_in_iso_8601_is_when_the_token_dies() {
    let (clock, book) = stage();
    let server = vendor::start(&book).await;
    let auth = layer(&server, &clock, "app-1");
    auth.handle().token().await.unwrap();
    let expires = auth.handle().status().expires_at.unwrap();
    let lives = expires.duration_since(clock.now().wall()).unwrap();
    assert_eq!(lives.as_secs().div_ceil(10), 360, "{lives:?}");
}

#[tokio::test]
async fn github_app_a_jwt_that_is_not_taken_is_somebodys_setting() {
    let (clock, book) = stage();
    let server = vendor::start(&book).await;
    let service = layer(&server, &clock, "another-app").layer(client());
    let error = get(&service, &server.url).await.unwrap_err();
    assert!(
        error.is_misconfigured() && !error.is_login_required(),
        "{error}"
    );
}
