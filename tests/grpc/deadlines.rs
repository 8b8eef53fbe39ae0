//! Deadlines, and tokens that come too late for them.

use std::time::Duration;

use tonic::{Code, Request};
use tower::{Layer, ServiceBuilder, timeout::error::Elapsed};

use crate::{
    caller::{call, messages, send},
    notes::NotesClient,
    server::{FOR_EVER, Kind, Refuse, Wire},
    stand::{DAY, Stand, answered},
    support::{Script, secs, settle, token},
};

const TEXTS: [&str; 2] = ["one", "two"];

fn within(seconds: u64, texts: &[&str]) -> Request<crate::caller::Messages> {
    let mut request = Request::new(messages(texts));
    request.set_timeout(secs(seconds));
    request
}

#[tokio::test]
async fn a_call_whose_token_is_slow_ends_at_its_deadline_and_the_token_serves_the_next() {
    for kind in Kind::ALL {
        let stand = Stand::waiting().await;
        let client = stand.client().await;
        let late = {
            let client = client.clone();
            tokio::spawn(async move { send(&client, kind, within(5, &TEXTS)).await })
        };
        settle().await;
        stand.clock.advance(Duration::from_millis(4_999));
        settle().await;
        assert!(!late.is_finished(), "{kind:?}");
        stand.clock.advance(Duration::from_millis(1));
        let outcome = late.await.unwrap();
        assert_eq!(
            outcome.code(),
            Code::DeadlineExceeded,
            "{kind:?}: {outcome:?}"
        );
        assert_eq!(
            stand.server.log.uris().len(),
            0,
            "nothing was sent: {kind:?}"
        );

        stand.script.open(1);
        let next = call(&client, kind, &TEXTS).await;
        assert_eq!(next.code(), Code::Ok, "{kind:?}: {next:?}");
        assert_eq!(next.answers, answered(kind, &TEXTS), "{kind:?}");
        assert_eq!(stand.script.exchanges(), 1, "{kind:?}");
        stand.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_refused_call_whose_newer_token_is_slow_ends_at_its_deadline() {
    for refuse in [Refuse::AtOnce, Refuse::AfterOneMessage, Refuse::Gateway] {
        for kind in Kind::ALL {
            let told = format!("{refuse:?} {kind:?}");
            let script = Script::gated(secs(DAY));
            let stand = Stand::new(Wire::Plain, refuse, script, |layer| {
                layer.initial(token(0, secs(DAY)))
            });
            let stand = stand.await;
            let client = stand.client().await;
            let late = {
                let client = client.clone();
                tokio::spawn(async move { send(&client, kind, within(5, &TEXTS)).await })
            };
            stand.has_begun().await;
            settle().await;
            stand.clock.advance(secs(5));
            let outcome = late.await.unwrap();
            assert_eq!(
                outcome.code(),
                Code::DeadlineExceeded,
                "{told}: {outcome:?}"
            );

            stand.script.open(1);
            let next = call(&client, kind, &TEXTS).await;
            assert_eq!(next.code(), Code::Ok, "{told}: {next:?}");
            assert_eq!(stand.script.exchanges(), 1, "{told}");
        }
    }
}

#[tokio::test]
async fn a_token_that_comes_with_the_deadline_comes_too_late() {
    for kind in Kind::ALL {
        for refused in [false, true] {
            let told = format!("{kind:?} {refused}");
            let script = Script::gated(secs(DAY));
            let stand = Stand::new(Wire::Plain, Refuse::AtOnce, script, |layer| match refused {
                true => layer.initial(token(0, secs(DAY))),
                false => layer,
            });
            let stand = stand.await;
            let client = stand.client().await;
            let late = tokio::spawn(send(&client, kind, within(5, &TEXTS)));
            stand.has_begun().await;
            settle().await;
            // The call looks only after both.
            stand.script.open(1);
            stand.clock.advance(secs(5));
            let outcome = late.await.unwrap();
            assert_eq!(
                outcome.code(),
                Code::DeadlineExceeded,
                "{told}: {outcome:?}"
            );
            assert_eq!(stand.server.log.calls(1), [], "{told}");
            let next = call(&client, kind, &TEXTS).await;
            assert_eq!((next.code(), next.replay), (Code::Ok, None), "{told}");
            assert_eq!(stand.script.exchanges(), 1, "{told}");
        }
    }
}

#[tokio::test]
async fn what_is_left_of_a_deadline_is_what_is_sent() {
    for kind in Kind::ALL {
        // After a first token that took two of ten seconds …
        let stand = Stand::waiting().await;
        let client = stand.client().await;
        let waiting = tokio::spawn(async move { send(&client, kind, within(10, &TEXTS)).await });
        settle().await;
        stand.clock.advance(secs(2));
        stand.script.open(1);
        assert_eq!(waiting.await.unwrap().code(), Code::Ok, "{kind:?}");
        assert_eq!(deadline(&stand), secs(8), "{kind:?}");

        // … and after a newer one that took three.
        let script = Script::gated(secs(DAY));
        let stand = Stand::new(Wire::Plain, Refuse::AtOnce, script, |layer| {
            layer.initial(token(0, secs(DAY)))
        });
        let stand = stand.await;
        let client = stand.client().await;
        let waiting = tokio::spawn(async move { send(&client, kind, within(10, &TEXTS)).await });
        stand.has_begun().await;
        stand.clock.advance(secs(3));
        stand.script.open(1);
        assert_eq!(waiting.await.unwrap().code(), Code::Ok, "{kind:?}");
        assert_eq!(deadline(&stand), secs(7), "{kind:?}");
    }
}

/// The deadline that the one call with `access-1` came with.
fn deadline(stand: &Stand) -> Duration {
    let calls = stand.server.log.calls(1);
    assert_eq!(calls.len(), 1);
    let deadline = calls[0].deadline.clone().unwrap();
    let (number, unit) = deadline.split_at(deadline.len() - 1);
    let number: u32 = number.parse().unwrap();
    let units = [
        ("S", secs(1)),
        ("m", Duration::from_millis(1)),
        ("u", Duration::from_micros(1)),
    ];
    let (_, length) = units.into_iter().find(|(name, _)| *name == unit).unwrap();
    length * number
}

#[tokio::test]
async fn a_timeout_around_the_layer_ends_a_call_and_the_token_serves_the_next() {
    for kind in Kind::ALL {
        let stand = Stand::waiting().await;
        let service = ServiceBuilder::new()
            .timeout(Duration::from_millis(20))
            .service(stand.service());
        let outcome = call(&NotesClient::new(service), kind, &TEXTS).await;
        // tonic knows its own time-outs only.
        assert_eq!(outcome.code(), Code::Unknown, "{kind:?}: {outcome:?}");
        let status = outcome.end.unwrap_err();
        let source = std::error::Error::source(&status);
        assert!(
            source.is_some_and(|source| source.is::<Elapsed>()),
            "{kind:?}"
        );
        assert_eq!(
            stand.server.log.uris().len(),
            0,
            "nothing was sent: {kind:?}"
        );

        stand.script.open(1);
        let next = call(&stand.client().await, kind, &TEXTS).await;
        assert_eq!(next.code(), Code::Ok, "{kind:?}: {next:?}");
        assert_eq!(stand.script.exchanges(), 1, "{kind:?}");
        stand.comes_to_rest().await;
    }
}

#[tokio::test]
async fn a_channel_s_own_timeout_ends_a_call_as_it_does_without_the_layer() {
    let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
    stand.server.log.good_from(0);
    let endpoint = stand.server.endpoint();
    let endpoint = endpoint.timeout(Duration::from_millis(50));
    let without = NotesClient::new(endpoint.connect_lazy());
    let mut request = Request::new(messages(&[FOR_EVER]));
    let bearer = "Bearer access-0".parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let without = send(&without, Kind::Unary, request).await.end.unwrap_err();
    assert_eq!(without.code(), Code::Cancelled, "{without:?}");

    let with = NotesClient::new(stand.layer.layer(endpoint.connect_lazy()));
    let with = call(&with, Kind::Unary, &[FOR_EVER]).await.end.unwrap_err();
    assert_eq!(
        (with.code(), with.message()),
        (without.code(), without.message())
    );
    assert_eq!(stand.script.exchanges(), 0);
}

#[tokio::test]
async fn a_deadline_is_sent_as_it_is_where_no_token_was_waited_for() {
    for kind in Kind::ALL {
        let stand = Stand::refusing(Wire::Plain, Refuse::AtOnce).await;
        let client = stand.client().await;
        let outcome = send(&client, kind, within(10, &TEXTS)).await;
        assert_eq!(outcome.code(), Code::Ok, "{kind:?}: {outcome:?}");
        assert_eq!(deadline(&stand), secs(10), "sent again at once: {kind:?}");
        let outcome = send(&client, kind, within(9, &TEXTS)).await;
        assert_eq!(outcome.code(), Code::Ok, "{kind:?}: {outcome:?}");
        let deadline = &stand.server.log.calls(1)[1].deadline;
        assert_eq!(deadline.as_deref(), Some("9000000u"), "{kind:?}");
    }
}
