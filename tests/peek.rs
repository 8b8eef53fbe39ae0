//! Vendors that refuse a token in a body only: the body is looked at, handed on whole, and the
//! refusal is recovered like any other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use peer::Peer;
use reqwest_middleware::ClientBuilder;
use support::{Script, get, secs, token};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_rustls::rustls::crypto::ring;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};
use tower_reauth::{
    AuthLayer,
    peek::{Glimpse, PeekBody, PeekLayer, Refused},
    provider::Refusal,
    replay::Replay,
    test_util::ManualClock,
};

const DAY: u64 = 86_400;
/// As Marketo says it, with a 200.
const UNSUCCESSFUL: &str = r#"{"success":false,"errors":[{"code":"602"}]}"#;
const SUCCESSFUL: &str = r#"{"success":true}"#;

type Bodies = UnsyncBoxBody<Bytes, BoxError>;
type Sent = Result<Frame<Bytes>, BoxError>;

fn script() -> Script {
    Script::with_lifetime(secs(DAY))
}

/// A layer that starts from `access-0`.
fn layer(script: &Script) -> AuthLayer<Script> {
    let layer = script.layer(&ManualClock::new());
    layer.initial(token(0, secs(DAY))).build().unwrap()
}

/// Looks for a refusal as Marketo says it.
fn peek() -> PeekLayer {
    PeekLayer::new(|glimpse| glimpse.body().starts_with(br#"{"success":false"#))
}

fn json(status: u16, body: impl Into<Bytes>) -> Response<Bodies> {
    let body = Full::new(body.into()).map_err(|never| match never {});
    let response = Response::builder().status(status);
    let response = response.header(CONTENT_TYPE, "application/json");
    response.body(body.boxed_unsync()).unwrap()
}

/// A body that is made while it is received.
fn channel() -> (UnboundedSender<Sent>, Bodies) {
    let (sender, receiver) = unbounded_channel();
    let stream = UnboundedReceiverStream::new(receiver);
    (sender, StreamBody::new(stream).boxed_unsync())
}

fn data(text: &'static str) -> Sent {
    Ok(Frame::data(Bytes::from(text)))
}

/// An API that answers by what token came.
fn api(
    answer: impl Fn(&str) -> Response<Bodies> + Clone + Send + 'static,
) -> impl Service<Request<Empty<Bytes>>, Response = Response<Bodies>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    tower::service_fn(move |request: Request<Empty<Bytes>>| {
        let header = request.headers()["authorization"].to_str().unwrap();
        std::future::ready(Ok(answer(header)))
    })
}

async fn text<B: Body<Data = Bytes, Error: std::fmt::Debug>>(response: Response<B>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_refusal_inside_a_200_is_recovered() {
    let script = script();
    let api = api(|token| match token {
        "Bearer access-0" => json(200, UNSUCCESSFUL),
        _ => json(200, SUCCESSFUL),
    });
    let stack = ServiceBuilder::new().layer(layer(&script)).layer(peek());
    let response = stack.service(api).oneshot(get()).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Replay::Replayed));
    assert!(response.extensions().get::<Refused>().is_none());
    assert_eq!(text(response).await, SUCCESSFUL);
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_refusal_that_is_told_from_other_400s_by_its_body_is_recovered() {
    let expired = || json(400, r#"{"error":"ExpiredToken"}"#);
    let wrong = || json(400, r#"{"error":"InvalidRequest"}"#);
    let peek = PeekLayer::new(|glimpse: &Glimpse<'_>| {
        glimpse.status() == 400 && glimpse.body() == br#"{"error":"ExpiredToken"}"#
    });
    let script = script();
    let stack = ServiceBuilder::new().layer(layer(&script)).layer(peek);
    let service = stack.service(api(move |token| match token {
        "Bearer access-0" => expired(),
        _ => wrong(),
    }));
    // The answer to the second sending is wrong for another reason, which is the caller's matter.
    let response = service.clone().oneshot(get()).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Replay::Replayed));
    assert_eq!(text(response).await, r#"{"error":"InvalidRequest"}"#);
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.extensions().get::<Replay>(), None);
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_refusal_that_is_not_cured_reaches_the_caller_whole() {
    let script = script();
    let stack = ServiceBuilder::new().layer(layer(&script)).layer(peek());
    let service = stack.service(api(|_| json(200, UNSUCCESSFUL)));
    let response = service.clone().oneshot(get()).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Replay::Replayed));
    assert_eq!(response.extensions().get(), Some(&Refused));
    assert_eq!(text(response).await, UNSUCCESSFUL);
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Replay::NoNewerToken));
    assert_eq!(text(response).await, UNSUCCESSFUL);
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn where_nothing_is_a_refusal_a_body_says_none_either() {
    let script = script().profile(|profile| profile.refusal(Refusal::never()));
    let stack = ServiceBuilder::new().layer(layer(&script)).layer(peek());
    let service = stack.service(api(|_| json(200, UNSUCCESSFUL)));
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(text(response).await, UNSUCCESSFUL);
    support::settle().await;
    assert_eq!(script.exchanges(), 0);
}

