//! Adapters for vendors that have their own ways: each is a profile and an exchange, in one file.
//!
//! | vendor | what is different | starts from |
//! | --- | --- | --- |
//! | [`Immersve`] | JSON, an `Origin` header, single-use refresh tokens | a login |
//! | [`Dressipi`] | the token in its own header; an expired one gets 200 with less in it | a login |
//! | [`Marketiger3D`] | the old access token is asked for when refreshing | a login |
//! | [`VmwareCsp`] | an API token that stays the same; refusals told apart by a text | an API token |
//!
//! An adapter refreshes sessions; it does not log in. The first token of a session comes from the
//! application: see [`Token::from_refresh_token`](crate::Token::from_refresh_token) and
//! [`Token::from_pair`](crate::Token::from_pair).

mod dressipi;
mod immersve;
mod marketiger;
mod vmware_csp;

#[cfg(test)]
mod tests;

pub use self::{
    dressipi::Dressipi, immersve::Immersve, marketiger::Marketiger3D, vmware_csp::VmwareCsp,
};
