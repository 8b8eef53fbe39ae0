mod provider;
mod vendor;

use std::sync::{Arc, Mutex};

use tower::Layer;
use tower_reauth::{
    AuthLayer, Error, Token, layer::AuthLayerBuilder, replay::Replay, store::MemoryStore,
    test_util::ManualClock,
};

use crate::{
    common::{Case, check},
    stage::{Book, Server, client, get, stage},
};
use provider::Salesforce;
use vendor::Home;

/// An organisation that lives at the first of two instances.
struct Org {
    clock: ManualClock,
    book: Arc<Book>,
    home: Home,
    login: Server,
    one: Server,
    seen_by_one: Arc<Mutex<Vec<String>>>,
    two: Server,
}

impl Org {
    async fn new() -> Self {
        let (clock, book) = stage();
        let (one, seen_by_one) = vendor::instance(&book).await;
        let (two, _) = vendor::instance(&book).await;
        let home = Arc::new(Mutex::new(one.url.clone()));
        let login = vendor::login(&book, &home).await;
        Self {
            clock,
            book,
            home,
            login,
            one,
            seen_by_one,
            two,
        }
    }

    fn builder(&self) -> AuthLayerBuilder<Salesforce> {
        let salesforce = Salesforce {
            login: self.login.url.clone(),
            client_id: "3MVG9".into(),
        };
        AuthLayer::builder(salesforce)
            .initial(Token::from_refresh_token("5Aep-canary"))
            .clock(self.clock.clone())
    }

    fn layer(&self) -> AuthLayer<Salesforce> {
        self.builder().memory_only().build().unwrap()
    }

    /// Moves it to the other instance, which ends its sessions.
    fn moves(&self) {
        self.home.lock().unwrap().clone_from(&self.two.url);
        self.book.revoke(|_| true);
    }
}

#[tokio::test]
async fn salesforce_is_recovered_and_refused_with_no_lifetime_and_an_origin_from_the_token() {
    let org = Org::new().await;
    let auth = org.layer();
    let case = Case {
        lifetime: std::time::Duration::from_secs(400 * 86_400),
        is_access: |token| token.starts_with("00D!"),
        good: |body| body["path"] == "/api/things",
        has_refresh_token: true,
        renews_early: false,
    };
    check(
        &org.book,
        &org.one.url,
        &auth.handle(),
        &auth.layer(client()),
        case,
    )
    .await;
}

#[tokio::test]
async fn salesforce_without_a_lifetime_a_token_is_used_until_it_is_refused() {
    let org = Org::new().await;
    let auth = org.layer();
    let service = auth.layer(client());
    for _ in 0..100 {
        get(&service, &org.one.url).await.unwrap();
        org.clock.advance(std::time::Duration::from_secs(86_400));
    }
    assert_eq!((org.book.exchanges(), org.book.refused()), (1, 0));
    assert_eq!(auth.handle().status().expires_at, None);
}

#[tokio::test]
async fn salesforce_an_organisation_that_moves_takes_its_requests_along_and_no_token_goes_back() {
    let org = Org::new().await;
    let auth = org.layer();
    let service = auth.layer(client());
    let base = async || {
        let token = auth.handle().token().await.unwrap();
        token.origins().next().unwrap().to_owned()
    };
    assert_eq!(base().await, org.one.url);
    get(&service, &org.one.url).await.unwrap();
    org.moves();
    // The old instance refuses, and the new token may not go there.
    let got = get(&service, &org.one.url).await.unwrap();
    assert_eq!(
        (got.status.as_u16(), got.replay),
        (401, Some(Replay::NoNewerToken))
    );
    assert!(got.error.is_some_and(|error| error.is_origin()));
    assert_eq!(got.body[0]["errorCode"], "INVALID_SESSION_ID");
    assert_eq!(base().await, org.two.url);
    let got = get(&service, &org.two.url).await.unwrap();
    assert_eq!((got.status.as_u16(), got.replay), (200, None));
    // From now on nothing is even sent to the old one.
    let error = get(&service, &org.one.url).await.unwrap_err();
    assert!(
        error.is_origin() && error.to_string().contains(&org.one.url),
        "{error}"
    );
    assert_eq!(*org.seen_by_one.lock().unwrap(), ["00D!canary.1"; 2]);
    assert_eq!(org.book.exchanges(), 2);
}

#[tokio::test]
async fn salesforce_a_stranger_gets_no_token_before_the_first_and_none_after_it() {
    let org = Org::new().await;
    let stranger = Server::start(|_| (200, serde_json::json!({}))).await;
    let auth = org.layer();
    let service = auth.layer(client());
    for _ in 0..2 {
        let error = get(&service, &stranger.url).await.unwrap_err();
        assert!(error.is_origin(), "{error}");
    }
    let bare = org
        .builder()
        .memory_only()
        .send_bare_elsewhere()
        .build()
        .unwrap();
    let service = bare.layer(client());
    for _ in 0..2 {
        assert_eq!(get(&service, &stranger.url).await.unwrap().status, 200);
    }
    get(&service, &org.one.url).await.unwrap();
    assert_eq!(org.book.refused(), 0);
}

#[tokio::test]
async fn salesforce_the_origin_of_a_token_is_kept_with_it() {
    let org = Org::new().await;
    let store = MemoryStore::new();
    let first = org.builder().store(store.clone()).build().unwrap();
    get(&first.layer(client()), &org.one.url).await.unwrap();
    drop(first);
    let second = org.builder().store(store).build().unwrap();
    let got = get(&second.layer(client()), &org.one.url).await.unwrap();
    assert_eq!(got.status, 200);
    assert_eq!(org.book.exchanges(), 1, "the token was kept");
}

#[tokio::test]
async fn salesforce_an_origin_that_may_see_no_token_is_an_error_that_does_not_quote_it() {
    let org = Org::new().await;
    *org.home.lock().unwrap() = "http://canary.example".into();
    let auth = org.layer();
    let error = get(&auth.layer(client()), &org.one.url).await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    let seed = Token::new("access").with_origin("canary.example");
    let error = auth.handle().replace(seed).await.unwrap_err();
    assert!(error.is_misconfigured() && !format!("{error}").contains("canary"));
    // It is looked at again, and the session goes on.
    org.home.lock().unwrap().clone_from(&org.one.url);
    auth.handle().refresh().await.unwrap();
    assert_eq!(
        get(&auth.layer(client()), &org.one.url)
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn salesforce_over_reqwest_its_tokens_go_where_they_say_and_nowhere_else() {
    let org = Org::new().await;
    let auth = org.layer();
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let plain = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let client = reqwest_middleware::ClientBuilder::new(plain.build().unwrap());
    let client = client.with(auth.middleware()).build();
    let get = async |url: &str| client.get(url).send().await;
    assert_eq!(get(&org.one.url).await.unwrap().status().as_u16(), 200);
    org.moves();
    let refused = get(&org.one.url).await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    let error: &Error = refused.extensions().get().unwrap();
    assert!(error.is_origin(), "{error}");
    assert_eq!(get(&org.two.url).await.unwrap().status().as_u16(), 200);
    let error = get(&org.one.url).await.unwrap_err();
    assert!(
        Error::find(&error).is_some_and(Error::is_origin),
        "{error:?}"
    );
    assert_eq!(*org.seen_by_one.lock().unwrap(), ["00D!canary.1"; 2]);
}