#[tokio::test]
async fn a_service_of_ones_own_may_say_that_the_token_was_refused() {
    let script = script();
    let service = layer(&script).layer(api(|token| {
        let mut response = json(500, "");
        if token == "Bearer access-0" {
            response.extensions_mut().insert(Refused);
        }
        response
    }));
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Replay::Replayed));
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_profile_may_tell_a_refusal_by_the_headers() {
    let refusal = || {
        let told = |status: StatusCode, headers: &HeaderMap| {
            status == StatusCode::FORBIDDEN && headers.contains_key("x-expired")
        };
        Refusal::default().or_when(told)
    };
    for (header, exchanges) in [("x-expired", 1), ("x-forbidden", 0)] {
        let script = script().profile(|profile| profile.refusal(refusal()));
        let service = layer(&script).layer(api(move |token| {
            let mut response = json(if token == "Bearer access-0" { 403 } else { 200 }, "");
            response.headers_mut().insert(header, "1".parse().unwrap());
            response
        }));
        let response = service.oneshot(get()).await.unwrap();
        assert_eq!(response.status().is_success(), exchanges == 1, "{header}");
        assert_eq!(script.exchanges(), exchanges, "{header}");
    }
}

/// The response of a service with nothing around it but the peek.
async fn peeked(peek: PeekLayer, response: Response<Bodies>) -> Response<PeekBody<Bodies>> {
    let response = Arc::new(Mutex::new(Some(response)));
    let service = tower::service_fn(move |_: Request<Empty<Bytes>>| {
        std::future::ready(Ok::<_, Infallible>(
            response.lock().unwrap().take().unwrap(),
        ))
    });
    peek.layer(service).oneshot(get()).await.unwrap()
}

#[tokio::test]
async fn a_body_is_handed_on_whole_with_its_frames_and_trailers() {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, "\"5\"".parse().unwrap())]);
    for cap in [0, 1, 2, 4, 5, 100] {
        let (sender, body) = channel();
        for frame in [
            data("{}"),
            data(""),
            data("345"),
            Ok(Frame::trailers(trailers.clone())),
        ] {
            sender.send(frame).unwrap();
        }
        drop(sender);
        let mut response = json(200, "");
        *response.body_mut() = body;
        let response = peeked(PeekLayer::new(|_| true).cap(cap), response).await;
        assert!(response.extensions().get::<Refused>().is_some());
        let mut body = std::pin::pin!(response.into_body());
        // A frame of nothing need not be handed on, and is not where it was read.
        for text in ["{}", "345"] {
            let mut frame = body.frame().await.unwrap().unwrap();
            while frame.data_ref().is_some_and(Bytes::is_empty) {
                frame = body.frame().await.unwrap().unwrap();
            }
            assert_eq!(frame.into_data().unwrap(), text, "{cap}");
        }
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_trailers().unwrap(), trailers, "{cap}");
        assert!(body.frame().await.is_none(), "{cap}");
    }
}

