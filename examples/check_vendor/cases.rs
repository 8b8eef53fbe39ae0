//! For each simulated vendor a right configuration, and four wrong ones.

use std::{io, net::TcpListener};

use tower_reauth::test_util::{SimDressipi, SimImmersve, SimMarketiger, SimOauth, SimVmwareCsp};

use crate::simulated::{Scratch, Vendor};

pub(crate) fn immersve(vendor: &SimImmersve) -> Vendor<'_> {
    let mut made = Vendor::new("Immersve", vendor);
    let url = vendor.base_url();
    let config = |id: &str, origin: &str, initial: &str| {
        format!("vendor = 'immersve'\n{id}\norigin = '{origin}'\nbase_url = '{url}'\n{initial}")
    };
    let (id, origin) = ("client_application_id = 'client-app-id'", vendor.origin());
    let initial = made.refresh_token();
    made.right(config(id, origin, &initial));
    let typo = config("client_app_id = 'client-app-id'", origin, &initial);
    made.wrong(
        "a typo in a field's name",
        typo,
        "unreadable",
        "`client_app_id`",
    );
    let other = config(
        "client_application_id = 'other'",
        origin,
        &made.refresh_token(),
    );
    made.wrong(
        "another client application",
        other,
        "wrong setting",
        "another client application",
    );
    let elsewhere = config(id, "https://other.example", &made.refresh_token());
    made.wrong(
        "another origin",
        elsewhere,
        "wrong setting",
        "does not allow this origin",
    );
    let dead = config(id, origin, "initial.refresh_token.value = 'c4n4ry'");
    made.wrong(
        "a dead refresh token",
        dead,
        "no good credential",
        "log in again",
    );
    made
}

pub(crate) fn dressipi(vendor: &SimDressipi) -> Vendor<'_> {
    let mut made = Vendor::new("Dressipi", vendor);
    let url = vendor.base_url();
    let config = |id: &str, more: &str, initial: &str| {
        format!("vendor = 'dressipi'\nbase_url = '{url}'\nclient_id = '{id}'\n{more}\n{initial}")
    };
    let initial = made.refresh_token();
    made.right(config("client-id", "", &initial));
    let typo = config("client-id", "orgins = ['https://api.example']", &initial);
    made.wrong("a typo in a field's name", typo, "unreadable", "`orgins`");
    let other = config("other", "", &made.refresh_token());
    made.wrong("another client", other, "wrong setting", "client");
    let unset = config(
        "client-id",
        "api_key = { env = 'CHECK_VENDOR_UNSET' }",
        &initial,
    );
    made.wrong(
        "a variable that is not set",
        unset,
        "wrong setting",
        "CHECK_VENDOR_UNSET",
    );
    let dead = config("client-id", "", "initial.refresh_token.value = 'c4n4ry'");
    made.wrong("a dead refresh token", dead, "no good credential", "login");
    made
}

pub(crate) fn marketiger(vendor: &SimMarketiger) -> Vendor<'_> {
    let mut made = Vendor::new("Marketiger3D", vendor);
    let url = vendor.base_url() + "/v2";
    let config = |url: &str, initial: &str| {
        format!("vendor = 'marketiger3d'\nbase_url = '{url}'\n{initial}")
    };
    let pair = made.pair();
    made.right(config(&url, &pair));
    let zero = config(&url, &format!("{pair}\ntoken_client.timeout = 'soon'"));
    made.wrong(
        "a time that is none",
        zero,
        "unreadable",
        "`token_client.timeout`",
    );
    let half = config(&url, &made.refresh_token());
    made.wrong(
        "no access token",
        half,
        "no good credential",
        "old access token",
    );
    let dead = "initial.access_token.value = 'c4n4ry'\ninitial.refresh_token.value = 'c4n4ry'";
    made.wrong(
        "a dead session",
        config(&url, dead),
        "no good credential",
        "email and password",
    );
    let bad = config("devapi.marketiger3d.com/v2", &pair);
    made.wrong("an address without https", bad, "unreadable", "`base_url`");
    made
}

pub(crate) fn csp<'a>(vendor: &'a SimVmwareCsp, scratch: &Scratch) -> io::Result<Vendor<'a>> {
    let mut made = Vendor::new("VMware Cloud Services", vendor);
    let url = vendor.base_url();
    let config = |origin: &str, api_token: &str| {
        format!(
            "vendor = 'vmware-csp'\nbase_url = '{url}'\norigins = ['{origin}']\napi_token = {api_token}"
        )
    };
    let api_token = made.log_in().1;
    let in_file = format!("{{ file = {:?} }}", scratch.file("api-token", &api_token)?);
    made.right(config(&url, &in_file));
    made.wrong(
        "a bare API token",
        config(&url, "'c4n4ry'"),
        "unreadable",
        "`api_token` is a secret",
    );
    let plain = config("http://vmc.example", &in_file);
    made.wrong("an API in plain http", plain, "unreadable", "`origins`");
    let missing = config(&url, "{ file = 'no/such/file' }");
    made.wrong(
        "a file that is not there",
        missing,
        "wrong setting",
        "no/such/file",
    );
    let dead = config(&url, "{ value = 'c4n4ry' }");
    made.wrong(
        "a dead API token",
        dead,
        "no good credential",
        "make a new one",
    );
    Ok(made)
}

pub(crate) fn oauth(vendor: &SimOauth) -> io::Result<Vendor<'_>> {
    let mut made = Vendor::new("OAuth 2.0", vendor);
    let url = vendor.token_url();
    let config = |url: &str, secret: &str, scope: &str| {
        format!(
            "vendor = 'oauth2'\ngrant = 'client-credentials'\ntoken_endpoint = '{url}'\n\
             client_id = 'orders'\n{secret}\nscope = ['{scope}']\norigins = ['https://api.example']"
        )
    };
    let secret = "client_secret = { value = 'c4n4ry secret' }";
    made.right(config(&url, secret, "read"));
    let bare = config(&url, "client_secret = { value = c4n4ry }", "read");
    made.wrong("a text without quotes", bare, "unreadable", "line 5: ");
    let wrong = config(&url, "client_secret = { value = 'c4n4ry' }", "read");
    made.wrong("a wrong secret", wrong, "wrong setting", "invalid_client");
    let scope = config(&url, secret, "everything");
    made.wrong(
        "a scope that is not allowed",
        scope,
        "wrong setting",
        "invalid_scope",
    );
    // A port where nobody listens any more.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let nobody = config(&format!("http://127.0.0.1:{port}/token"), secret, "read");
    made.wrong("an address where nobody is", nobody, "no answer", "token");
    Ok(made)
}
