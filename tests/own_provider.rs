//! A vendor that nobody has heard of, and an adapter for it as the README writes one: the trait is
//! enough, and everything else comes with the layer.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "support/sockets.rs"]
mod sockets;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    AuthLayer, BoxError, Error, Token, clock::Clock, layer::AuthLayerBuilder,
    provider::provider_fn, test_util::ManualClock, token_client::HttpTokenClient,
};

use acme::Acme;
use sockets::Line;

/// All that somebody has to write.
mod acme {
    use serde::Deserialize;
    use std::time::Duration;
    use tower_reauth::provider::{Exchange, Profile, ProviderError, Rotation};
    use tower_reauth::{Provider, Token};

    pub(crate) struct Acme(pub(crate) String);

    #[derive(Deserialize)]
    struct Reply {
        token: String,
        next: String,
        ttl: u64,
    }

    impl Provider for Acme {
        async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
            let request = http::Request::post(format!("{}/renew", self.0))
                .header("content-type", "text/plain")
                .body(exchange.refresh_token()?.expose().to_owned().into())
                .map_err(|_| ProviderError::misconfigured("the address is not a URL"))?;
            let reply = exchange.client().send(request).await?;
            if reply.status() == 410 && reply.is_complete() {
                return Err(ProviderError::refused("Acme has ended the session"));
            }
            let reply = reply.success()?;
            let body: Reply = reply.json()?;
            Ok(Token::new(body.token)
                .with_refresh_token(body.next)
                .with_lifetime(Duration::from_secs(body.ttl))
                .with_asked_at(reply.sent_at()))
        }

        fn profile(&self) -> Profile {
            Profile::new("acme")
                .origins([self.0.as_str()])
                .rotation(Rotation::Must)
        }
    }
}

/// Renews `next-N` into `token-(N+1)` and `next-(N+1)`, once; its API takes the latest token.
#[derive(Default)]
struct Vendor {
    current: AtomicU64,
    answered: AtomicUsize,
    refused: AtomicUsize,
}

// === impl Vendor ===

impl Vendor {
    async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let vendor = Arc::new(Self::default());
        let answering = Arc::clone(&vendor);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let vendor = Arc::clone(&answering);
                let service = service_fn(move |request| Arc::clone(&vendor).answer(request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        (vendor, url)
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let current = self.current.load(Ordering::SeqCst);
        let (status, reply) = if head.method == Method::POST {
            if body != format!("next-{current}") {
                (StatusCode::GONE, String::new())
            } else {
                let next = self.current.fetch_add(1, Ordering::SeqCst) + 1;
                let reply = format!(r#"{{"token":"token-{next}","next":"next-{next}","ttl":600}}"#);
                (StatusCode::OK, reply)
            }
        } else if head.headers["authorization"] == format!("Bearer token-{current}") {
            self.answered.fetch_add(1, Ordering::SeqCst);
            (StatusCode::OK, String::new())
        } else {
            self.refused.fetch_add(1, Ordering::SeqCst);
            (StatusCode::UNAUTHORIZED, String::new())
        };
        let mut reply = Response::new(Full::from(reply));
        *reply.status_mut() = status;
        Ok(reply)
    }
}

fn layer(url: &str, clock: &ManualClock) -> AuthLayerBuilder<Acme> {
    AuthLayer::builder(Acme(url.to_owned()))
        .initial(Token::from_refresh_token("next-0"))
        .memory_only()
        .clock(clock.clone())
}

/// Sixteen requests at once.
async fn burst(auth: &AuthLayer<Acme>, url: &str) -> Vec<Result<StatusCode, BoxError>> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let service = auth.layer(client);
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let request = Request::get(format!("{url}/things"))
                .body(Empty::new())
                .unwrap();
            tokio::spawn(service.clone().oneshot(request))
        })
        .collect();
    let mut statuses = Vec::new();
    for caller in callers {
        statuses.push(caller.await.unwrap().map(|reply| reply.status()));
    }
    statuses
}

async fn all_answered(auth: &AuthLayer<Acme>, url: &str) {
    for status in burst(auth, url).await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
}

#[test]
fn the_adapter_is_shorter_than_forty_lines() {
    let source = include_str!("own_provider.rs");
    let after = source.split("mod acme {\n").nth(1).unwrap();
    let lines = after.lines().take_while(|line| *line != "}").count();
    assert!(lines < 40, "{lines}");
}

#[tokio::test]
async fn sessions_of_an_unknown_vendor_live_on() {
    let (vendor, url) = Vendor::start().await;
    let clock = ManualClock::new();
    let auth = layer(&url, &clock).build().unwrap();
    for lifetime in 1..=5 {
        all_answered(&auth, &url).await;
        assert_eq!(vendor.current.load(Ordering::SeqCst), lifetime);
        clock.advance(Duration::from_secs(300));
        all_answered(&auth, &url).await;
        assert_eq!(vendor.current.load(Ordering::SeqCst), lifetime);
        clock.advance(Duration::from_secs(301));
    }
    assert_eq!(vendor.answered.load(Ordering::SeqCst), 10 * 16);
    assert_eq!(vendor.refused.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn its_refusals_and_its_outages_are_told_apart() {
    let (vendor, url) = Vendor::start().await;
    let line = Line::to(&url).await.unwrap();
    let clock = ManualClock::new();
    let auth = layer(&line.url(), &clock).build().unwrap();
    let verdict = async || {
        let error = burst(&auth, &line.url()).await.remove(0).unwrap_err();
        Error::find(&*error).unwrap().clone()
    };
    line.down().await;
    let error = verdict().await;
    assert!(
        error.is_transient() && !error.is_unknown_outcome(),
        "{error}"
    );
    line.up().unwrap();
    clock.advance(Duration::from_secs(2));
    all_answered(&auth, &line.url()).await;
    // Somebody else has used the refresh token.
    vendor.current.fetch_add(1, Ordering::SeqCst);
    clock.advance(Duration::from_secs(601));
    let error = verdict().await;
    assert!(error.is_login_required(), "{error}");
    let current = vendor.current.load(Ordering::SeqCst);
    let login = Token::from_refresh_token(format!("next-{current}"));
    auth.handle().replace(login).await.unwrap();
    all_answered(&auth, &line.url()).await;
    assert_eq!(vendor.refused.load(Ordering::SeqCst), 0);
}

/// An intent lasts as long as its exchange, so no request may outlive that.
#[tokio::test]
async fn an_exchange_is_given_as_long_as_one_request_may_take() {
    for (limit, given) in [(5, 10), (60, 60)] {
        let clock = ManualClock::new();
        let deadline = Arc::new(Mutex::new(None));
        let provider = provider_fn({
            let deadline = Arc::clone(&deadline);
            move |exchange| {
                *deadline.lock().unwrap() = Some(exchange.deadline());
                async { Ok(Token::new("t0ken")) }
            }
        });
        let client = HttpTokenClient::default().timeout(Duration::from_secs(limit));
        let layer = AuthLayer::builder(provider.origins(["https://api.example.com"]))
            .token_client(client)
            .clock(clock.clone());
        layer.build().unwrap().handle().token().await.unwrap();
        let deadline = deadline.lock().unwrap().unwrap();
        assert_eq!(deadline.remaining(clock.now()), Duration::from_secs(given));
    }
}
