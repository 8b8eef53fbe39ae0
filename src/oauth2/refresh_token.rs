//! The refresh token grant (RFC 6749, section 6).

use std::borrow::Cow;

use super::{OAuth2, Server, form::Form, grant::Grant};
use crate::{
    Token,
    provider::{Exchange, ProviderError},
};

impl OAuth2 {
    /// A session that a login began: it starts from a seed with a refresh token in it.
    ///
    /// The client is a public one unless [`client_auth`](Self::client_auth) says otherwise. The
    /// server may send a new refresh token with every reply or with none
    /// ([`Rotation::May`](crate::provider::Rotation::May)); if more is known, say so with
    /// [`rotation`](Self::rotation).
    ///
    /// Where there is no seed yet, [`authorization`](Self::authorization) and
    /// [`device_login`](Self::device_login) get one from a person.
    #[must_use]
    pub fn refresh_token(server: impl Into<Server>, client_id: impl Into<String>) -> Self {
        Self::new(server.into(), client_id.into(), Grant::RefreshToken)
    }
}

pub(super) fn form(exchange: &Exchange) -> Result<Form<'_>, ProviderError> {
    let refresh_token = exchange.refresh_token()?;
    Ok(Form::of("refresh_token").with("refresh_token", refresh_token.expose()))
}

/// A refresh must not ask for more than was granted (section 6), and a login may have been granted
/// less than it asked for. Where no word of both is the same, the server writes scopes in a way of
/// its own, and what is set stands.
pub(super) fn scope<'a>(set: &'a str, exchange: &Exchange) -> Cow<'a, str> {
    let Some(granted) = exchange.last().and_then(Token::scope) else {
        return Cow::Borrowed(set);
    };
    let is_granted = |word: &&str| granted.split(' ').any(|other| other == *word);
    let wanted: Vec<_> = set.split(' ').filter(is_granted).collect();
    match wanted.len() {
        0 => Cow::Borrowed(set),
        all if all == set.split(' ').count() => Cow::Borrowed(set),
        _ => Cow::Owned(wanted.join(" ")),
    }
}
