use std::{
    error::Error as StdError,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    error::BoxError,
    replay::{
        Bodies, Spare,
        boxed::{Abort, Boxed},
        tee::Aborted,
    },
};

type Sent = Result<Frame<Bytes>, BoxError>;

/// A body that is made while it is sent.
struct Channel(UnboundedReceiver<Sent>);

impl Body for Channel {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Sent>> {
        self.0.poll_recv(cx)
    }
}

fn channel<B>(wrap: fn(BoxBody<Bytes, BoxError>) -> B) -> (UnboundedSender<Sent>, B) {
    let (sender, receiver) = unbounded_channel();
    (sender, wrap(BoxBody::new(Channel(receiver))))
}

fn data(text: &'static str) -> Sent {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, "\"5\"".parse().unwrap())])
}

async fn text<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Bytes
where
    B::Error: std::fmt::Debug,
{
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

fn has_aborted(error: &(dyn StdError + 'static)) -> bool {
    error.is::<Aborted>() || error.source().is_some_and(has_aborted)
}

/// The rules of the tee, for bodies of one crate.
async fn keeps_the_rules<B: Boxed>(wrap: fn(BoxBody<Bytes, BoxError>) -> B)
where
    B::Error: StdError + Send + Sync + 'static,
{
    assert!(B::Within::aborted().is_some(), "it can be cut off");
    let (sender, mut first) = channel(wrap);
    let spare = Bodies::default().spare(&mut first).unwrap();
    assert!(matches!(spare, Spare::Teed(_)));

    sender.send(data("one")).unwrap();
    assert_eq!(text(&mut first).await, "one");
    spare.hold().unwrap();
    sender.send(data("two")).unwrap();
    let held = poll_fn(|cx| Poll::Ready(Pin::new(&mut first).poll_frame(cx).is_pending()));
    assert!(held.await, "it waits for the newer token");
    let mut second = spare.take();
    let aborted = first.frame().await.unwrap().unwrap_err();
    assert!(has_aborted(&aborted), "{aborted:?}");

    assert_eq!(text(&mut second).await, "one");
    assert_eq!(text(&mut second).await, "two");
    sender.send(Ok(Frame::trailers(trailers()))).unwrap();
    let end = second.frame().await.unwrap().unwrap();
    assert_eq!(end.into_trailers().unwrap(), trailers());
    drop(sender);
    assert!(second.frame().await.is_none());
}

/// A body that fails says why, in the first sending as in the second.
async fn keeps_errors<B: Boxed>(wrap: fn(BoxBody<Bytes, BoxError>) -> B)
where
    B::Error: StdError + Send + Sync + 'static,
{
    let says_why = |error: B::Error| {
        let mut chain = vec![error.to_string()];
        let mut next = error.source();
        while let Some(error) = next {
            chain.push(error.to_string());
            next = error.source();
        }
        assert!(chain.iter().any(|text| text.contains("disk")), "{chain:?}");
    };
    let (sender, mut first) = channel(wrap);
    let spare = Bodies::default().spare(&mut first).unwrap();
    spare.hold().unwrap();
    let mut second = spare.take();
    sender.send(Err("the disk is gone".into())).unwrap();
    says_why(second.frame().await.unwrap().unwrap_err());

    let (sender, mut first) = channel(wrap);
    let _spare = Bodies::default().spare(&mut first).unwrap();
    sender.send(Err("the disk is gone".into())).unwrap();
    says_why(first.frame().await.unwrap().unwrap_err());
}

/// What was sent whole is as long the second time, and so is its `Content-Length`.
async fn keeps_the_length<B: Boxed>(wrap: fn(BoxBody<Bytes, BoxError>) -> B)
where
    B::Error: std::fmt::Debug,
{
    let full = Full::new(Bytes::from_static(b"12345")).map_err(|never| match never {});
    let mut first = wrap(BoxBody::new(full));
    let spare = Bodies::default().spare(&mut first).unwrap();
    assert_eq!(first.size_hint().exact(), Some(5));
    assert_eq!(text(&mut first).await, "12345");
    spare.hold().unwrap();
    let second = spare.take();
    assert_eq!(second.size_hint().exact(), Some(5));
    assert_eq!(second.collect().await.unwrap().to_bytes(), "12345");

    let spare = Bodies::default().spare(&mut B::empty()).unwrap();
    assert!(matches!(spare, Spare::Copy(body) if body.is_end_stream()));
}

async fn keeps_all<B: Boxed>(wrap: fn(BoxBody<Bytes, BoxError>) -> B)
where
    B::Error: StdError + Send + Sync + 'static,
{
    let all = async {
        keeps_the_rules(wrap).await;
        keeps_errors(wrap).await;
        keeps_the_length(wrap).await;
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(10), all);
    in_time.await.expect("nothing else is waited for");
}

#[tokio::test]
async fn bodies_of_axum_are_followed_like_any_box() {
    keeps_all(axum_core::body::Body::new).await;
}

#[tokio::test]
async fn bodies_of_reqwest_are_followed_like_any_box() {
    keeps_all(reqwest::Body::wrap).await;
}

#[tokio::test]
async fn bodies_of_tonic_are_followed_like_any_box() {
    keeps_all(tonic::body::Body::new).await;
}
