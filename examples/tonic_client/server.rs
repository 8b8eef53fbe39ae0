//! The server that is called: it answers with what it was called with, and amid the calls it takes
//! the first token back.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio_stream::{Stream, StreamExt};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

use crate::notes::{Note, Notes, NotesServer};

static CAME: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// Starts it on loopback, and returns its address.
pub(crate) fn start() -> io::Result<String> {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?;
    let address = incoming.local_addr()?;
    let notes = NotesServer::with_interceptor(Echo, check);
    let server = Server::builder().add_service(notes);
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(format!("http://{address}"))
}

pub(crate) fn refused() -> usize {
    REFUSED.load(SeqCst)
}

/// From the fiftieth call on, `access-1` is refused.
fn check(call: Request<()>) -> Result<Request<()>, Status> {
    let good_from = if CAME.fetch_add(1, SeqCst) < 50 { 1 } else { 2 };
    let token = call.metadata().get("authorization");
    let number = token.and_then(|token| token.to_str().ok()?.strip_prefix("Bearer access-"));
    let number = number.and_then(|number| number.parse::<usize>().ok());
    if number.is_some_and(|number| number >= good_from) {
        return Ok(call);
    }
    REFUSED.fetch_add(1, SeqCst);
    Err(Status::unauthenticated("this token is not good"))
}

struct Echo;

type Answer<T> = Result<Response<T>, Status>;
type Answers = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;

#[tonic::async_trait]
impl Notes for Echo {
    type ListStream = Answers;
    type ConverseStream = Answers;

    async fn keep(&self, call: Request<Note>) -> Answer<Note> {
        Ok(Response::new(call.into_inner()))
    }

    async fn collect(&self, call: Request<Streaming<Note>>) -> Answer<Note> {
        let texts = call.into_inner().map(|note| note.map(|note| note.text));
        let all: Result<String, _> = texts.collect().await;
        Ok(Response::new(Note::new(all?)))
    }

    async fn list(&self, call: Request<Note>) -> Answer<Answers> {
        let answers = tokio_stream::once(Ok(call.into_inner()));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn converse(&self, call: Request<Streaming<Note>>) -> Answer<Answers> {
        Ok(Response::new(Box::pin(call.into_inner())))
    }
}
