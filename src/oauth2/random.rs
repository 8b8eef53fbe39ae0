//! Texts that nobody can guess.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{provider::ProviderError, token::Secret};

/// `BYTES` of the operating system's randomness, in base64url.
///
/// # Errors
///
/// *Transient*, where the operating system has none to give.
pub(crate) fn text<const BYTES: usize>() -> Result<Secret, ProviderError> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    getrandom::fill(bytes.as_mut()).map_err(|_| {
        ProviderError::transient("the operating system has no random numbers to give at the moment")
    })?;
    Ok(Secret::from(URL_SAFE_NO_PAD.encode(*bytes)))
}
