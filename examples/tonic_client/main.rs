//! A generated gRPC client around the layer: `cargo run --example tonic_client`.
//!
//! A server on loopback takes its access tokens back while calls of all four kinds are under way,
//! and no caller notices.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

#[path = "../../tests/grpc/notes.rs"]
mod notes;
mod server;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use notes::{Note, NotesClient};
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tower::ServiceBuilder;
use tower_reauth::{Auth, AuthLayer, BoxError, Provider, Token, provider::provider_fn};

static EXCHANGES: AtomicUsize = AtomicUsize::new(0);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = server::start()?;
    let provider = provider_fn(|_| async {
        let number = EXCHANGES.fetch_add(1, SeqCst) + 1;
        Ok(Token::new(format!("access-{number}")))
    });
    // A generated client's calls name no host: they go where its channel goes, which is this one.
    let auth = AuthLayer::new(provider.origins([server.as_str()]));
    let channel = Endpoint::from_shared(server)?.connect().await?;
    let client = NotesClient::new(ServiceBuilder::new().layer(auth).service(channel));

    let mut callers = JoinSet::new();
    for number in 0..100 {
        callers.spawn(call(client.clone(), number));
    }
    let mut failed = 0;
    while let Some(answer) = callers.join_next().await {
        failed += usize::from(answer?.is_err());
    }

    let (refused, exchanges) = (server::refused(), EXCHANGES.load(SeqCst));
    println!("100 calls of four kinds over one channel, {failed} of them failed");
    println!("{refused} were refused and sent again; {exchanges} exchanges, one at the start");
    match (failed, refused > 0, exchanges) {
        (0, true, 2) => Ok(()),
        _ => Err("a promise was broken".into()),
    }
}

/// A call of one of the four kinds, which must be answered with what it was called with.
async fn call<P: Provider>(
    mut client: NotesClient<Auth<Channel, P>>,
    number: usize,
) -> Result<(), Status> {
    let note = Note::new(number.to_string());
    let notes = tokio_stream::iter([note.clone()]);
    let answer = match number % 4 {
        0 => client.keep(note.clone()).await?.into_inner(),
        1 => client.collect(notes).await?.into_inner(),
        2 => first(client.list(note.clone()).await?.into_inner()).await?,
        _ => first(client.converse(notes).await?.into_inner()).await?,
    };
    (answer == note)
        .then_some(())
        .ok_or_else(|| Status::data_loss("another's answer"))
}

async fn first(mut answers: tonic::Streaming<Note>) -> Result<Note, Status> {
    answers
        .next()
        .await
        .unwrap_or_else(|| Err(Status::data_loss("no answer")))
}
