//! Each vendor, from its configuration to a real exchange.

use std::{fmt::Debug, fs, path::PathBuf};

use tower_reauth::{
    Token,
    config::{AuthConfig, Configured, ProviderConfig},
    test_util::{Seed, SimDressipi, SimImmersve, SimMarketiger, SimVmwareCsp, Simulator},
    vendor::{Dressipi, Immersve, Marketiger3D, VmwareCsp},
};

use crate::{both, configs, folder::Folder};

/// Files with the secrets of a session.
pub(crate) struct Secrets(Folder);

impl Secrets {
    pub(crate) fn new() -> Self {
        Self(Folder::new())
    }

    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
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
pub(crate) async fn exchange(config: &AuthConfig) -> Token {
    let auth = config.builder().unwrap().memory_only().build().unwrap();
    auth.handle().refresh().await.unwrap()
}

/// That each of the two forms makes one good exchange, each from a login of its own.
pub(crate) async fn each_makes_an_exchange(vendor: &Simulator, toml: &str) {
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
