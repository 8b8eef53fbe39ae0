//! What is compared: the layer, the two things that are cheaper, and what people write by hand.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::{Pin, pin},
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::Empty;
use tokio::sync::{Mutex, RwLock};
use tower::{BoxError, Layer, Service};
use tower_http::auth::{AddAuthorization, AddAuthorizationLayer};
use tower_reauth::{
    Auth, AuthLayer, Token,
    provider::{Exchange, ProviderError, ProviderFn, provider_fn},
};

use super::clock;

pub type Body = Empty<Bytes>;
pub type Answer = Response<Body>;

/// As long as many vendors' are.
pub const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJlbmNoIn0.eyJzdWIiOiJiZW5jaCJ9.c2lnbmF0dXJl";
pub const ORIGIN: &str = "https://api.example.com";
const URL: &str = "https://api.example.com/v1/orders?limit=10";
const HOUR: Duration = Duration::from_secs(3_600);

/// A request with five headers of its own: with the token there is no seventh, at which a map grows.
pub fn request() -> Request<Body> {
    static URI: LazyLock<Uri> = LazyLock::new(|| Uri::from_static(URL));
    const ID: HeaderName = HeaderName::from_static("x-request-id");
    let mut request = Request::new(Body::new());
    *request.uri_mut() = URI.clone();
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(USER_AGENT, HeaderValue::from_static("bench"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ID, HeaderValue::from_static("1"));
    request
}

/// Answers at once.
#[derive(Clone)]
pub struct Bare;

/// The answer of [`Bare`], which is made when it is asked for: like those of real clients it is no
/// part of its future.
pub struct Answering;

impl Future for Answering {
    type Output = Result<Answer, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(Response::new(Body::new())))
    }
}

impl Service<Request<Body>> for Bare {
    type Response = Answer;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline(never)]
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        drop(std::hint::black_box(request));
        Answering
    }
}

/// Inserts a header that is ready.
#[derive(Clone)]
pub struct Insert(HeaderValue);

impl Service<Request<Body>> for Insert {
    type Response = Answer;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Bare.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().insert(AUTHORIZATION, self.0.clone());
        Bare.call(request)
    }
}

/// A lock of tokio's around a token and its end.
pub trait Guarded: Send + Sync + 'static {
    /// The token; a newer one where it has expired.
    fn token(&self) -> impl Future<Output = String> + Send;
}

struct Kept {
    token: String,
    expires: Instant,
}

/// Asks an endpoint, which no bench lets it come to.
async fn fetch() -> Kept {
    Kept {
        token: TOKEN.to_owned(),
        expires: clock() + HOUR,
    }
}

pub struct InMutex(Mutex<Kept>);

impl Guarded for InMutex {
    async fn token(&self) -> String {
        let mut kept = self.0.lock().await;
        if kept.expires <= clock() {
            *kept = fetch().await;
        }
        kept.token.clone()
    }
}

pub struct InRwLock(RwLock<Kept>);

impl Guarded for InRwLock {
    async fn token(&self) -> String {
        let kept = self.0.read().await;
        if kept.expires > clock() {
            return kept.token.clone();
        }
        drop(kept);
        let mut kept = self.0.write().await;
        if kept.expires <= clock() {
            *kept = fetch().await;
        }
        kept.token.clone()
    }
}

/// The eight lines that people write around a lock.
pub struct ByHand<L>(Arc<L>);

impl<L> Clone for ByHand<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Guarded> Service<Request<Body>> for ByHand<L> {
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let lock = Arc::clone(&self.0);
        Box::pin(async move {
            let token = lock.token().await;
            let header = HeaderValue::try_from(format!("Bearer {token}"))?;
            request.headers_mut().insert(AUTHORIZATION, header);
            Ok(Bare.call(request).await?)
        })
    }
}

// === how each is made ===

pub fn insert() -> Insert {
    let value = Bytes::from(format!("Bearer {TOKEN}"));
    Insert(HeaderValue::from_maybe_shared(value).unwrap())
}

pub fn fixed() -> AddAuthorization<Bare> {
    AddAuthorizationLayer::bearer(TOKEN).layer(Bare)
}

pub fn mutex() -> ByHand<InMutex> {
    ByHand(Arc::new(InMutex(Mutex::new(kept()))))
}

pub fn rwlock() -> ByHand<InRwLock> {
    ByHand(Arc::new(InRwLock(RwLock::new(kept()))))
}

fn kept() -> Kept {
    Kept {
        token: TOKEN.to_owned(),
        expires: clock() + HOUR,
    }
}

type Obtain = fn(Exchange) -> Ready<Result<Token, ProviderError>>;

/// The layer as it is built by default, with a fresh token, around [`Bare`].
pub fn ours(replay: bool) -> Auth<Bare, ProviderFn<Obtain>> {
    layer(replay).layer(Bare)
}

pub fn layer(replay: bool) -> AuthLayer<ProviderFn<Obtain>> {
    let obtain: Obtain = |_| ready(Err(ProviderError::transient("there is no need")));
    let builder = AuthLayer::builder(provider_fn(obtain).origins([ORIGIN]));
    let builder = builder.initial(Token::new(TOKEN).with_lifetime(HOUR));
    builder.replay(replay).build().unwrap()
}

/// Sends `request`, whose answer is there at once.
// Always: what a call of this costs would else be counted for some contenders and not for others.
#[inline(always)]
pub fn send<S>(client: &mut S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Answer>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let ready = client.poll_ready(&mut cx);
    assert!(matches!(ready, Poll::Ready(Ok(()))));
    let answered = pin!(client.call(request)).poll(&mut cx);
    let Poll::Ready(Ok(answer)) = answered else {
        unreachable!("the answer is there at once")
    };
    std::hint::black_box(&answer);
}
