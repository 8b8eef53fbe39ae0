//! What tells the sessions of two credentials apart.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::{provider::ProviderError, token::Secret};

/// Sixty-four bits say nothing about a random text several times as long. The hash may be another one
/// with another compiler; that costs one exchange. A credential that cannot be looked up has a session
/// of its own: two of them must not share one in a store.
pub(super) fn of(credential: &Result<Secret, ProviderError>) -> String {
    let mut hasher = DefaultHasher::new();
    match credential {
        Ok(secret) => secret.expose().hash(&mut hasher),
        Err(_) => (fastrand::u64(..), fastrand::u64(..)).hash(&mut hasher),
    }
    format!("{:016x}", hasher.finish())
}
