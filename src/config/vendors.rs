//! The four vendors' fields.

use http::HeaderValue;

use super::{
    provider::{Described, ProviderConfig},
    table::{Fault, Table},
};
use crate::{
    oauth2::wire::Endpoint,
    vendor::{Dressipi, Immersve, Marketiger3D, VmwareCsp},
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
        let environments = [("live", false), ("test", true)];
        let environment = table.choice("environment", &environments)?;
        let base_url = base_url(table)?;
        if environment.is_some() && base_url.is_some() {
            return Err(table.fault("base_url", "and `environment` say the same: leave one out"));
        }
        if environment == Some(true) {
            provider = provider.test_environment();
        }
        if let Some(url) = base_url {
            provider = provider.base_url(url);
        }
        if let Some(account) = table.text("account_id")? {
            provider = provider.account_id(account);
        }
        if let Some(origins) = table.origins()? {
            provider = provider.origins(origins);
        }
        Ok(ProviderConfig::new(move || Ok(provider.clone())))
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
        table.only(&[&["base_url", "origins"], beside])?;
        let mut provider = Marketiger3D::new();
        if let Some(url) = base_url(table)? {
            provider = provider.base_url(url);
        }
        if let Some(origins) = table.origins()? {
            provider = provider.origins(origins);
        }
        Ok(ProviderConfig::new(move || Ok(provider.clone())))
    }
}

impl Described for VmwareCsp {
    fn read(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig<Self>, Fault> {
        const FIELDS: &[&str] = &[
            "api_token",
            "origins",
            "account",
            "base_url",
            "token_header",
            "deprecated_refresh_token_parameter",
        ];
        table.only(&[FIELDS, beside])?;
        let api_token = table.secret("api_token")?;
        let api_token = api_token.ok_or_else(|| table.missing("api_token"))?;
        let origins = table.origins()?.ok_or_else(|| table.missing("origins"))?;
        let mut provider = VmwareCsp::api_token(api_token.clone(), origins);
        if let Some(account) = table.text("account")? {
            provider = provider.account(account);
        }
        if let Some(url) = base_url(table)? {
            provider = provider.base_url(url);
        }
        type Place = fn(VmwareCsp) -> VmwareCsp;
        let places: [(&str, Place); 3] = [
            ("authorization", |provider| provider),
            ("csp-auth-token", VmwareCsp::only_csp_auth_token),
            ("both", VmwareCsp::also_csp_auth_token),
        ];
        if let Some(place) = table.choice("token_header", &places)? {
            provider = place(provider);
        }
        if table.flag("deprecated_refresh_token_parameter")? == Some(true) {
            provider = provider.deprecated_refresh_token_parameter();
        }
        Ok(ProviderConfig::new(move || {
            api_token.look_up()?;
            Ok(provider.clone())
        }))
    }
}

fn base_url(table: &mut Table) -> Result<Option<String>, Fault> {
    table.url("base_url", |url| Endpoint::base(url).uri("").map(drop))
}
