//! How clients prove who they are.

use std::fs;

use serde_json::json;
use tower::Layer;
use tower_reauth::{
    AuthLayer, BoxError, Error,
    oauth2::{Algorithm, Assertion, Audience, ClientAuth, OAuth2, PrivateKeyJwt, SigningKey},
    provider::{Credential, FailureKind, ProviderError},
};

use crate::{
    folder::Folder,
    oidc::{Oidc, SECRET},
    sessions::{call, first_call},
};

#[tokio::test]
async fn a_client_authenticates_by_basic_or_in_the_body_at_the_oidc_server() -> Result<(), BoxError>
{
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let basic = OAuth2::client_credentials(oidc.token_url(), "basic", SECRET);
    let (status, says) = first_call(&oidc, basic).await?;
    assert_eq!((status, &says["client_id"]), (200, &json!("basic")));
    let post = ClientAuth::Post(SECRET.into());
    let post = OAuth2::client_credentials(oidc.token_url(), "post", post);
    let (status, says) = first_call(&oidc, post).await?;
    assert_eq!((status, &says["client_id"]), (200, &json!("post")));
    let wrong = OAuth2::client_credentials(oidc.token_url(), "basic", "another secret");
    let error = first_call(&oidc, wrong).await.unwrap_err();
    assert!(
        Error::find(&*error).is_some_and(Error::is_misconfigured),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_client_signs_for_the_oidc_server_by_each_algorithm_and_for_each_audience()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let cases = [
        ("jwt-es256", Algorithm::Es256, Audience::Auto),
        ("jwt-rs256", Algorithm::Rs256, Audience::TokenEndpoint),
        ("jwt-eddsa", Algorithm::EdDsa, Audience::Fixed(oidc.url())),
    ];
    for (id, algorithm, audience) in cases {
        let key = SigningKey::pem(algorithm, oidc.private_key(id).await);
        let auth = PrivateKeyJwt::new(key).audience(audience);
        let provider = OAuth2::client_credentials(oidc.token_url(), id, auth);
        let (status, says) = first_call(&oidc, provider).await?;
        assert_eq!((status, &says["client_id"]), (200, &json!(id)));
    }
    let key = SigningKey::pem(Algorithm::Es256, oidc.private_key("jwt-es256").await);
    let auth = PrivateKeyJwt::new(key).audience(Audience::Fixed("https://else.example".into()));
    let provider = OAuth2::client_credentials(oidc.token_url(), "jwt-es256", auth);
    assert!(first_call(&oidc, provider).await.is_err());
    Ok(())
}

/// The server takes no assertion twice, and this one is sent again twice by the same exchange.
#[tokio::test]
async fn an_assertion_is_a_new_one_for_each_try_at_the_oidc_server() -> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let pem = oidc.private_key("jwt-es256").await;
    let key = SigningKey::pem(Algorithm::Es256, pem);
    let minted = oidc.mint("jwt-es256", json!({})).await;
    let provider = OAuth2::refresh_token(oidc.token_url(), "jwt-es256")
        .client_auth(PrivateKeyJwt::new(key).into())
        .server_errors_are_transient()
        .origins([oidc.url()]);
    let layer = AuthLayer::builder(provider)
        .initial(minted.seed())
        .memory_only()
        .build()?;
    for _ in 0..3 {
        oidc.faults(json!({ "token_503_next": 2 })).await;
        layer.handle().refresh().await?;
    }
    let state = oidc.state(&minted.grant_id).await;
    assert_eq!(state["token_5xx"], 6, "{state}");
    assert_eq!(
        (&state["reused"], &state["rotations"]),
        (&json!(0), &json!(3))
    );

    // One that somebody else signed is sent as it is, and refused the second time: that is theirs to
    // know, and ours to say.
    let once = OAuth2::client_credentials(oidc.token_url(), "jwt-es256", "unused")
        .client_auth(ClientAuth::Assertion(Assertion::from("not.a.jwt")));
    assert!(first_call(&oidc, once).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_changed_at_the_oidc_server_is_read_again_without_a_restart()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let folder = Folder::new();
    let path = folder.path("secret");
    fs::write(&path, SECRET)?;
    let read = path.clone();
    let secret = Credential::looked_up(move || {
        let text = fs::read_to_string(&read);
        text.map(Into::into)
            .map_err(|_| ProviderError::transient("the secret is not there yet"))
    });
    let provider = OAuth2::client_credentials(oidc.token_url(), "basic", secret);
    let layer = AuthLayer::builder(provider.origins([oidc.url()])).build()?;
    let service = layer.layer(oidc.http().clone());
    let api = format!("{}/api/x", oidc.url());
    assert_eq!(call(service.clone(), &api).await?.0, 200);

    let changed = json!({ "client_id": "basic", "client_secret": "another one" });
    oidc.admin("client", changed).await;
    let error = layer.handle().refresh().await.unwrap_err();
    let kind = error.provider_error().map(ProviderError::kind);
    assert_eq!(kind, Some(FailureKind::Misconfigured));
    assert_eq!(
        call(service.clone(), &api).await?.0,
        200,
        "the token is still good"
    );
    fs::write(&path, "another one")?;
    layer.handle().refresh().await?;
    Ok(())
}
