//! A body whose beginning was read, whole again.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

/// The body of a response that [`PeekLayer`](super::PeekLayer) passed on: that of the inner service,
/// whole, with its trailers and errors.
// The bound stands here since an error of the body is kept until its turn comes.
#[pin_project]
pub struct PeekBody<B: Body>(#[pin] Kind<B>);

#[pin_project(project = KindProj)]
enum Kind<B: Body> {
    Untouched(#[pin] B),
    Peeked(Pin<Box<Peeked<B>>>),
}

/// A body whose beginning is being read, or was. In a box, since it moves on with its response.
#[pin_project]
pub(super) struct Peeked<B: Body> {
    #[pin]
    rest: B,
    frames: VecDeque<Frame<Bytes>>,
    /// How reading ended, where it did not stop before the end. What ended is not polled again.
    end: Option<Result<(), B::Error>>,
}

// === impl PeekBody ===

impl<B: Body> PeekBody<B> {
    pub(super) fn untouched(body: B) -> Self {
        Self(Kind::Untouched(body))
    }

    pub(super) fn peeked(peeked: Pin<Box<Peeked<B>>>) -> Self {
        Self(Kind::Peeked(peeked))
    }
}

impl<B: Body<Data = Bytes>> Body for PeekBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().0.project() {
            KindProj::Untouched(body) => body.poll_frame(cx),
            KindProj::Peeked(peeked) => peeked.as_mut().poll_next(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Untouched(body) => body.is_end_stream(),
            Kind::Peeked(peeked) => peeked.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Untouched(body) => body.size_hint(),
            Kind::Peeked(peeked) => peeked.size_hint(),
        }
    }
}

impl<B: Body> fmt::Debug for PeekBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekBody").finish_non_exhaustive()
    }
}

// === impl Peeked ===

impl<B: Body<Data = Bytes>> Peeked<B> {
    pub(super) fn new(body: B) -> Pin<Box<Self>> {
        Box::pin(Self {
            rest: body,
            frames: VecDeque::new(),
            end: None,
        })
    }

    /// Reads until `beginning` has `cap` bytes or the body has ended, and says whether it is whole.
    /// A body that fails is not judged by what came before: nothing is said of it.
    pub(super) fn poll_read(
        self: Pin<&mut Self>,
        beginning: &mut Vec<u8>,
        cap: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<bool>> {
        let mut this = self.project();
        while this.end.is_none() && !this.rest.is_end_stream() {
            if beginning.len() >= cap {
                return Poll::Ready(Some(false));
            }
            match ready!(this.rest.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.data_ref().map_or(&[][..], |data| data);
                    // A frame of nothing would count for nothing, and there may be any number.
                    if !data.is_empty() || frame.is_trailers() {
                        beginning.extend_from_slice(data);
                        this.frames.push_back(frame);
                    }
                }
                Some(Err(error)) => *this.end = Some(Err(error)),
                None => *this.end = Some(Ok(())),
            }
        }
        if let Some(Err(_)) = this.end {
            return Poll::Ready(None);
        }
        let is_whole = beginning.len() <= cap;
        beginning.truncate(cap);
        Poll::Ready(Some(is_whole))
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if let Some(frame) = this.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match this.end.take() {
            None => this.rest.poll_frame(cx),
            Some(end) => {
                *this.end = Some(Ok(()));
                Poll::Ready(end.err().map(Err))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let rest_ended = match &self.end {
            Some(end) => end.is_ok(),
            None => self.rest.is_end_stream(),
        };
        self.frames.is_empty() && rest_ended
    }

    fn size_hint(&self) -> SizeHint {
        let read: u64 = self
            .frames
            .iter()
            .filter_map(Frame::data_ref)
            .map(|data| data.len() as u64)
            .sum();
        let rest = match &self.end {
            Some(Ok(())) => SizeHint::with_exact(0),
            Some(Err(_)) => SizeHint::new(),
            None => self.rest.size_hint(),
        };
        let mut whole = SizeHint::new();
        // The upper bound first: a lower one above it would panic.
        if let Some(upper) = rest.upper() {
            whole.set_upper(upper.saturating_add(read));
        }
        whole.set_lower(rest.lower().saturating_add(read));
        whole
    }
}
