//! A revocation in the middle of a run of concurrent requests: no refusal reaches a caller whose
//! body can be sent again, and there is one exchange. Each run says what it counted.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::body::Body as AxumBody;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use reqwest::redirect::Policy;
use reqwest_middleware::ClientBuilder;
use reqwest_retry::{Jitter, RetryTransientMiddleware, policies::ExponentialBackoff};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};
use tower_reauth::{AuthLayer, BoxError, oauth2::OAuth2, replay::Replay};

use crate::{
    api::{Api, session},
    proxy,
    web::{Stream, Web, Wire, whole},
};

/// What a caller gets.
struct Answer {
    status: StatusCode,
    replay: Option<Replay>,
    body: Bytes,
}

type Sending = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

/// A stack that sends a text to an URL.
type Stack = Arc<dyn Fn(String, String) -> Sending + Send + Sync>;

// === the stacks ===

fn hyper_stack<B>(
    web: &Web,
    auth: &AuthLayer<OAuth2>,
    body: impl Fn(String) -> B + Send + Sync + 'static,
) -> Stack
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let client = auth.layer(web.hyper::<B>());
    Arc::new(move |url, text| {
        let request = Request::post(url).body(body(text)).unwrap();
        let sent = client.clone().oneshot(request);
        Box::pin(async move {
            let (head, body) = Response::into_parts(sent.await?);
            Ok(Answer {
                status: head.status,
                replay: head.extensions.get().copied(),
                body: body.collect().await?.to_bytes(),
            })
        })
    })
}

/// Of a known length, or made while it is sent.
fn either_way(text: String) -> Stream {
    match text.len() % 2 {
        0 => whole(text),
        _ => in_pieces(text).boxed_unsync(),
    }
}

fn in_pieces(text: String) -> BoxBody<Bytes, io::Error> {
    let pieces: Vec<_> = text
        .chars()
        .map(|piece| Ok(Frame::data(piece.to_string().into())))
        .collect();
    StreamBody::new(tokio_stream::iter(pieces)).boxed()
}

fn reqwest_client(web: &Web) -> reqwest::Client {
    let mut client = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .tls_backend_preconfigured(web.client_tls());
    if web.wire() == Wire::Http2 {
        client = client.http2_prior_knowledge();
    }
    client.build().unwrap()
}

fn reqwest_stack(web: &Web, auth: &AuthLayer<OAuth2>) -> Stack {
    let client = auth.layer(reqwest_client(web));
    Arc::new(move |url, text| {
        let mut request = reqwest::Request::new(http::Method::POST, url.parse().unwrap());
        *request.body_mut() = Some(match text.len() % 2 {
            0 => text.into(),
            _ => reqwest::Body::wrap(in_pieces(text)),
        });
        let sent = client.clone().oneshot(request);
        Box::pin(async move { answer_of(sent.await?).await })
    })
}

fn middleware_stack(web: &Web, auth: &AuthLayer<OAuth2>, retries: u32) -> Stack {
    let mut builder = ClientBuilder::new(reqwest_client(web));
    if retries > 0 {
        let backoff = ExponentialBackoff::builder()
            .retry_bounds(Duration::from_millis(1), Duration::from_millis(20))
            .jitter(Jitter::Full)
            .build_with_max_retries(retries);
        builder = builder.with(RetryTransientMiddleware::new_with_policy(backoff));
    }
    let client = builder.with(auth.middleware()).build();
    Arc::new(move |url, text| {
        // reqwest-retry takes no streams.
        let body = match retries == 0 && text.len() % 2 == 1 {
            true => reqwest::Body::wrap(in_pieces(text)),
            false => text.into(),
        };
        let sent = client.post(url).body(body).send();
        Box::pin(async move { answer_of(sent.await?).await })
    })
}

async fn answer_of(response: reqwest::Response) -> Result<Answer, BoxError> {
    Ok(Answer {
        status: response.status(),
        replay: response.extensions().get().copied(),
        body: response.bytes().await?,
    })
}

/// Users of the example's proxy, who come by `wire`.
fn proxy_stack(wire: Wire, web: &Web, auth: &AuthLayer<OAuth2>) -> Stack {
    let proxy = proxy::start((web.wire(), web.url()), auth, proxy::telling);
    let (api, turns) = (web.url(), AtomicUsize::new(0));
    // Two of HTTP/2: axum lets 200 requests share a connection.
    let users = [proxy::client(wire), proxy::client(wire)];
    Arc::new(move |url, text| {
        let url = url.replace(&api, &proxy);
        let user = &users[turns.fetch_add(1, SeqCst) % users.len()];
        let body = AxumBody::new(either_way(text));
        let sent = user.request(Request::post(url).body(body).unwrap());
        Box::pin(async move {
            let (head, body) = sent.await?.into_parts();
            let replayed = head.headers.contains_key("x-replayed");
            Ok(Answer {
                status: head.status,
                replay: replayed.then_some(Replay::Replayed),
                body: body.collect().await?.to_bytes(),
            })
        })
    })
}

// === a run ===

/// Sends all requests at once, and sees what became of each.
async fn run(name: &str, wire: Wire, stack: impl FnOnce(&Web, &AuthLayer<OAuth2>) -> Stack) {
    run_at(name, wire, &Api::start(wire).await, stack).await;
}

