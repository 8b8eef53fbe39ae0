use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    task::Wake,
};

use http_body_util::{
    BodyExt, Empty, Full,
    combinators::{BoxBody, UnsyncBoxBody},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::{
    error::BoxError,
    replay::{Bodies, Spare},
};

type Boxes<E = BoxError> = UnsyncBoxBody<Bytes, E>;
type Sent<E> = Result<Frame<Bytes>, E>;

/// A body that is made while it is sent.
struct Channel<E>(UnboundedReceiver<Sent<E>>);

impl<E> Body for Channel<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Sent<E>>> {
        self.0.poll_recv(cx)
    }
}

struct Sender<E>(UnboundedSender<Sent<E>>);

impl<E: fmt::Debug> Sender<E> {
    fn data(&self, data: &'static str) {
        self.0.send(Ok(Frame::data(data.into()))).unwrap();
    }

    fn trailers(&self) {
        self.0.send(Ok(Frame::trailers(trailers()))).unwrap();
    }

    fn fail(&self, error: E) {
        self.0.send(Err(error)).unwrap();
    }
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, "\"5\"".parse().unwrap())])
}

fn channel<E: Send + 'static>() -> (Sender<E>, Boxes<E>) {
    let (sender, receiver) = unbounded_channel();
    (Sender(sender), Channel(receiver).boxed_unsync())
}

/// A first sending, and its spare.
fn teed<B: 'static>(mut body: B, cap: usize) -> (B, Spare<B>) {
    let mut bodies = Bodies::default();
    bodies.set_cap(cap);
    let spare = bodies.spare(&mut body).unwrap();
    (body, spare)
}

fn test() -> (Sender<BoxError>, Boxes, Spare<Boxes>) {
    let (sender, body) = channel();
    let (first, spare) = teed(body, 64);
    (sender, first, spare)
}

/// Fails where a broken tee would hang.
async fn in_time<F: Future>(future: F) -> F::Output {
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(10), future);
    in_time.await.expect("nothing else is waited for")
}

/// What the next frame holds, if there is one.
async fn next<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Option<String>
where
    B::Error: fmt::Debug,
{
    let data = in_time(body.frame()).await?.unwrap().into_data().unwrap();
    Some(String::from_utf8(data.to_vec()).unwrap())
}

async fn whole<B: Body<Data = Bytes>>(body: B) -> (String, Option<HeaderMap>)
where
    B::Error: fmt::Debug,
{
    let all = in_time(body.collect()).await.unwrap();
    let trailers = all.trailers().cloned();
    (
        String::from_utf8(all.to_bytes().to_vec()).unwrap(),
        trailers,
    )
}

fn again<B>(spare: Spare<B>) -> B {
    spare.hold().unwrap();
    spare.take()
}

async fn is_pending<B: Body + Unpin>(body: &mut B) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx).is_pending())).await
}

fn is_abort(error: &BoxError) -> bool {
    error.is::<Aborted>()
}

// === what was sent whole is sent whole again ===

#[tokio::test]
async fn one_frame_is_sent_again() {
    let (sender, first, spare) = test();
    sender.data("hello");
    drop(sender);
    assert_eq!(whole(first).await, ("hello".into(), None));
    assert_eq!(whole(again(spare)).await, ("hello".into(), None));
}

#[tokio::test]
async fn several_frames_are_sent_again_with_their_borders() {
    let (sender, mut first, spare) = test();
    for data in ["one", "", "two", "three"] {
        sender.data(data);
    }
    drop(sender);
    while next(&mut first).await.is_some() {}
    let mut second = again(spare);
    for data in ["one", "two", "three"] {
        assert_eq!(next(&mut second).await.as_deref(), Some(data));
    }
    assert_eq!(next(&mut second).await, None);
}

#[tokio::test]
async fn trailers_are_sent_again() {
    let (sender, first, spare) = test();
    sender.data("hello");
    sender.trailers();
    drop(sender);
    assert_eq!(whole(first).await, ("hello".into(), Some(trailers())));
    assert_eq!(
        whole(again(spare)).await,
        ("hello".into(), Some(trailers()))
    );
}

#[tokio::test]
async fn a_length_is_promised_only_where_no_trailers_follow() {
    for has_trailers in [false, true] {
        let (sender, first, spare) = test();
        sender.data("hello");
        if has_trailers {
            sender.trailers();
        }
        drop(sender);
        whole(first).await;
        let hint = again(spare).size_hint();
        assert_eq!((hint.lower(), hint.exact().is_none()), (5, has_trailers));
    }
}

#[tokio::test]
async fn trailers_without_a_body_are_sent_again() {
    let (sender, mut first, spare) = test();
    sender.trailers();
    drop(sender);
    first
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_trailers()
        .unwrap();
    drop(first);
    assert_eq!(whole(again(spare)).await, (String::new(), Some(trailers())));
}

