mod provider;
mod vendor;

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::Layer;
use tower_reauth::{
    AuthLayer, Error, Token,
    oauth2::OAuth2,
    provider::{FailureKind, Placement, Refusal, provider_fn},
    test_util::ManualClock,
    token_client::Body,
};

use crate::{
    join::side_by_side,
    stage::{Book, Got, Server, client, get, until},
};
use provider::{Restricted, TOKEN};

struct Seller {
    clock: ManualClock,
    usual: Arc<Book>,
    restricted: Arc<Book>,
    server: Server,
    inner: AuthLayer<OAuth2>,
}

impl Seller {
    async fn new() -> Self {
        let clock = ManualClock::new();
        let (usual, restricted) = (Book::new(&clock), Book::new(&clock));
        let server = vendor::start(&usual, &restricted).await;
        let login = OAuth2::refresh_token(format!("{}/auth/o2/token", server.url), "client")
            .origins([&server.url])
            .placement(Placement::header(TOKEN))
            .profile(|profile| profile.refusal(Refusal::statuses([StatusCode::FORBIDDEN])));
        let inner = AuthLayer::builder(login)
            .initial(Token::from_refresh_token("Atzr|canary"))
            .memory_only()
            .clock(clock.clone())
            .build()
            .unwrap();
        Self {
            clock,
            usual,
            restricted,
            server,
            inner,
        }
    }

    /// The outer layer, which asks with the inner one's handle.
    fn by_handle(&self) -> AuthLayer<Restricted> {
        let restricted = Restricted {
            base: self.server.url.clone(),
            path: "/api/things".into(),
            usual: Some(self.inner.handle()),
        };
        AuthLayer::builder(restricted)
            .clock(self.clock.clone())
            .build()
            .unwrap()
    }

    /// The outer layer, whose token requests pass through the inner one.
    fn by_client(&self) -> AuthLayer<Restricted> {
        let restricted = Restricted {
            base: self.server.url.clone(),
            path: "/api/things".into(),
            usual: None,
        };
        let plain = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http::<Body>();
        AuthLayer::builder(restricted)
            .token_client(self.inner.layer(plain))
            .clock(self.clock.clone())
            .build()
            .unwrap()
    }

    async fn call(&self, outer: &AuthLayer<Restricted>) -> Result<Got, Error> {
        get(
            &outer.layer(client()),
            &format!("{}/api/things", self.server.url),
        )
        .await
    }
}

async fn both(claim: impl AsyncFn(Seller, AuthLayer<Restricted>)) {
    for outer in [Seller::by_handle, Seller::by_client] {
        let seller = Seller::new().await;
        let outer = outer(&seller);
        claim(seller, outer).await;
    }
}

#[tokio::test]
async fn chained_a_token_is_asked_for_with_another_sessions_token() {
    both(async |seller, outer| {
        assert_eq!(seller.call(&outer).await.unwrap().status, 200);
        assert_eq!(
            (seller.usual.exchanges(), seller.restricted.exchanges()),
            (1, 1)
        );
        // Both have expired: one exchange each, however many callers there are.
        seller.clock.advance(2 * vendor::LIFETIME);
        let calls = (0..16).map(|_| seller.call(&outer));
        for got in side_by_side(calls).await {
            assert_eq!(got.unwrap().status, 200);
        }
        assert_eq!(
            (seller.usual.exchanges(), seller.restricted.exchanges()),
            (2, 2)
        );
        assert_eq!(
            (seller.usual.refused(), seller.restricted.refused()),
            (0, 0)
        );
    })
    .await;
}

