//! Sessions and services of clients with a secret.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{
    AuthLayer, BoxError,
    oauth2::{ClientAuth, OAuth2},
};

use crate::oidc::{Oidc, SECRET};

/// What the API says of a request's token.
pub(crate) async fn call<S>(service: S, url: &str) -> Result<(u16, Value), BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error = BoxError>,
{
    let request = Request::get(url).body(Full::default())?;
    let (head, body) = service.oneshot(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let says = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok((head.status.as_u16(), says))
}

/// A layer over a client's own credentials, and one call.
pub(crate) async fn first_call(oidc: &Oidc, provider: OAuth2) -> Result<(u16, Value), BoxError> {
    let layer = AuthLayer::builder(provider.origins([oidc.url()])).build()?;
    call(
        layer.layer(oidc.http().clone()),
        &format!("{}/api/x", oidc.url()),
    )
    .await
}

#[tokio::test]
async fn a_client_authenticates_by_basic_or_in_the_body_at_the_oidc_server() -> Result<(), BoxError>
{
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let basic = OAuth2::client_credentials(oidc.token_url(), "basic", SECRET);
    let (status, says) = first_call(&oidc, basic).await?;
    assert_eq!((status, &says["client_id"]), (200, &json!("basic")));
    let post = OAuth2::client_credentials(oidc.token_url(), "post", SECRET)
        .client_auth(ClientAuth::Post(SECRET.into()));
    let (status, says) = first_call(&oidc, post).await?;
    assert_eq!((status, &says["client_id"]), (200, &json!("post")));
    Ok(())
}

#[tokio::test]
async fn a_session_rotates_at_the_oidc_server() -> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let minted = oidc.mint("basic", json!({})).await;
    let provider = OAuth2::refresh_token(oidc.token_url(), "basic")
        .client_auth(ClientAuth::Basic(SECRET.into()))
        .origins([oidc.url()]);
    let layer = AuthLayer::builder(provider)
        .initial(minted.seed())
        .memory_only()
        .build()?;
    let service = layer.layer(oidc.http().clone());
    let api = format!("{}/api/x", oidc.url());
    for _ in 0..3 {
        let (status, says) = call(service.clone(), &api).await?;
        assert_eq!((status, &says["sub"]), (200, &json!("alice")));
        layer.handle().refresh().await?;
    }
    let state = oidc.state(&minted.grant_id).await;
    assert_eq!(state["rotations"], 4, "{state}");
    assert_eq!(
        (&state["reused"], &state["alive"]),
        (&json!(0), &json!(true))
    );
    Ok(())
}
