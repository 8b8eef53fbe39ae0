//! How the client of an OAuth 2.0 server proves who it is.

use super::needed_secret;
use crate::{
    config::{
        secret::SecretSource,
        table::{Fault, Table, name_of},
    },
    oauth2::{Assertion, ClientAuth},
};

#[derive(Clone, Copy, PartialEq)]
enum Method {
    None,
    Basic,
    Post,
    Assertion,
    PrivateKeyJwt,
}

const METHODS: [(&str, Method); 5] = [
    ("basic", Method::Basic),
    ("post", Method::Post),
    ("assertion", Method::Assertion),
    ("private-key-jwt", Method::PrivateKeyJwt),
    ("none", Method::None),
];

/// What a client can prove itself with, and how it does so if nothing else is said.
const PROOFS: [(&str, Method); 3] = [
    ("client_secret", Method::Basic),
    ("client_assertion", Method::Assertion),
    ("private_key", Method::PrivateKeyJwt),
];

/// Fields that say more about a private key.
const OF_A_KEY: [&str; 3] = [
    "private_key_algorithm",
    "private_key_id",
    "assertion_audience",
];

pub(super) fn read(
    table: &mut Table,
    needs_proof: bool,
    secrets: &mut Vec<SecretSource>,
) -> Result<ClientAuth, Fault> {
    let named = table.choice("client_auth", &METHODS)?;
    let mut given = PROOFS.iter().filter(|(field, _)| table.holds(field));
    let proof = given.next();
    if let (Some((first, _)), Some((second, _))) = (proof, given.next()) {
        let reason = format!("is there, and so is `{first}`: leave one out");
        return Err(table.fault(second, reason));
    }
    let by_proof = proof.map_or(Method::None, |(_, method)| *method);
    let method = named.unwrap_or(by_proof);
    match (method.proof(), proof) {
        (Some(needed), None) => return Err(table.missing(needed)),
        (needed, Some((given, _))) if needed != Some(*given) => {
            let name = name_of(&METHODS, &method);
            let reason = format!("is {name:?}, and there is a `{given}`: leave one out");
            return Err(table.fault("client_auth", reason));
        }
        (None, None) if needs_proof => return Err(table.missing("client_secret")),
        _ => {}
    }
    if method != Method::PrivateKeyJwt {
        for field in OF_A_KEY {
            table.refuse(field, "is there for a `private_key` only")?;
        }
    }
    let mut proof = |field| needed_secret(table, field, secrets);
    Ok(match method {
        Method::None => ClientAuth::None,
        Method::Basic => ClientAuth::Basic(proof("client_secret")?),
        Method::Post => ClientAuth::Post(proof("client_secret")?),
        Method::Assertion => ClientAuth::Assertion(Assertion::from(proof("client_assertion")?)),
        Method::PrivateKeyJwt => private_key_jwt(table, secrets)?,
    })
}

// === impl Method ===

impl Method {
    /// The field that it takes its proof from.
    fn proof(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Basic | Self::Post => Some("client_secret"),
            Self::Assertion => Some("client_assertion"),
            Self::PrivateKeyJwt => Some("private_key"),
        }
    }
}

#[cfg(feature = "jwt")]
fn private_key_jwt(
    table: &mut Table,
    secrets: &mut Vec<SecretSource>,
) -> Result<ClientAuth, Fault> {
    use crate::oauth2::{Algorithm, Audience, PrivateKeyJwt, SigningKey, is_resource};

    let algorithms = [
        ("ES256", Algorithm::Es256),
        ("ES384", Algorithm::Es384),
        ("PS256", Algorithm::Ps256),
        ("RS256", Algorithm::Rs256),
        ("EdDSA", Algorithm::EdDsa),
    ];
    let algorithm = table.choice("private_key_algorithm", &algorithms)?;
    let algorithm = algorithm.ok_or_else(|| table.missing("private_key_algorithm"))?;
    let mut key = SigningKey::pem(algorithm, needed_secret(table, "private_key", secrets)?);
    if let Some(id) = table.text("private_key_id")? {
        key = key.key_id(id);
    }
    let auth = PrivateKeyJwt::new(key);
    let audience = match table.text("assertion_audience")? {
        None => Audience::Auto,
        Some(text) if text == "token-endpoint" => Audience::TokenEndpoint,
        Some(uri) if is_resource(&uri) => Audience::Fixed(uri),
        Some(_) => {
            let reason = "must be \"token-endpoint\", or an absolute URI without a fragment";
            return Err(table.fault("assertion_audience", reason));
        }
    };
    Ok(auth.audience(audience).into())
}

#[cfg(not(feature = "jwt"))]
fn private_key_jwt(table: &mut Table, _: &mut Vec<SecretSource>) -> Result<ClientAuth, Fault> {
    Err(table.fault("private_key", "needs the feature `jwt` of tower-reauth"))
}
