//! Sessions of clients with a secret, and their ends.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{
    AuthLayer, BoxError, Error,
    oauth2::{ClientAuth, OAuth2},
};

use crate::oidc::{JWT_RESOURCE, OPAQUE_RESOURCE, Oidc, SECRET};

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
    let url = format!("{}/api/x", oidc.url());
    call(layer.layer(oidc.http().clone()), &url).await
}

fn session(oidc: &Oidc) -> OAuth2 {
    OAuth2::refresh_token(oidc.token_url(), "basic")
        .client_auth(ClientAuth::Basic(SECRET.into()))
        .origins([oidc.url()])
}

#[tokio::test]
async fn a_session_rotates_at_the_oidc_server() -> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let minted = oidc.mint("basic", json!({})).await;
    let layer = AuthLayer::builder(session(&oidc))
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

#[tokio::test]
async fn a_token_that_the_oidc_server_has_forgotten_is_replaced_and_the_call_repeated()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let minted = oidc.mint("basic", json!({})).await;
    let layer = AuthLayer::builder(session(&oidc))
        .initial(minted.seed())
        .memory_only()
        .build()?;
    let token = layer.handle().token().await?;
    let access = token.access_token().unwrap().expose();
    oidc.admin("forget", json!({ "access_token": access }))
        .await;
    let api = format!("{}/api/x", oidc.url());
    let (status, _) = call(layer.layer(oidc.http().clone()), &api).await?;
    assert_eq!(status, 200);
    let state = oidc.state(&minted.grant_id).await;
    assert_eq!(
        (&state["api_refused"], &state["rotations"]),
        (&json!(1), &json!(2))
    );
    Ok(())
}

#[tokio::test]
async fn a_token_of_the_oidc_server_is_for_the_resource_that_was_asked_for() -> Result<(), BoxError>
{
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let minted = json!({ "resource": [JWT_RESOURCE, OPAQUE_RESOURCE], "scope": "read" });
    for (resource, parts) in [(JWT_RESOURCE, 3), (OPAQUE_RESOURCE, 1)] {
        let client = OAuth2::client_credentials(oidc.token_url(), "basic", SECRET)
            .scope(["read"])
            .resource([resource]);
        let (status, says) = first_call(&oidc, client).await?;
        assert_eq!((status, &says["aud"]), (200, &json!(resource)));

        let minted = oidc.mint("basic", minted.clone()).await;
        let layer = AuthLayer::builder(session(&oidc).resource([resource]))
            .initial(minted.seed())
            .memory_only()
            .build()?;
        let token = layer.handle().refresh().await?;
        let access = token.access_token().unwrap().expose();
        assert_eq!(access.split('.').count(), parts);
        let api = format!("{}/api/x", oidc.url());
        let (status, says) = call(layer.layer(oidc.http().clone()), &api).await?;
        assert_eq!((status, &says["aud"]), (200, &json!(resource)));
    }
    let other = OAuth2::client_credentials(oidc.token_url(), "basic", SECRET)
        .resource([JWT_RESOURCE, OPAQUE_RESOURCE]);
    let error = first_call(&oidc, other).await.unwrap_err();
    let ours = Error::find(&*error).and_then(Error::provider_error);
    assert!(
        ours.is_some_and(|error| error.to_string().contains("invalid_target")),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_revoked_session_is_over_at_the_oidc_server_with_its_access_token() -> Result<(), BoxError>
{
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let minted = oidc.mint("basic", json!({})).await;
    let provider = session(&oidc).revocation_endpoint(oidc.revocation_url());
    let layer = AuthLayer::builder(provider)
        .initial(minted.seed())
        .memory_only()
        .build()?;
    let access = layer.handle().token().await?;
    layer.handle().revoke().await?;
    let state = oidc.state(&minted.grant_id).await;
    assert_eq!(
        (&state["alive"], &state["reused"]),
        (&json!(false), &json!(0))
    );
    let bearer = format!("Bearer {}", access.access_token().unwrap().expose());
    let request = Request::get(format!("{}/api/x", oidc.url())).header("authorization", bearer);
    assert_eq!(oidc.send(request, "").await.status, 401);

    // A token that the server does not know is as good as revoked.
    let layer = AuthLayer::builder(session(&oidc).revocation_endpoint(oidc.revocation_url()))
        .initial(minted.seed())
        .memory_only()
        .build()?;
    layer.handle().revoke().await?;
    Ok(())
}
