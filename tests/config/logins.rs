//! Logins that need no hook from code: out of a configuration to a real login.

use std::fs;

use tower_reauth::{
    config::{AuthConfig, ProviderConfig},
    provider::BoxProvider,
    test_util::{SimImmersve, SimMarketiger, SimVmwareCsp},
    vendor::{ImmersveApiKey, Marketiger3D, VmwareCsp},
};

use crate::{CANARY, assert_refused, configs, folder::Folder, vendors::assert_same};

/// Logs in, or gets a token otherwise, from nothing.
async fn token(config: &AuthConfig) -> tower_reauth::Token {
    let auth = config.builder().unwrap().build().unwrap();
    auth.handle().token().await.unwrap()
}

#[tokio::test]
async fn marketiger3d_logs_in_with_a_password_out_of_a_file() {
    let vendor = SimMarketiger::start().await.unwrap();
    let folder = Folder::new();
    let path = folder.path("password");
    fs::write(&path, format!("{}\n", vendor.password())).unwrap();
    let toml = format!(
        "vendor = 'marketiger3d'\nbase_url = '{}/v2'\nemail = {:?}\npassword = {{ file = {path:?} }}",
        vendor.base_url(),
        vendor.email(),
    );
    for config in configs(&toml) {
        token(&config).await;
    }
    assert_eq!(vendor.counters().logins, 2);
    assert_eq!(vendor.counters().malformed, 0);
    assert_same::<Marketiger3D>(
        "email = 'me@shop.example'\npassword = { value = 'p' }",
        Marketiger3D::new().email_and_password("me@shop.example", "p"),
    );
    fs::remove_file(&path).unwrap();
    for config in configs(&toml) {
        let error = config.builder().unwrap_err();
        assert!(error.is_misconfigured(), "{error}");
        assert!(error.to_string().contains("`password`"), "{error}");
    }
}

#[test]
fn half_a_user_is_refused_by_name() {
    assert_refused::<ProviderConfig<Marketiger3D>>("email = 'c4n4ry'", "`password` is missing");
    let password = format!("password = {{ value = '{CANARY}' }}");
    assert_refused::<ProviderConfig<Marketiger3D>>(&password, "`email` is missing");
    let bare = format!("email = 'me'\npassword = '{CANARY}'");
    assert_refused::<ProviderConfig<Marketiger3D>>(&bare, "`password`");
}

#[tokio::test]
async fn vmware_csp_takes_a_service_account_in_place_of_an_api_token() {
    let vendor = SimVmwareCsp::start().await.unwrap();
    let toml = |more: &str| {
        format!(
            "vendor = 'vmware-csp'\nbase_url = {:?}\norigins = [{:?}]\nclient_id = {:?}\n\
             client_secret = {{ value = {:?} }}\n{more}",
            vendor.base_url(),
            vendor.base_url(),
            vendor.client_id(),
            vendor.client_secret(),
        )
    };
    for more in ["", "org_id = 'organization'"] {
        for config in configs(&toml(more)) {
            token(&config).await;
        }
    }
    assert_eq!(vendor.counters().exchanges, 4);
    assert_eq!(vendor.counters().malformed, 0);
    let origins = ["https://vmc.vmware.com"];
    assert_same::<VmwareCsp>(
        "origins = ['https://vmc.vmware.com']\nclient_id = 'id'\nclient_secret = { value = 's' }\norg_id = 'o'",
        VmwareCsp::service_account("id", "s", origins).org_id("o"),
    );
    assert_same::<VmwareCsp>(
        "origins = ['https://vmc.vmware.com']\napi_token = { value = 't' }\nwatch_api_token = true",
        VmwareCsp::api_token("t", origins).watch_api_token(),
    );
}

#[test]
fn an_api_token_and_a_service_account_at_once_are_refused() {
    type Csp = ProviderConfig<VmwareCsp>;
    let origins = "origins = ['https://vmc.vmware.com']\n";
    let table = [
        ("", "`api_token` is missing"),
        ("client_id = 'c4n4ry'", "`client_secret` is missing"),
        (
            "client_secret = { value = 'c4n4ry' }",
            "`client_id` is missing",
        ),
        (
            "api_token = { value = 'c4n4ry' }\nclient_id = 'c4n4ry'",
            "`client_id` is a service account's",
        ),
        (
            "api_token = { value = 'c4n4ry' }\nclient_secret = { value = 'c4n4ry' }",
            "`client_secret` is a service account's",
        ),
        (
            "api_token = { value = 'c4n4ry' }\norg_id = 'c4n4ry'",
            "`org_id` is a service account's",
        ),
        (
            "client_id = 'i'\nclient_secret = { value = 's' }\nwatch_api_token = true",
            "`watch_api_token` is about an API token",
        ),
        (
            "client_id = 'i'\nclient_secret = { value = 's' }\ndeprecated_refresh_token_parameter = true",
            "`deprecated_refresh_token_parameter` is about an API token",
        ),
    ];
    for (fields, expected) in table {
        assert_refused::<Csp>(&format!("{origins}{fields}"), expected);
    }
}

#[tokio::test]
async fn immersves_api_key_needs_no_session() {
    let vendor = SimImmersve::builder().api_key("k", "s");
    let vendor = vendor.start().await.unwrap();
    let fields = "api_key = { value = 'k' }\napi_secret = { value = 's' }\n";
    let toml = format!(
        "vendor = 'immersve-api-key'\nbase_url = {:?}\n{fields}",
        vendor.base_url()
    );
    for config in configs(&toml) {
        let got = token(&config).await;
        assert_eq!(got.access_token().unwrap().expose(), "k");
    }
    assert_eq!(vendor.counters().token_requests, 0);
    assert_same::<ImmersveApiKey>(
        &format!("{fields}environment = 'test'\naccount_id = 'a'\norigins = ['https://o.example']"),
        ImmersveApiKey::new("k", "s")
            .test_environment()
            .account_id("a")
            .origins(["https://o.example"]),
    );
    let any = format!("vendor = 'immersve-api-key'\n{fields}");
    assert_same::<BoxProvider>(&any, BoxProvider::new(ImmersveApiKey::new("k", "s")));
    for (toml, expected) in [
        ("api_key = { value = 'c4n4ry' }", "`api_secret` is missing"),
        ("api_secret = { value = 'c4n4ry' }", "`api_key` is missing"),
    ] {
        assert_refused::<ProviderConfig<ImmersveApiKey>>(toml, expected);
    }
}
