//! Names for what must not be stored, or not in clear.

use std::{
    collections::hash_map::RandomState,
    fmt::{self, Write},
    hash::{BuildHasher, Hasher},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{provider::SessionId, token::Secret};

/// The key of a session's record: a SHA-256 over every part of its [`SessionId`], as 64 hexadecimal
/// digits.
///
/// It is the same in every process, on every platform and in every release, and shows nothing of
/// the session's parts.
///
/// ```
/// use tower_reauth::{provider::{SessionId, Profile}, store::SessionKey};
///
/// fn key_of(session: &SessionId) -> SessionKey {
///     SessionKey::of(session)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(String);

/// The first 16 bytes of a token's SHA-256: enough to know it again, and of no use to get it back,
/// since only tokens of high entropy have one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Fingerprint(String);

/// Something that no other process has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Unique(String);

// === impl SessionKey ===

impl SessionKey {
    /// The key of `session`.
    #[must_use]
    pub fn of(session: &SessionId) -> Self {
        let parts = session.parts();
        let mut digest = Sha256::new_with_prefix("tower-reauth session 1\0");
        for part in [
            &parts.namespace,
            &parts.vendor,
            &parts.base_url,
            &parts.client,
            &parts.account,
            &parts.scope,
            &parts.binding,
            &parts.session_key,
        ] {
            feed(&mut digest, part);
        }
        for list in [&parts.resource, &parts.audience] {
            digest.update((list.len() as u64).to_be_bytes());
            list.iter().for_each(|part| feed(&mut digest, part));
        }
        Self(hex(&digest.finalize()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Fingerprint ===

impl Fingerprint {
    /// The fingerprint of `token`; none where it could be guessed, and so found out from it.
    pub(crate) fn of(token: &Secret) -> Option<Self> {
        let text = token.expose();
        let mut distinct = [false; 256];
        text.bytes()
            .for_each(|byte| distinct[usize::from(byte)] = true);
        let distinct = distinct.iter().filter(|seen| **seen).count();
        if text.len() < LONG_ENOUGH || distinct < VARIED_ENOUGH {
            return None;
        }
        let mut digest = Sha256::new_with_prefix("tower-reauth token 1\0");
        digest.update(text);
        Some(Self(hex(&digest.finalize()[..16])))
    }
}

// === impl Unique ===

impl Unique {
    /// Drawn from the keys of the standard library's hasher, which come from the system's source
    /// of randomness.
    pub(crate) fn new() -> Self {
        let part = || RandomState::new().build_hasher().finish();
        let drawn = [part(), fastrand::u64(..), part()];
        let bytes: Vec<u8> = drawn.iter().flat_map(|part| part.to_be_bytes()).collect();
        Self(hex(&bytes))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The length goes first, so that no two lists of parts look alike.
fn feed(digest: &mut Sha256, part: &str) {
    digest.update((part.len() as u64).to_be_bytes());
    digest.update(part);
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string does not fail.
        write!(text, "{byte:02x}").ok();
    }
    text
}

/// Tokens are random: 20 characters of base 64 are 120 bits.
const LONG_ENOUGH: usize = 20;
/// Twenty random hexadecimal digits have ten different ones or more, nearly always.
const VARIED_ENOUGH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{Profile, SessionParts};

    fn parts() -> SessionParts {
        let mut parts = Profile::new("acme").parts;
        parts.base_url = "https://id.acme.example".into();
        parts.audience = vec!["one".into(), "two".into()];
        parts
    }

    #[test]
    fn the_key_of_a_session_is_the_same_in_every_release() {
        let key = SessionKey::of(&SessionId::new(parts()));
        assert_eq!(
            key.as_str(),
            "5a002bfe3a8fb7e0c909127b7d8cac73755e012345683e763763d15763a1d9f5"
        );
    }

    #[test]
    fn every_part_makes_another_key_and_parts_do_not_run_into_each_other() {
        let changes: [fn(&mut SessionParts); 12] = [
            |_| {},
            |it| it.namespace = "x".into(),
            |it| it.vendor = "x".into(),
            |it| it.base_url = "x".into(),
            |it| it.client = "x".into(),
            |it| it.account = "x".into(),
            |it| it.scope = "x".into(),
            |it| it.binding = "x".into(),
            |it| it.session_key = "x".into(),
            |it| it.resource = vec!["one".into()],
            |it| it.audience = vec!["onetwo".into()],
            |it| it.audience = vec!["one".into(), "two".into(), String::new()],
        ];
        let mut keys: Vec<_> = changes
            .into_iter()
            .map(|change| {
                let mut parts = parts();
                change(&mut parts);
                SessionKey::of(&SessionId::new(parts))
            })
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), changes.len());
    }

    #[test]
    fn only_tokens_that_nobody_can_guess_have_a_fingerprint() {
        for weak in [
            "",
            "refresh-1",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "12121212121212121212121",
        ] {
            assert_eq!(Fingerprint::of(&Secret::from(weak)), None, "{weak}");
        }
        let strong = Secret::from("3f9a0b7c5d1e2f8a9b0c");
        let fingerprint = Fingerprint::of(&strong).expect("twelve different digits");
        assert_eq!(fingerprint.0.len(), 32);
        assert_ne!(
            Some(fingerprint),
            Fingerprint::of(&Secret::from("3f9a0b7c5d1e2f8a9b0d"))
        );
    }

    #[test]
    fn no_two_draws_are_alike() {
        assert_ne!(Unique::new(), Unique::new());
    }
}
