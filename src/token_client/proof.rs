//! Reading a client's errors: which of them prove that no connection came up.

use std::{error::Error as StdError, io, iter};

use crate::{
    error::Error,
    provider::{FailureKind, HeldBack, ProviderError},
};

/// Whether `error`, or an error behind it, can only come from a connection that was never made.
///
/// `HostUnreachable` and its like are not among them: a connection that was there gives them too.
pub(super) fn is_connect_failure(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| {
        let kind = error.downcast_ref().map(io::Error::kind);
        // A name or a socket file that is not there is reported as `NotFound`.
        matches!(
            kind,
            Some(
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::NotFound
                    | io::ErrorKind::AddrNotAvailable
            )
        ) || is_hyper_connect(error)
    })
}

/// A misconfiguration that the service itself has found, such as a layer that meets its own token
/// request.
pub(super) fn misconfiguration(error: &(dyn StdError + 'static)) -> Option<ProviderError> {
    chain(error)
        .filter_map(|error| match error.downcast_ref::<Error>() {
            Some(layers) => layers.provider_error(),
            None => error.downcast_ref(),
        })
        .find(|error| error.kind() == FailureKind::Misconfigured)
        .cloned()
}

/// Whether a layer held the request back. An adapter in front of it may have read the body to
/// give it another type; it was not sent for that.
pub(super) fn was_held_back(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|error| error.is::<HeldBack>())
}

/// `error` and all that is behind it. `io::Error` hides the error that it was made from: its
/// `source` is the one after that.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as _),
            None => error.source(),
        }
    })
}

#[cfg(feature = "https")]
fn is_hyper_connect(error: &(dyn StdError + 'static)) -> bool {
    error
        .downcast_ref()
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
}

#[cfg(not(feature = "https"))]
fn is_hyper_connect(_: &(dyn StdError + 'static)) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_found_below_other_errors() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let wrapped = io::Error::other(io::Error::other(refused));
        assert!(is_connect_failure(&wrapped));
    }

    #[test]
    fn errors_that_a_live_connection_gives_too_prove_nothing() {
        for kind in [
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::HostUnreachable,
            io::ErrorKind::TimedOut,
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::UnexpectedEof,
        ] {
            assert!(!is_connect_failure(&io::Error::from(kind)), "{kind:?}");
        }
    }
}
