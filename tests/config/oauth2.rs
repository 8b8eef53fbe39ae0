//! Clients of a plain OAuth 2.0 server: what they ask, how they prove themselves, and what contradicts
//! itself.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tower_reauth::{
    config::{AuthConfig, ProviderConfig},
    oauth2::{
        Algorithm, Assertion, Audience, ClientAuth, OAuth2, PrivateKeyJwt, Server, SigningKey,
        Subject,
    },
    provider::{BoxProvider, LostReply, Placement, Rotation},
    test_util::SimOauth,
    token_client::{Body, HttpTokenClient},
};

use crate::{
    assert_refused, configs,
    vendors::{Secrets, assert_same, each_makes_an_exchange, exchange},
};

#[tokio::test]
async fn oauth2_out_of_toml_and_json() {
    let vendor = SimOauth::start().await.unwrap();
    let secrets = Secrets::new();
    let secret = secrets.put("secret", vendor.client_secret());
    let common = |grant: &str, auth: &str| {
        format!(
            "vendor = 'oauth2'\ngrant = '{grant}'\ntoken_endpoint = {:?}\nclient_id = {:?}\n\
             client_secret = {{ file = {secret:?} }}\nclient_auth = '{auth}'\norigins = [{:?}]\n\
             scope = ['read', 'write']\nrevocation_endpoint = {:?}\n",
            vendor.token_url(),
            vendor.client_id(),
            vendor.base_url(),
            vendor.revocation_url(),
        )
    };
    each_makes_an_exchange(&vendor, &common("refresh-token", "post")).await;
    for config in configs(&common("client-credentials", "basic")) {
        let token = exchange(&config).await;
        assert_eq!(token.scope(), Some("read write"));
    }
    assert_eq!(vendor.counters().exchanges, 4);
}

#[test]
fn the_client_of_an_oauth2_server_proves_itself_as_the_configuration_says() {
    let client = || OAuth2::client_credentials("https://id.example/token", "id", "s");
    let session = || OAuth2::refresh_token("https://id.example/token", "id");
    let toml = "token_endpoint = 'https://id.example/token'\nclient_id = 'id'\ngrant = ";
    let secret = "client_secret = { value = 's' }";
    for (rest, expected) in [
        (format!("'client-credentials'\n{secret}"), client()),
        (
            format!("'client-credentials'\n{secret}\nclient_auth = 'basic'"),
            client(),
        ),
        (
            format!("'client-credentials'\n{secret}\nclient_auth = 'post'"),
            client().client_auth(ClientAuth::Post("s".into())),
        ),
        ("'refresh-token'".to_owned(), session()),
        (
            "'refresh-token'\nclient_auth = 'none'".to_owned(),
            session(),
        ),
        (
            format!("'refresh-token'\n{secret}"),
            session().client_auth(ClientAuth::Basic("s".into())),
        ),
        (
            "'refresh-token'\nserver_errors_are_transient = true".to_owned(),
            session().server_errors_are_transient(),
        ),
    ] {
        assert_same::<OAuth2>(&format!("{toml}{rest}"), expected);
    }
}

#[test]
fn a_client_without_a_secret_proves_itself_as_the_configuration_says() {
    let client = |auth: ClientAuth| {
        let server = Server::discover("https://id.example");
        OAuth2::client_credentials(server, "id", auth)
    };
    let signed = |audience: Audience| {
        let key = SigningKey::pem(Algorithm::Es384, "k").key_id("2026-11");
        client(PrivateKeyJwt::new(key).audience(audience).into())
    };
    let toml = "grant = 'client-credentials'\nissuer = 'https://id.example'\nclient_id = 'id'\n";
    let key = "private_key = { value = 'k' }\nprivate_key_algorithm = 'ES384'\nprivate_key_id = '2026-11'\n";
    for (rest, expected) in [
        (key.to_owned(), signed(Audience::Auto)),
        (
            format!("{key}client_auth = 'private-key-jwt'\nassertion_audience = 'token-endpoint'"),
            signed(Audience::TokenEndpoint),
        ),
        (
            format!("{key}assertion_audience = 'https://id.example/'"),
            signed(Audience::Fixed("https://id.example/".to_owned())),
        ),
        (
            "client_assertion = { value = 'a' }".to_owned(),
            client(ClientAuth::Assertion(Assertion::from("a"))),
        ),
    ] {
        assert_same::<OAuth2>(&format!("{toml}{rest}"), expected);
    }
}

