//! Clients out of configuration files.

use std::fs;

use tower::Layer;
use tower_reauth::{BoxError, config::AuthConfig};

use crate::{folder::Folder, oidc::Oidc, sessions::call};

#[tokio::test]
async fn a_client_out_of_a_file_finds_the_oidc_server_signs_and_binds_its_tokens_by_dpop()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let folder = Folder::new();
    let (path, pem) = (folder.path("key.pem"), oidc.private_key("jwt-es256").await);
    fs::write(&path, &pem)?;
    let config = format!(
        "vendor = 'oauth2'\ngrant = 'client-credentials'\nissuer = {issuer:?}\nclient_id = 'jwt-es256'\n\
         private_key = {{ file = {path:?} }}\nprivate_key_algorithm = 'ES256'\ndpop = true\n\
         origins = [{issuer:?}]",
        issuer = oidc.url(),
    );
    let config: AuthConfig = toml::from_str(&config)?;
    let layer = config.builder()?.build()?;
    let service = layer.layer(oidc.http().clone());
    let api = format!("{}/api/x", oidc.url());
    let (status, says) = call(service.clone(), &api).await?;
    assert_eq!((status, &says["client_id"]), (200, &"jwt-es256".into()));
    assert!(says["bound"].is_string(), "{says}");

    // The key is read for each signature, and a file without one is told by its field.
    fs::write(&path, "")?;
    let error = layer.handle().refresh().await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(error.to_string().contains("`private_key`"), "{error}");
    let error = config.builder().map(drop).unwrap_err();
    assert!(error.to_string().contains("`private_key`"), "{error}");
    fs::write(&path, pem)?;
    layer.handle().refresh().await?;
    assert_eq!(call(service, &api).await?.0, 200);
    Ok(())
}
