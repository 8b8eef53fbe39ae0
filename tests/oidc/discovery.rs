//! Servers that are known by their issuer only.

use serde_json::json;
use tower::Layer;
use tower_reauth::{
    AuthLayer, BoxError, Error,
    oauth2::{Algorithm, ClientAuth, OAuth2, PrivateKeyJwt, Server, SigningKey},
};

use crate::{
    oidc::{Oidc, SECRET},
    sessions::{call, first_call},
};

#[tokio::test]
async fn an_issuer_is_enough_to_get_and_to_revoke_a_token_of_the_oidc_server()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let minted = oidc.mint("basic", json!({})).await;
    let provider = OAuth2::refresh_token(Server::discover(oidc.url()), "basic")
        .client_auth(ClientAuth::Basic(SECRET.into()))
        .origins([oidc.url()]);
    let layer = AuthLayer::builder(provider)
        .initial(minted.seed())
        .memory_only()
        .build()?;
    let service = layer.layer(oidc.http().clone());
    let api = format!("{}/api/x", oidc.url());
    assert_eq!(call(service.clone(), &api).await?.0, 200);
    layer.handle().revoke().await?;
    assert_eq!(oidc.state(&minted.grant_id).await["alive"], json!(false));

    // The audience of what a client signs is the issuer, where that is known.
    let key = SigningKey::pem(Algorithm::Es256, oidc.private_key("jwt-es256").await);
    let auth = PrivateKeyJwt::new(key);
    let provider = OAuth2::client_credentials(Server::discover(oidc.url()), "jwt-es256", auth);
    assert_eq!(first_call(&oidc, provider).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn an_issuer_that_is_written_in_another_way_than_the_oidc_server_does_is_refused()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    for issuer in [
        oidc.url() + "/",
        oidc.url().replace("127.0.0.1", "localhost"),
    ] {
        let server = Server::discover(&issuer);
        let provider = OAuth2::client_credentials(server, "basic", SECRET);
        let error = first_call(&oidc, provider).await.unwrap_err();
        assert!(
            Error::find(&*error).is_some_and(Error::is_misconfigured),
            "{issuer}: {error}"
        );
    }
    Ok(())
}
