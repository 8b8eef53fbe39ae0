//! What a token is asked for with.

use std::borrow::Cow;

use super::{
    Assertion, Subject, authorization_code, client_credentials, device,
    form::Form,
    jwt_bearer,
    pkce::Pkce,
    refresh_token, token_exchange,
    wire::{self, Names},
};
use crate::{
    clock::Moment,
    provider::{Exchange, ProviderError},
    token::Secret,
};

/// What a provider asks with, as it is set.
#[derive(Clone, Debug)]
pub(super) enum Grant {
    ClientCredentials,
    RefreshToken,
    JwtBearer(Assertion),
    TokenExchange(Box<Subject>),
}

/// What one token request asks with.
pub(super) enum Asked<'a> {
    /// The provider's own grant.
    Own(&'a Grant, &'a Exchange),
    /// A code that came back from a login.
    Code {
        code: &'a Secret,
        pkce: &'a Pkce,
        redirect_uri: &'a str,
    },
    /// A login that is under way on another device.
    DeviceCode(&'a Secret),
}

// === impl Asked ===

impl<'a> Asked<'a> {
    /// The parameters, made anew for each try: an assertion is good for one.
    pub(super) fn form(&self, now: Moment) -> Result<Form<'a>, ProviderError> {
        match self {
            Self::Own(Grant::ClientCredentials, _) => Ok(client_credentials::form()),
            Self::Own(Grant::RefreshToken, exchange) => refresh_token::form(exchange),
            Self::Own(Grant::JwtBearer(assertion), _) => jwt_bearer::form(assertion, now),
            Self::Own(Grant::TokenExchange(subject), _) => token_exchange::form(subject),
            Self::Code {
                code,
                pkce,
                redirect_uri,
            } => Ok(authorization_code::form(code, pkce, redirect_uri)),
            Self::DeviceCode(code) => Ok(device::form(code)),
        }
    }

    /// The scope that goes along, of the one that is set. A code has its scope already.
    pub(super) fn scope<'b>(&self, set: &'b str) -> Cow<'b, str> {
        match self {
            Self::Own(Grant::RefreshToken, exchange) => refresh_token::scope(set, exchange),
            Self::Own(..) => Cow::Borrowed(set),
            Self::Code { .. } | Self::DeviceCode(_) => Cow::Borrowed(""),
        }
    }

    /// What is read in a reply. Where the credential lives elsewhere, a refresh token is not one.
    pub(super) fn names(&self) -> Names {
        let has_refresh = match self {
            Self::Own(grant, _) => matches!(grant, Grant::RefreshToken),
            Self::Code { .. } | Self::DeviceCode(_) => true,
        };
        Names {
            refresh: NAMES.refresh.filter(|_| has_refresh),
            ..NAMES
        }
    }

    /// What it means when the server refuses it.
    pub(super) fn kind(&self) -> wire::Grant {
        match self {
            Self::Own(grant, _) => grant.kind(),
            Self::Code { .. } | Self::DeviceCode(_) => wire::Grant::Login,
        }
    }
}

// === impl Grant ===

impl Grant {
    fn kind(&self) -> wire::Grant {
        match self {
            Self::ClientCredentials => wire::Grant::ClientCredentials,
            Self::RefreshToken => wire::Grant::RefreshToken,
            Self::JwtBearer(_) | Self::TokenExchange(_) => wire::Grant::Assertion,
        }
    }
}

/// RFC 6749, section 5.1. The lifetime of refresh tokens is not in it; GitHub and Keycloak each
/// have a name for it that others took up.
const NAMES: Names = Names {
    access: "access_token",
    refresh: Some("refresh_token"),
    lifetime: Some("expires_in"),
    refresh_lifetimes: &["refresh_token_expires_in", "refresh_expires_in"],
    token_type: Some("token_type"),
    scope: Some("scope"),
};
