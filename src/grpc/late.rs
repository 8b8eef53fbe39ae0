//! A call that is refused after it had begun.
//!
//! It was committed with its headers, and may not be sent again. But its token is known to be bad
//! from then on, and the next call need not find that out for itself. Only a body whose type is
//! known can be put into another of the same type, so this is for tonic's.

use std::{
    any::{Any, TypeId},
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use tonic::{Status, body::Body as TonicBody};

use super::{STATUS, UNAUTHENTICATED, is_grpc};

/// A response body whose trailers say whether the token was good.
struct Watched<F> {
    body: TonicBody,
    ended: Option<F>,
}

/// Whether `response` is to a call that has begun, with a body that [`watch`] knows.
pub(crate) fn has_begun<B: 'static>(response: &Response<B>) -> bool {
    TypeId::of::<B>() == TypeId::of::<TonicBody>()
        && super::may_be_in(response.version())
        && is_grpc(response.headers())
        // What ended with its headers has no trailers.
        && !response.headers().contains_key(STATUS)
}

/// Calls `ended` when the call that has begun ends, with whether that refuses the token. Costs a box.
/// A call that is given up before its end says nothing.
pub(crate) fn watch<B: 'static>(
    response: &mut Response<B>,
    ended: impl FnOnce(bool) + Send + Unpin + 'static,
) {
    if let Some(body) = (response.body_mut() as &mut dyn Any).downcast_mut::<TonicBody>() {
        let watched = Watched {
            body: mem::take(body),
            ended: Some(ended),
        };
        // The box that is in this body: it is taken as it is, and not put into another.
        *body = TonicBody::new(UnsyncBoxBody::<Bytes, Status>::new(watched));
    }
}

// === impl Watched ===

impl<F: FnOnce(bool) + Unpin> Body for Watched<F> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(trailers) = frame.trailers_ref()
            && let Some(ended) = self.ended.take()
        {
            ended(refuses(trailers));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn refuses(trailers: &HeaderMap) -> bool {
    trailers
        .get(STATUS)
        .is_some_and(|status| status == UNAUTHENTICATED)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use http::{HeaderValue, Version};
    use http_body_util::{BodyExt, Full};

    use super::*;

    fn response<B>(body: B) -> Response<B> {
        let response = Response::builder().version(Version::HTTP_2);
        let response = response.header("content-type", "application/grpc");
        response.body(body).unwrap()
    }

    fn body(status: &'static str) -> TonicBody {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static(STATUS),
            HeaderValue::from_static(status),
        )]);
        let message = Full::new(Bytes::from_static(b"message"));
        TonicBody::new(message.with_trailers(async { Some(Ok(trailers)) }))
    }

    /// How often the call was refused, once `response` was read to its end.
    async fn refusals<B>(mut response: Response<B>) -> usize
    where
        B: Body<Data = Bytes, Error: std::fmt::Debug> + 'static,
    {
        let refusals = Arc::new(AtomicUsize::new(0));
        let refused = Arc::clone(&refusals);
        if has_begun(&response) {
            watch(&mut response, move |is_refused| {
                refused.fetch_add(usize::from(is_refused), SeqCst);
            });
        }
        let read = response.into_body().collect().await.unwrap();
        let status = read.trailers().map(|trailers| trailers[STATUS].clone());
        assert!(status.is_some(), "trailers are handed on");
        assert_eq!(read.to_bytes(), "message");
        refusals.load(SeqCst)
    }

    #[tokio::test]
    async fn a_refusal_behind_the_body_is_heard_once_and_all_is_handed_on() {
        assert_eq!(refusals(response(body("16"))).await, 1);
    }

    #[tokio::test]
    async fn another_end_is_no_refusal() {
        for status in ["0", "7", "14", "160", ""] {
            assert_eq!(refusals(response(body(status))).await, 0, "{status}");
        }
    }

    #[tokio::test]
    async fn what_is_no_grpc_or_another_type_of_body_is_left_alone() {
        let mut other = response(body("16"));
        *other.version_mut() = Version::HTTP_11;
        assert_eq!(refusals(other).await, 0);
        let mut other = response(body("16"));
        let html = HeaderValue::from_static("text/html");
        other.headers_mut().insert("content-type", html);
        assert_eq!(refusals(other).await, 0);
        assert_eq!(refusals(response(body("16").boxed_unsync())).await, 0);
    }
}
