//! A session that rotates, of a client with a secret.

use serde_json::json;
use tower_reauth::{
    BoxError,
    oauth2::{ClientAuth, OAuth2},
};

use crate::{
    crowd::rotates,
    oidc::{Oidc, SECRET},
};

#[tokio::test]
async fn a_thousand_rotations_at_the_oidc_server_fail_no_call_and_spend_no_token_twice()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let minted = oidc.mint("basic", json!({ "scope": "read" })).await;
    let provider = OAuth2::refresh_token(oidc.token_url(), "basic")
        .client_auth(ClientAuth::Basic(SECRET.into()))
        .server_errors_are_transient()
        .origins([oidc.url()]);
    rotates(&oidc, provider, &minted, minted.seed()).await?;
    Ok(())
}
