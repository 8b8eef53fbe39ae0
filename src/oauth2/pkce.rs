//! The proof that who redeems an authorization code is who asked for it (RFC 7636): pure, but for the
//! random numbers.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::random;
use crate::{provider::ProviderError, token::Secret};

/// A code verifier with its S256 challenge. There is no method `plain`: whoever sees its challenge has
/// the verifier (RFC 7636, section 4.2).
///
/// `Debug` shows neither.
///
/// ```
/// use tower_reauth::oauth2::Pkce;
///
/// # fn main() -> Result<(), tower_reauth::provider::ProviderError> {
/// let pkce = Pkce::generate()?;
/// let url = format!(
///     "https://id.example.com/authorize?code_challenge={}&code_challenge_method={}",
///     pkce.challenge(),
///     Pkce::METHOD,
/// );
/// # let _ = url;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkce(Secret);

// === impl Pkce ===

impl Pkce {
    /// What `code_challenge_method` says.
    pub const METHOD: &'static str = "S256";

    /// A new verifier: 32 bytes of the system's random numbers, as 43 characters (section 4.1).
    ///
    /// # Errors
    ///
    /// *Transient*, where the system has no random numbers.
    pub fn generate() -> Result<Self, ProviderError> {
        random::text::<32>().map(Self)
    }

    /// The verifier of a request that somebody else made.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, unless it has 43 to 128 characters, each a letter, a digit or one of `-._~`.
    pub fn from_verifier(verifier: impl Into<Secret>) -> Result<Self, ProviderError> {
        let verifier = verifier.into();
        let text = verifier.expose();
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !(43..=128).contains(&text.len()) || !text.bytes().all(unreserved) {
            return Err(ProviderError::misconfigured(
                "a code verifier has 43 to 128 characters, each a letter, a digit or one of `-._~`",
            ));
        }
        Ok(Self(verifier))
    }

    /// What goes with the code, as `code_verifier`, when it is redeemed (section 4.5).
    #[must_use]
    pub fn verifier(&self) -> &Secret {
        &self.0
    }

    /// What goes with the request for a code, as `code_challenge` (section 4.2).
    #[must_use]
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_verifiers_have_their_published_challenges() {
        let table = [
            // RFC 7636, appendix B.
            (
                "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
                "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            ),
            // Dressipi's documentation.
            (
                "1tBnEmtSImyCykPHxHYBdzpSFhKEj0Q1LuiHd4fdDlY",
                "p7CN1Zi4o5ARn1mYNvNFvj2r5cKkr2k6y7a573eHJXQ",
            ),
        ];
        for (verifier, challenge) in table {
            assert_eq!(
                Pkce::from_verifier(verifier).unwrap().challenge(),
                challenge
            );
        }
    }

    #[test]
    fn verifiers_have_43_to_128_unreserved_characters_and_nothing_else() {
        for good in ["a".repeat(43), "-._~".repeat(32)] {
            assert!(Pkce::from_verifier(good.as_str()).is_ok(), "{good}");
        }
        for bad in [
            String::new(),
            "a".repeat(42),
            "a".repeat(129),
            "a".repeat(42) + "+",
            "a".repeat(42) + "\u{e9}",
        ] {
            let error = Pkce::from_verifier(bad.as_str()).unwrap_err();
            assert!(
                bad.is_empty() || !error.to_string().contains(&bad),
                "{error}"
            );
        }
    }

    #[test]
    fn no_two_that_were_generated_are_alike_and_no_format_shows_one() {
        let one = Pkce::generate().unwrap();
        let text = one.verifier().expose();
        assert_eq!(text.len(), 43);
        assert!(Pkce::from_verifier(text).is_ok());
        assert_ne!(one, Pkce::generate().unwrap());
        assert!(!format!("{one:?}").contains(text));
    }
}
