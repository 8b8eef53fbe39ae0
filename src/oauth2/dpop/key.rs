//! The key that a session's tokens are bound to.

use std::{fmt, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    provider::ProviderError,
    token::{Secret, Token},
};

/// A key pair for proofs of possession: ES256, that is ECDSA with P-256 and SHA-256.
///
/// Cheap to clone. `Debug` shows the [thumbprint](Self::thumbprint) only.
///
/// ```
/// use tower_reauth::{Token, oauth2::dpop::DpopKey};
///
/// # fn main() -> Result<(), tower_reauth::provider::ProviderError> {
/// // A login that the application makes by itself binds the refresh token to a key of its choice:
/// let key = DpopKey::generate()?;
/// let authorize = format!("https://id.example.com/authorize?dpop_jkt={}", key.thumbprint());
/// # let _ = authorize;
/// // … and what comes of it starts a session with that key.
/// let seed = Token::from_refresh_token("from-the-login").with_dpop_key(&key);
/// # let _ = seed;
/// // Elsewhere, from where the key is kept:
/// let again = DpopKey::from_pkcs8_pem(key.to_pkcs8_pem().expose())?;
/// assert_eq!(again.thumbprint(), key.thumbprint());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DpopKey(Arc<Inner>);

struct Inner {
    pair: EcdsaKeyPair,
    /// PKCS #8, as base64.
    text: Secret,
    /// The header of its proofs, encoded, with the point that follows it.
    header: String,
    thumbprint: String,
}

// === impl DpopKey ===

impl DpopKey {
    /// A new key, from the system's random numbers.
    ///
    /// # Errors
    ///
    /// *Transient*, where the system gives none.
    pub fn generate() -> Result<Self, ProviderError> {
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let document = made.map_err(|_| no_random_numbers())?;
        Self::from_pkcs8(document.as_ref())
    }

    /// The key in a document of PKCS #8, as DER.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where it is no private key for P-256 with its public key beside it.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, ProviderError> {
        let parsed =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new());
        let pair = parsed.map_err(|_| unusable())?;
        // 4, then both coordinates: uncompressed (SEC 1, section 2.3.3).
        let coordinates = pair.public_key().as_ref().get(1..65).ok_or_else(unusable)?;
        let (x, y) = coordinates.split_at(32);
        let jwk = jwk(&URL_SAFE_NO_PAD.encode(x), &URL_SAFE_NO_PAD.encode(y));
        let header = format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#);
        Ok(Self(Arc::new(Inner {
            text: Secret::from(encoded(der)),
            header: URL_SAFE_NO_PAD.encode(header) + ".",
            thumbprint: thumbprint(&jwk),
            pair,
        })))
    }

    /// The key in a document of PKCS #8, as PEM ("PRIVATE KEY").
    ///
    /// # Errors
    ///
    /// *Misconfigured*, as of [`from_pkcs8`](Self::from_pkcs8).
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, ProviderError> {
        let body = pem.trim().strip_prefix(BEGIN).ok_or_else(unusable)?;
        let body = body.strip_suffix(END).ok_or_else(unusable)?;
        // Long enough from the start: a buffer that grows leaves a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(body.len()));
        text.extend(body.split_ascii_whitespace());
        Self::decoded(&text)
    }

    /// The key as PEM, for wherever secrets are kept.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> Secret {
        let text = self.0.text.expose();
        let size = BEGIN.len() + END.len() + text.len() + text.len() / LINE + 4;
        let mut pem = String::with_capacity(size);
        pem.push_str(BEGIN);
        for (at, character) in text.char_indices() {
            if at % LINE == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push('\n');
        pem.push_str(END);
        pem.push('\n');
        Secret::from(pem)
    }

    /// The thumbprint of the public key (RFC 7638), as in `dpop_jkt` (RFC 9449, section 10) and the
    /// `jkt` of bound tokens. It is no secret.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// The key that [`text`](Self::text) stands for.
    pub(super) fn from_text(text: &Secret) -> Result<Self, ProviderError> {
        Self::decoded(text.expose())
    }

    /// The key as a session keeps it.
    pub(super) fn text(&self) -> &Secret {
        &self.0.text
    }

    pub(super) fn header(&self) -> &str {
        &self.0.header
    }

    /// The signature of `message` as a JWS has it (RFC 7518, section 3.4).
    pub(super) fn sign(&self, message: &[u8]) -> Result<impl AsRef<[u8]> + use<>, ProviderError> {
        let signed = self.0.pair.sign(&SystemRandom::new(), message);
        signed.map_err(|_| no_random_numbers())
    }

    fn decoded(text: &str) -> Result<Self, ProviderError> {
        let mut der = Zeroizing::new(Vec::with_capacity(text.len()));
        STANDARD
            .decode_vec(text, &mut der)
            .map_err(|_| unusable())?;
        Self::from_pkcs8(&der)
    }
}

