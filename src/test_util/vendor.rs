//! What differs between the simulators.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, request::Parts};

use super::sessions::Sessions;

/// What differs between the simulators.
pub(super) trait Vendor: fmt::Debug + Send + Sync + 'static {
    /// The path of the token endpoint.
    fn token_path(&self) -> &'static str;

    /// The path where clients have their sessions ended, if there is one. Everything else is API.
    fn revocation_path(&self) -> Option<&'static str> {
        None
    }

    /// The paths where clients log in, and what belongs to it. Requests to them are token requests.
    fn login_paths(&self) -> &'static [&'static str] {
        &[]
    }

    /// The one of them that is asked by GET.
    fn get_path(&self) -> Option<&'static str> {
        None
    }

    /// Processes a request to one of those paths.
    fn log_in(&self, _request: &Request, _sessions: &Sessions) -> Result<Response<Bytes>, Denial> {
        Err(Denial::malformed("nobody logs in here", self.complain("")))
    }

    /// Processes a POST to the token endpoint.
    fn exchange(&self, request: &Request, sessions: &Sessions) -> Result<Response<Bytes>, Denial>;

    /// Processes a POST to that other path. Gives the session to be ended, if the request means one,
    /// and the answer.
    fn revoke(&self, _request: &Request, _sessions: &Sessions) -> Result<Revoked, Denial> {
        Err(Denial::malformed(
            "no sessions are ended here",
            self.complain(""),
        ))
    }

    /// The answer to a request that is wrong in a way that no vendor documents.
    fn complain(&self, complaint: &str) -> Response<Bytes>;

    /// The body and status of a throttled token request.
    fn throttle(&self) -> Response<Bytes>;

    /// Answers an API request. With `refuse`, a good token is treated as a dead one.
    fn api(&self, request: &Parts, sessions: &Sessions, refuse: bool) -> Reception;
}

/// A request, read to its end.
pub(super) struct Request {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
}

/// A session to be ended, and the answer to who asked for it.
pub(super) type Revoked = (Option<u64>, Response<Bytes>);

/// Why a token request was not granted, and what it is told.
pub(super) struct Denial {
    /// What was malformed, for the test's author; it holds no secret.
    pub(super) complaint: Option<String>,
    pub(super) reply: Box<Response<Bytes>>,
}

/// What became of an API request.
pub(super) enum Reception {
    /// A good token, and 2xx.
    Answered(Response<Bytes>),
    /// No token, or not a good one.
    Refused(Response<Bytes>),
    /// No good token, and 2xx all the same.
    Anonymous(Response<Bytes>),
    /// A good token, but another reason against it.
    Forbidden(Response<Bytes>),
}

// === impl Request ===

impl Request {
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }
}

// === impl Denial ===

impl Denial {
    /// Of a well-formed request.
    pub(super) fn refused(reply: Response<Bytes>) -> Self {
        Self {
            complaint: None,
            reply: Box::new(reply),
        }
    }

    pub(super) fn malformed(complaint: impl Into<String>, reply: Response<Bytes>) -> Self {
        Self {
            complaint: Some(complaint.into()),
            reply: Box::new(reply),
        }
    }
}

// === impl Reception ===

impl Reception {
    pub(super) fn into_reply(self) -> Response<Bytes> {
        match self {
            Self::Answered(reply)
            | Self::Refused(reply)
            | Self::Anonymous(reply)
            | Self::Forbidden(reply) => reply,
        }
    }
}
