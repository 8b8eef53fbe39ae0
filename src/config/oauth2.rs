//! The fields of a plain OAuth 2.0 server.

use http::HeaderName;

use super::{
    provider::{Described, ProviderConfig},
    secret::SecretSource,
    table::{Fault, Table},
};
use crate::{
    oauth2::{ClientAuth, OAuth2, wire::Endpoint},
    provider::{Credential, LostReply, Placement, Rotation},
};

const FIELDS: &[&str] = &[
    "grant",
    "token_endpoint",
    "client_id",
    "client_secret",
    "client_auth",
    "scope",
    "extra",
    "origins",
    "token_header",
    "rotation",
    "lost_reply",
    "revocation_endpoint",
    "server_errors_are_transient",
    "default_lifetime",
    "default_refresh_lifetime",
];

#[derive(Clone, Copy, PartialEq)]
enum Grant {
    ClientCredentials,
    RefreshToken,
}

#[derive(Clone, Copy)]
enum Method {
    Basic,
    Post,
}

impl Described for OAuth2 {
    fn read(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig<Self>, Fault> {
        table.only(&[FIELDS, beside])?;
        let grants = [
            ("client-credentials", Grant::ClientCredentials),
            ("refresh-token", Grant::RefreshToken),
        ];
        let grant = table.choice("grant", &grants)?;
        let grant = grant.ok_or_else(|| table.missing("grant"))?;
        let endpoint = endpoint(table, "token_endpoint", Endpoint::whole)?;
        let endpoint = endpoint.ok_or_else(|| table.missing("token_endpoint"))?;
        let client_id = table.needed_text("client_id")?;
        let (auth, secret) = client_auth(table, grant)?;
        let mut provider = match grant {
            Grant::RefreshToken => OAuth2::refresh_token(endpoint, client_id),
            Grant::ClientCredentials => OAuth2::client_credentials(endpoint, client_id, ""),
        };
        provider = provider.client_auth(auth);
        provider = what_is_asked(table, provider)?;
        provider = what_is_known(table, provider)?;
        Ok(ProviderConfig::new(move || {
            secret.as_ref().map(SecretSource::look_up).transpose()?;
            Ok(provider.clone())
        }))
    }
}

fn client_auth(
    table: &mut Table,
    grant: Grant,
) -> Result<(ClientAuth, Option<SecretSource>), Fault> {
    let secret = table.secret("client_secret")?;
    let methods = [
        ("basic", Some(Method::Basic)),
        ("post", Some(Method::Post)),
        ("none", None),
    ];
    let method = table.choice("client_auth", &methods)?;
    let Some(secret) = secret else {
        return match method {
            Some(Some(_)) => Err(table.missing("client_secret")),
            None | Some(None) if grant == Grant::ClientCredentials => {
                Err(table.missing("client_secret"))
            }
            None | Some(None) => Ok((ClientAuth::None, None)),
        };
    };
    let credential = Credential::from(secret.clone());
    let auth = match method {
        None | Some(Some(Method::Basic)) => ClientAuth::Basic(credential),
        Some(Some(Method::Post)) => ClientAuth::Post(credential),
        Some(None) => {
            let reason = "is \"none\", and there is a `client_secret`: leave one out";
            return Err(table.fault("client_auth", reason));
        }
    };
    Ok((auth, Some(secret)))
}

/// What goes into requests.
fn what_is_asked(table: &mut Table, mut provider: OAuth2) -> Result<OAuth2, Fault> {
    if let Some(scope) = table.texts("scope")? {
        provider = provider.scope(scope);
    }
    for (name, value) in table.pairs("extra")? {
        provider = provider.extra(name, value);
    }
    if let Some(origins) = table.origins()? {
        provider = provider.origins(origins);
    }
    if let Some(name) = table.text("token_header")? {
        let name: HeaderName = name
            .parse()
            .map_err(|_| table.fault("token_header", "must be the name of a header"))?;
        provider = provider.placement(Placement::header(name));
    }
    if let Some(url) = endpoint(table, "revocation_endpoint", Endpoint::revocation)? {
        provider = provider.revocation_endpoint(url);
    }
    Ok(provider)
}

/// What is known about the server.
fn what_is_known(table: &mut Table, mut provider: OAuth2) -> Result<OAuth2, Fault> {
    let rotations = [
        ("must", Rotation::Must),
        ("may", Rotation::May),
        ("never", Rotation::Never),
    ];
    if let Some(rotation) = table.choice("rotation", &rotations)? {
        provider = provider.rotation(rotation);
    }
    if let Some(rule) = lost_reply(table)? {
        provider = provider.lost_reply(rule);
    }
    if table.flag("server_errors_are_transient")? == Some(true) {
        provider = provider.server_errors_are_transient();
    }
    if let Some(lifetime) = table.duration("default_lifetime")? {
        provider = provider.profile(|profile| profile.default_lifetime(lifetime));
    }
    if let Some(lifetime) = table.duration("default_refresh_lifetime")? {
        provider = provider.profile(|profile| profile.default_refresh_lifetime(lifetime));
    }
    Ok(provider)
}

fn lost_reply(table: &mut Table) -> Result<Option<LostReply>, Fault> {
    if table.holds_table("lost_reply") {
        let rule = table.table("lost_reply")?;
        let Some(mut rule) = rule else {
            return Ok(None);
        };
        rule.only(&[&["replay_within"]])?;
        let within = rule.duration("replay_within")?;
        let within = within.ok_or_else(|| rule.missing("replay_within"))?;
        return Ok(Some(LostReply::ReplayWithin(within)));
    }
    let rules = [
        ("harmless", LostReply::Harmless),
        ("last-resort", LostReply::LastResort),
        ("never", LostReply::Never),
    ];
    table.choice("lost_reply", &rules)
}

fn endpoint(
    table: &mut Table,
    name: &str,
    read: impl FnOnce(&str) -> Endpoint,
) -> Result<Option<String>, Fault> {
    table.url(name, |url| read(url).uri("").map(drop))
}
