//! A body that was sent in part, from its beginning.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::boxed::Boxed;

/// The body of the second sending: what the first had sent, and then the rest.
pub(super) struct Resumed<B> {
    pub(super) sent: VecDeque<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) rest: Option<B>,
}

// === impl Resumed ===

impl<B: Boxed> Body for Resumed<B> {
    type Data = Bytes;
    type Error = B::Within;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Within>>> {
        if let Some(data) = self.sent.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(B::within))),
            None => Poll::Ready(
                self.trailers
                    .take()
                    .map(|trailers| Ok(Frame::trailers(trailers))),
            ),
        }
    }

    fn is_end_stream(&self) -> bool {
        let rest_ended = self.rest.as_ref().is_none_or(B::is_end_stream);
        self.sent.is_empty() && self.trailers.is_none() && rest_ended
    }

    fn size_hint(&self) -> SizeHint {
        let sent: u64 = self.sent.iter().map(|data| data.len() as u64).sum();
        let rest = match (&self.rest, &self.trailers) {
            (Some(rest), _) => rest.size_hint(),
            (None, None) => SizeHint::with_exact(0),
            // HTTP/1.1 promises an exact length, and has no room for trailers then.
            (None, Some(_)) => SizeHint::new(),
        };
        let mut whole = SizeHint::new();
        // The upper bound first: a lower one above it would panic.
        if let Some(upper) = rest.upper() {
            whole.set_upper(upper.saturating_add(sent));
        }
        whole.set_lower(rest.lower().saturating_add(sent));
        whole
    }
}
