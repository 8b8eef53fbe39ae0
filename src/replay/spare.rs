//! A second copy of a body, by the body's type.

use std::{
    any::{Any, TypeId},
    convert::Infallible,
    fmt, io,
};

use bytes::Bytes;
use http_body_util::{
    Empty, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};

use super::{
    Replay,
    boxed::{Abort, Boxed},
    tee::{Teed, tee},
};
use crate::error::BoxError;

/// A second copy of a body.
pub(crate) enum Spare<B> {
    /// Made before the first sending.
    Copy(B),
    /// Being made while the first sending goes on.
    Teed(Teed<B>),
}

/// Which bodies can be sent twice.
pub(crate) struct Bodies {
    cap: usize,
    /// `Register<B>` for each type `B`.
    registered: Vec<(TypeId, Box<dyn Any + Send + Sync>)>,
}

type Register<B> = Box<dyn Fn(&B) -> Option<B> + Send + Sync>;

// === impl Spare ===

impl<B> Spare<B> {
    /// Holds a first sending that is still under way, until this is dropped or taken.
    ///
    /// # Errors
    ///
    /// Why the body cannot be sent again.
    pub(crate) fn hold(&self) -> Result<(), Replay> {
        match self {
            Self::Copy(_) => Ok(()),
            Self::Teed(teed) => teed.hold(),
        }
    }

    /// The body, for the second sending. A first one that is still under way ends with an error.
    pub(crate) fn take(self) -> B {
        match self {
            Self::Copy(body) => body,
            Self::Teed(teed) => teed.take(),
        }
    }
}

// === impl Bodies ===

impl Bodies {
    pub(crate) fn set_cap(&mut self, cap: usize) {
        self.cap = cap;
    }

    pub(crate) fn register<B: 'static>(
        &mut self,
        spare: impl Fn(&B) -> Option<B> + Send + Sync + 'static,
    ) {
        let spare: Register<B> = Box::new(spare);
        self.registered
            .retain(|(known, _)| *known != TypeId::of::<B>());
        self.registered.push((TypeId::of::<B>(), Box::new(spare)));
    }

    /// The spare of `body`, which stays what it is to whoever reads it.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) fn spare<B: 'static>(&self, body: &mut B) -> Result<Spare<B>, Replay> {
        if let Some(spare) = self.registered_for::<B>() {
            return spare(body).map(Spare::Copy).ok_or(Replay::NotReplayable);
        }
        // Each line is a constant in an optimised build, and all but one vanish.
        same_type(body, |_: &mut Empty<Bytes>| Ok(Spare::Copy(Empty::new())))
            .or_else(|| same_type(body, |full: &mut Full<Bytes>| Ok(Spare::Copy(full.clone()))))
            .or_else(|| same_type(body, |bytes: &mut Bytes| Ok(Spare::Copy(bytes.clone()))))
            .or_else(|| same_type(body, |text: &mut String| self.text(text)))
            .or_else(|| self.boxed::<B, BoxError>(body))
            .or_else(|| self.boxed::<B, io::Error>(body))
            .or_else(|| self.boxed::<B, Infallible>(body))
            .or_else(|| self.foreign(body))
            .unwrap_or(Err(Replay::NotReplayable))
    }

    fn registered_for<B: 'static>(&self) -> Option<&Register<B>> {
        let id = TypeId::of::<B>();
        let (_, spare) = self.registered.iter().find(|(known, _)| *known == id)?;
        spare.downcast_ref()
    }

    fn text(&self, text: &str) -> Result<Spare<String>, Replay> {
        match text.len() <= self.cap {
            true => Ok(Spare::Copy(text.to_owned())),
            false => Err(Replay::OverCap),
        }
    }

    fn boxed<B: 'static, E: Abort>(&self, body: &mut B) -> Option<Result<Spare<B>, Replay>> {
        same_type(body, |body: &mut BoxBody<Bytes, E>| self.teed(body))
            .or_else(|| same_type(body, |body: &mut UnsyncBoxBody<Bytes, E>| self.teed(body)))
    }

    /// The boxes of other crates, each where its feature is on.
    #[allow(
        clippy::let_and_return,
        unused_variables,
        reason = "without a feature there is none"
    )]
    fn foreign<B: 'static>(&self, body: &mut B) -> Option<Result<Spare<B>, Replay>> {
        let found = None;
        #[cfg(feature = "axum")]
        let found = found.or_else(|| same_type(body, |b: &mut axum_core::body::Body| self.teed(b)));
        #[cfg(feature = "https")]
        let found = found.or_else(|| self.boxed::<B, hyper::Error>(body));
        #[cfg(feature = "reqwest")]
        let found = found.or_else(|| same_type(body, |b: &mut reqwest::Body| self.teed(b)));
        #[cfg(feature = "tonic")]
        let found = found.or_else(|| same_type(body, |b: &mut tonic::body::Body| self.teed(b)));
        found
    }

    fn teed<B: Boxed>(&self, body: &mut B) -> Result<Spare<B>, Replay> {
        if body.is_end_stream() {
            return Ok(Spare::Copy(B::empty()));
        }
        // A body that says itself that it will not fit is not followed in vain.
        match body.size_hint().lower() <= self.cap as u64 {
            true => Ok(Spare::Teed(tee(body, self.cap))),
            false => Err(Replay::OverCap),
        }
    }
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            cap: CAP,
            registered: Vec::new(),
        }
    }
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bodies")
            .field("cap", &self.cap)
            .field("registered", &self.registered.len())
            .finish()
    }
}

/// Calls `make` if `B` is `K`.
fn same_type<B: 'static, K: 'static>(
    body: &mut B,
    make: impl FnOnce(&mut K) -> Result<Spare<K>, Replay>,
) -> Option<Result<Spare<B>, Replay>> {
    let known = (body as &mut dyn Any).downcast_mut::<K>()?;
    let mut made = Some(make(known));
    (&mut made as &mut dyn Any)
        .downcast_mut::<Option<Result<Spare<B>, Replay>>>()?
        .take()
}

/// As much as linkerd's proxy keeps of a request that it may retry.
const CAP: usize = 64 * 1024;

#[cfg(test)]
mod tests;
