//! A client and its secret, as a token endpoint is told of them.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};

use super::wire::{self, Form};

/// A client and its secret. `Debug` does not show the latter.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ClientSecret {
    id: String,
    secret: String,
}

// === impl ClientSecret ===

impl ClientSecret {
    pub(super) fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// Whether a request is from this client, by one method only (RFC 6749, section 2.3).
    pub(super) fn authenticate(&self, headers: &HeaderMap, form: &Form) -> Result<bool, String> {
        let in_body = form.get("client_secret");
        if !headers.contains_key(AUTHORIZATION) {
            let id = form.get("client_id");
            return Ok(id == Some(&self.id) && in_body == Some(&self.secret));
        }
        if in_body.is_some() {
            return Err("the client authenticates in the header and in the body".into());
        }
        let sent = basic(headers)?;
        if form.get("client_id").is_some_and(|id| id != sent.id) {
            return Err("client_id is not the one of the header".into());
        }
        Ok(sent == *self)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Id and secret from the header, form-encoded each before they were joined (section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<ClientSecret, String> {
    let value = wire::single(headers, AUTHORIZATION);
    let (scheme, encoded) = value
        .and_then(|it| it.split_once(' '))
        .ok_or("Authorization is not a scheme and credentials")?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err("Authorization is not of scheme Basic".into());
    }
    let bytes = STANDARD.decode(encoded);
    let bytes = bytes.map_err(|_| "the credentials of Basic are not base64")?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| "the credentials of Basic are not form-encoded")?;
    let (id, secret) = text
        .split_once(':')
        .ok_or("the credentials of Basic have no colon")?;
    Ok(ClientSecret::new(form_decode(id)?, form_decode(secret)?))
}

/// One form-encoded value. Bytes that a form would have encoded are a complaint, because a client
/// that forgets to encode is then found even when decoding happens to do no harm.
fn form_decode(encoded: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._~+%".contains(&byte);
    let percents_hold = encoded.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().iter().take(2);
        digits.filter(|byte| byte.is_ascii_hexdigit()).count() == 2
    });
    if !encoded.bytes().all(plain) || !percents_hold {
        return Err("id or secret in Basic is not form-encoded".into());
    }
    // As the name of a nameless pair: neither `&` nor `=` can be in it.
    let mut pairs = form_urlencoded::parse(encoded.as_bytes());
    Ok(pairs
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default())
}
