//! Tokens that are bound to a key (RFC 9449), with nonces required at both ends.

use serde_json::json;
use tower::Layer;
use tower_reauth::{
    AuthLayer, BoxError, Error, Token,
    oauth2::{OAuth2, dpop::DpopKey},
    store::MemoryStore,
};

use crate::{
    crowd::rotates,
    oidc::{Minted, Oidc, SECRET},
    sessions::call,
};

fn provider(oidc: &Oidc) -> OAuth2 {
    OAuth2::refresh_token(oidc.token_url(), "dpop")
        .dpop()
        .server_errors_are_transient()
        .origins([oidc.url()])
}

/// A session of the public client, whose refresh token is bound to the key that it is minted with.
async fn mint(oidc: &Oidc) -> (Minted, Token, DpopKey) {
    let key = DpopKey::generate().unwrap();
    let asked = json!({ "jkt": key.thumbprint(), "scope": "openid offline_access read" });
    let minted = oidc.mint("dpop", asked).await;
    let seed = minted.seed().with_dpop_key(&key);
    (minted, seed, key)
}

#[tokio::test]
async fn a_dpop_session_rotates_at_the_oidc_server_with_the_key_of_its_login()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let (minted, seed, key) = mint(&oidc).await;
    let api = format!("{}/api/x?page=1", oidc.url());
    let store = MemoryStore::new();
    // Each time as after a restart.
    for _ in 0..3 {
        let layer = AuthLayer::builder(provider(&oidc)).initial(seed.clone());
        let layer = layer.store(store.clone()).build()?;
        let service = layer.layer(oidc.http().clone());
        for _ in 0..2 {
            let (status, says) = call(service.clone(), &api).await?;
            assert_eq!((status, &says["bound"]), (200, &json!(key.thumbprint())));
            layer.handle().refresh().await?;
        }
        layer.handle().shutdown().await;
    }
    let state = oidc.state(&minted.grant_id).await;
    assert_eq!(
        (&state["reused"], &state["alive"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(state["rotations"], 7, "{state}");
    assert_eq!(state["dpop_jti_reused"], 0);
    assert!(
        state["dpop_nonce_challenges"].as_u64() >= Some(1),
        "{state}"
    );
    Ok(())
}

#[tokio::test]
async fn a_dpop_session_with_another_key_is_refused_by_the_oidc_server() -> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let (_, seed, _) = mint(&oidc).await;
    let stranger = seed.with_dpop_key(&DpopKey::generate()?);
    let layer = AuthLayer::builder(provider(&oidc)).initial(stranger);
    let service = layer.memory_only().build()?.layer(oidc.http().clone());
    let error = call(service, &format!("{}/api/x", oidc.url()))
        .await
        .unwrap_err();
    assert!(
        Error::find(&*error).is_some_and(Error::is_login_required),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_dpop_service_gets_bound_tokens_from_the_oidc_server() -> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let key = DpopKey::generate()?;
    let provider = OAuth2::client_credentials(oidc.token_url(), "dpop-service", SECRET);
    let provider = provider.dpop_key(key.clone()).origins([oidc.url()]);
    let layer = AuthLayer::builder(provider).build()?;
    let service = layer.layer(oidc.http().clone());
    for _ in 0..3 {
        let (status, says) = call(service.clone(), &format!("{}/api/x", oidc.url())).await?;
        assert_eq!((status, &says["bound"]), (200, &json!(key.thumbprint())));
        layer.handle().refresh().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_thousand_dpop_rotations_at_the_oidc_server_fail_no_call_and_spend_no_token_twice()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let (minted, seed, _) = mint(&oidc).await;
    let state = rotates(&oidc, provider(&oidc), &minted, seed).await?;
    assert_eq!(state["dpop_jti_reused"], 0);
    let challenges = state["dpop_nonce_challenges"].as_u64();
    assert!(challenges > Some(10), "{state}");
    Ok(())
}
