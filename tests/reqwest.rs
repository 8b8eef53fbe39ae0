//! Around `reqwest::Client`, as a tower service and as a middleware: the same rules, over real
//! sockets. Each test runs over both stacks unless it is about one of them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says what it counted"
)]

#[path = "support/heard.rs"]
mod heard;
#[path = "support/peer.rs"]
mod peer;
mod support;

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use heard::Heard;
use http::{HeaderName, HeaderValue, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use peer::{Peer, redirect, status};
use reqwest::{Body, Method, Request, Response, redirect::Policy};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Next};
use support::{Script, ours, secs, token};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_rustls::rustls::crypto::ring;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_reauth::{
    Auth, AuthLayer, BoxError, Error, Provider, Token,
    attach::Bare,
    compat::reqwest::Strayed,
    layer::AuthLayerBuilder,
    oauth2::{ClientAuth, OAuth2},
    provider::{Placement, Reason},
    replay::Replay,
    test_util::{ManualClock, SimOauth},
    token_client,
};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// A client with a layer around it, in one of two ways.
enum Stack<P> {
    Service(Auth<reqwest::Client, P>),
    Middleware(ClientWithMiddleware),
}

impl<P: Provider> Stack<P> {
    /// Both ways, with a session each.
    fn both(layer: impl Fn() -> AuthLayer<P>) -> [Self; 2] {
        Self::both_around(&client(Policy::none()), layer)
    }

    fn both_around(client: &reqwest::Client, layer: impl Fn() -> AuthLayer<P>) -> [Self; 2] {
        [
            Self::service(client, &layer()),
            Self::middleware(client, &layer()),
        ]
    }

    fn service(client: &reqwest::Client, layer: &AuthLayer<P>) -> Self {
        Self::Service(layer.layer(client.clone()))
    }

    fn middleware(client: &reqwest::Client, layer: &AuthLayer<P>) -> Self {
        let client = ClientBuilder::new(client.clone()).with(layer.middleware());
        Self::Middleware(client.build())
    }

    async fn send(&self, request: Request) -> Result<Response, BoxError> {
        match self {
            Self::Service(service) => service.clone().oneshot(request).await,
            Self::Middleware(client) => Ok(client.execute(request).await?),
        }
    }

    async fn status(&self, request: Request) -> StatusCode {
        self.send(request).await.unwrap().status()
    }
}

impl<P> Clone for Stack<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Service(service) => Self::Service(service.clone()),
            Self::Middleware(client) => Self::Middleware(client.clone()),
        }
    }
}

fn client(redirects: Policy) -> reqwest::Client {
    // reqwest is built without a choice of its own; a second call finds the first.
    let _chosen = ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().redirect(redirects);
    client.build().unwrap()
}

fn get(url: &str) -> Request {
    Request::new(Method::GET, url.parse().unwrap())
}

fn post(url: &str, body: impl Into<Body>) -> Request {
    let mut request = Request::new(Method::POST, url.parse().unwrap());
    *request.body_mut() = Some(body.into());
    request
}

/// A body that reqwest cannot clone.
fn stream(text: &'static str) -> Body {
    Body::wrap(Full::new(Bytes::from_static(text.as_bytes())))
}

/// A vendor that rotates, and a layer with a session there.
async fn vendor(clock: &ManualClock) -> (SimOauth, AuthLayer<OAuth2>) {
    let sim = simulator(clock).await;
    let layer = session(&sim, clock);
    (sim, layer)
}

async fn simulator(clock: &ManualClock) -> SimOauth {
    let builder = SimOauth::builder().clock(clock.clone());
    builder.start().await.unwrap()
}

fn session(sim: &SimOauth, clock: &ManualClock) -> AuthLayer<OAuth2> {
    builder(sim, clock).build().unwrap()
}

fn builder(sim: &SimOauth, clock: &ManualClock) -> AuthLayerBuilder<OAuth2> {
    let provider = OAuth2::refresh_token(sim.token_url(), sim.client_id())
        .client_auth(ClientAuth::Basic(sim.client_secret().into()))
        .origins([sim.base_url()]);
    let seed = sim.seed();
    let builder = AuthLayer::builder(provider).clock(clock.clone());
    let builder = builder.initial(Token::from_pair(seed.access_token, seed.refresh_token));
    builder.memory_only()
}

