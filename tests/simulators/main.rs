//! The simulated vendors do what their documentation says.

mod clock;
mod dressipi;
mod faults;
mod immersve;
mod marketiger;
mod oauth;
mod sessions;
mod vmware_csp;

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tower_reauth::test_util::SimImmersve;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = BoxError> = std::result::Result<T, E>;

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    fn text(&self, name: &str) -> String {
        self.json()[name].as_str().expect("a string").to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn send(
    method: Method,
    url: String,
    headers: &[(&'static str, &str)],
    body: impl Into<Bytes>,
) -> Result<Reply> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = client()
        .request(request.body(Full::new(body.into()))?)
        .await?;
    let (parts, body) = reply.into_parts();
    Ok(Reply {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await?.to_bytes(),
    })
}

async fn get(url: String, headers: &[(&'static str, &str)]) -> Result<Reply> {
    send(Method::GET, url, headers, "").await
}

async fn post_form(
    url: String,
    headers: &[(&'static str, &str)],
    pairs: &[(&str, &str)],
) -> Result<Reply> {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let mut headers = headers.to_vec();
    headers.push(FORM);
    send(Method::POST, url, &headers, body).await
}

async fn post_json(url: String, headers: &[(&'static str, &str)], body: Value) -> Result<Reply> {
    let mut headers = headers.to_vec();
    headers.push(JSON);
    send(Method::POST, url, &headers, body.to_string()).await
}

/// A right exchange with Immersve.
async fn exchange(sim: &SimImmersve, refresh_token: &str) -> Result<Reply> {
    let client = sim.client_application_id();
    let body = json!({ "refreshToken": refresh_token, "clientApplicationId": client });
    post_json(sim.token_url(), &[("origin", sim.origin())], body).await
}

/// A right API call with Immersve.
async fn call(sim: &SimImmersve, access_token: &str) -> Result<Reply> {
    let bearer = format!("Bearer {access_token}");
    get(sim.base_url() + "/api/cards", &[("authorization", &bearer)]).await
}

/// Lets other tasks and sockets go on until `done`.
async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    soon(wait).await;
}

/// A test that would hang fails instead.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(Duration::from_secs(10), future).await;
    outcome.expect("it never happened")
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
