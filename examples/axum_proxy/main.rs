//! A reverse proxy of axum, its client inside of the layer: `cargo run --example axum_proxy`.
//!
//! Bodies pass while they are made. What a user shows to the proxy goes no further: the API sees
//! the proxy's own token, and takes it back in between, which no user notices.
//!
//! `forward.rs` beside this is the proxy. Here are its API and a user, who see whether it holds.
#![expect(clippy::print_stdout, reason = "a program talks to its user")]

mod forward;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use axum::{Router, body::Body, extract::Request};
use http::{StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, sync::mpsc::unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower_reauth::{AuthLayer, BoxError, Token, provider::provider_fn};

static CURRENT_TOKEN: AtomicUsize = AtomicUsize::new(0);
static LEAKED: AtomicUsize = AtomicUsize::new(0);

/// Echoes bodies for whoever has the current token, and looks for a user's credentials.
async fn api(request: Request) -> (StatusCode, Body) {
    let leaked = format!("{request:?}").contains("the-users-own");
    LEAKED.fetch_add(leaked.into(), SeqCst);
    let token = format!("Bearer token-{}", CURRENT_TOKEN.load(SeqCst));
    let mut shown = request.headers().get_all(header::AUTHORIZATION).into_iter();
    match (shown.next(), shown.next()) {
        (Some(shown), None) if *shown == *token => (StatusCode::OK, request.into_body()),
        _ => (StatusCode::UNAUTHORIZED, Body::empty()),
    }
}

async fn serve(router: Router) -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(url)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let api = serve(Router::new().fallback(api)).await?;
    let token = async |_| Ok(Token::new(format!("token-{}", CURRENT_TOKEN.load(SeqCst))));
    let auth = AuthLayer::new(provider_fn(token).origins([&api]));
    let http = Client::builder(TokioExecutor::new()).build_http();
    let proxy = serve(forward::proxy(&auth, http.clone(), api.parse()?)).await?;
    let order = |body| {
        let order = Request::post(&proxy).header("authorization", "Basic the-users-own");
        let order = order.header("cookie", "session=the-users-own");
        order.header("x-api-key", "the-users-own").body(body)
    };

    let (pieces, body) = unbounded_channel::<Result<&str, BoxError>>();
    let upload = order(Body::from_stream(UnboundedReceiverStream::new(body)))?;
    let echo = http.request(upload).await?;
    // The answer has begun, and the body has not.
    pieces.send(Ok("made meanwhile"))?;
    drop(pieces);
    let echo = echo.into_body().collect().await?.to_bytes();
    CURRENT_TOKEN.fetch_add(1, SeqCst);
    let after = http.request(order(Body::from("small"))?).await?.status();
    let leaked = LEAKED.load(SeqCst);
    println!("passed on: {echo:?}, after a revocation: {after}, with a user's own: {leaked}");
    let held = echo == "made meanwhile" && after.is_success() && leaked == 0;
    held.then_some(()).ok_or("a promise was broken".into())
}
