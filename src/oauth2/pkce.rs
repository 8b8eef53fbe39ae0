//! Proof that whoever redeems a code also asked for it (RFC 7636).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::random;
use crate::{provider::ProviderError, token::Secret};

/// What is shown when a code is redeemed: one for each login. Its challenge goes ahead of it, by
/// S256; there is no other method here (section 7.2).
#[derive(Clone, Debug)]
pub(super) struct Verifier(Secret);

/// The name of the method.
pub(super) const METHOD: &str = "S256";

// === impl Verifier ===

impl Verifier {
    /// A new one, of 256 random bits: 43 characters (section 4.1).
    pub(super) fn new() -> Result<Self, ProviderError> {
        random::text::<32>().map(Self)
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.0
    }

    /// The digest that may be seen (section 4.2).
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.expose()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_of_a_vendors_sample_is_the_vendors() {
        let verifier = Verifier(Secret::from("1tBnEmtSImyCykPHxHYBdzpSFhKEj0Q1LuiHd4fdDlY"));
        let challenge = verifier.challenge();
        assert_eq!(challenge, "p7CN1Zi4o5ARn1mYNvNFvj2r5cKkr2k6y7a573eHJXQ");
    }

    #[test]
    fn each_verifier_is_another_one_of_43_unreserved_characters() {
        let [one, two] = [(); 2].map(|()| Verifier::new().expect("random numbers"));
        assert_ne!(one.secret(), two.secret());
        let text = one.secret().expose();
        assert_eq!(text.len(), 43);
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        assert!(text.bytes().all(unreserved));
    }
}
