//! What an OAuth 2.0 server gives tokens for, and where it is.

use super::needed_secret;
use crate::{
    config::{
        secret::SecretSource,
        table::{Fault, Table, name_of},
    },
    oauth2::{OAuth2, Server, Subject, is_resource},
    provider::Credential,
};

#[derive(Clone, Copy, PartialEq)]
enum Grant {
    ClientCredentials,
    RefreshToken,
    JwtBearer,
    TokenExchange,
}

const GRANTS: [(&str, Grant); 4] = [
    ("client-credentials", Grant::ClientCredentials),
    ("refresh-token", Grant::RefreshToken),
    ("jwt-bearer", Grant::JwtBearer),
    ("token-exchange", Grant::TokenExchange),
];

/// Fields of one grant.
const OWN: [(&str, Grant); 4] = [
    ("assertion", Grant::JwtBearer),
    ("subject_token", Grant::TokenExchange),
    ("subject_token_type", Grant::TokenExchange),
    ("requested_token_type", Grant::TokenExchange),
];

/// A provider with its server, its grant, and its client's id. Whether its client has to prove who it is.
pub(super) fn read(
    table: &mut Table,
    secrets: &mut Vec<SecretSource>,
) -> Result<(OAuth2, bool), Fault> {
    let grant = table.choice("grant", &GRANTS)?;
    let grant = grant.ok_or_else(|| table.missing("grant"))?;
    for (field, owner) in OWN {
        if grant != owner {
            let name = name_of(&GRANTS, &owner);
            table.refuse(field, format!("is there for the grant {name:?} only"))?;
        }
    }
    let server = server(table)?;
    let provider = match grant {
        Grant::ClientCredentials => {
            OAuth2::client_credentials(server, table.needed_text("client_id")?, "")
        }
        Grant::RefreshToken => OAuth2::refresh_token(server, table.needed_text("client_id")?),
        Grant::JwtBearer => {
            let assertion = needed_secret(table, "assertion", secrets)?;
            named(OAuth2::jwt_bearer(server, assertion), table)?
        }
        Grant::TokenExchange => named(
            OAuth2::token_exchange(server, subject(table, secrets)?),
            table,
        )?,
    };
    Ok((provider, grant == Grant::ClientCredentials))
}

fn server(table: &mut Table) -> Result<Server, Fault> {
    let at = table.url("token_endpoint", |url| Server::at(url).check())?;
    let of = table.url("issuer", |url| Server::discover(url).check())?;
    match (at, of) {
        (Some(url), None) => Ok(Server::at(url)),
        (None, Some(issuer)) => Ok(Server::discover(issuer)),
        (Some(_), Some(_)) => Err(table.fault(
            "issuer",
            "is there, and so is `token_endpoint`: leave one out",
        )),
        (None, None) => Err(table.fault(
            "token_endpoint",
            "is missing, and so is `issuer`, by which the server would be found",
        )),
    }
}

fn subject(table: &mut Table, secrets: &mut Vec<SecretSource>) -> Result<Subject, Fault> {
    let token: Credential = needed_secret(table, "subject_token", secrets)?;
    let subject = match token_type(table, "subject_token_type")? {
        None => Subject::access_token(token),
        Some(token_type) => Subject::new(token, token_type),
    };
    Ok(match token_type(table, "requested_token_type")? {
        None => subject,
        Some(token_type) => subject.requesting(token_type),
    })
}

/// A type of token is a URI (RFC 8693, section 3).
fn token_type(table: &mut Table, name: &str) -> Result<Option<String>, Fault> {
    match table.text(name)? {
        Some(text) if !is_resource(&text) => Err(table.fault(
            name,
            format!("must be a URI, such as {:?}", Subject::ACCESS_TOKEN),
        )),
        uri => Ok(uri),
    }
}

/// These grants need no client, since the server knows by what it gets who asks. One that proves itself has
/// to say who it is; an assertion says so by itself (RFC 7521, section 4.2).
fn named(provider: OAuth2, table: &mut Table) -> Result<OAuth2, Fault> {
    let proves_itself = table.holds("client_secret") || table.holds("private_key");
    match table.text("client_id")? {
        Some(id) => Ok(provider.client_id(id)),
        None if proves_itself => Err(table.missing("client_id")),
        None => Ok(provider),
    }
}
