//! A body that knows whether anybody has looked at it.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tower::BoxError;

use crate::{
    clock::{Clock, Moment},
    provider::SendBefore,
};

/// The body of a token request.
///
/// It records whether it was ever polled. That is how the token client knows, of any HTTP client,
/// whether a credential may have left: what nobody has read, nobody has sent. When the token
/// client gives a request up it withdraws a body that was not read yet, and a withdrawn body
/// yields an error, so what was found unread stays unsent. It withdraws itself when the time for
/// its exchange is over.
///
/// It is not `Clone`, because a token request must not be sent twice. `Debug` shows its size only.
pub struct Body {
    bytes: Bytes,
    watch: Watch,
    last_call: LastCall,
}

/// Until when a request may be sent, and who knows the time. None: at any time.
#[derive(Default)]
pub(super) struct LastCall(Option<(Moment, Arc<dyn Clock>)>);

/// The other end of a [`Body`].
#[derive(Clone)]
pub(super) struct Watch(Arc<AtomicU8>);

/// Within what an intent lasts longer than the exchange's deadline, with room for a last look.
const ANSWER_AFTER: Duration = Duration::from_secs(1);

const UNREAD: u8 = 0;
const READ: u8 = 1;
const WITHDRAWN: u8 = 2;

// === impl Body ===

impl Body {
    pub(super) fn new(bytes: Bytes, last_call: LastCall) -> (Self, Watch) {
        let watch = Watch(Arc::new(AtomicU8::new(UNREAD)));
        let body = Self {
            bytes,
            watch: watch.clone(),
            last_call,
        };
        (body, watch)
    }

    /// The bytes, for a client that takes a body type of its own, such as `Full<Bytes>`.
    ///
    /// This counts as reading it: from here on the token client must assume that the credential
    /// was sent, unless the client proves that it did not connect. A body that was withdrawn
    /// before has no bytes.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.read() {
            self.bytes
        } else {
            Bytes::new()
        }
    }

    /// Marks the body as read; false where that must not be any more.
    fn read(&self) -> bool {
        if self.last_call.is_over() {
            self.watch.withdraw();
        }
        self.watch.read()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.read() {
            return Poll::Ready(Some(Err("the token request was given up".into())));
        }
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

// === impl LastCall ===

impl LastCall {
    pub(super) fn of(before: Option<&SendBefore>, clock: &Arc<dyn Clock>) -> Self {
        Self(before.map(|SendBefore(until)| (*until, Arc::clone(clock))))
    }

    pub(super) fn is_over(&self) -> bool {
        let Self(until) = self;
        let over = |(until, clock): &(Moment, Arc<dyn Clock>)| until.reached(clock.now());
        until.as_ref().is_some_and(over)
    }

    /// How long the answer to a request that is sent now may take: while it is awaited, nobody else
    /// must take the exchange for over. None: as long as the client waits.
    pub(super) fn answers_within(&self) -> Option<Duration> {
        let Self(until) = self;
        let (until, clock) = until.as_ref()?;
        Some(until.remaining(clock.now()) + ANSWER_AFTER)
    }
}

// === impl Watch ===

impl Watch {
    /// Marks the body as read; false where it was withdrawn before.
    fn read(&self) -> bool {
        self.change(READ)
    }

    /// Withdraws the body; false where it was read before. One exchange decides between the two,
    /// so a client's own task cannot read the body after it was declared unsent.
    pub(super) fn withdraw(&self) -> bool {
        self.change(WITHDRAWN)
    }

    fn change(&self, to: u8) -> bool {
        let changed = self
            .0
            .compare_exchange(UNREAD, to, Ordering::AcqRel, Ordering::Acquire);
        changed.is_ok() || changed == Err(to)
    }
}
