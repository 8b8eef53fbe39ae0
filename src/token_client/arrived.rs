//! Reading a reply's body, within limits and without leaving copies.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::Frame;
use zeroize::Zeroizing;

use super::limit::Limit;

/// What has arrived of a body.
struct Arrived {
    bytes: Zeroizing<Vec<u8>>,
    cap: usize,
}

/// Reads `body` to its end. The flag is false where that was not reached: the body broke off, grew
/// beyond `cap` bytes, or `limit` came first.
pub(super) async fn read<B: http_body::Body>(
    body: B,
    limit: &mut Limit,
    cap: usize,
) -> (Zeroizing<Vec<u8>>, bool) {
    let mut body = pin!(body);
    let mut arrived = Arrived::new(body.size_hint().lower(), cap);
    loop {
        match poll_fn(|cx| poll_data(body.as_mut(), limit, cx)).await {
            Next::Data(mut data) => {
                if !arrived.push(&mut data) {
                    return (arrived.bytes, false);
                }
            }
            Next::Broken => return (arrived.bytes, false),
            Next::End => return (arrived.bytes, true),
        }
    }
}

enum Next<D> {
    Data(D),
    End,
    Broken,
}

/// Looks at the body first: what has already arrived is worth more than punctuality.
fn poll_data<B: http_body::Body>(
    body: Pin<&mut B>,
    limit: &mut Limit,
    cx: &mut Context<'_>,
) -> Poll<Next<B::Data>> {
    match body.poll_frame(cx).map_ok(Frame::into_data) {
        Poll::Ready(None) => return Poll::Ready(Next::End),
        Poll::Ready(Some(Err(_))) => return Poll::Ready(Next::Broken),
        Poll::Ready(Some(Ok(Ok(data)))) if data.has_remaining() => {
            return Poll::Ready(Next::Data(data));
        }
        // An empty frame or trailers. A body that goes on like this reaches no size limit, so the
        // time limit must get its turn.
        Poll::Ready(Some(Ok(_))) => cx.waker().wake_by_ref(),
        Poll::Pending => {}
    }
    ready!(limit.poll(cx));
    Poll::Ready(Next::Broken)
}

// === impl Arrived ===

impl Arrived {
    fn new(announced: u64, cap: usize) -> Self {
        // Announcing is free for a server, so it gets no more than this in advance.
        const TRUSTED: usize = 64 * 1024;
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        let capacity = announced.min(TRUSTED).min(cap);
        Self {
            bytes: Zeroizing::new(Vec::with_capacity(capacity)),
            cap,
        }
    }

    /// Adds as much of `data` as there is room for; false where that was not all.
    fn push(&mut self, data: &mut impl Buf) -> bool {
        while data.has_remaining() {
            let room = self.cap - self.bytes.len();
            let chunk = data.chunk();
            let taken = chunk.len().min(room);
            if taken == 0 {
                return false;
            }
            self.reserve(taken);
            self.bytes.extend_from_slice(&chunk[..taken]);
            data.advance(taken);
        }
        true
    }

    /// Makes room by hand: a vector that grows by itself frees its old buffer without zeroing it.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed <= self.bytes.capacity() {
            return;
        }
        let doubled = self.bytes.capacity().saturating_mul(2).min(self.cap);
        let mut wider = Zeroizing::new(Vec::with_capacity(needed.max(doubled)));
        wider.extend_from_slice(&self.bytes);
        self.bytes = wider;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_are_put_together_in_order() {
        let mut arrived = Arrived::new(0, 1_000);
        for mut piece in [&b"a"[..], b"", b"bc", &[b'd'; 90], &[b'e'; 900]] {
            arrived.push(&mut piece);
        }
        assert_eq!(arrived.bytes[..4], *b"abcd");
        assert_eq!(arrived.bytes.len(), 993);
    }

    #[test]
    fn no_more_than_the_cap_is_kept() {
        let mut arrived = Arrived::new(0, 3);
        assert!(arrived.push(&mut &b"ab"[..]));
        assert!(!arrived.push(&mut &b"cd"[..]));
        assert_eq!(**arrived.bytes, *b"abc");
        let mut exact = Arrived::new(0, 3);
        assert!(exact.push(&mut &b"abc"[..]));
    }

    #[test]
    fn an_announced_size_reserves_little_in_advance() {
        let arrived = Arrived::new(u64::MAX, usize::MAX);
        assert!(arrived.bytes.capacity() <= 64 * 1024);
    }
}
