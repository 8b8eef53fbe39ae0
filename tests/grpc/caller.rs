//! A call of any kind by the generated client, and what came of it.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::{StreamExt, wrappers::UnboundedReceiverStream};
use tonic::{Code, Request, Response, Status, Streaming, body::Body, client::GrpcService};
use tower_reauth::{BoxError, replay::Replay};

use crate::{
    notes::{Note, NotesClient},
    server::Kind,
};

/// What a caller got.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The messages, in order.
    pub(crate) answers: Vec<String>,
    pub(crate) end: Result<(), Status>,
    /// The marker on the response, where there was one to look at.
    pub(crate) replay: Option<Replay>,
}

/// Boxed: that is where the bounds on a client's future are told, and no caller has to.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Outcome> + Send>>;

pub(crate) type Messages = UnboundedReceiverStream<Note>;

/// Calls with `texts`; kinds that take one message take the first.
pub(crate) fn call<T>(client: &NotesClient<T>, kind: Kind, texts: &[&str]) -> Pending
where
    T: GrpcService<Body, Future: Send> + Clone + Send + 'static,
    T::Error: Into<BoxError>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<BoxError> + Send,
{
    send(client, kind, Request::new(messages(texts)))
}

pub(crate) fn send<T>(client: &NotesClient<T>, kind: Kind, request: Request<Messages>) -> Pending
where
    T: GrpcService<Body, Future: Send> + Clone + Send + 'static,
    T::Error: Into<BoxError>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<BoxError> + Send,
{
    let sent = exchange(client.clone(), kind, request);
    Box::pin(async {
        let outcome = tokio::time::timeout(Duration::from_secs(10), sent).await;
        outcome.expect("a call ends within ten seconds")
    })
}

pub(crate) fn messages(texts: &[&str]) -> Messages {
    let (sender, messages) = stream();
    for text in texts.iter().copied() {
        sender.send(Note::new(text)).unwrap();
    }
    messages
}

/// Messages that are sent one after another, until the sender is dropped.
pub(crate) fn stream() -> (UnboundedSender<Note>, Messages) {
    let (sender, receiver) = unbounded_channel();
    (sender, UnboundedReceiverStream::new(receiver))
}

async fn exchange<T>(mut client: NotesClient<T>, kind: Kind, request: Request<Messages>) -> Outcome
where
    T: GrpcService<Body> + Clone,
    T::Error: Into<BoxError>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<BoxError> + Send,
{
    match kind {
        Kind::Unary => one(client.keep(first(request).await).await),
        Kind::ClientStream => one(client.collect(request).await),
        Kind::ServerStream => many(client.list(first(request).await).await).await,
        Kind::Bidirectional => many(client.converse(request).await).await,
    }
}

async fn first(request: Request<Messages>) -> Request<Note> {
    let (metadata, extensions, mut messages) = request.into_parts();
    let note = messages.next().await.unwrap();
    Request::from_parts(metadata, extensions, note)
}

fn one(result: Result<Response<Note>, Status>) -> Outcome {
    let replay = replay(&result);
    match result {
        Ok(response) => Outcome {
            answers: vec![response.into_inner().text],
            end: Ok(()),
            replay,
        },
        Err(status) => Outcome {
            answers: Vec::new(),
            end: Err(status),
            replay,
        },
    }
}

async fn many(result: Result<Response<Streaming<Note>>, Status>) -> Outcome {
    let replay = replay(&result);
    let mut answers = Vec::new();
    let end = match result {
        Ok(response) => read(response.into_inner(), &mut answers).await,
        Err(status) => Err(status),
    };
    Outcome {
        answers,
        end,
        replay,
    }
}

async fn read(mut stream: Streaming<Note>, answers: &mut Vec<String>) -> Result<(), Status> {
    while let Some(note) = stream.message().await? {
        answers.push(note.text);
    }
    Ok(())
}

fn replay<T>(result: &Result<Response<T>, Status>) -> Option<Replay> {
    let response = result.as_ref().ok()?;
    response.extensions().get().copied()
}

// === impl Outcome ===

impl Outcome {
    /// The code that the call ended with.
    pub(crate) fn code(&self) -> Code {
        self.end.as_ref().err().map_or(Code::Ok, Status::code)
    }
}
