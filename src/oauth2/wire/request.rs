//! Token requests, in buffers that are overwritten when they are dropped.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::{
    HeaderValue, Method, Request, Uri,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    provider::{Placement, ProviderError},
    token::{Secret, zeroizing_bytes},
};

/// A POST of `parameters` as a form.
///
/// # Errors
///
/// *Misconfigured*, where one is named twice (RFC 6749, section 3.2) that may not be (RFC 8693,
/// section 2.1; RFC 8707, section 2).
pub(crate) fn post_form(
    uri: Uri,
    parameters: &[(&str, &str)],
) -> Result<Request<Bytes>, ProviderError> {
    for (index, (name, _)) in parameters.iter().enumerate() {
        let may_repeat = matches!(*name, "audience" | "resource");
        if !may_repeat && parameters[..index].iter().any(|(other, _)| other == name) {
            return Err(ProviderError::misconfigured(format!(
                "the token request would hold the parameter {name:?} twice: \
                 do not add what the provider sends by itself"
            )));
        }
    }
    let body = form(parameters);
    Ok(post(uri, "application/x-www-form-urlencoded", body))
}

/// A POST of `members` as a JSON object.
///
/// # Errors
///
/// None in practice: texts can always be written.
pub(crate) fn post_json(
    uri: Uri,
    members: &[(&str, &str)],
) -> Result<Request<Bytes>, ProviderError> {
    let texts = members
        .iter()
        .map(|(name, text)| (*name, Member::Text(text)));
    post_json_of(uri, &texts.collect::<Vec<_>>())
}

/// A value in a JSON object.
#[derive(Clone, Copy, Serialize)]
#[serde(untagged)]
pub(crate) enum Member<'a> {
    Text(&'a str),
    Texts(&'a [&'a str]),
    Number(u64),
    Flag(bool),
}

/// The same, of members that are no texts.
///
/// # Errors
///
/// None in practice: all of them can be written.
pub(crate) fn post_json_of(
    uri: Uri,
    members: &[(&str, Member<'_>)],
) -> Result<Request<Bytes>, ProviderError> {
    let body = object(members)
        .map_err(|_| ProviderError::misconfigured("the token request cannot be written"))?;
    Ok(post(uri, "application/json", zeroizing_bytes(body)))
}

/// A GET, for what a token request needs first.
pub(crate) fn get(uri: Uri) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri;
    let json = HeaderValue::from_static("application/json, text/plain;q=0.9");
    request.headers_mut().insert(ACCEPT, json);
    request
}

/// `Authorization: Basic`, with the id and the secret form-encoded before they are joined (RFC
/// 6749, section 2.3.1).
pub(crate) fn basic(id: &str, secret: &Secret) -> Result<HeaderValue, ProviderError> {
    let secret = secret.expose().as_bytes();
    let mut pair = Zeroizing::new(String::with_capacity(3 * (id.len() + secret.len()) + 1));
    pair.extend(byte_serialize(id.as_bytes()));
    pair.push(':');
    pair.extend(byte_serialize(secret));

    let mut value = String::with_capacity("Basic ".len() + 4 * pair.len().div_ceil(3));
    value.push_str("Basic ");
    STANDARD.encode_string(pair.as_bytes(), &mut value);
    sensitive(value.into_bytes()).ok_or_else(|| {
        ProviderError::misconfigured("the client's credentials do not fit into a header")
    })
}

/// `Authorization: Bearer`, on a request that asks for no token.
pub(crate) fn bearer(access: &Secret) -> Result<HeaderValue, ProviderError> {
    let access = access.expose();
    let mut value = Vec::with_capacity("Bearer ".len() + access.len());
    value.extend_from_slice(b"Bearer ");
    value.extend_from_slice(access.as_bytes());
    sensitive(value).ok_or_else(|| {
        ProviderError::misconfigured("the access token holds bytes that no header may hold")
    })
}

/// A secret as a header's whole value; none if it holds bytes that no header may hold.
pub(crate) fn secret_header(secret: &Secret) -> Option<HeaderValue> {
    sensitive(secret.expose().as_bytes().to_vec())
}

/// Tries out whether `placement` can be written, before a refresh token is spent on a token that
/// could then not be used.
///
/// # Errors
///
/// *Misconfigured*, where a fixed header holds bytes that no header may hold.
pub(crate) fn check_placement(placement: &Placement) -> Result<(), ProviderError> {
    let tried = placement.headers(&Secret::from("token"));
    tried.map(drop).map_err(|_| {
        ProviderError::misconfigured(
            "a fixed header that goes with the token holds bytes that no header may hold",
        )
    })
}

fn post(uri: Uri, content_type: &'static str, body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    request
}

fn form(parameters: &[(&str, &str)]) -> Bytes {
    // Room for every byte escaped: a buffer that grows leaves copies behind.
    let lengths = parameters
        .iter()
        .map(|(name, value)| 3 * (name.len() + value.len()) + 2);
    let mut form = Serializer::new(String::with_capacity(lengths.sum()));
    form.extend_pairs(parameters);
    zeroizing_bytes(form.finish().into_bytes())
}

fn object(members: &[(&str, Member<'_>)]) -> Result<Vec<u8>, serde_json::Error> {
    // As above; JSON's longest escape is six bytes long.
    let lengths = members
        .iter()
        .map(|(name, value)| 6 * (name.len() + value.len()) + 6);
    let mut body = Vec::with_capacity(lengths.sum::<usize>() + 2);
    body.push(b'{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        serde_json::to_writer(&mut body, name)?;
        body.push(b':');
        serde_json::to_writer(&mut body, value)?;
    }
    body.push(b'}');
    Ok(body)
}

impl Member<'_> {
    /// At least as many characters as it has, before they are escaped.
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Texts(texts) => texts.iter().map(|text| text.len() + 1).sum(),
            Self::Number(_) | Self::Flag(_) => 20,
        }
    }
}

fn sensitive(value: Vec<u8>) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(zeroizing_bytes(value)).ok()?;
    value.set_sensitive(true);
    Some(value)
}