impl PartialEq for DpopKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.thumbprint == other.0.thumbprint
    }
}

impl Eq for DpopKey {}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey")
            .field("thumbprint", &self.0.thumbprint)
            .finish_non_exhaustive()
    }
}

// === impl Token ===

impl Token {
    /// Says which key this token is bound to, for one that starts a session at a provider with
    /// [`dpop`](crate::oauth2::OAuth2::dpop). The key stays the session's for its whole life, and a
    /// store keeps it with the session.
    #[must_use]
    pub fn with_dpop_key(self, key: &DpopKey) -> Self {
        self.with_key(Some(key.text().clone()))
    }

    /// The key that this token is bound to, where that is the session's own and not the provider's.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, where what was kept is no key.
    pub fn dpop_key(&self) -> Result<Option<DpopKey>, ProviderError> {
        self.proof_key().map(DpopKey::from_text).transpose()
    }
}

/// The public key with the members that its thumbprint is made of, in their order.
fn jwk(x: &str, y: &str) -> String {
    format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
}

fn thumbprint(jwk: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(jwk))
}

/// Base64 in a buffer that did not grow.
fn encoded(der: &[u8]) -> String {
    let mut text = String::with_capacity(4 * der.len().div_ceil(3));
    STANDARD.encode_string(der, &mut text);
    text
}

fn unusable() -> ProviderError {
    ProviderError::misconfigured(
        "the key is not usable for DPoP: it has to be a private key for P-256 in PKCS #8, with its \
         public key in it, as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` \
         writes it",
    )
}

pub(super) fn no_random_numbers() -> ProviderError {
    ProviderError::transient("the system gives no random numbers to make a key or a proof with")
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
const LINE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_that_of_the_standards_example() {
        // RFC 9449: the key of figure 2, and the `jkt` of figure 10.
        let jwk = jwk(
            "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        );
        assert_eq!(
            thumbprint(&jwk),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
        );
    }

    #[test]
    fn a_key_is_the_same_after_it_was_kept() {
        let key = DpopKey::generate().unwrap();
        let token = Token::from_refresh_token("r").with_dpop_key(&key);
        assert_eq!(token.dpop_key().unwrap().as_ref(), Some(&key));
        let pem = key.to_pkcs8_pem();
        assert!(pem.expose().lines().all(|line| line.len() <= 64));
        let again = DpopKey::from_pkcs8_pem(pem.expose()).unwrap();
        assert_eq!(again.text(), key.text());
        assert_ne!(DpopKey::generate().unwrap(), key);
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        let canary = "Y2FuYXJ5";
        for bad in [
            "",
            canary,
            &format!("{BEGIN}\n{canary}\n{END}"),
            &format!("-----BEGIN EC PRIVATE KEY-----\n{canary}\n-----END EC PRIVATE KEY-----"),
        ] {
            let error = DpopKey::from_pkcs8_pem(bad).unwrap_err();
            assert_eq!(error.kind(), crate::provider::FailureKind::Misconfigured);
            assert!(!format!("{error} {error:?}").contains(canary), "{error}");
        }
    }

    #[test]
    fn no_format_shows_the_key() {
        let key = DpopKey::generate().unwrap();
        let text = key.text().expose();
        let token = Token::from_refresh_token("r").with_dpop_key(&key);
        for shown in [
            format!("{key:?}"),
            format!("{key:#?}"),
            format!("{token:?}"),
        ] {
            // What is secret in it stands behind the first 48 characters.
            assert!(!shown.contains(&text[48..64]), "{shown}");
        }
    }
}