#[tokio::test]
async fn a_body_is_as_long_as_it_was() {
    for cap in [0, 3, 5, 9] {
        let response = peeked(PeekLayer::new(|_| true).cap(cap), json(200, "12345")).await;
        let mut body = std::pin::pin!(response.into_body());
        assert_eq!(body.size_hint().exact(), Some(5), "{cap}");
        assert!(!body.is_end_stream());
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "12345"
        );
        assert_eq!(body.size_hint().exact(), Some(0), "{cap}");
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn no_more_is_seen_than_the_cap() {
    for (cap, seen, is_whole) in [(0, "", false), (4, "1234", false), (5, "12345", true)] {
        let saw = Arc::new(Mutex::new(None));
        let look = Arc::clone(&saw);
        let peek = PeekLayer::new(move |glimpse| {
            *look.lock().unwrap() = Some((glimpse.body().to_vec(), glimpse.is_whole()));
            false
        });
        let response = peeked(peek.cap(cap), json(200, "12345")).await;
        assert_eq!(text(response).await, "12345");
        let saw = saw.lock().unwrap().take();
        assert_eq!(saw, Some((seen.as_bytes().to_vec(), is_whole)), "{cap}");
    }
}

#[tokio::test]
async fn a_response_goes_on_before_a_body_beyond_the_cap_is_made() {
    let (sender, body) = channel();
    sender.send(data("12345")).unwrap();
    let mut response = json(200, "");
    *response.body_mut() = body;
    let peeking = peeked(PeekLayer::new(|_| true).cap(5), response);
    let response = tokio::time::timeout(secs(10), peeking).await.unwrap();
    let mut body = response.into_body();
    let mut next = async || {
        let frame = tokio::time::timeout(secs(10), body.frame()).await.unwrap();
        frame.unwrap().unwrap().into_data().unwrap()
    };
    assert_eq!(next().await, "12345");
    sender.send(data("6")).unwrap();
    assert_eq!(next().await, "6");
}

#[tokio::test]
async fn what_is_no_plain_json_is_not_held_back_nor_looked_at() {
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CONTENT_TYPE, "application/grpc"),
        (CONTENT_TYPE, "application/jsonl"),
        (http::header::CONTENT_ENCODING, "gzip"),
    ] {
        let (_sender, body) = channel();
        let mut response = json(200, "");
        response.headers_mut().insert(name, value.parse().unwrap());
        *response.body_mut() = body;
        let peeking = peeked(PeekLayer::new(|_| true), response);
        let response = tokio::time::timeout(secs(10), peeking).await.unwrap();
        assert!(response.extensions().get::<Refused>().is_none(), "{value}");
    }
    for json_ in [
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/problem+json",
    ] {
        let mut response = json(200, "x");
        response
            .headers_mut()
            .insert(CONTENT_TYPE, json_.parse().unwrap());
        let response = peeked(PeekLayer::new(|_| true), response).await;
        assert!(response.extensions().get::<Refused>().is_some(), "{json_}");
    }
}

#[tokio::test]
async fn whoever_knows_better_says_which_responses_are_looked_at() {
    let peek = || PeekLayer::new(|_| true).only(|status, _| status == 500);
    let marked = peeked(peek(), json(500, "x")).await;
    assert!(marked.extensions().get::<Refused>().is_some());
    let other = peeked(peek(), json(200, "x")).await;
    assert!(other.extensions().get::<Refused>().is_none());
}

