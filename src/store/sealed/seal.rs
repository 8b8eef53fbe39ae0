//! Records in and out of a seal.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{AeadInOut, Generate},
};
use zeroize::Zeroizing;

use super::key::{SealKey, SealKeys};
use crate::{
    store::{Intent, Record, SessionKey, StoreError, StoreFailure},
    token::Secret,
};

/// `record`, sealed: outside is only what stores and people have to see.
///
/// The whole record goes inside, the outside a second time: so that it is authenticated, whatever a
/// later release writes there.
pub(super) fn seal(
    record: &Record,
    session: &SessionKey,
    keys: &SealKeys,
) -> Result<Record, StoreError> {
    let key = keys.seals();
    let json = record.to_json()?;
    let label = format!("{VERSION}.{}.{}.", key.id(), key.check());
    // The only randomness that has to be unique; 24 bytes of it are, whoever else draws.
    let nonce = XNonce::try_generate().map_err(|_| {
        StoreError::unavailable("the system gives no random numbers, which a seal needs")
    })?;
    let plain = json.expose().as_bytes();
    let mut sealed = Zeroizing::new(Vec::with_capacity(NONCE + plain.len() + TAG));
    sealed.extend_from_slice(plain);
    let bound = bound_to(&label, session);
    cipher(key)
        .encrypt_in_place(&nonce, &bound, &mut *sealed)
        .map_err(|_| StoreError::torn("the record is too long to be sealed"))?;
    sealed.splice(..0, nonce.iter().copied());
    let text = format!("{label}{}", BASE64.encode(&*sealed));
    Ok(outside(record, Secret::from(text)))
}

/// The record inside of `sealed`.
pub(super) fn open(
    sealed: &Record,
    session: &SessionKey,
    keys: &SealKeys,
) -> Result<Record, StoreError> {
    let text = sealed.sealed.as_ref().ok_or_else(unsealed)?;
    let (version, rest) = text.expose().split_once('.').ok_or_else(tampered)?;
    if version != VERSION {
        let later = version.parse::<u32>().is_ok();
        return Err(if later {
            StoreError::newer()
        } else {
            tampered()
        });
    }
    let (id, rest) = rest.split_once('.').ok_or_else(tampered)?;
    let (check, body) = rest.split_once('.').ok_or_else(tampered)?;
    let key = keys.named(id).ok_or_else(unknown_key)?;
    if check != key.check() {
        return Err(wrong_key());
    }
    let record = decrypt(body, &format!("{VERSION}.{id}.{check}."), session, key)?;
    if !is_outside_of(sealed, &record) {
        return Err(tampered());
    }
    Ok(Record {
        intent: sealed.intent.clone(),
        ..record
    })
}

fn decrypt(
    body: &str,
    label: &str,
    session: &SessionKey,
    key: &SealKey,
) -> Result<Record, StoreError> {
    let mut sealed = Zeroizing::new(BASE64.decode(body).map_err(|_| tampered())?);
    let (nonce, _) = sealed.split_first_chunk::<NONCE>().ok_or_else(tampered)?;
    let nonce = XNonce::from(*nonce);
    sealed.drain(..NONCE);
    cipher(key)
        .decrypt_in_place(&nonce, &bound_to(label, session), &mut *sealed)
        .map_err(|_| tampered())?;
    let json = str::from_utf8(&sealed).map_err(|_| tampered())?;
    Record::from_json(json)
}

fn cipher(key: &SealKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

/// What a seal is good for besides its content: this key, this session.
fn bound_to(label: &str, session: &SessionKey) -> Vec<u8> {
    format!("tower-reauth seal\0{label}\0{session}").into_bytes()
}

/// What is to be seen of `record`.
fn outside(record: &Record, sealed: Secret) -> Record {
    Record {
        intent: record.intent.clone(),
        not_before: record.not_before,
        sealed: Some(sealed),
        ..Record::bare(record.version)
    }
}

/// Whether `seen` is the outside of `record`. One thing may be done to it without the key: a file
/// that was restored from its backup says of its refresh tokens that they may have been spent.
fn is_outside_of(seen: &Record, record: &Record) -> bool {
    let intent = seen.intent.as_ref();
    seen.version == record.version
        && seen.not_before == record.not_before
        && (seen.intent == record.intent || intent.is_some_and(Intent::is_distrust))
}

fn unsealed() -> StoreError {
    StoreError::new(
        StoreFailure::Tampered,
        "the record is not sealed, and nobody knows who wrote it; see \
         `Sealed::danger_open_unsealed` for records from before there was a seal",
    )
}

fn unknown_key() -> StoreError {
    StoreError::new(
        StoreFailure::UnknownKey,
        "the record is sealed with a key that this process was not given: hand a new key to all \
         processes with `also_opening` before one of them seals with it",
    )
}

fn wrong_key() -> StoreError {
    StoreError::new(
        StoreFailure::WrongKey,
        "the record is sealed with another key than the one that this process has by that name",
    )
}

fn tampered() -> StoreError {
    StoreError::new(
        StoreFailure::Tampered,
        "the record's seal is broken: somebody without the key has changed it, or put it in the \
         place of another session's",
    )
}

const VERSION: &str = "1";
const NONCE: usize = 24;
const TAG: usize = 16;
