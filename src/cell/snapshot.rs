//! What a request reads: one token, ready to be attached.

use std::fmt;

use super::schedule::Plan;
use crate::{
    clock::Moment,
    provider::{Headers, OriginIndex, Origins},
    token::{Token, expiry::Expiry},
};

/// The number of an access token within its session. A refusal is judged by the generation that
/// was sent: that of an older one says nothing about the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

/// A token as it was presented to an origin: its generation and the origin, in one word. It is what a
/// server's verdict is about. There is room for 2^48 generations: one each microsecond, for nine years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Presented(u64);

/// One token with everything that a request needs, immutable.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) generation: Generation,
    pub(crate) token: Option<Token>,
    pub(crate) headers: Headers,
    /// Those that came with the token.
    pub(crate) origins: Origins,
    pub(crate) plan: Plan,
    /// Nothing needs to be done before this moment.
    pub(crate) attention: Moment,
    /// Until this moment a request takes the token as it is. It looks at no other. The attention, or
    /// no moment at all where each request needs a proof of its own.
    pub(crate) simple_until: Moment,
    pub(crate) expires: Option<Expiry>,
    pub(crate) refresh_expires: Option<Expiry>,
}

// === impl Generation ===

impl Generation {
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number: 0 before the first access token, then counting up.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

// === impl Presented ===

impl Presented {
    /// No token, at the first origin.
    pub(super) const NONE: Self = Self(0);

    #[inline]
    pub(crate) fn new(generation: Generation, origin: OriginIndex) -> Self {
        Self(generation.0 << u16::BITS | u64::from(origin.number()))
    }

    pub(crate) const fn generation(self) -> Generation {
        Generation(self.0 >> u16::BITS)
    }

    pub(crate) const fn origin(self) -> OriginIndex {
        OriginIndex::of_number(self.0 as u16)
    }

    /// The same, for an atomic number.
    #[inline]
    pub(super) const fn as_u64(self) -> u64 {
        self.0
    }
}

// === impl Snapshot ===

impl Snapshot {
    pub(super) fn empty() -> Self {
        Self {
            generation: Generation::new(0),
            token: None,
            headers: Headers::default(),
            origins: Origins::none(),
            plan: Plan::EMPTY,
            attention: Moment::PAST,
            simple_until: Moment::PAST,
            expires: None,
            refresh_expires: None,
        }
    }

    /// Whether the access token may be sent.
    pub(crate) fn is_usable(&self, now: Moment) -> bool {
        self.has_access() && !self.plan.dead.reached(now)
    }

    pub(crate) fn has_access(&self) -> bool {
        self.token
            .as_ref()
            .is_some_and(|token| token.access_token().is_some())
    }

    /// The same snapshot, to be looked after from `attention` on, and at the latest when it dies.
    pub(super) fn attended_from(&self, attention: Moment) -> Self {
        let attention = attention.earliest(self.plan.dead);
        Self {
            attention,
            simple_until: match self.headers.prover() {
                None => attention,
                Some(_) => Moment::PAST,
            },
            ..self.clone()
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("generation", &self.generation)
            .field("token", &self.token)
            .field("plan", &self.plan)
            .field("attention", &self.attention)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_presented_is_told_apart_by_generation_and_by_origin() {
        let generations = [0, 1, 2, (1 << 48) - 1].map(Generation::new);
        let origins = [0, 1, u16::MAX - 1, u16::MAX].map(OriginIndex::of_number);
        let all = generations.map(|generation| origins.map(|origin| (generation, origin)));
        for (generation, origin) in all.into_iter().flatten() {
            let presented = Presented::new(generation, origin);
            assert_eq!(
                (presented.generation(), presented.origin()),
                (generation, origin)
            );
        }
    }
}
