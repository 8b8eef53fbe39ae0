//! One proof (RFC 9449, section 4.2): pure, but for random numbers.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::key::{DpopKey, no_random_numbers};
use crate::{
    provider::{ProviderError, Target},
    token::Secret,
};

#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

/// The proof that whoever sends the request at `target` holds `key`. `ath` is the
/// [hash](access_token_hash) of the access token that goes with it.
pub(super) fn prove(
    key: &DpopKey,
    target: &Target<'_>,
    ath: Option<&str>,
) -> Result<HeaderValue, ProviderError> {
    let mut random = [0; 16];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| no_random_numbers())?;
    let told = target.told;
    let claims = Claims {
        jti: &URL_SAFE_NO_PAD.encode(random),
        htm: target.method.as_str(),
        htu: &address(target),
        iat: issued_at(target),
        ath,
        nonce: told.and_then(|told| told.nonce.as_deref()),
    };
    sign(key, &claims)
}

/// What a proof says of the access token that it goes with.
pub(super) fn access_token_hash(access: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(access.expose()))
}

/// The address of the request, without its query, and spelled as those who compare it spell it (RFC
/// 3986, sections 6.2.2 and 6.2.3).
fn address(target: &Target<'_>) -> String {
    let (scheme, authority) = target.origin.spelled();
    let path = match target.path {
        "" => "/",
        path if path.starts_with('/') => path,
        // `OPTIONS *` is about the server as a whole (RFC 9110, section 7.1).
        _ => "",
    };
    format!("{scheme}://{authority}{path}")
}

/// In whole seconds, by the server's clock where that is known to differ.
fn issued_at(target: &Target<'_>) -> u64 {
    let ahead = target.told.map_or(0, |told| told.ahead);
    target.now.unix().as_secs().saturating_add_signed(ahead)
}

fn sign(key: &DpopKey, claims: &Claims<'_>) -> Result<HeaderValue, ProviderError> {
    let unwritable = || ProviderError::transient("the proof of possession cannot be written");
    let claims = serde_json::to_vec(claims).map_err(|_| unwritable())?;
    let header = key.header();
    let mut proof = String::with_capacity(header.len() + 4 * claims.len().div_ceil(3) + SIGNATURE);
    proof.push_str(header);
    URL_SAFE_NO_PAD.encode_string(claims, &mut proof);
    let signature = key.sign(proof.as_bytes())?;
    proof.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut proof);
    let mut proof =
        HeaderValue::from_maybe_shared(bytes::Bytes::from(proof)).map_err(|_| unwritable())?;
    proof.set_sensitive(true);
    Ok(proof)
}

/// The point, and 64 bytes in base64.
const SIGNATURE: usize = 1 + 86;

#[cfg(test)]
mod tests;
