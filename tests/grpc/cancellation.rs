//! Callers that go away: the server hears of it, and the exchange does not.

use tokio::task::JoinHandle;
use tonic::{Code, Request};

use crate::{
    caller::{Outcome, call, send, stream},
    notes::Note,
    server::{End, FOR_EVER, Kind, Refuse, Wire},
    stand::{Client, Stand, answered},
    support::settle,
};

/// A call that does not end by itself, in a task of its own: the stream of its messages is left
/// open, or its answer never comes.
fn endless(client: &Client, kind: Kind) -> (impl Sized, JoinHandle<Outcome>) {
    let (messages, stream) = stream();
    messages.send(Note::new(FOR_EVER)).unwrap();
    let call = send(client, kind, Request::new(stream));
    (messages, tokio::spawn(call))
}

/// What a server hears of a caller that has gone away. tonic's takes a stream of messages that was
/// cancelled for one that has ended, whoever the client is.
fn heard(kind: Kind) -> End {
    match kind {
        Kind::ClientStream => End::Finished,
        _ => End::Cancelled,
    }
}

async fn gone(call: JoinHandle<Outcome>) {
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_call_that_is_dropped_is_cancelled_at_the_server() {
    for kind in Kind::ALL {
        let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
        stand.server.log.good_from(0);
        let client = stand.client().await;
        let (open, call) = endless(&client, kind);
        let log = &stand.server.log;
        log.wait(0, |calls| calls.len() == 1 && calls[0].came.len() == 1)
            .await;
        assert_eq!(log.calls(0)[0].end, End::Running, "{kind:?}");
        gone(call).await;
        // Without the layer, too, a stream of messages that is open keeps its call open.
        drop(open);
        log.wait(0, |calls| calls[0].end == heard(kind)).await;
        assert_eq!(stand.script.exchanges(), 0, "{kind:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_after_it_was_sent_again_is_cancelled_at_the_server() {
    for kind in Kind::ALL {
        let stand = Stand::refusing(Wire::Plain, Refuse::AfterOneMessage).await;
        let client = stand.client().await;
        let (open, call) = endless(&client, kind);
        let log = &stand.server.log;
        log.wait(1, |calls| calls.len() == 1 && calls[0].came.len() == 1)
            .await;
        gone(call).await;
        drop(open);
        log.wait(1, |calls| calls[0].end == heard(kind)).await;
        assert_eq!(stand.script.exchanges(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_stream_of_answers_that_is_dropped_is_cancelled_at_the_server() {
    for refuse in [None, Some(Refuse::AtOnce)] {
        let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
        let number = usize::from(refuse.is_some());
        stand.server.log.good_from(number);
        let mut client = stand.client().await;

        let answers = client.list(Note::new(FOR_EVER)).await.unwrap();
        let mut answers = answers.into_inner();
        assert_eq!(answers.message().await.unwrap(), Some(Note::new(FOR_EVER)));
        drop(answers);
        let log = &stand.server.log;
        log.wait(number, |calls| calls[0].end == End::Cancelled)
            .await;

        let (messages, stream) = stream();
        messages.send(Note::new("one")).unwrap();
        let answers = client.converse(stream).await.unwrap();
        let mut answers = answers.into_inner();
        assert_eq!(answers.message().await.unwrap(), Some(Note::new("one")));
        drop(answers);
        drop(messages);
        log.wait(number, |calls| calls[1].end == End::Cancelled)
            .await;
        assert_eq!(stand.script.exchanges(), number);
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_awaits_its_token_leaves_the_exchange_to_itself() {
    for kind in Kind::ALL {
        let stand = Stand::waiting().await;
        let client = stand.client().await;
        let (_open, dropped) = endless(&client, kind);
        settle().await;
        assert_eq!(stand.script.exchanges(), 1, "{kind:?}");
        gone(dropped).await;

        stand.script.open(1);
        let next = call(&client, kind, &["one"]).await;
        assert_eq!(next.code(), Code::Ok, "{kind:?}: {next:?}");
        assert_eq!(next.answers, answered(kind, &["one"]), "{kind:?}");
        assert_eq!(stand.script.exchanges(), 1, "{kind:?}");
        assert_eq!(stand.server.log.calls(1).len(), 1, "only the next was sent");
        stand.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_awaits_a_newer_token_leaves_the_exchange_to_itself() {
    for refuse in [Refuse::AtOnce, Refuse::AfterOneMessage, Refuse::Gateway] {
        for kind in Kind::ALL {
            let told = format!("{refuse:?} {kind:?}");
            let stand = Stand::waiting_for_a_newer(refuse).await;
            let client = stand.client().await;
            let (open, dropped) = endless(&client, kind);
            stand.server.log.wait_refused(1).await;
            stand.has_begun().await;
            gone(dropped).await;
            // Both sendings are given up, and so is the stream of messages.
            drop(open);

            stand.script.open(1);
            let next = call(&client, kind, &["one"]).await;
            assert_eq!(next.code(), Code::Ok, "{told}: {next:?}");
            assert_eq!(stand.script.exchanges(), 1, "{told}");
            assert_eq!(stand.server.log.calls(1).len(), 1, "{told}");
            stand.comes_to_rest().await;
        }
    }
}
