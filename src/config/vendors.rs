//! The vendors' fields.

use http::HeaderValue;

use super::{
    provider::{Described, ProviderConfig},
    secret::SecretSource,
    table::{Fault, Table},
};
use crate::{
    oauth2::wire::Endpoint,
    provider::Origins,
    vendor::{Dressipi, Immersve, ImmersveApiKey, Marketiger3D, VmwareCsp},
};

impl Described for Immersve {
    fn read(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig<Self>, Fault> {
        const FIELDS: &[&str] = &[
            "client_application_id",
            "origin",
            "environment",
            "base_url",
            "account_id",
            "origins",
        ];
        table.only(&[FIELDS, beside])?;
        let id = table.needed_text("client_application_id")?;
        let origin = table.needed_text("origin")?;
        if HeaderValue::from_str(&origin).is_err() {
            return Err(table.fault(
                "origin",
                "must be the origin of your app, such as \"https://app.example\"",
            ));
        }
        let mut provider = Immersve::new(id, origin);
        provider = match environment(table)? {
            Place::Live => provider,
            Place::Test => provider.test_environment(),
            Place::At(url) => provider.base_url(url),
        };
        if let Some(account) = table.text("account_id")? {
            provider = provider.account_id(account);
        }
        if let Some(origins) = table.origins()? {
            provider = provider.origins(origins);
        }
        Ok(ProviderConfig::new(move || Ok(provider.clone())))
    }
}

impl Described for ImmersveApiKey {
    fn read(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig<Self>, Fault> {
        const FIELDS: &[&str] = &[
            "api_key",
            "api_secret",
            "environment",
            "base_url",
            "account_id",
            "origins",
        ];
        table.only(&[FIELDS, beside])?;
        let key = table.secret("api_key")?;
        let key = key.ok_or_else(|| table.missing("api_key"))?;
        let secret = table.secret("api_secret")?;
        let secret = secret.ok_or_else(|| table.missing("api_secret"))?;
        let place = environment(table)?;
        let account = table.text("account_id")?;
        let origins: Option<Origins> = table.origins()?;
        Ok(ProviderConfig::new(move || {
            // Both go with API calls, in headers that are made once.
            let mut provider = ImmersveApiKey::new(key.look_up()?, secret.look_up()?);
            provider = match &place {
                Place::Live => provider,
                Place::Test => provider.test_environment(),
                Place::At(url) => provider.base_url(url),
            };
            if let Some(account) = &account {
                provider = provider.account_id(account);
            }
            if let Some(origins) = &origins {
                provider = provider.origins(origins.clone());
            }
            Ok(provider)
        }))
    }
}

impl Described for Dressipi {
    fn read(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig<Self>, Fault> {
        const FIELDS: &[&str] = &[
            "base_url",
            "client_id",
            "api_key",
            "send_old_token",
            "origins",
        ];
        table.only(&[FIELDS, beside])?;
        let url = base_url(table)?.ok_or_else(|| table.missing("base_url"))?;
        let mut provider = Dressipi::new(url, table.needed_text("client_id")?);
        if table.flag("send_old_token")? == Some(true) {
            provider = provider.send_old_token();
        }
        if let Some(origins) = table.origins()? {
            provider = provider.origins(origins);
        }
        let api_key = table.secret("api_key")?;
        Ok(ProviderConfig::new(move || {
            let provider = provider.clone();
            // It goes with API calls as well, in a header that is made once.
            match &api_key {
                Some(key) => Ok(provider.api_key(key.look_up()?)),
                None => Ok(provider),
            }
        }))
    }
}

impl Described for Marketiger3D {
    fn read(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig<Self>, Fault> {
        table.only(&[&["base_url", "email", "password", "origins"], beside])?;
        let mut provider = Marketiger3D::new();
        if let Some(url) = base_url(table)? {
            provider = provider.base_url(url);
        }
        if let Some(origins) = table.origins()? {
            provider = provider.origins(origins);
        }
        let email = table.text("email")?;
        let password = table.secret("password")?;
        match (email, &password) {
            (Some(email), Some(password)) => {
                provider = provider.email_and_password(email, password.clone());
            }
            (None, None) => {}
            (Some(_), None) => return Err(table.missing("password")),
            (None, Some(_)) => return Err(table.missing("email")),
        }
        Ok(ProviderConfig::new(move || {
            password.as_ref().map(SecretSource::look_up).transpose()?;
            Ok(provider.clone())
        }))
    }
}

impl Described for VmwareCsp {
    fn read(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig<Self>, Fault> {
        const FIELDS: &[&str] = &[
            "api_token",
            "client_id",
            "client_secret",
            "org_id",
            "watch_api_token",
            "origins",
            "account",
            "base_url",
            "token_header",
            "deprecated_refresh_token_parameter",
        ];
        table.only(&[FIELDS, beside])?;
        let origins = table.origins()?.ok_or_else(|| table.missing("origins"))?;
        let (mut provider, secret) = csp_proof(table, origins)?;
        if let Some(account) = table.text("account")? {
            provider = provider.account(account);
        }
        if let Some(url) = base_url(table)? {
            provider = provider.base_url(url);
        }
        type Header = fn(VmwareCsp) -> VmwareCsp;
        let places: [(&str, Header); 3] = [
            ("authorization", |provider| provider),
            ("csp-auth-token", VmwareCsp::only_csp_auth_token),
            ("both", VmwareCsp::also_csp_auth_token),
        ];
        if let Some(place) = table.choice("token_header", &places)? {
            provider = place(provider);
        }
        Ok(ProviderConfig::new(move || {
            secret.look_up()?;
            Ok(provider.clone())
        }))
    }
}

/// An API token or a service account, and the secret of it.
fn csp_proof(table: &mut Table, origins: Origins) -> Result<(VmwareCsp, SecretSource), Fault> {
    let api_token = table.secret("api_token")?;
    let client_id = table.text("client_id")?;
    let client_secret = table.secret("client_secret")?;
    let org_id = table.text("org_id")?;
    let watches = table.flag("watch_api_token")?;
    let deprecated = table.flag("deprecated_refresh_token_parameter")?;
    let Some(api_token) = api_token else {
        let Some(id) = client_id else {
            let missing = match client_secret {
                Some(_) => "client_id",
                None => "api_token",
            };
            return Err(table.missing(missing));
        };
        let secret = client_secret.ok_or_else(|| table.missing("client_secret"))?;
        let flags = [
            ("watch_api_token", watches.is_some()),
            ("deprecated_refresh_token_parameter", deprecated.is_some()),
        ];
        none_of(table, &flags, "is about an API token, and there is none")?;
        let provider = VmwareCsp::service_account(id, secret.clone(), origins);
        let provider = match org_id {
            Some(id) => provider.org_id(id),
            None => provider,
        };
        return Ok((provider, secret));
    };
    let others = [
        ("client_id", client_id.is_some()),
        ("client_secret", client_secret.is_some()),
        ("org_id", org_id.is_some()),
    ];
    let reason = "is a service account's, and there is an `api_token`: leave one out";
    none_of(table, &others, reason)?;
    let mut provider = VmwareCsp::api_token(api_token.clone(), origins);
    if watches == Some(true) {
        provider = provider.watch_api_token();
    }
    if deprecated == Some(true) {
        provider = provider.deprecated_refresh_token_parameter();
    }
    Ok((provider, api_token))
}

/// That none of these fields is there.
fn none_of(table: &Table, fields: &[(&str, bool)], reason: &str) -> Result<(), Fault> {
    match fields.iter().find(|(_, is_there)| *is_there) {
        Some((name, _)) => Err(table.fault(name, reason)),
        None => Ok(()),
    }
}

/// Where Immersve is.
enum Place {
    Live,
    Test,
    At(String),
}

fn environment(table: &mut Table) -> Result<Place, Fault> {
    let environments = [("live", false), ("test", true)];
    let environment = table.choice("environment", &environments)?;
    match (environment, base_url(table)?) {
        (Some(_), Some(_)) => {
            Err(table.fault("base_url", "and `environment` say the same: leave one out"))
        }
        (Some(true), None) => Ok(Place::Test),
        (_, Some(url)) => Ok(Place::At(url)),
        (_, None) => Ok(Place::Live),
    }
}

fn base_url(table: &mut Table) -> Result<Option<String>, Fault> {
    table.url("base_url", |url| Endpoint::base(url).uri("").map(drop))
}
