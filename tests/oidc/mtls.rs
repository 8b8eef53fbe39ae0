//! Clients whose certificate is their proof, and what their tokens are bound to.

use std::fs;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tower::Layer;
use tower_reauth::{
    AuthLayer, BoxError, Error,
    oauth2::{ClientAuth, OAuth2, Server},
    token_client::{ClientCertificate, HttpTokenClient, Tls},
};

use crate::{folder::Folder, oidc::Oidc, sessions::call};

/// A certificate and its key, in PEM.
type Pair = (String, String);
type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

struct Authority {
    root: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { root, issuer }
    }

    fn sign(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        // Else it has the authority's name, and looks as if it had signed itself.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn serve(&self, folder: &Folder) -> Option<Oidc> {
        let (certificate, key) = self.sign("localhost");
        for (name, text) in [
            ("server.pem", &certificate),
            ("server.key", &key),
            ("ca.pem", &self.root),
        ] {
            fs::write(folder.path(name), text).unwrap();
        }
        Oidc::start_with_tls(&folder.path(""))
    }

    fn token_client(&self, (certificate, key): &Pair) -> Result<HttpTokenClient, BoxError> {
        let certificate = ClientCertificate::from_pem(certificate, key)?;
        let tls = Tls::new().roots_pem(&self.root)?.certificate(certificate);
        Ok(HttpTokenClient::with_tls(tls)?)
    }

    /// An application's own client, which shows a certificate to the API.
    fn api_client(&self, (certificate, key): &Pair) -> HttpsClient {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.root.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let tls = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)
            .unwrap();
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_only()
            .enable_http1();
        Client::builder(TokioExecutor::new()).build(https.build())
    }
}

fn thumbprint((certificate, key): &Pair) -> String {
    ClientCertificate::from_pem(certificate, key)
        .unwrap()
        .thumbprint()
}

/// By the address that the metadata name for such clients: the issuer itself has no TLS here.
#[tokio::test]
async fn a_certificate_proves_a_client_to_the_oidc_server_and_binds_its_tokens()
-> Result<(), BoxError> {
    let (authority, folder) = (Authority::new(), Folder::new());
    let Some(oidc) = authority.serve(&folder) else {
        return Ok(());
    };
    let own = authority.sign("client.example");
    let provider = OAuth2::client_credentials(
        Server::discover(oidc.url()),
        "mtls",
        ClientAuth::Mtls(thumbprint(&own)),
    )
    .origins([oidc.tls_url()]);
    let layer = AuthLayer::builder(provider)
        .token_client(authority.token_client(&own)?)
        .build()?;
    let api = format!("{}/api/x", oidc.tls_url());
    let (status, says) = call(layer.layer(authority.api_client(&own)), &api).await?;
    assert_eq!((status, &says["bound"]), (200, &json!(thumbprint(&own))));

    // The API's client is the application's: with another certificate, no token is of use.
    let other = authority.sign("client.example");
    let (status, _) = call(layer.layer(authority.api_client(&other)), &api).await?;
    assert_eq!(status, 401);
    Ok(())
}

#[tokio::test]
async fn a_session_that_a_certificate_is_bound_to_rotates_at_the_oidc_server()
-> Result<(), BoxError> {
    let (authority, folder) = (Authority::new(), Folder::new());
    let Some(oidc) = authority.serve(&folder) else {
        return Ok(());
    };
    let own = authority.sign("client.example");
    let minted = oidc.mint("mtls", json!({})).await;
    let provider = OAuth2::refresh_token(Server::discover(oidc.url()), "mtls")
        .client_auth(ClientAuth::Mtls(thumbprint(&own)))
        .origins([oidc.tls_url()]);
    let layer = AuthLayer::builder(provider)
        .initial(minted.seed())
        .memory_only()
        .token_client(authority.token_client(&own)?)
        .build()?;
    let api = format!("{}/api/x", oidc.tls_url());
    for _ in 0..2 {
        let (status, says) = call(layer.layer(authority.api_client(&own)), &api).await?;
        assert_eq!((status, &says["sub"]), (200, &json!("alice")));
        layer.handle().refresh().await?;
    }
    layer.handle().revoke().await?;
    assert_eq!(oidc.state(&minted.grant_id).await["alive"], json!(false));
    Ok(())
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_no_proof_to_the_oidc_server() -> Result<(), BoxError> {
    let (authority, folder) = (Authority::new(), Folder::new());
    let Some(oidc) = authority.serve(&folder) else {
        return Ok(());
    };
    let stranger = authority.sign("stranger.example");
    let provider = OAuth2::client_credentials(
        Server::discover(oidc.url()),
        "mtls",
        ClientAuth::Mtls(thumbprint(&stranger)),
    )
    .origins([oidc.tls_url()]);
    let layer = AuthLayer::builder(provider)
        .token_client(authority.token_client(&stranger)?)
        .build()?;
    let error = layer.handle().token().await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");

    // Nor is a server's whose root nobody here knows.
    let unknown = Authority::new();
    let provider = OAuth2::client_credentials(
        format!("{}/token", oidc.tls_url()),
        "mtls",
        ClientAuth::Mtls(thumbprint(&stranger)),
    );
    let layer = AuthLayer::builder(provider.origins([oidc.tls_url()]))
        .token_client(unknown.token_client(&stranger)?)
        .build()?;
    let error = layer.handle().token().await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    Ok(())
}

#[test]
fn pem_that_is_none_names_what_is_wrong() {
    let (certificate, key) = Authority::new().sign("client.example");
    assert!(ClientCertificate::from_pem(&key, &key).is_err());
    assert!(ClientCertificate::from_pem(&certificate, &certificate).is_err());
    assert!(Tls::new().roots_pem("").is_err());
    let (_, other) = Authority::new().sign("client.example");
    let mixed = ClientCertificate::from_pem(&certificate, &other).unwrap();
    let error = HttpTokenClient::with_tls(Tls::new().certificate(mixed)).unwrap_err();
    assert!(
        Error::find(&error).is_none() && error.to_string().contains("belong"),
        "{error}"
    );
    let pair = ClientCertificate::from_pem(&certificate, &key).unwrap();
    assert!(!format!("{pair:?}").contains("PRIVATE"));
}