#[test]
fn an_empty_body_is_at_its_end_each_time() {
    let (first, spare) = teed(Empty::new().map_err(|n| match n {}).boxed_unsync(), 64);
    let first: Boxes = first;
    assert!(first.is_end_stream());
    assert!(again(spare).is_end_stream());
}

#[tokio::test]
async fn a_body_is_at_its_end_only_when_it_was_sent_whole() {
    let body: BoxBody<Bytes, Infallible> = Full::from("hello").boxed();
    let (mut first, spare) = teed(body, 64);
    assert!(!first.is_end_stream());
    next(&mut first).await.unwrap();
    assert!(first.is_end_stream());
    let mut second = again(spare);
    assert!(!second.is_end_stream());
    next(&mut second).await.unwrap();
    assert!(second.is_end_stream());
    assert_eq!(next(&mut second).await, None);
    assert_eq!(next(&mut first).await, None, "nor was the first cut off");
}

#[tokio::test]
async fn a_body_is_as_long_as_it_says_each_time() {
    let body = Full::from("hello").map_err(BoxError::from).boxed();
    let (mut first, spare) = teed(body, 64);
    assert_eq!(first.size_hint().exact(), Some(5));
    next(&mut first).await.unwrap();
    assert_eq!(again(spare).size_hint().exact(), Some(5));

    let (first, spare) = teed(
        Full::<Bytes>::from("hello").map_err(BoxError::from).boxed(),
        64,
    );
    assert_eq!(again(spare).size_hint().exact(), Some(5), "before it began");
    drop(first);

    let (sender, mut first, spare) = test();
    assert_eq!(first.size_hint().exact(), None);
    sender.data("hello");
    next(&mut first).await.unwrap();
    let second = again(spare);
    assert_eq!(
        (second.size_hint().lower(), second.size_hint().upper()),
        (5, None)
    );
}

// === what is left of it is sent by the second ===

#[tokio::test]
async fn frames_go_out_before_the_next_is_made() {
    let (sender, mut first, _spare) = test();
    assert!(is_pending(&mut first).await);
    for data in ["one", "two"] {
        sender.data(data);
        assert_eq!(next(&mut first).await.as_deref(), Some(data));
    }
}

#[tokio::test]
async fn the_second_sending_goes_on_where_the_first_was_cut_off() {
    let (sender, mut first, spare) = test();
    sender.data("hello");
    next(&mut first).await.unwrap();
    let mut second = again(spare);
    assert_eq!(next(&mut second).await.as_deref(), Some("hello"));
    assert!(is_pending(&mut second).await);
    sender.data(" world");
    sender.trailers();
    drop(sender);
    assert_eq!(whole(second).await, (" world".into(), Some(trailers())));
}

#[tokio::test]
async fn a_first_sending_that_was_dropped_leaves_the_rest_to_the_second() {
    let (sender, mut first, spare) = test();
    sender.data("hello");
    next(&mut first).await.unwrap();
    drop(first);
    sender.data(" world");
    drop(sender);
    assert_eq!(whole(again(spare)).await, ("hello world".into(), None));
}

#[tokio::test]
async fn a_first_sending_that_never_began_leaves_all_to_the_second() {
    let (sender, first, spare) = test();
    drop(first);
    sender.data("hello");
    drop(sender);
    assert_eq!(whole(again(spare)).await, ("hello".into(), None));
}

#[tokio::test]
async fn a_first_sending_that_is_cut_off_ends_with_an_error_and_never_cleanly() {
    let (sender, mut first, spare) = test();
    sender.data("hello");
    next(&mut first).await.unwrap();
    let _second = again(spare);
    assert!(!first.is_end_stream());
    for _ in 0..3 {
        assert!(is_abort(&first.frame().await.unwrap().unwrap_err()));
    }
    let (_sender, body) = channel::<io::Error>();
    let (mut first, spare) = teed(body, 64);
    let _second = again(spare);
    let error = first.frame().await.unwrap().unwrap_err();
    assert!(error.get_ref().unwrap().is::<Aborted>());
    assert!(error.to_string().contains("is sent again"), "{error}");
}

