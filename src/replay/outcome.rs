//! What became of a refused request.

/// What became of a refused request: an extension of its response.
///
/// Only responses to requests whose token was refused have it, so it tells a refusal of the token
/// from other answers with the same status, and says why the caller sees it all the same.
///
/// ```
/// use tower_reauth::replay::Replay;
///
/// fn complain<B>(response: &http::Response<B>) -> Option<&'static str> {
///     match response.extensions().get()? {
///         Replay::Replayed => response.status().is_client_error().then_some("refused twice"),
///         Replay::NoNewerToken => Some("refused, and there is no newer token"),
///         _ => Some("refused, and sent only once; the next request gets a newer token"),
///     }
/// }
/// # assert_eq!(complain(&http::Response::new(())), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Replay {
    /// The request was sent again with a newer token. This is the answer to that, good or bad.
    Replayed,
    /// There was no newer token: the exchange failed, brought the same one, or took longer than a
    /// caller waits, or this origin is left alone for a while after a refusal that was not cured.
    /// Why, is said by the [`Error`](crate::Error) beside this one, in the response's extensions.
    NoNewerToken,
    /// The body is of a [type](crate::replay) that cannot be sent twice, or it failed.
    NotReplayable,
    /// The body is longer than what is [kept](crate::layer::AuthLayerBuilder::replay_cap) of one.
    OverCap,
    /// The refusal came while the body was still being sent, and the body's error type has no room
    /// for saying that a sending was cut off.
    StillSending,
    /// Replay is [switched off](crate::layer::AuthLayerBuilder::replay).
    SwitchedOff,
}

// === impl Replay ===

impl Replay {
    /// It in one word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::NoNewerToken => "no_newer_token",
            Self::NotReplayable => "not_replayable",
            Self::OverCap => "over_cap",
            Self::StillSending => "still_sending",
            Self::SwitchedOff => "switched_off",
        }
    }

    /// Leaves itself on a response.
    pub(crate) fn mark(self, extensions: &mut http::Extensions) {
        extensions.insert(self);
    }
}
