//! A reverse proxy of axum, its client inside of the layer: `cargo run --example axum_proxy`.
//!
//! Bodies pass while they are made. What a user shows to the proxy goes no further: the API sees
//! the proxy's own token, and takes it back in between, which no user notices.
#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use axum::{Router, body::Body, extract::Request};
use http::{StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, sync::mpsc::unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower::{Layer, ServiceExt};
use tower_reauth::{AuthLayer, BoxError, Token, provider::provider_fn};

static CURRENT_TOKEN: AtomicUsize = AtomicUsize::new(0);

/// Echoes bodies, for whoever has the current token and nothing of a user's.
async fn api(request: Request) -> (StatusCode, Body) {
    let token = format!("Bearer token-{}", CURRENT_TOKEN.load(SeqCst));
    let shown = request.headers().get(header::AUTHORIZATION);
    match shown.is_some_and(|it| *it == *token) && !request.headers().contains_key("cookie") {
        true => (StatusCode::OK, request.into_body()),
        false => (StatusCode::UNAUTHORIZED, Body::empty()),
    }
}

/// A user's request as the API may see it: what it is about, not by whom or over which line.
fn onward(user: Request, api: &str) -> Result<Request, StatusCode> {
    let (mut head, body) = user.into_parts();
    let path = head.uri.path_and_query().map_or("/", |it| it.as_str());
    let uri = (api.to_owned() + path).parse();
    head.uri = uri.or(Err(StatusCode::BAD_REQUEST))?;
    let told = [header::ACCEPT, header::CONTENT_TYPE, header::CONTENT_LENGTH].into_iter();
    let told = told.filter_map(|name| Some((name.clone(), head.headers.get(name)?.clone())));
    head.headers = told.collect();
    Ok(Request::from_parts(head, body))
}

async fn serve(router: Router) -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(url)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let http = Client::builder(TokioExecutor::new()).build_http();
    let api = serve(Router::new().fallback(api)).await?;
    let token = async |_| Ok(Token::new(format!("token-{}", CURRENT_TOKEN.load(SeqCst))));
    let client = AuthLayer::new(provider_fn(token).origins([&api])).layer(http.clone());
    let pass_on = async move |user| {
        let answer = client.clone().oneshot(onward(user, &api)?).await;
        answer
            .map(|it| it.map(Body::new))
            .or(Err(StatusCode::BAD_GATEWAY))
    };
    let proxy = serve(Router::new().fallback(pass_on)).await?;
    let order = |body| {
        let order = Request::post(&proxy).header("authorization", "Basic user");
        order.header("cookie", "user").body(body)
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
    println!("passed on: {echo:?}, after a revocation: {after}");
    let held = echo == "made meanwhile" && after.is_success();
    held.then_some(()).ok_or("a promise was broken".into())
}