/// A layer that starts from `access-0`, for a day, with `peer` as its one origin.
fn scripted(script: &Script, clock: &ManualClock, peer: &Peer) -> AuthLayer<Script> {
    let origin = peer.url();
    let script = script.clone().profile(|profile| profile.origins([origin]));
    let builder = script.layer(clock).initial(token(0, secs(DAY)));
    builder.build().unwrap()
}

fn script() -> Script {
    Script::with_lifetime(secs(DAY))
}

/// Waits for an exchange that nobody waits for.
async fn exchanged(script: &Script, times: usize) {
    let reached = async {
        while script.exchanges() < times {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(secs(10), reached).await.unwrap();
    support::settle().await;
}

#[tokio::test]
async fn a_session_is_kept_alive_over_many_lifetimes_and_no_request_is_refused() {
    for way in 0..2 {
        let clock = ManualClock::new();
        let (sim, layer) = vendor(&clock).await;
        let [service, middleware] = Stack::both(|| layer.clone());
        let stack = [service, middleware][way].clone();
        for step in 0..40 {
            // Now beside a request, now long after the token has died.
            clock.advance(secs(if step % 8 == 7 { 3 * HOUR } else { HOUR / 4 }));
            let url = sim.base_url() + "/orders";
            assert_eq!(stack.status(post(&url, "ten pieces")).await, StatusCode::OK);
        }
        let counters = sim.counters();
        assert_eq!(counters.api_refused, 0);
        assert_eq!(counters.api_answered, 40);
        assert!(counters.exchanges >= 10, "{counters:?}");
        assert_eq!((counters.spent_twice, counters.in_flight_max), (0, 1));
    }
}

#[tokio::test]
async fn a_due_token_is_sent_at_once_and_exchanged_beside() {
    for way in 0..2 {
        let (clock, script) = (ManualClock::new(), Script::gated(secs(DAY)));
        let peer = Peer::start(|_| status(200)).await;
        let layer = scripted(&script, &clock, &peer);
        let stack = Stack::both(|| layer.clone())[way].clone();
        clock.advance(secs(DAY - HOUR / 2));
        assert_eq!(stack.status(get(&peer.url())).await, StatusCode::OK);
        assert!(peer.take()[0].contains("access-0"));
        exchanged(&script, 1).await;
        assert_eq!(script.asked()[0].reason, Reason::Due);
    }
}

#[tokio::test]
async fn a_revocation_amid_concurrent_requests_reaches_no_caller_and_costs_one_exchange() {
    const WORKERS: u64 = 32;
    const EACH: u64 = 8;
    for way in ["service", "middleware"] {
        let clock = ManualClock::new();
        let (sim, layer) = vendor(&clock).await;
        let sim = Arc::new(sim);
        let client = client(Policy::none());
        let stack = match way {
            "service" => Stack::service(&client, &layer),
            _ => Stack::middleware(&client, &layer),
        };
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            let (sim, stack) = (Arc::clone(&sim), stack.clone());
            workers.spawn(async move {
                for round in 0..EACH {
                    if (worker, round) == (0, EACH / 2) {
                        sim.revoke_access_tokens();
                    }
                    let url = sim.base_url() + "/orders";
                    assert_eq!(stack.status(post(&url, "ten pieces")).await, StatusCode::OK);
                }
            });
        }
        while let Some(done) = workers.join_next().await {
            done.unwrap();
        }
        let counters = sim.counters();
        println!(
            "{way}: {} requests, 0 refusals to callers, {} refused and replayed, {} exchange",
            WORKERS * EACH,
            counters.api_refused,
            counters.exchanges
        );
        assert_eq!(counters.exchanges, 1, "{way}");
        assert!(counters.api_refused >= 1, "{way}");
        assert_eq!(counters.api_answered, WORKERS * EACH, "{way}");
    }
}

#[tokio::test]
async fn a_streaming_body_that_was_refused_is_sent_again() {
    for way in 0..2 {
        let clock = ManualClock::new();
        let (sim, layer) = vendor(&clock).await;
        let stack = Stack::both(|| layer.clone())[way].clone();
        let url = sim.base_url() + "/orders";
        sim.revoke_access_tokens();
        let mut order = post(&url, stream("ten pieces"));
        order
            .headers_mut()
            .insert("idempotency-key", HeaderValue::from_static("7"));
        let response = stack.send(order).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.extensions().get(), Some(&Replay::Replayed));
        let counters = sim.counters();
        assert_eq!((counters.exchanges, counters.api_refused), (1, 1));
    }
}

