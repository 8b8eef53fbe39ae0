//! What the errors of token endpoints mean (RFC 6749, section 5.2).

use super::{Json, Names, TokenType, issued::issued_of};
use crate::{
    provider::{FailureKind, ProviderError, TokenReply},
    token::Token,
};

/// What was shown to the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// A refresh token (section 6), which a login made.
    RefreshToken,
    /// The client's own credentials (section 4.4), which a person configured.
    ClientCredentials,
    /// A code (section 4.1.3; RFC 8628) that a person's login made a moment ago.
    Login,
    /// An assertion (RFC 7523) or another token (RFC 8693), which comes from elsewhere.
    Assertion,
}

/// The token in a reply of an OAuth 2.0 token endpoint.
///
/// # Errors
///
/// Those of [`issued`] and of [`oauth_failure`]. Some servers put an error into a success: without
/// any token beside it, a known code counts as it does in a 4xx.
pub(crate) fn oauth_token(
    reply: &TokenReply,
    names: &Names,
    grant: Grant,
) -> Result<Token, ProviderError> {
    oauth_token_of(TokenType::Bearer, reply, names, grant)
}

/// The same where tokens are of this type.
pub(crate) fn oauth_token_of(
    token_type: TokenType,
    reply: &TokenReply,
    names: &Names,
    grant: Grant,
) -> Result<Token, ProviderError> {
    if !reply.status().is_success() {
        return Err(oauth_failure(reply, grant));
    }
    issued_of(token_type, reply, names).map_err(|error| match error.salvaged() {
        None => error_in_a_success(reply, grant).unwrap_or(error),
        Some(_) => error,
    })
}

/// The error that a reply other than a success is.
///
/// Codes count in a complete 4xx only. A 5xx is no verdict, whatever code is in it: something
/// failed, and whether that was before or after the refresh token was spent is not known.
pub(crate) fn oauth_failure(reply: &TokenReply, grant: Grant) -> ProviderError {
    decision(reply, &["error"])
        .and_then(|json| known_code(json.text("error")?, grant))
        .map_or_else(
            || reply.failure(),
            |error| {
                error
                    .retry_after(reply.retry_after())
                    .status(reply.status())
                    .vendor_text(reply.body())
            },
        )
}

/// The members of a reply that decides about the request: a complete 4xx with a JSON object in it.
/// None where the reply is something else, or asks to try again (429 and its like).
pub(crate) fn decision(reply: &TokenReply, wanted: &[&'static str]) -> Option<Json> {
    let is_final = reply.failure().kind() == FailureKind::Misconfigured;
    if !is_final || !reply.status().is_client_error() {
        return None;
    }
    whole(reply, wanted)
}

fn error_in_a_success(reply: &TokenReply, grant: Grant) -> Option<ProviderError> {
    let error = known_code(whole(reply, &["error"])?.text("error")?, grant)?;
    Some(error.status(reply.status()).vendor_text(reply.body()))
}

fn whole(reply: &TokenReply, wanted: &[&'static str]) -> Option<Json> {
    let json = Json::read(reply.body(), wanted);
    (reply.is_complete() && json.fault().is_none()).then_some(json)
}

/// The error behind a code of RFC 6749, section 5.2, or RFC 7009, section 2.2.1, or one of a few
/// that servers use beside them. Only what is spelt here is ever shown.
fn known_code(code: &str, grant: Grant) -> Option<ProviderError> {
    let code = KNOWN_CODES.into_iter().find(|known| *known == code)?;
    let error = match (code, grant) {
        ("invalid_grant", Grant::RefreshToken) => ProviderError::refused(
            "the refresh token is no longer good, or belongs to another client: log in again",
        ),
        ("invalid_grant", Grant::Login) => ProviderError::refused(
            "the code of this login is no longer good, or belongs to another client: begin anew",
        ),
        ("invalid_grant", Grant::Assertion) => ProviderError::misconfigured(
            "the token endpoint refuses the assertion: check its issuer, its audience, its times, \
             and whether its key is known there",
        ),
        ("temporarily_unavailable" | "server_error" | "slow_down", _) => {
            ProviderError::transient("the token endpoint asks to try again later")
        }
        // It has been answered once by now.
        ("use_dpop_nonce", _) => ProviderError::transient(
            "the token endpoint wants another nonce than the one that it has just given",
        ),
        _ => ProviderError::misconfigured(advice(code)),
    };
    Some(error.code(code))
}

fn advice(code: &str) -> &'static str {
    match code {
        "invalid_client" => {
            "the token endpoint does not accept the client: \
             check the client id, the secret, and how the secret is sent"
        }
        "unauthorized_client" | "unsupported_grant_type" => {
            "this client may not use this grant: allow it in the client's registration"
        }
        "invalid_scope" => "the token endpoint does not give this scope: check `.scope(..)`",
        "invalid_target" => "the token endpoint does not know this resource or audience",
        "unsupported_token_type" => {
            "the server revokes no tokens of this kind: they live until they expire"
        }
        "invalid_dpop_proof" => {
            "the token endpoint does not accept the proof of possession: check the system's clock, \
             and whether the server takes ES256"
        }
        "invalid_grant" => "the token endpoint refuses the client's credentials as a grant",
        _ => "the token endpoint misses a parameter, or does not expect one: check the settings",
    }
}

const KNOWN_CODES: [&str; 13] = [
    "invalid_grant",
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "unsupported_token_type",
    "temporarily_unavailable",
    "server_error",
    "slow_down",
    "use_dpop_nonce",
    "invalid_dpop_proof",
];
