//! The fields of a plain OAuth 2.0 server.

mod client;
mod grant;

use http::HeaderName;

use super::{
    provider::{Described, ProviderConfig},
    secret::SecretSource,
    table::{Fault, Table},
};
use crate::{
    oauth2::{OAuth2, is_resource, wire::Endpoint},
    provider::{Credential, LostReply, Placement, Rotation},
};

const FIELDS: &[&str] = &[
    "grant",
    "token_endpoint",
    "issuer",
    "client_id",
    "client_auth",
    "client_secret",
    "client_assertion",
    "private_key",
    "private_key_algorithm",
    "private_key_id",
    "assertion_audience",
    "assertion",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "scope",
    "resource",
    "extra",
    "origins",
    "token_header",
    "dpop",
    "rotation",
    "lost_reply",
    "revocation_endpoint",
    "server_errors_are_transient",
    "default_lifetime",
    "default_refresh_lifetime",
];

impl Described for OAuth2 {
    fn read(table: &mut Table, beside: &[&str]) -> Result<ProviderConfig<Self>, Fault> {
        table.only(&[FIELDS, beside])?;
        let mut secrets = Vec::new();
        let (mut provider, needs_proof) = grant::read(table, &mut secrets)?;
        provider = provider.client_auth(client::read(table, needs_proof, &mut secrets)?);
        provider = what_is_asked(table, provider)?;
        provider = what_is_known(table, provider)?;
        Ok(ProviderConfig::new(move || {
            for secret in &secrets {
                secret.look_up()?;
            }
            Ok(provider.clone())
        }))
    }
}

/// A secret that has to be there. It is looked up when the provider is made, and for each exchange.
fn needed_secret(
    table: &mut Table,
    name: &str,
    secrets: &mut Vec<SecretSource>,
) -> Result<Credential, Fault> {
    let secret = table.secret(name)?.ok_or_else(|| table.missing(name))?;
    secrets.push(secret.clone());
    Ok(secret.into())
}

/// What goes into requests.
fn what_is_asked(table: &mut Table, mut provider: OAuth2) -> Result<OAuth2, Fault> {
    if let Some(scope) = table.texts("scope")? {
        provider = provider.scope(scope);
    }
    if let Some(resources) = table.texts("resource")? {
        if !resources.iter().all(|resource| is_resource(resource)) {
            let reason =
                "must be absolute URIs without a fragment, such as [\"https://api.example.com\"]";
            return Err(table.fault("resource", reason));
        }
        provider = provider.resource(resources);
    }
    for (name, value) in table.pairs("extra")? {
        provider = provider.extra(name, value);
    }
    if table.flag("dpop")? == Some(true) {
        provider = bound(table, provider)?;
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

#[cfg(feature = "dpop")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "without the feature it is an error"
)]
fn bound(_: &Table, provider: OAuth2) -> Result<OAuth2, Fault> {
    Ok(provider.dpop())
}

#[cfg(not(feature = "dpop"))]
fn bound(table: &Table, _: OAuth2) -> Result<OAuth2, Fault> {
    Err(table.fault("dpop", "needs the feature `dpop` of tower-reauth"))
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