#[tokio::test]
async fn a_stream_over_the_cap_gets_its_refusal_untouched_and_the_exchange_still_happens() {
    for way in 0..2 {
        let clock = ManualClock::new();
        let sim = simulator(&clock).await;
        let layer = builder(&sim, &clock).replay_cap(9).build().unwrap();
        let stack = Stack::both(|| layer.clone())[way].clone();
        let url = sim.base_url() + "/orders";
        let first = layer.handle().status().generation;
        sim.revoke_access_tokens();
        let refusal = stack.send(post(&url, stream("ten pieces"))).await.unwrap();
        assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
        let challenge = refusal.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("invalid_token"), "{challenge}");
        assert_eq!(refusal.text().await.unwrap(), r#"{"message":"no"}"#);
        let exchanged = async {
            while layer.handle().status().generation == first {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(secs(10), exchanged).await.unwrap();
        assert_eq!(
            stack.status(post(&url, stream("ten"))).await,
            StatusCode::OK
        );
        let counters = sim.counters();
        assert_eq!((counters.exchanges, counters.api_refused), (1, 1));
    }
}

#[tokio::test]
async fn a_replay_has_the_same_head_and_body() {
    let refusing = |head: &str| status(if head.contains("access-0") { 401 } else { 200 });
    let (clock, peer) = (ManualClock::new(), Peer::start(refusing).await);
    for stack in Stack::both(|| scripted(&script(), &clock, &peer)) {
        let mut request = post(&(peer.url() + "/orders?dry=1"), "ten pieces");
        let key = HeaderName::from_static("idempotency-key");
        request
            .headers_mut()
            .insert(key, HeaderValue::from_static("7"));
        assert_eq!(stack.status(request).await, StatusCode::OK);
        let [first, second] = peer.take().try_into().unwrap();
        assert!(first.contains("access-0") && first.contains("ten pieces"));
        assert_eq!(first.replace("access-0", "access-1"), second);
    }
}

#[tokio::test]
async fn with_replay_off_the_refusal_is_the_answer() {
    for way in 0..2 {
        let clock = ManualClock::new();
        let (script, peer) = (script(), Peer::start(|_| status(401)).await);
        let origin = peer.url();
        let builder = script.clone().profile(|it| it.origins([origin]));
        let builder = builder.layer(&clock).initial(token(0, secs(DAY)));
        let layer = builder.replay(false).build().unwrap();
        let stack = Stack::both(|| layer.clone())[way].clone();
        assert_eq!(
            stack.status(get(&peer.url())).await,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(peer.take().len(), 1);
        exchanged(&script, 1).await;
    }
}

/// What a layer that answers to `configure` tells of one request to an API that refuses everything,
/// and of one that is not sent.
async fn told(
    way: usize,
    configure: impl FnOnce(AuthLayerBuilder<Script>) -> AuthLayerBuilder<Script>,
) -> Vec<String> {
    let (clock, heard) = (ManualClock::new(), Heard::default());
    let (script, peer) = (script(), Peer::start(|_| status(401)).await);
    let origin = peer.url();
    let builder = script.clone().profile(|it| it.origins([origin]));
    let builder = builder.layer(&clock).initial(token(0, secs(DAY)));
    let layer = configure(builder).observer(heard.clone()).build().unwrap();
    let stack = Stack::both(|| layer.clone())[way].clone();
    stack.status(get(&peer.url())).await;
    exchanged(&script, 1).await;
    stack
        .send(get("https://elsewhere.example"))
        .await
        .unwrap_err();
    let mut told = heard.take();
    told.retain(|line| !line.starts_with("started") && !line.starts_with("ended"));
    told
}

#[tokio::test]
async fn observers_are_told_of_refusals_and_replays_here_too() {
    for way in 0..2 {
        let replayed = ["refused", "Replayed", "refused again", "unserved: origin"];
        assert_eq!(told(way, |layer| layer).await, replayed);
        let once = ["refused", "not replayed: switched_off", "unserved: origin"];
        assert_eq!(told(way, |layer| layer.replay(false)).await, once);
    }
}

#[tokio::test]
async fn an_api_that_refuses_everything_is_asked_twice_and_quiets_its_origin() {
    for way in 0..2 {
        let clock = ManualClock::new();
        let (script, peer) = (script(), Peer::start(|_| status(401)).await);
        let layer = scripted(&script, &clock, &peer);
        let stack = Stack::both(|| layer.clone())[way].clone();
        for _ in 0..5 {
            assert_eq!(
                stack.status(get(&peer.url())).await,
                StatusCode::UNAUTHORIZED
            );
        }
        assert_eq!(script.exchanges(), 1);
        assert_eq!(peer.take().len(), 6);
    }
}

#[tokio::test]
async fn a_replay_that_is_taken_ends_what_was_held_against_its_origin() {
    for way in 0..2 {
        let (clock, script) = (ManualClock::new(), script());
        let taken = Arc::new(AtomicUsize::new(0));
        let good = Arc::clone(&taken);
        let peer = Peer::start(move |head| {
            let good = format!("access-{}\r\n", good.load(Ordering::SeqCst));
            status(if head.contains(&good) { 200 } else { 401 })
        });
        let peer = peer.await;
        let layer = scripted(&script, &clock, &peer);
        let stack = Stack::both(|| layer.clone())[way].clone();
        // None is taken, then the second, then none again: the pause starts from 30 seconds anew.
        for (good, answer) in [(99, 401), (2, 200), (99, 401), (4, 200)] {
            taken.store(good, Ordering::SeqCst);
            assert_eq!(stack.status(get(&peer.url())).await, answer);
            clock.advance(secs(31));
        }
        assert_eq!(script.exchanges(), 4);
    }
}

#[tokio::test]
async fn a_replay_that_is_refused_quiets_its_own_origin_without_another_exchange() {
    const OTHER: &str = "https://other.example.com";
    let (clock, gate) = (ManualClock::new(), Arc::new(Semaphore::new(0)));
    let script = script().profile(|it| it.origins([support::ORIGIN, OTHER]));
    let late = Arc::clone(&gate);
    let server = tower::service_fn(move |request: Request| {
        let late = Arc::clone(&late);
        async move {
            let is_old = request.headers()[AUTHORIZATION] == "Bearer access-0";
            let refuses_all = request.url().as_str().starts_with(OTHER);
            if is_old && refuses_all {
                late.acquire().await.unwrap().forget();
            }
            let mut response = http::Response::new("");
            *response.status_mut() = match is_old || refuses_all {
                true => StatusCode::UNAUTHORIZED,
                false => StatusCode::OK,
            };
            Ok::<_, BoxError>(Response::from(response))
        }
    });
    let layer = script.layer(&clock).initial(token(0, secs(DAY)));
    let service = layer.build().unwrap().layer(server);
    let waiting = tokio::spawn(service.clone().oneshot(get(OTHER)));
    support::settle().await;
    let cured = service.oneshot(get(support::ORIGIN)).await.unwrap();
    assert_eq!(cured.status(), StatusCode::OK);
    gate.add_permits(1);
    let refused = waiting.await.unwrap().unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    support::settle().await;
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn with_redirects_off_the_redirect_is_handed_out() {
    let clock = ManualClock::new();
    let elsewhere = Peer::start(|_| status(200)).await;
    let to = elsewhere.url() + "/there";
    let peer = Peer::start(move |_| redirect(&to)).await;
    let script = script();
    for stack in Stack::both(|| scripted(&script, &clock, &peer)) {
        let response = stack.send(get(&peer.url())).await.unwrap();
        assert_eq!(response.status(), StatusCode::FOUND);
        assert_eq!(response.headers()["location"], elsewhere.url() + "/there");
        assert!(response.extensions().get::<Strayed>().is_none());
    }
    support::settle().await;
    assert_eq!(script.exchanges(), 0);
    assert!(elsewhere.take().is_empty());
}

#[tokio::test]
async fn a_redirect_followed_inside_carries_a_vendors_header_on_and_rejects_the_generation() {
    for way in 0..2 {
        let clock = ManualClock::new();
        // It refuses, for the strangers' 401 says nothing about the token.
        let elsewhere = Peer::start(|_| status(401)).await;
        let to = elsewhere.url() + "/there";
        let peer = Peer::start(move |_| redirect(&to)).await;
        let jwt = HeaderName::from_static("x-vendor-jwt");
        let placement = Placement::header(jwt).and_bearer();
        let script = script().profile(|it| it.placement(placement));
        let layer = scripted(&script, &clock, &peer);
        let stack = Stack::both_around(&client(Policy::default()), || layer.clone())[way].clone();

        let response = stack.send(get(&peer.url())).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.extensions().get::<Strayed>().is_some());
        let [leaked] = elsewhere.take().try_into().unwrap();
        assert!(leaked.contains("x-vendor-jwt: access-0"), "{leaked}");
        assert!(
            !leaked.contains("Bearer access-0"),
            "reqwest strips {leaked}"
        );
        assert_eq!(peer.take().len(), 1, "it is not sent again");

        exchanged(&script, 1).await;
        assert_eq!(script.asked()[0].reason, Reason::Refused);
        assert_eq!(script.asked()[0].refused.as_deref(), Some("access-0"));
        stack.send(get(&peer.url())).await.unwrap();
        assert!(peer.take()[0].contains("access-1"));
        // The second token strayed too: another exchange would not help.
        for _ in 0..5 {
            stack.send(get(&peer.url())).await.unwrap();
            support::settle().await;
        }
        assert_eq!(script.exchanges(), 1);
    }
}

#[tokio::test]
async fn a_redirect_to_another_declared_origin_rejects_nothing() {
    let clock = ManualClock::new();
    let second = Peer::start(|_| status(200)).await;
    let to = second.url();
    let first = Peer::start(move |_| redirect(&to)).await;
    let origins = [first.url(), second.url()];
    let script = script().profile(|it| it.origins(origins));
    let layer = || {
        let builder = script.layer(&clock).initial(token(0, secs(DAY)));
        builder.build().unwrap()
    };
    for stack in Stack::both_around(&client(Policy::default()), layer) {
        let response = stack.send(get(&first.url())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.extensions().get::<Strayed>().is_none());
    }
    support::settle().await;
    assert_eq!(script.exchanges(), 0);
}

#[tokio::test]
async fn a_response_that_was_never_sent_did_not_stray() {
    let (clock, script) = (ManualClock::new(), script());
    let made_up = tower::service_fn(|_: Request| async {
        let response = http::Response::new("from a cache, or a mock");
        Ok::<_, BoxError>(Response::from(response))
    });
    let layer = script.layer(&clock).initial(token(0, secs(DAY)));
    let service = layer.build().unwrap().layer(made_up);
    let response = service.oneshot(get(support::ORIGIN)).await.unwrap();
    assert!(response.extensions().get::<Strayed>().is_none());
    support::settle().await;
    assert_eq!(script.exchanges(), 0);
}

#[tokio::test]
async fn an_undeclared_origin_is_a_typed_error_before_anything_is_sent() {
    let clock = ManualClock::new();
    let (peer, elsewhere) = (
        Peer::start(|_| status(200)).await,
        Peer::start(|_| status(200)).await,
    );
    let port = peer.url().rsplit(':').next().unwrap().to_owned();
    for stack in Stack::both(|| scripted(&script(), &clock, &peer)) {
        for other in [
            elsewhere.url(),
            format!("https://127.0.0.1:{port}"),
            format!("http://localhost:{port}"),
            format!("http://user:pw@127.0.0.1.nip.example:{port}"),
            "data:text/plain,no-host".to_owned(),
            "unix:/run/vendor.sock".to_owned(),
        ] {
            let error = stack.send(get(&other)).await;
            assert!(ours(&error.unwrap_err()).is_origin(), "{other}");
        }
    }
    assert!(peer.take().is_empty() && elsewhere.take().is_empty());
}

#[tokio::test]
async fn the_same_origin_is_known_however_it_is_spelt() {
    let clock = ManualClock::new();
    let peer = Peer::start(|_| status(200)).await;
    let port = peer.url().rsplit(':').next().unwrap().to_owned();
    for stack in Stack::both(|| scripted(&script(), &clock, &peer)) {
        for same in ["HTTP://127.0.0.1", "http://user@127.0.0.1", "http://127.1"] {
            let url = format!("{same}:{port}/orders#there");
            assert_eq!(stack.status(get(&url)).await, StatusCode::OK);
            assert!(peer.take()[0].contains("access-0"), "{same}");
        }
    }
}

#[tokio::test]
async fn an_undeclared_origin_gets_no_token_where_it_is_sent_bare() {
    let clock = ManualClock::new();
    // Its 401 refuses no token.
    let (peer, elsewhere) = (
        Peer::start(|_| status(200)).await,
        Peer::start(|_| status(401)).await,
    );
    let (script, origin) = (script(), peer.url());
    let told = script.clone().profile(|it| it.origins([origin]));
    let builder = || told.layer(&clock).initial(token(0, secs(DAY)));
    let layer = || builder().send_bare_elsewhere().build().unwrap();
    for stack in Stack::both(layer) {
        let response = stack.send(get(&elsewhere.url())).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(!elsewhere.take()[0].contains("access-"));
    }
    support::settle().await;
    assert_eq!(script.exchanges(), 0);
}

#[tokio::test]
async fn a_bare_request_has_no_token() {
    let (clock, peer) = (ManualClock::new(), Peer::start(|_| status(401)).await);
    let script = script();
    let layer = scripted(&script, &clock, &peer);
    let client = client(Policy::none());
    let middleware = ClientBuilder::new(client.clone()).with(layer.middleware());
    let sent = middleware
        .build()
        .get(peer.url())
        .with_extension(Bare)
        .send();
    assert_eq!(sent.await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let service = layer.layer(client);
    let sent = service.get_ref().execute(get(&peer.url())).await;
    assert_eq!(sent.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert!(peer.take().iter().all(|head| !head.contains("access-")));
    support::settle().await;
    assert_eq!(script.exchanges(), 0, "no refusal of a token");
}

#[tokio::test]
async fn the_callers_own_header_is_replaced() {
    let refusing = |head: &str| status(if head.contains("access-0") { 401 } else { 200 });
    let (clock, peer) = (ManualClock::new(), Peer::start(refusing).await);
    for stack in Stack::both(|| scripted(&script(), &clock, &peer)) {
        let mut request = get(&peer.url());
        let own = HeaderValue::from_static("Bearer own");
        request.headers_mut().append(AUTHORIZATION, own.clone());
        request.headers_mut().append(AUTHORIZATION, own);
        assert_eq!(stack.status(request).await, StatusCode::OK);
        let heads = peer.take();
        assert_eq!(heads.len(), 2);
        for head in heads {
            assert!(!head.contains("own"), "{head}");
            assert_eq!(head.matches("authorization:").count(), 1, "{head}");
        }
    }
}

#[tokio::test]
async fn the_token_is_marked_sensitive() {
    let clock = ManualClock::new();
    let looking = tower::service_fn(|request: Request| async move {
        assert!(request.headers()[AUTHORIZATION].is_sensitive());
        assert!(!format!("{request:?}").contains("access-0"));
        Ok::<_, BoxError>(Response::from(http::Response::new("")))
    });
    let layer = script().layer(&clock).initial(token(0, secs(DAY)));
    let mut service = layer.build().unwrap().layer(looking);
    let ready = service.ready().await.unwrap();
    ready.call(get(support::ORIGIN)).await.unwrap();
}

#[tokio::test]
async fn a_failed_exchange_is_found_behind_the_error_of_either_stack() {
    let (clock, peer) = (ManualClock::new(), Peer::start(|_| status(200)).await);
    let script = Script::with_lifetime(secs(HOUR));
    script.usually(|_| Err(tower_reauth::provider::ProviderError::refused("no")));
    let layer = || scripted(&script, &clock, &peer);
    let stacks = Stack::both(layer);
    clock.advance(secs(DAY));
    for stack in stacks {
        let error = stack.send(get(&peer.url())).await.unwrap_err();
        assert!(ours(&error).is_login_required(), "{error}");
        assert_eq!(error.to_string(), ours(&error).to_string());
    }
    let middleware = ClientBuilder::new(client(Policy::none())).with(layer().middleware());
    let elsewhere = middleware.build().get("http://127.0.0.1:1").send().await;
    let error = elsewhere.unwrap_err();
    assert!(matches!(&error, reqwest_middleware::Error::Middleware(_)));
    assert!(Error::find(&error).is_some_and(Error::is_origin));
    assert!(peer.take().is_empty());
}

#[tokio::test]
async fn errors_of_the_client_pass_untouched() {
    let (clock, peer) = (ManualClock::new(), Peer::start(|_| status(200)).await);
    let stacks = Stack::both(|| scripted(&script(), &clock, &peer));
    let url = peer.url();
    peer.stop().await;
    let [service, middleware] = stacks;
    let error = service.send(get(&url)).await.unwrap_err();
    assert!(error.downcast_ref::<reqwest::Error>().unwrap().is_connect());
    let error = middleware.send(get(&url)).await.unwrap_err();
    let error = error.downcast_ref::<reqwest_middleware::Error>().unwrap();
    assert!(error.is_connect());
}

type Attempts<'a> = Pin<Box<dyn Future<Output = reqwest_middleware::Result<Response>> + Send + 'a>>;

/// Tries again, once, whatever was wrong with the server.
fn retry<'a>(
    request: Request,
    extensions: &'a mut http::Extensions,
    next: Next<'a>,
) -> Attempts<'a> {
    Box::pin(async move {
        let again = request.try_clone().unwrap();
        let first = next.clone().run(request, extensions).await?;
        match first.status().is_server_error() {
            true => next.run(again, extensions).await,
            false => Ok(first),
        }
    })
}

#[tokio::test]
async fn each_attempt_of_a_retry_outside_gets_the_token_that_is_current_then() {
    let clock = ManualClock::new();
    let time = clock.clone();
    let peer = Peer::start(move |head| match head.contains("access-0") {
        true => {
            time.advance(secs(2 * DAY));
            status(503)
        }
        false => status(200),
    });
    let (script, peer) = (script(), peer.await);
    let layer = scripted(&script, &clock, &peer);
    let client = ClientBuilder::new(client(Policy::none()));
    let client = client.with(retry).with(layer.middleware()).build();
    let response = client.get(peer.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let heads = peer.take();
    assert_eq!(heads.len(), 2);
    assert!(heads[0].contains("access-0") && heads[1].contains("access-1"));
}

#[tokio::test]
async fn a_replay_waits_until_the_inner_service_is_ready_again() {
    let refusing = |head: &str| status(if head.contains("access-0") { 401 } else { 200 });
    let (clock, peer) = (ManualClock::new(), Peer::start(refusing).await);
    let layer = scripted(&script(), &clock, &peer);
    // It panics where it is called before it is ready.
    let service = ServiceBuilder::new().layer(layer).concurrency_limit(1);
    let service = service.service(client(Policy::none()));
    let both = tokio::join!(
        service.clone().oneshot(get(&peer.url())),
        service.oneshot(get(&peer.url()))
    );
    assert_eq!(both.0.unwrap().status(), StatusCode::OK);
    assert_eq!(both.1.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_future_of_a_service_that_is_polled_again_says_that_it_had_finished() {
    let (clock, peer) = (ManualClock::new(), Peer::start(|_| status(200)).await);
    let mut service = scripted(&script(), &clock, &peer).layer(client(Policy::none()));
    // A client is always ready.
    let mut call = Box::pin(service.call(get(&peer.url())));
    call.as_mut().await.unwrap();
    let error = call.await.unwrap_err();
    assert!(
        error.to_string().contains("after it had finished"),
        "{error}"
    );
}

#[tokio::test]
async fn a_client_with_middleware_is_an_inner_service_too() {
    let (clock, peer) = (ManualClock::new(), Peer::start(|_| status(200)).await);
    let inner = ClientBuilder::new(client(Policy::none())).build();
    let service = scripted(&script(), &clock, &peer).layer(inner);
    let response = service.oneshot(get(&peer.url())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(peer.take()[0].contains("access-0"));
}

#[tokio::test]
async fn a_token_request_that_meets_the_layer_is_told_so_at_once() {
    for way in 0..2 {
        let clock = ManualClock::new();
        let sim = SimOauth::builder()
            .clock(clock.clone())
            .start()
            .await
            .unwrap();
        let through: Arc<OnceLock<Stack<OAuth2>>> = Arc::default();
        let later = Arc::clone(&through);
        let client_of_tokens =
            tower::service_fn(move |request: http::Request<token_client::Body>| {
                let stack = later.get().unwrap().clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let request = http::Request::from_parts(head, body);
                    let response = stack.send(request.try_into()?).await?;
                    Ok::<http::Response<Body>, BoxError>(response.into())
                }
            });
        let provider = OAuth2::client_credentials(sim.token_url(), sim.client_id(), "secret");
        let builder = AuthLayer::builder(provider.origins([sim.base_url()]));
        let builder = builder.token_client(client_of_tokens).clock(clock.clone());
        let layer = builder.build().unwrap();
        let stack = Stack::both(|| layer.clone())[way].clone();
        through.set(stack.clone()).ok().unwrap();
        let sent = stack.send(get(&sim.base_url()));
        let error = tokio::time::timeout(Duration::from_secs(10), sent).await;
        let error = error.expect("it does not wait for itself").unwrap_err();
        assert!(ours(&error).is_misconfigured(), "{error}");
        assert_eq!(sim.counters().token_requests, 0);
    }
}

/// A server in the place of reqwest's client: it notes what time is left of each request, refuses
/// `access-0`, and takes the rest.
fn noting(
    left: &Arc<Mutex<Vec<Option<Duration>>>>,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Clone + Send + 'static
{
    let left = Arc::clone(left);
    tower::service_fn(move |request: Request| {
        left.lock().unwrap().push(request.timeout().copied());
        let mut response = http::Response::new("");
        if request.headers()[AUTHORIZATION] == "Bearer access-0" {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        std::future::ready(Ok(Response::from(response)))
    })
}

#[tokio::test]
async fn a_requests_own_timeout_includes_the_wait_for_a_token_and_each_sending_has_what_is_left() {
    for refused in [false, true] {
        for waits in [2, 5] {
            let (clock, script) = (ManualClock::new(), Script::gated(secs(DAY)));
            let builder = script.layer(&clock);
            let layer = match refused {
                true => builder.initial(token(0, secs(DAY))).build(),
                false => builder.build(),
            };
            let left = Arc::default();
            let service = layer.unwrap().layer(noting(&left));
            let mut request = get(support::ORIGIN);
            *request.timeout_mut() = Some(secs(5));
            let sent = tokio::spawn(service.oneshot(request));
            support::settle().await;
            clock.advance(secs(waits));
            support::settle().await;
            script.open(1);
            let answer = tokio::time::timeout(secs(10), sent).await.unwrap().unwrap();
            let mut expected = vec![Some(secs(5)); usize::from(refused)];
            match answer {
                Ok(response) => {
                    assert_eq!((response.status(), waits), (StatusCode::OK, 2));
                    expected.push(Some(secs(3)));
                }
                Err(error) => {
                    assert!(ours(&error).is_in_progress(), "{error}");
                    assert_eq!(waits, 5);
                }
            }
            assert_eq!(*left.lock().unwrap(), expected, "{refused} {waits}");
        }
    }
}

#[tokio::test]
async fn a_call_of_grpc_that_is_refused_before_it_began_is_recovered() {
    let (clock, script) = (ManualClock::new(), script());
    let layer = script.layer(&clock).initial(token(0, secs(DAY)));
    let service = layer
        .build()
        .unwrap()
        .layer(tower::service_fn(|request: Request| {
            let is_old = request.headers()[AUTHORIZATION] == "Bearer access-0";
            let response = http::Response::builder()
                .version(http::Version::HTTP_2)
                .header("content-type", "application/grpc")
                .header("grpc-status", if is_old { "16" } else { "0" });
            std::future::ready(Ok::<_, BoxError>(Response::from(
                response.body("").unwrap(),
            )))
        }));
    let response = service.oneshot(get(support::ORIGIN)).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "0");
    assert_eq!(response.extensions().get(), Some(&Replay::Replayed));
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn an_answer_that_may_come_from_before_the_token_was_looked_at_does_not_speak_for_it() {
    for way in 0..2 {
        let asked = AtomicUsize::new(0);
        let peer = Peer::start(move |_| {
            let odd = asked.fetch_add(1, Ordering::SeqCst) % 2;
            status(if odd == 0 { 401 } else { 503 })
        });
        let (clock, script, peer) = (ManualClock::new(), script(), peer.await);
        let layer = scripted(&script, &clock, &peer);
        let stack = Stack::both(|| layer.clone())[way].clone();
        for _ in 0..4 {
            let _ignored = stack.status(get(&peer.url())).await;
        }
        assert_eq!(script.exchanges(), 1);
    }
}
