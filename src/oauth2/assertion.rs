//! A signed statement that is good for a short time (RFC 7523).

use std::{fs, path::PathBuf};

#[cfg(feature = "jwt")]
use super::jwt::Statement;
use crate::{
    clock::Moment,
    provider::{Credential, ProviderError},
    token::Secret,
};

/// A JWT that says who asks, got anew for each request.
///
/// One that somebody else signed comes from a [`Credential`], or is read from a
/// [`file`](Self::file) that its issuer keeps fresh. One that is signed here, with feature `jwt`, is a
/// [`Statement`](super::Statement).
#[derive(Clone, Debug)]
pub struct Assertion(Source);

#[derive(Clone, Debug)]
enum Source {
    LookedUp(Credential),
    #[cfg(feature = "jwt")]
    Signed(Box<Statement>),
}

// === impl Assertion ===

impl Assertion {
    /// One that is read from a file at each request: Kubernetes and other platforms replace it long
    /// before it expires. White space around it is left out.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::from(Credential::looked_up(move || {
            let text = fs::read_to_string(&path).map_err(|error| {
                ProviderError::misconfigured("the file with the assertion cannot be read")
                    .because(error)
            })?;
            match text.trim() {
                "" => Err(ProviderError::misconfigured(
                    "the file with the assertion is empty",
                )),
                assertion => Ok(Secret::from(assertion)),
            }
        }))
    }

    /// The assertion for a request that is made now.
    #[cfg_attr(
        not(feature = "jwt"),
        allow(unused_variables, reason = "what is looked up has its own times")
    )]
    pub(super) fn at(&self, now: Moment) -> Result<Secret, ProviderError> {
        match &self.0 {
            Source::LookedUp(credential) => credential.look_up(),
            #[cfg(feature = "jwt")]
            Source::Signed(statement) => statement.sign(now),
        }
    }
}

impl<C: Into<Credential>> From<C> for Assertion {
    fn from(credential: C) -> Self {
        Self(Source::LookedUp(credential.into()))
    }
}

#[cfg(feature = "jwt")]
impl From<Statement> for Assertion {
    fn from(statement: Statement) -> Self {
        Self(Source::Signed(Box::new(statement)))
    }
}
