//! The token in a success, or what can be saved of it.

use std::time::Duration;

use super::Json;
use crate::{
    provider::{Placement, ProviderError, TokenReply},
    token::{Secret, Token},
};

/// Where a vendor's replies keep what a token is made of. See [`Json`] for the names.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    pub(crate) access: &'static str,
    /// None where a reply's refresh token is not one: the credential lives elsewhere.
    pub(crate) refresh: Option<&'static str>,
    pub(crate) lifetime: Option<&'static str>,
    /// The first one that is there counts.
    pub(crate) refresh_lifetimes: &'static [&'static str],
    pub(crate) token_type: Option<&'static str>,
    pub(crate) scope: Option<&'static str>,
}

/// What kind of token a reply has to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenType {
    /// One that whoever has it may use. Several vendors do not say so.
    Bearer,
    /// One that is bound to a key. It says so, or is none (RFC 9449, section 5).
    #[cfg_attr(not(feature = "dpop"), allow(dead_code, reason = "nobody asks for it"))]
    Dpop,
}

/// The token that a success holds.
///
/// # Errors
///
/// *Unknown outcome*, where the reply broke off, is not one JSON object, or holds no access token
/// that can be sent. *Misconfigured*, where the token is of a type that we do not understand and
/// must not use (RFC 6749, section 7.1). Either way the error carries whatever had arrived whole:
/// the refresh token, and the access token too if only the rest of the reply is missing. Such a
/// reply's text is not kept beside it, since it is made of live tokens.
pub(crate) fn issued(reply: &TokenReply, names: &Names) -> Result<Token, ProviderError> {
    issued_of(TokenType::Bearer, reply, names)
}

/// The same where tokens are of this type.
pub(crate) fn issued_of(
    token_type: TokenType,
    reply: &TokenReply,
    names: &Names,
) -> Result<Token, ProviderError> {
    let json = Json::read(reply.body(), &names.all());
    let arrived = Arrived {
        json: &json,
        names,
        token_type,
    };
    let error = match arrived.check(reply) {
        Ok(access) => return Ok(arrived.complete(Token::new(access.clone()), reply)),
        Err(error) => error.status(reply.status()),
    };
    Err(match arrived.seed() {
        Some(seed) => error.salvaging(arrived.complete(seed, reply)),
        None => error.vendor_text(reply.body()),
    })
}

/// What a success holds.
struct Arrived<'a> {
    json: &'a Json,
    names: &'a Names,
    token_type: TokenType,
}

// === impl Names ===

impl Names {
    fn all(&self) -> Vec<&'static str> {
        let one_each = [self.refresh, self.lifetime, self.token_type, self.scope];
        let mut all = vec![self.access];
        all.extend(one_each.into_iter().flatten());
        all.extend(self.refresh_lifetimes);
        all
    }
}

// === impl TokenType ===

impl TokenType {
    fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }

    fn complaint(self) -> &'static str {
        match self {
            Self::Bearer => {
                "the vendor issued a token of a type other than Bearer, which must not be used; \
                 ask the vendor for bearer tokens"
            }
            Self::Dpop => {
                "the server issued a token that is not bound to the key (its type is not DPoP), which \
                 is not used; see that DPoP is on for this client at the server, or take it off here"
            }
        }
    }
}

// === impl Arrived ===

impl Arrived<'_> {
    /// The access token of a reply that is all right.
    fn check(&self, reply: &TokenReply) -> Result<&Secret, ProviderError> {
        let lost = ProviderError::unknown_outcome;
        if !reply.is_complete() {
            return Err(lost("the reply broke off"));
        }
        if let Some(fault) = self.json.fault() {
            return Err(lost(fault.words()));
        }
        let refresh = self.names.refresh;
        if refresh.is_some_and(|name| self.json.is_no_text(name)) {
            return Err(lost("the refresh token in the reply cannot be read"));
        }
        let Some(access) = self.json.secret(self.names.access) else {
            return Err(lost("the reply holds no access token"));
        };
        if !self.is_of_type() {
            return Err(ProviderError::misconfigured(self.token_type.complaint()));
        }
        if !fits_a_header(access) {
            return Err(lost("the access token holds bytes that no header may hold"));
        }
        Ok(access)
    }

    /// What can be saved of a reply that is not.
    fn seed(&self) -> Option<Token> {
        let access = self.json.secret(self.names.access);
        match access.filter(|access| self.is_of_type() && fits_a_header(access)) {
            Some(access) => Some(Token::new(access.clone())),
            None => self.refresh().cloned().map(Token::from_refresh_token),
        }
    }

    /// `token` with all else that the reply says.
    fn complete(&self, mut token: Token, reply: &TokenReply) -> Token {
        if let Some(refresh) = self.refresh() {
            token = token.with_refresh_token(refresh.clone());
        }
        if let Some(lifetime) = self.lifetime(self.names.lifetime.as_slice()) {
            token = token.with_lifetime(lifetime);
        }
        if let Some(lifetime) = self.lifetime(self.names.refresh_lifetimes) {
            token = token.with_refresh_lifetime(lifetime);
        }
        if let Some(token_type) = self.text(self.names.token_type) {
            token = token.with_token_type(token_type);
        }
        if let Some(scope) = self.text(self.names.scope) {
            token = token.with_scope(scope);
        }
        token.with_asked_at(reply.sent_at())
    }

    /// The wanted type in any case, or nothing at all where that is Bearer: several vendors leave it
    /// out. But where the reply ends too early, a type that is not there may be one that did not
    /// arrive.
    fn is_of_type(&self) -> bool {
        let may_be_missing = self.token_type == TokenType::Bearer;
        let Some(name) = self.names.token_type else {
            return may_be_missing;
        };
        match self.json.text(name) {
            Some(token_type) => token_type.eq_ignore_ascii_case(self.token_type.name()),
            None => may_be_missing && self.json.fault().is_none() && !self.json.is_no_text(name),
        }
    }

    fn refresh(&self) -> Option<&Secret> {
        self.json.secret(self.names.refresh?)
    }

    fn text(&self, name: Option<&'static str>) -> Option<&str> {
        self.json.text(name?)
    }

    fn lifetime(&self, names: &[&'static str]) -> Option<Duration> {
        names.iter().find_map(|name| self.json.lifetime(name))
    }
}

/// Whether there is a way to send `access`. The answer is the same for every header.
fn fits_a_header(access: &Secret) -> bool {
    Placement::bearer().headers(access).is_ok()
}
