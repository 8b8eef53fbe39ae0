//! Where a secret is.

use std::{
    env, fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de::Error as _};
use zeroize::Zeroizing;

use super::{
    table::{Fault, Table},
    value::Value,
};
use crate::{
    Error,
    provider::{Credential, ProviderError},
    token::Secret,
};

/// Where a configuration says that a secret is: in a file, in the environment, or right there.
///
/// ```toml
/// api_token = { file = "/run/secrets/csp-api-token" }   # from the working directory, if relative
/// api_token = { env = "CSP_API_TOKEN" }
/// api_token = { value = "s3cr3t" }                      # for tests: this file is a secret then
/// ```
///
/// A bare text is refused. The file that it stands in will be committed one day, and `value` says
/// aloud what that would mean.
///
/// A file is read again for each exchange. Exchanges are rare and the file is small, so nothing
/// watches it, and what replaces it is used from the next exchange on. Replace it by renaming another
/// into its place, or half of a secret may be read. It holds up to 64 KiB of UTF-8; line ends at its
/// end are no part of the secret.
///
/// `Debug` shows the place, and of `value` nothing.
#[derive(Clone)]
pub struct SecretSource {
    /// The path of the field, for errors. Empty where a configuration of others holds it.
    field: String,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Value(Secret),
    Env(String),
    File(PathBuf),
}

// === impl SecretSource ===

impl SecretSource {
    /// The secret as it is at this moment. It may read a file, and blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, naming the field, the place, and what to do.
    pub fn read(&self) -> Result<Secret, Error> {
        self.look_up().map_err(Error::misconfigured)
    }

    pub(super) fn look_up(&self) -> Result<Secret, ProviderError> {
        match &self.place {
            Place::Value(secret) => Ok(secret.clone()),
            Place::Env(name) => self.of_environment(name),
            Place::File(path) => self.of_file(path),
        }
    }

    fn of_environment(&self, name: &str) -> Result<Secret, ProviderError> {
        let wrong = |what| self.complaint(format!("the environment variable {name:?} {what}"));
        match env::var(name) {
            Ok(text) if text.is_empty() => Err(wrong("is empty: put the secret into it")),
            Ok(text) => Ok(text.into()),
            Err(env::VarError::NotPresent) => Err(wrong("is not set: set it, or name another")),
            Err(env::VarError::NotUnicode(_)) => Err(wrong("is not UTF-8: set it anew")),
        }
    }

    fn of_file(&self, path: &Path) -> Result<Secret, ProviderError> {
        let wrong = |what: &str| self.complaint(format!("the file {path:?} {what}"));
        let unreadable = |error: io::Error| {
            let kind = error.kind();
            wrong(&format!(
                "cannot be read ({kind}): put the secret there, or name another file"
            ))
            .because(error)
        };
        // A pipe could be waited for without end.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(wrong("is a folder, or a pipe: name a file"));
        }
        let bytes = beginning(path).map_err(unreadable)?;
        if bytes.len() > MOST {
            return Err(wrong(
                "is longer than 64 KiB: name one that holds the secret alone",
            ));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| wrong("is not UTF-8: write the secret as text"))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(wrong("is empty: write the secret into it")),
            text => Ok(text.into()),
        }
    }

    fn complaint(&self, what: String) -> ProviderError {
        ProviderError::misconfigured(match &*self.field {
            "" => format!("there is no secret: {what}"),
            field => format!("there is no secret for `{field}`: {what}"),
        })
    }

    fn of(field: String, value: Value) -> Result<Self, Fault> {
        let fault = |reason| Fault::new(field.clone(), reason);
        let Value::Table(mut fields) = value else {
            return Err(fault(match value {
                Value::Text(_) => BARE,
                _ => FORMS,
            }));
        };
        let (Some((form, Value::Text(text))), true) = (fields.pop(), fields.is_empty()) else {
            return Err(fault(FORMS));
        };
        if text.is_empty() {
            return Err(fault(
                "names an empty text: it must hold the secret, or say where that is",
            ));
        }
        let place = match &*form {
            "value" => Place::Value(text),
            "env" if !text.expose().contains(['=', '\0']) => Place::Env(text.expose().to_owned()),
            "file" => Place::File(text.expose().into()),
            _ => return Err(fault(FORMS)),
        };
        Ok(Self { field, place })
    }
}

impl From<SecretSource> for Credential {
    /// A secret that is read again for each exchange.
    fn from(source: SecretSource) -> Self {
        Credential::looked_up(move || source.look_up())
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::of(String::new(), value).map_err(D::Error::custom)
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SecretSource");
        match &self.place {
            Place::Value(secret) => shown.field("value", secret),
            Place::Env(name) => shown.field("env", name),
            Place::File(path) => shown.field("file", path),
        };
        shown.finish()
    }
}

// === impl Table ===

impl Table {
    pub(super) fn secret(&mut self, name: &str) -> Result<Option<SecretSource>, Fault> {
        let field = self.path_of(name);
        let value = self.take(name);
        value
            .map(|value| SecretSource::of(field, value))
            .transpose()
    }
}

/// One byte more than is allowed, at most. Read in the exchange's own task: the file is small, and
/// secrets are mostly mounted from memory.
fn beginning(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for all of it: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST + 2));
    let limit = u64::try_from(MOST).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

const MOST: usize = 64 * 1024;
const FORMS: &str = "is a secret, and must be a table with exactly one of `file`, `env` or `value`, \
    such as { file = \"/run/secrets/name\" }";
const BARE: &str = "is a secret, and no bare text: say where it is, with { file = \"/run/secrets/name\" } or \
    { env = \"NAME\" }, or aloud that it stands here, with { value = \"…\" }";
