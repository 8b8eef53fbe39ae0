//! How a client proves to a token endpoint who it is.

use http::{HeaderMap, header::AUTHORIZATION};

use super::wire;
use crate::{
    provider::{Credential, ProviderError},
    token::Secret,
};

/// The client's authentication: one method for each request (RFC 6749, section 2.3).
///
/// `Debug` shows the method, not the secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuth {
    /// A public client, which has nothing to keep a secret with: its id goes into the body.
    None,
    /// The secret in `Authorization: Basic` (section 2.3.1): what every server must understand.
    Basic(Credential),
    /// The secret in the body, for servers that do not.
    Post(Credential),
}

/// The same with the secret as it is for one request.
pub(super) enum ClientProof {
    None,
    Basic(Secret),
    Post(Secret),
}

// === impl ClientAuth ===

impl ClientAuth {
    /// Looks the secret up.
    pub(super) fn proof(&self) -> Result<ClientProof, ProviderError> {
        Ok(match self {
            Self::None => ClientProof::None,
            Self::Basic(secret) => ClientProof::Basic(secret.look_up()?),
            Self::Post(secret) => ClientProof::Post(secret.look_up()?),
        })
    }

    /// Whether a parameter of this name would be a second method beside it.
    pub(super) fn excludes(&self, name: &str) -> bool {
        let is_none = matches!(self, Self::None);
        !is_none && (name == "client_secret" || name.starts_with("client_assertion"))
    }
}

// === impl ClientProof ===

impl ClientProof {
    /// What it adds to the form.
    pub(super) fn parameters<'a>(&'a self, client_id: &'a str) -> Vec<(&'a str, &'a str)> {
        match self {
            Self::None => vec![("client_id", client_id)],
            Self::Basic(_) => Vec::new(),
            Self::Post(secret) => {
                vec![("client_id", client_id), ("client_secret", secret.expose())]
            }
        }
    }

    /// Adds to the headers what it needs there.
    pub(super) fn put_header(
        &self,
        client_id: &str,
        headers: &mut HeaderMap,
    ) -> Result<(), ProviderError> {
        if let Self::Basic(secret) = self {
            headers.insert(AUTHORIZATION, wire::basic(client_id, secret)?);
        }
        Ok(())
    }
}
