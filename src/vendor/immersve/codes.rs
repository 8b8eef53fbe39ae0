//! The codes of a login's refusals.

use crate::provider::ProviderError;

/// What the codes of the login's endpoints mean.
pub(super) fn of_login(code: &str) -> Option<ProviderError> {
    Some(match code {
        "CLIENT_APPLICATION_DOMAIN_NOT_ALLOWED" => ProviderError::misconfigured(
            "the client application does not allow this domain: check the origin given to \
             `Immersve::new`, or the login's `url`",
        )
        .code("CLIENT_APPLICATION_DOMAIN_NOT_ALLOWED"),
        "ACCOUNT_DOES_NOT_EXIST" => ProviderError::refused(
            "this wallet has no account: sign its user up, or have the login do so with `auto_signup`",
        )
        .code("ACCOUNT_DOES_NOT_EXIST"),
        "INVALID_SIGNATURE" => ProviderError::refused(
            "the signature is not the wallet's, or not of this message: check the signer",
        )
        .code("INVALID_SIGNATURE"),
        // Nothing but the vendor's patience was used up, and the next message is another one.
        "CHALLENGE_EXPIRED" => {
            ProviderError::transient("the message was signed too late; the next call gets another")
                .code("CHALLENGE_EXPIRED")
        }
        "INVALID_CHAIN" => ProviderError::misconfigured(
            "the vendor does not support this chain: check the login's network",
        )
        .code("INVALID_CHAIN"),
        _ => return None,
    })
}