#[tokio::test]
async fn a_body_that_fails_is_handed_on_with_its_error_and_says_nothing() {
    let (sender, body) = channel();
    sender.send(data(r#"{"success":false"#)).unwrap();
    sender.send(Err("reset".into())).unwrap();
    let mut response = json(200, "");
    *response.body_mut() = body;
    let response = peeked(peek(), response).await;
    assert!(response.extensions().get::<Refused>().is_none());
    let mut body = std::pin::pin!(response.into_body());
    assert!(!body.is_end_stream());
    assert!(body.frame().await.unwrap().unwrap().is_data());
    assert!(!body.is_end_stream());
    assert_eq!(
        body.frame().await.unwrap().unwrap_err().to_string(),
        "reset"
    );
    assert!(body.frame().await.is_none());
}

/// A body that must not be polled, since it is at its end, nor be moved.
struct Strict(std::marker::PhantomPinned);

impl Body for Strict {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Sent>> {
        unreachable!("it is at its end")
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

#[tokio::test]
async fn a_response_without_a_body_is_not_looked_at() {
    for status in [200, 204, 304] {
        let head = json(status, "");
        let response = head.map(|_| Strict(std::marker::PhantomPinned).boxed_unsync());
        let response = peeked(PeekLayer::new(|_| true), response).await;
        assert!(response.extensions().get::<Refused>().is_none());
        assert!(response.body().is_end_stream());
    }
}

/// A body of nothing but frames of nothing, and then `end`.
struct Nothing(usize, Option<Sent>);

impl Body for Nothing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Sent>> {
        let Some(left) = self.0.checked_sub(1) else {
            return Poll::Ready(self.1.take());
        };
        self.0 = left;
        Poll::Ready(Some(data("")))
    }
}

#[tokio::test]
async fn frames_of_nothing_are_not_kept() {
    let body = Nothing(100_000, Some(data("x"))).boxed_unsync();
    let response = json(200, "").map(|_| body);
    let mut body = peeked(PeekLayer::new(|_| true), response).await.into_body();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "x", "the first one is that");
}

#[test]
fn what_is_seen_is_not_shown() {
    let headers = HeaderMap::from_iter([(http::header::SET_COOKIE, "canary".parse().unwrap())]);
    let glimpse = Glimpse::new(StatusCode::OK, &headers, b"canary", true);
    let shown = format!("{glimpse:?} {glimpse:#?}");
    assert!(
        shown.contains("200") && !shown.contains("canary"),
        "{shown}"
    );
    assert!(!shown.contains("99, 97"), "{shown}");
}

// === reqwest ===

fn said(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn around_reqwest_responses_keep_their_type_their_address_and_their_body() {
    let _chosen = ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for way in ["service", "middleware"] {
        let peer = Peer::start(|head| {
            let old = head.contains("access-0");
            said(if old { UNSUCCESSFUL } else { SUCCESSFUL })
        });
        let peer = peer.await;
        let origin = peer.url();
        let script = script().profile(|profile| profile.origins([origin]));
        let url: reqwest::Url = format!("{}/leads", peer.url()).parse().unwrap();
        let request = reqwest::Request::new(reqwest::Method::GET, url.clone());
        let response = match way {
            "service" => {
                let stack = ServiceBuilder::new().layer(layer(&script)).layer(peek());
                stack
                    .service(client.clone())
                    .oneshot(request)
                    .await
                    .unwrap()
            }
            _ => {
                let chain = ClientBuilder::new(client.clone()).with(layer(&script).middleware());
                let client = chain.with(peek().middleware()).build();
                client.execute(request).await.unwrap()
            }
        };
        assert_eq!(
            response.extensions().get(),
            Some(&Replay::Replayed),
            "{way}"
        );
        assert_eq!(*response.url(), url, "{way}");
        assert_eq!(response.content_length(), Some(SUCCESSFUL.len() as u64));
        assert_eq!(response.text().await.unwrap(), SUCCESSFUL, "{way}");
        assert_eq!(script.exchanges(), 1, "{way}");
        assert_eq!(peer.take().len(), 2, "{way}");
    }
}

#[test]
fn the_inner_service_can_be_reached() {
    let mut peek = peek().layer(7);
    *peek.get_mut() += 1;
    assert_eq!(*peek.get_ref(), 8);
    assert_eq!(peek.into_inner(), 8);
}