#[tokio::test]
async fn while_a_newer_token_is_awaited_the_first_sending_waits_and_then_goes_on_without_one() {
    let (sender, mut first, spare) = test();
    sender.data("one");
    next(&mut first).await.unwrap();
    spare.hold().unwrap();
    sender.data("two");
    assert!(is_pending(&mut first).await);
    drop(spare);
    assert_eq!(next(&mut first).await.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_first_sending_that_waits_is_woken_whatever_becomes_of_it() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    for taken in [true, false] {
        for held_first in [true, false] {
            let (_sender, mut first, spare) = test();
            let count = Arc::new(Count(AtomicUsize::new(0)));
            let waker = Waker::from(Arc::clone(&count));
            let mut cx = Context::from_waker(&waker);
            if held_first {
                spare.hold().unwrap();
                assert!(Pin::new(&mut first).poll_frame(&mut cx).is_pending());
            } else {
                // It waits for the caller's body, which will not wake it any more.
                assert!(Pin::new(&mut first).poll_frame(&mut cx).is_pending());
                spare.hold().unwrap();
            }
            let second = taken.then(|| spare.take());
            assert_eq!(count.0.load(SeqCst), 1, "{taken} {held_first}");
            drop(second);
        }
    }
}

#[tokio::test]
async fn a_body_whose_errors_cannot_be_made_is_sent_again_only_once_it_was_sent_whole() {
    let (sender, body) = channel::<Infallible>();
    let (mut first, spare) = teed(body, 64);
    sender.data("hello");
    next(&mut first).await.unwrap();
    assert_eq!(spare.hold(), Err(Replay::StillSending));
    drop(spare);
    sender.data(" world");
    drop(sender);
    assert_eq!(whole(first).await.0, " world", "as if nobody had looked");

    let (sender, body) = channel::<Infallible>();
    let (first, spare) = teed(body, 64);
    sender.data("hello");
    drop(sender);
    whole(first).await;
    assert_eq!(whole(again(spare)).await.0, "hello");
}

// === caps, spares that are dropped, errors ===

#[tokio::test]
async fn over_the_cap_the_sending_goes_on_and_nothing_is_kept() {
    let (sender, body) = channel::<BoxError>();
    let (mut first, spare) = teed(body, 8);
    sender.data("aaaaaaaa");
    next(&mut first).await.unwrap();
    spare.hold().unwrap();
    drop(spare);

    let (sender, body) = channel::<BoxError>();
    let (mut first, spare) = teed(body, 8);
    for data in ["aaaaaaaa", "b", "c"] {
        sender.data(data);
        assert_eq!(next(&mut first).await.as_deref(), Some(data));
    }
    assert_eq!(spare.hold(), Err(Replay::OverCap));
    sender.data("d");
    assert_eq!(next(&mut first).await.as_deref(), Some("d"), "not held");
}

#[tokio::test]
async fn what_the_second_sending_adds_may_exceed_the_cap() {
    let (sender, body) = channel::<BoxError>();
    let (mut first, spare) = teed(body, 8);
    sender.data("aaaaaaaa");
    next(&mut first).await.unwrap();
    let second = again(spare);
    sender.data("bbbbbbbb");
    drop(sender);
    assert_eq!(whole(second).await.0, "aaaaaaaabbbbbbbb");
}

/// Bytes that say whether anybody still holds them.
fn watched() -> (Arc<()>, Bytes) {
    struct Watched(#[allow(dead_code, reason = "only held")] Arc<()>);
    impl AsRef<[u8]> for Watched {
        fn as_ref(&self) -> &[u8] {
            b"held"
        }
    }
    let alive = Arc::new(());
    let bytes = Bytes::from_owner(Watched(Arc::clone(&alive)));
    (alive, bytes)
}

#[tokio::test]
async fn nothing_is_kept_once_it_is_over_the_cap_or_its_spare_is_dropped() {
    for over in [true, false] {
        let (sender, body) = channel::<BoxError>();
        let (mut first, spare) = teed(body, 8);
        let (alive, bytes) = watched();
        sender.0.send(Ok(Frame::data(bytes))).unwrap();
        drop(first.frame().await);
        assert_eq!(Arc::strong_count(&alive), 2, "kept");
        let spare = over.then_some(spare);
        if over {
            sender.data("too long");
            next(&mut first).await.unwrap();
        }
        assert_eq!(Arc::strong_count(&alive), 1, "let go, over: {over}");
        let (alive, bytes) = watched();
        sender.0.send(Ok(Frame::data(bytes))).unwrap();
        drop(first.frame().await);
        assert_eq!(Arc::strong_count(&alive), 1, "not kept, over: {over}");
        drop(spare);
    }
}

#[tokio::test]
async fn a_spare_that_is_dropped_early_leaves_the_first_sending_alone() {
    let (sender, mut first, spare) = test();
    sender.data("one");
    next(&mut first).await.unwrap();
    drop(spare);
    sender.data("two");
    sender.trailers();
    drop(sender);
    assert_eq!(whole(first).await, ("two".into(), Some(trailers())));
}

#[tokio::test]
async fn a_body_that_fails_fails_its_first_sending_and_is_not_sent_again() {
    let (sender, mut first, spare) = test();
    sender.data("one");
    next(&mut first).await.unwrap();
    sender.fail("broken".into());
    let error = first.frame().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "broken");
    assert_eq!(spare.hold(), Err(Replay::NotReplayable));
}

#[tokio::test]
async fn a_body_that_fails_later_fails_the_second_sending() {
    let (sender, mut first, spare) = test();
    sender.data("one");
    next(&mut first).await.unwrap();
    let mut second = again(spare);
    sender.fail("broken".into());
    assert_eq!(next(&mut second).await.as_deref(), Some("one"));
    let error = second.frame().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "broken");
}
