//! Adapters for vendors that have their own ways: each is a profile and an exchange, in one file.
//!
//! | vendor | what is different | starts from |
//! | --- | --- | --- |
//! | [`Immersve`] | JSON, an `Origin` header, single-use refresh tokens | a login; a wallet that [signs](ImmersveLogin) |
//! | [`ImmersveApiKey`] | two headers that never change | a key and a secret |
//! | [`Dressipi`] | the token in its own header; an expired one gets 200 with less in it | a login; an authorization code |
//! | [`Marketiger3D`] | the old access token is asked for when refreshing | a login; email and password |
//! | [`VmwareCsp`] | an API token that stays the same; refusals told apart by a text | an API token, with a passcode or without; a service account |
//!
//! An adapter refreshes sessions. It logs in only where it was told with what: see
//! [`Immersve::login`], [`Dressipi::authorization_code`], [`Marketiger3D::email_and_password`] and
//! [`VmwareCsp::passcode`]. Otherwise the first token of a session comes from the application: see
//! [`Token::from_refresh_token`](crate::Token::from_refresh_token) and
//! [`Token::from_pair`](crate::Token::from_pair).

mod dressipi;
mod fingerprint;
mod hook;
mod immersve;
mod marketiger;
mod vmware_csp;

#[cfg(test)]
mod tests;

pub use self::{
    dressipi::Dressipi,
    immersve::{Immersve, ImmersveApiKey, ImmersveLogin},
    marketiger::Marketiger3D,
    vmware_csp::VmwareCsp,
};
