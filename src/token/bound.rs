//! The key that a token is bound to, which goes with it wherever it goes.

use super::{Secret, Token};

// === impl Token ===

impl Token {
    /// This token, bound to the key that this text stands for, or to none that goes with it.
    pub(crate) fn with_key(mut self, key: Option<Secret>) -> Self {
        self.proof_key = key;
        self.key_is_made = false;
        self
    }

    /// This token, bound to a key that was made for it just now.
    #[cfg(feature = "dpop")]
    pub(crate) fn with_made_key(self, key: Secret) -> Self {
        Self {
            key_is_made: true,
            ..self.with_key(Some(key))
        }
    }

    /// The key that somebody has said it is bound to.
    pub(crate) fn given_key(&self) -> Option<&Secret> {
        self.proof_key.as_ref().filter(|_| !self.key_is_made)
    }

    pub(crate) fn proof_key(&self) -> Option<&Secret> {
        self.proof_key.as_ref()
    }
}