#[test]
fn what_a_token_is_for_and_bound_to_gets_into_the_provider() {
    let url = "https://id.example/token";
    let toml = format!("token_endpoint = '{url}'\ngrant = ");
    let bearer = || OAuth2::jwt_bearer(url, Assertion::from("a"));
    let exchange = |subject: Subject| OAuth2::token_exchange(url, subject);
    let subject = "'token-exchange'\nsubject_token = { value = 't' }\n";
    let jwt = "'jwt-bearer'\nassertion = { value = 'a' }\n";
    for (rest, expected) in [
        (jwt.to_owned(), bearer()),
        (
            format!(
                "{jwt}client_id = 'id'\nresource = ['https://a.example', 'urn:b']\ndpop = true"
            ),
            bearer()
                .client_id("id")
                .resource(["https://a.example", "urn:b"])
                .dpop(),
        ),
        (format!("{jwt}dpop = false"), bearer()),
        (subject.to_owned(), exchange(Subject::access_token("t"))),
        (
            format!("{subject}subject_token_type = 'urn:x'\nrequested_token_type = 'urn:y'"),
            exchange(Subject::new("t", "urn:x").requesting("urn:y")),
        ),
    ] {
        assert_same::<OAuth2>(&format!("{toml}{rest}"), expected);
    }
}

/// The parameters of two exchanges, between which `replace` replaces what they are made of.
async fn asked_twice(toml: &str, replace: impl FnOnce()) -> [Vec<(String, String)>; 2] {
    let (tell, mut told) = mpsc::unbounded_channel();
    let endpoint = tower::service_fn(move |request: http::Request<Body>| {
        let tell = tell.clone();
        async move {
            let form = request.into_body().collect().await.unwrap().to_bytes();
            let pairs = form_urlencoded::parse(&form).into_owned();
            tell.send(pairs.collect()).unwrap();
            let reply = r#"{"access_token": "a", "token_type": "Bearer", "expires_in": 60}"#;
            Ok::<_, std::io::Error>(http::Response::new(reply.to_owned()))
        }
    });
    let toml = format!(
        "vendor = 'oauth2'\ntoken_endpoint = 'https://id.example/token'\n\
         origins = ['https://api.example']\n{toml}"
    );
    let config: AuthConfig = toml::from_str(&toml).unwrap();
    let builder = config.builder().unwrap();
    let builder = builder.token_client(HttpTokenClient::over(endpoint));
    let auth = builder.build().unwrap();
    auth.handle().refresh().await.unwrap();
    replace();
    auth.handle().refresh().await.unwrap();
    [told.recv().await.unwrap(), told.recv().await.unwrap()]
}

#[tokio::test]
async fn each_secret_goes_where_it_belongs_and_is_read_anew_for_each_exchange() {
    let secrets = Secrets::new();
    let put = |times: &str| {
        ["assertion", "proof", "subject"].map(|name| secrets.put(name, &format!("{name}-{times}")))
    };
    let [assertion, proof, subject] = put("once");
    let bearer = format!(
        "grant = 'jwt-bearer'\nassertion = {{ file = {assertion:?} }}\n\
         client_assertion = {{ file = {proof:?} }}"
    );
    let trade = format!(
        "grant = 'token-exchange'\nsubject_token = {{ file = {subject:?} }}\nclient_id = 'id'\n\
         client_secret = {{ file = {proof:?} }}\nclient_auth = 'post'"
    );
    let cases: [(&str, [(&str, &str); 2]); 2] = [
        (
            &bearer,
            [("assertion", "assertion"), ("client_assertion", "proof")],
        ),
        (
            &trade,
            [("subject_token", "subject"), ("client_secret", "proof")],
        ),
    ];
    for (toml, expected) in cases {
        put("once");
        let asked = asked_twice(toml, || drop(put("twice"))).await;
        for (pairs, times) in asked.iter().zip(["once", "twice"]) {
            for (name, secret) in expected {
                let pair = (name.to_owned(), format!("{secret}-{times}"));
                assert!(pairs.contains(&pair), "{pair:?} of {pairs:?}");
            }
        }
    }
}

