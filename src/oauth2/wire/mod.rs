//! What token endpoints are told and what they answer, as pure functions: no I/O, no clock.
//!
//! Two rules run through all of it. *Nothing that had arrived is lost*: a reply that cannot be used
//! as it should may hold the only copy of the next refresh token, so replies are read as far as
//! they go. And *nothing that a vendor wrote is shown*: codes are compared with those that are
//! known, and only our own spelling of them gets into an error.

mod endpoint;
mod failure;
mod issued;
mod json;
mod request;
mod walk;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    endpoint::Endpoint,
    failure::{Grant, decision, oauth_failure, oauth_token, oauth_token_of},
    issued::{Names, TokenType, issued},
    json::Json,
    request::{
        Member, basic, bearer, check_placement, get, post_form, post_json, post_json_of,
        secret_header,
    },
};
