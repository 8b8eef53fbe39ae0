//! Any OAuth 2.0 server (RFC 6749).

pub(crate) mod wire;
