//! Boxed bodies, which can be put around a body that reads them and stay of their own type.

use std::{convert::Infallible, io};

use bytes::Bytes;
use http_body::Body;
use http_body_util::{
    BodyExt, Empty,
    combinators::{BoxBody, UnsyncBoxBody},
};

use super::{
    resumed::Resumed,
    tee::{Aborted, Tee},
};
use crate::error::BoxError;

/// A box that any body with a certain error fits in.
pub(super) trait Boxed: Body<Data = Bytes> + Unpin + Send + Sized + 'static {
    /// The error of what is put into the box.
    type Within: Abort;

    fn empty() -> Self;
    fn tee(tee: Tee<Self>) -> Self;
    fn resumed(resumed: Resumed<Self>) -> Self;

    /// An error that came out of the box, to be put into another.
    fn within(error: Self::Error) -> Self::Within;
}

/// An error of a body, which may be able to say that a sending was cut off.
pub(super) trait Abort: Sized + 'static {
    /// The error that a first sending is cut off with, if there can be one.
    fn aborted() -> Option<Self>;
}

// === impl Boxed ===

impl<E: Abort> Boxed for BoxBody<Bytes, E> {
    type Within = E;

    fn empty() -> Self {
        Self::new(Empty::new().map_err(|never| match never {}))
    }

    fn tee(tee: Tee<Self>) -> Self {
        Self::new(tee)
    }

    fn resumed(resumed: Resumed<Self>) -> Self {
        Self::new(resumed)
    }

    fn within(error: E) -> E {
        error
    }
}

impl<E: Abort> Boxed for UnsyncBoxBody<Bytes, E> {
    type Within = E;

    fn empty() -> Self {
        Self::new(Empty::new().map_err(|never| match never {}))
    }

    fn tee(tee: Tee<Self>) -> Self {
        Self::new(tee)
    }

    fn resumed(resumed: Resumed<Self>) -> Self {
        Self::new(resumed)
    }

    fn within(error: E) -> E {
        error
    }
}

// === impl Abort ===

impl Abort for BoxError {
    fn aborted() -> Option<Self> {
        Some(Aborted.into())
    }
}

impl Abort for io::Error {
    fn aborted() -> Option<Self> {
        Some(Self::other(Aborted))
    }
}

impl Abort for Infallible {
    fn aborted() -> Option<Self> {
        None
    }
}