async fn run_at(
    name: &str,
    wire: Wire,
    api: &Api,
    stack: impl FnOnce(&Web, &AuthLayer<OAuth2>) -> Stack,
) {
    let (sim, auth) = session(api).await;
    let stack = stack(&api.web, &auth);
    // HTTP/2 shares a connection once there is one.
    let warm = stack(api.web.url() + "/warm-up", "hello".into()).await;
    assert_eq!(warm.unwrap().status, StatusCode::OK);

    let requests = api.crowd() + api.crowd() / 4;
    let orders = (0..requests).map(|number| format!("order {number}"));
    let mut callers = JoinSet::new();
    for order in orders.clone() {
        let sent = stack(api.web.url() + "/orders", order.clone());
        callers.spawn(async move { (order, sent.await) });
    }
    let done = tokio::time::timeout(Duration::from_secs(60), callers.join_all()).await;
    let (mut refusals, mut replayed) = (0, 0);
    for (order, answer) in done.expect("every caller gets an answer") {
        let answer = answer.unwrap();
        refusals += usize::from(answer.status != StatusCode::OK);
        replayed += usize::from(answer.replay == Some(Replay::Replayed));
        if answer.status == StatusCode::OK {
            assert_eq!(answer.body, order);
        }
    }
    let exchanges = sim.counters().exchanges;
    println!(
        "{name}, {}: {requests} requests over {} connections, {refusals} refusals to callers, \
         {replayed} replayed, exchanges: {exchanges}",
        said(wire),
        api.web.opened()
    );
    assert_eq!(refusals, 0);
    assert_eq!(exchanges, 1);
    let rest = api.crowd() - api.before();
    assert!(replayed >= rest, "the rest of the crowd");
    assert_eq!(replayed, api.counted().0, "what was refused was replayed");
    let mut orders: Vec<_> = orders.collect();
    orders.sort();
    assert_eq!(api.taken(), orders, "each order arrived whole, and once");
}

fn said(wire: Wire) -> &'static str {
    match wire {
        Wire::Http1 => "HTTP/1.1",
        Wire::Http2 => "HTTP/2 by prior knowledge",
        Wire::Http1Tls => "HTTP/1.1 over TLS",
        Wire::Http2Tls => "HTTP/2 over TLS",
    }
}

// === no caller notices a revocation ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_hyper_over_http1_notices_a_revocation() {
    run("hyper", Wire::Http1, |web, auth| {
        hyper_stack(web, auth, either_way)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_hyper_over_http2_notices_a_revocation() {
    run("hyper", Wire::Http2, |web, auth| {
        hyper_stack(web, auth, either_way)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_hyper_over_http2_and_tls_notices_a_revocation() {
    run("hyper", Wire::Http2Tls, |web, auth| {
        hyper_stack(web, auth, either_way)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_hyper_over_http1_and_tls_notices_a_revocation() {
    // Each request shakes hands on a connection of its own, and a few dozen can be waited for.
    let api = Api::with_a_crowd_of(64, Wire::Http1Tls).await;
    let stack = |web: &Web, auth: &_| hyper_stack(web, auth, either_way);
    run_at("hyper", Wire::Http1Tls, &api, stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_reqwest_over_http1_notices_a_revocation() {
    run("reqwest", Wire::Http1, reqwest_stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_reqwest_over_http2_notices_a_revocation() {
    run("reqwest", Wire::Http2, reqwest_stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_reqwest_over_http2_and_tls_notices_a_revocation() {
    run("reqwest", Wire::Http2Tls, reqwest_stack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_reqwest_middleware_over_http1_notices_a_revocation() {
    run("reqwest-middleware", Wire::Http1, |web, auth| {
        middleware_stack(web, auth, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_reqwest_middleware_over_http2_notices_a_revocation() {
    run("reqwest-middleware", Wire::Http2, |web, auth| {
        middleware_stack(web, auth, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_reqwest_middleware_over_http2_and_tls_notices_a_revocation() {
    run("reqwest-middleware", Wire::Http2Tls, |web, auth| {
        middleware_stack(web, auth, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_of_reqwest_retry_notices_a_bad_moment_and_a_revocation() {
    const UNAVAILABLE: usize = 32;
    for wire in [Wire::Http1, Wire::Http2Tls] {
        let api = Api::with_a_bad_moment(wire, UNAVAILABLE).await;
        let stack = |web: &Web, auth: &_| middleware_stack(web, auth, 5);
        run_at("reqwest-middleware and reqwest-retry", wire, &api, stack).await;
        assert_eq!(api.counted().1, UNAVAILABLE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_with_axum_bodies_notices_a_revocation() {
    for wire in [Wire::Http1, Wire::Http2Tls] {
        run("axum bodies through hyper", wire, |web, auth| {
            hyper_stack(web, auth, |text| AxumBody::new(either_way(text)))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_user_of_a_proxy_of_axum_notices_a_revocation() {
    for (users, wire) in [(Wire::Http1, Wire::Http2), (Wire::Http2, Wire::Http1)] {
        let name = format!("axum proxy, its users by {}", said(users));
        let stack = |web: &Web, auth: &_| proxy_stack(users, web, auth);
        run(&name, wire, stack).await;
    }
}
