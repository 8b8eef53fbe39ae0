//! Each vendor, from its configuration to a real exchange.

use std::{fmt::Debug, fs, path::PathBuf};

use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tower_reauth::{
    Token,
    config::{AuthConfig, Configured, ProviderConfig},
    oauth2::OAuth2,
    provider::BoxProvider,
    test_util::{Seed, SimDressipi, SimImmersve, SimMarketiger, SimOauth, SimVmwareCsp, Simulator},
    token_client::{Body, HttpTokenClient},
    vendor::{Dressipi, Immersve, Marketiger3D, VmwareCsp},
};

use crate::{both, configs, folder::Folder};

/// Files with the secrets of a session.
struct Secrets(Folder);

impl Secrets {
    fn new() -> Self {
        Self(Folder::new())
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The table `initial`, with a seed behind it.
    fn initial(&self, seed: &Seed) -> String {
        let access = self.put("access", &format!("{}\n", seed.access_token));
        let refresh = self.put("refresh", &format!("{}\r\n", seed.refresh_token));
        format!(
            "[initial]\naccess_token = {{ file = {access:?} }}\nrefresh_token = {{ file = {refresh:?} }}\n"
        )
    }
}

/// Makes one exchange.
async fn exchange(config: &AuthConfig) -> Token {
    let auth = config.builder().unwrap().memory_only().build().unwrap();
    auth.handle().refresh().await.unwrap()
}

/// That each of the two forms makes one good exchange, each from a login of its own.
async fn each_makes_an_exchange(vendor: &Simulator, toml: &str) {
    let secrets = Secrets::new();
    for form in [0, 1] {
        let seed = vendor.seed();
        let text = format!("{toml}\n{}", secrets.initial(&seed));
        let token = exchange(&configs(&text)[form]).await;
        let access = token.access_token().unwrap().expose();
        assert_ne!(access, seed.access_token);
    }
    let seen = vendor.counters();
    assert_eq!(
        (seen.exchanges, seen.malformed),
        (2, 0),
        "{:?}",
        vendor.last_malformed()
    );
}

/// That a vendor's own configuration gives the provider that the builder methods give.
pub(crate) fn assert_same<P: Configured + Debug>(toml: &str, expected: P) {
    for config in both::<ProviderConfig<P>>(toml) {
        let provider = config.unwrap().provider().unwrap();
        assert_eq!(format!("{provider:?}"), format!("{expected:?}"));
        let (own, expected) = (provider.profile(), expected.profile());
        assert_eq!(format!("{own:?}"), format!("{expected:?}"));
    }
}

#[tokio::test]
async fn immersve_out_of_toml_and_json() {
    let vendor = SimImmersve::start().await.unwrap();
    let (id, origin) = (vendor.client_application_id(), vendor.origin());
    let toml = format!(
        "vendor = 'immersve'\nclient_application_id = {id:?}\norigin = {origin:?}\nbase_url = {:?}\n",
        vendor.base_url()
    );
    each_makes_an_exchange(&vendor, &toml).await;
    assert_same::<Immersve>(
        "client_application_id = 'id'\norigin = 'https://app.example'\nenvironment = 'test'\n\
         account_id = 'account'\norigins = ['https://other.example']",
        Immersve::new("id", "https://app.example")
            .test_environment()
            .account_id("account")
            .origins(["https://other.example"]),
    );
    let live = "client_application_id = 'id'\norigin = 'https://app.example'";
    assert_same::<Immersve>(live, Immersve::new("id", "https://app.example"));
}

#[tokio::test]
async fn dressipi_out_of_toml_and_json() {
    let vendor = SimDressipi::builder()
        .api_key("the key")
        .start()
        .await
        .unwrap();
    let secrets = Secrets::new();
    let toml = format!(
        "vendor = 'dressipi'\nbase_url = {:?}\nclient_id = 'client-id'\nsend_old_token = true\n\
         api_key = {{ file = {:?} }}\n",
        vendor.base_url(),
        secrets.put("key", "the key\n"),
    );
    each_makes_an_exchange(&vendor, &toml).await;
    assert_same::<Dressipi>(
        "base_url = 'https://d.example/api'\nclient_id = 'id'\napi_key = { value = 'key' }\n\
         send_old_token = true\norigins = ['https://other.example']",
        Dressipi::new("https://d.example/api", "id")
            .api_key("key")
            .send_old_token()
            .origins(["https://other.example"]),
    );
}

#[tokio::test]
async fn marketiger3d_out_of_toml_and_json() {
    let vendor = SimMarketiger::start().await.unwrap();
    let toml = format!(
        "vendor = 'marketiger3d'\nbase_url = '{}/v2'\n",
        vendor.base_url()
    );
    each_makes_an_exchange(&vendor, &toml).await;
    assert_same::<Marketiger3D>("", Marketiger3D::new());
    assert_same::<Marketiger3D>(
        "base_url = 'https://m.example/v3'\norigins = ['https://other.example']",
        Marketiger3D::new()
            .base_url("https://m.example/v3")
            .origins(["https://other.example"]),
    );
}

#[tokio::test]
async fn vmware_csp_out_of_toml_and_json() {
    let vendor = SimVmwareCsp::builder()
        .accept_refresh_token()
        .start()
        .await
        .unwrap();
    let secrets = Secrets::new();
    for (made, deprecated) in [(1, false), (3, true)] {
        let api_token = secrets.put("api-token", &vendor.seed().refresh_token);
        let toml = format!(
            "vendor = 'vmware-csp'\nbase_url = {:?}\norigins = [{:?}]\n\
             deprecated_refresh_token_parameter = {deprecated}\napi_token = {{ file = {api_token:?} }}",
            vendor.base_url(),
            vendor.base_url(),
        );
        for (config, number) in configs(&toml).iter().zip(made..) {
            exchange(config).await;
            assert_eq!(vendor.counters().exchanges, number);
        }
    }
    assert_eq!(vendor.counters().malformed, 0);
    let csp = || VmwareCsp::api_token("token", ["https://vmc.vmware.com"]).account("account");
    let fields = "api_token = { value = 'token' }\norigins = ['https://vmc.vmware.com']\naccount = 'account'\n";
    assert_same::<VmwareCsp>(fields, csp());
    let deprecated = format!("{fields}deprecated_refresh_token_parameter = true");
    assert_same::<VmwareCsp>(&deprecated, csp().deprecated_refresh_token_parameter());
    for (header, expected) in [
        ("authorization", csp()),
        ("csp-auth-token", csp().only_csp_auth_token()),
        ("both", csp().also_csp_auth_token()),
    ] {
        assert_same::<VmwareCsp>(&format!("{fields}token_header = {header:?}"), expected);
    }
}

#[tokio::test]
async fn an_api_token_that_is_replaced_in_its_file_is_used_from_the_next_exchange_on() {
    let vendor = SimVmwareCsp::start().await.unwrap();
    let secrets = Secrets::new();
    let path = secrets.put("api-token", &vendor.seed().refresh_token);
    let toml = format!(
        "vendor = 'vmware-csp'\nbase_url = {:?}\norigins = [{:?}]\napi_token = {{ file = {path:?} }}",
        vendor.base_url(),
        vendor.base_url(),
    );
    let [config, _] = configs(&toml);
    let auth = config.builder().unwrap().build().unwrap();
    let handle = auth.handle();
    handle.refresh().await.unwrap();

    vendor.revoke_api_tokens();
    secrets.put("api-token", &vendor.seed().refresh_token);
    handle.refresh().await.unwrap();
    assert_eq!(vendor.counters().exchanges, 2);

    fs::remove_file(&path).unwrap();
    let error = handle.refresh().await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("`api_token`") && text.contains("api-token\""),
        "{text}"
    );
    secrets.put("api-token", &vendor.seed().refresh_token);
    handle.refresh().await.unwrap();
}

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
    use tower_reauth::oauth2::ClientAuth;
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
    use tower_reauth::oauth2::{
        Algorithm, Assertion, Audience, ClientAuth, PrivateKeyJwt, Server, SigningKey,
    };
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
    use tower_reauth::oauth2::{Assertion, Subject};
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
    use std::time::Duration;
    use tower_reauth::provider::{LostReply, Placement, Rotation};
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