#[test]
fn what_is_known_of_an_oauth2_server_gets_into_the_profile() {
    let session = || {
        OAuth2::refresh_token("https://id.example/token", "id")
            .rotation(Rotation::Must)
            .placement(Placement::header("x-token".parse().unwrap()))
            .extra("audience", "api")
            .origins(["https://api.example"])
            .profile(|profile| profile.default_lifetime(Duration::from_secs(5400)))
            .profile(|profile| profile.default_refresh_lifetime(Duration::from_secs(86400)))
    };
    let toml = "grant = 'refresh-token'\ntoken_endpoint = 'https://id.example/token'\nclient_id = 'id'\n\
        rotation = 'must'\ntoken_header = 'x-token'\nextra = { audience = 'api' }\n\
        origins = ['https://api.example']\ndefault_lifetime = '1h 30min'\ndefault_refresh_lifetime = 86400\n";
    assert_same::<OAuth2>(
        &format!("{toml}lost_reply = 'never'"),
        session().lost_reply(LostReply::Never),
    );
    assert_same::<OAuth2>(
        &format!("{toml}lost_reply = {{ replay_within = '30s' }}"),
        session().lost_reply(LostReply::ReplayWithin(Duration::from_secs(30))),
    );
    let any = format!("vendor = 'oauth2'\n{toml}");
    assert_same::<BoxProvider>(&any, BoxProvider::new(session()));
}

#[test]
fn what_contradicts_itself_in_a_client_is_refused() {
    let oauth2 =
        "grant = 'refresh-token'\ntoken_endpoint = 'https://id.example/token'\nclient_id = 'id'\n";
    let public = format!("{oauth2}client_auth = 'none'\nclient_secret = {{ value = 'c4n4ry' }}");
    assert_refused::<ProviderConfig<OAuth2>>(&public, "`client_auth` is \"none\"");
    let post = format!("{oauth2}client_auth = 'post'");
    assert_refused::<ProviderConfig<OAuth2>>(&post, "`client_secret` is missing");
    for (rest, expected) in [
        (
            "issuer = 'https://c4n4ry.example'",
            "`issuer` is there, and so is `token_endpoint`",
        ),
        (
            "assertion = { value = 'c4n4ry' }",
            "`assertion` is there for the grant \"jwt-bearer\" only",
        ),
        (
            "requested_token_type = 'c4n4ry'",
            "`requested_token_type` is there for the grant \"token-exchange\" only",
        ),
        (
            "client_secret = { value = 'c4n4ry' }\nprivate_key = { value = 'c4n4ry' }",
            "`private_key` is there, and so is `client_secret`",
        ),
        (
            "client_assertion = { value = 'c4n4ry' }\nclient_auth = 'post'",
            "`client_auth` is \"post\", and there is a `client_assertion`",
        ),
        (
            "client_auth = 'private-key-jwt'",
            "`private_key` is missing",
        ),
        (
            "private_key = { value = 'c4n4ry' }",
            "`private_key_algorithm` is missing",
        ),
        (
            "private_key = { value = 'c4n4ry' }\nprivate_key_algorithm = 'c4n4ry'",
            "`private_key_algorithm` must be one of \"ES256\", ",
        ),
        (
            "private_key_id = 'c4n4ry'",
            "`private_key_id` is there for a `private_key` only",
        ),
        (
            "private_key = { value = 'c4n4ry' }\nprivate_key_algorithm = 'ES256'\nassertion_audience = 'c4n4ry'",
            "`assertion_audience` must be \"token-endpoint\", or an absolute URI",
        ),
        (
            "resource = ['https://x.example/#c4n4ry']",
            "`resource` must be absolute URIs without a fragment",
        ),
    ] {
        assert_refused::<ProviderConfig<OAuth2>>(&format!("{oauth2}{rest}"), expected);
    }
    let trade = "grant = 'token-exchange'\ntoken_endpoint = 'https://id.example/token'\n\
        subject_token = { value = 'c4n4ry' }\n";
    for (rest, expected) in [
        (
            "subject_token_type = 'c4n4ry'",
            "`subject_token_type` must be a URI",
        ),
        (
            "requested_token_type = 'c4n4ry'",
            "`requested_token_type` must be a URI",
        ),
        (
            "client_secret = { value = 'c4n4ry' }",
            "`client_id` is missing",
        ),
        (
            "private_key = { value = 'c4n4ry' }\nprivate_key_algorithm = 'ES256'",
            "`client_id` is missing",
        ),
    ] {
        assert_refused::<ProviderConfig<OAuth2>>(&format!("{trade}{rest}"), expected);
    }
    let found = "grant = 'refresh-token'\nclient_id = 'id'\nissuer = 'http://c4n4ry.example'";
    assert_refused::<ProviderConfig<OAuth2>>(found, "`issuer` cannot be used: the issuer is not");
}