#[tokio::test]
async fn chained_an_inner_token_that_is_refused_is_renewed_for_the_outer_ones_next_try() {
    both(async |seller, outer| {
        seller.inner.handle().token().await.unwrap();
        seller.usual.revoke(|_| true);
        let error = seller.call(&outer).await.unwrap_err();
        assert!(
            error.is_transient() && !error.is_unknown_outcome(),
            "{error}"
        );
        until(|| seller.usual.exchanges() == 2 && !seller.inner.handle().status().exchanging).await;
        seller.clock.advance(Duration::from_secs(3));
        assert_eq!(seller.call(&outer).await.unwrap().status, 200);
        assert_eq!((seller.usual.exchanges(), seller.usual.refused()), (2, 1));
    })
    .await;
}

#[tokio::test]
async fn chained_an_outer_token_that_the_api_refuses_costs_no_inner_exchange() {
    let seller = Seller::new().await;
    let outer = seller.by_handle();
    seller.call(&outer).await.unwrap();
    seller.restricted.revoke(|_| true);
    // A 403 is no refusal by this profile, so the application says what it has learnt.
    let generation = outer.handle().status().generation;
    assert_eq!(seller.call(&outer).await.unwrap().status, 403);
    assert!(outer.handle().reject(generation));
    until(|| seller.restricted.exchanges() == 2 && !outer.handle().status().exchanging).await;
    assert_eq!(seller.call(&outer).await.unwrap().status, 200);
    assert_eq!(seller.usual.exchanges(), 1);
}

#[tokio::test]
async fn chained_a_dead_inner_session_is_a_needed_login_of_the_outer_one_and_a_login_ends_it() {
    let seller = Seller::new().await;
    let outer = seller.by_handle();
    *seller.usual.ended.lock().unwrap() = true;
    for _ in 0..5 {
        let error = seller.call(&outer).await.unwrap_err();
        assert!(error.is_login_required(), "{error:?}");
        let inner = std::error::Error::source(&error)
            .and_then(Error::find)
            .unwrap();
        assert!(inner.is_login_required(), "{inner:?}");
        let shown = format!("{error} {error:?} {error:#?} {inner} {inner:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
    assert_eq!(seller.usual.exchanges(), 1, "it is hammered");
    *seller.usual.ended.lock().unwrap() = false;
    let login = Token::from_refresh_token("Atzr|canary");
    seller.inner.handle().replace(login).await.unwrap();
    outer.handle().refresh().await.unwrap();
    assert_eq!(seller.call(&outer).await.unwrap().status, 200);
}

#[tokio::test]
async fn chained_through_the_inner_layer_a_dead_inner_session_says_nothing_of_the_outer_ones_token()
{
    let seller = Seller::new().await;
    let outer = seller.by_client();
    *seller.usual.ended.lock().unwrap() = true;
    let error = seller.call(&outer).await.unwrap_err();
    assert!(
        error.is_transient() && !error.is_login_required(),
        "{error:?}"
    );
    assert_eq!(
        error.provider_error().unwrap().kind(),
        FailureKind::Transient
    );
    let inner = std::error::Error::source(&error)
        .and_then(Error::find)
        .unwrap();
    assert!(inner.is_login_required(), "{inner:?}");
}

/// Two sessions that each want the other's token first.
#[tokio::test(start_paused = true)]
async fn chained_in_a_circle_nobody_waits_for_ever() {
    let handle = Arc::new(std::sync::OnceLock::<tower_reauth::handle::AuthHandle>::new());
    let later = Arc::clone(&handle);
    let first = provider_fn(move |_| {
        let other = later.get().cloned();
        async move { Ok(other.expect("it is there").token().await?) }
    });
    let first = AuthLayer::new(first.origins(["https://one.example"]));
    let inner = first.handle();
    let second = provider_fn(move |_| {
        let inner = inner.clone();
        async move { Ok(inner.token().await?) }
    });
    let second = AuthLayer::new(second.origins(["https://two.example"]));
    handle.set(second.handle()).ok();
    let handles = [first.handle(), second.handle()];
    let both = side_by_side(handles.iter().map(|handle| handle.token()));
    let both = tokio::time::timeout(Duration::from_secs(120), both).await;
    for ended in both.expect("they wait for each other") {
        let error = ended.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
}
