//! Calls whose token is refused: before they have begun, after they were committed, and by a
//! gateway that knows nothing of gRPC.

use tonic::Code;
use tower_reauth::{provider::ProviderError, replay::Replay};

use crate::{
    caller::{call, send, stream},
    heard::Heard,
    notes::Note,
    server::{End, Kind, Refuse, Wire},
    stand::{DAY, Stand, answered, sent},
    support::{Script, secs, token},
};

const TEXTS: [&str; 3] = ["one", "two", "three"];
const WIRES: [Wire; 2] = [Wire::Plain, Wire::Tls];

/// A call of `kind` whose token is refused in this way, and which its caller finds in good order.
async fn is_cured(wire: Wire, refuse: Refuse, kind: Kind) {
    let told = format!("{wire:?} {refuse:?} {kind:?}");
    let stand = Stand::refusing(wire, refuse).await;
    let client = stand.client().await;

    let outcome = call(&client, kind, &TEXTS).await;
    assert_eq!(outcome.code(), Code::Ok, "{told}: {outcome:?}");
    assert_eq!(outcome.answers, answered(kind, &TEXTS), "{told}");
    assert_eq!(outcome.replay, Some(Replay::Replayed), "{told}");

    let calls = stand.server.log.calls(1);
    assert_eq!(calls.len(), 1, "{told}");
    assert_eq!(calls[0].came, sent(kind, &TEXTS), "{told}");
    assert_eq!(calls[0].end, End::Finished, "{told}");
    assert_eq!(stand.server.log.calls(0), [], "{told}");
    assert_eq!(stand.server.log.refused(), 1, "{told}");

    // The next one is not refused any more.
    let next = call(&client, kind, &TEXTS).await;
    assert_eq!((next.code(), next.replay), (Code::Ok, None), "{told}");
    assert_eq!(stand.script.exchanges(), 1, "{told}");
}

#[tokio::test]
async fn a_call_refused_at_once_is_sent_again_and_its_caller_sees_nothing_of_it() {
    for wire in WIRES {
        for kind in Kind::ALL {
            is_cured(wire, Refuse::AtOnce, kind).await;
        }
    }
}

#[tokio::test]
async fn a_call_refused_after_its_first_message_was_read_is_sent_again_from_the_first() {
    for wire in WIRES {
        for kind in Kind::ALL {
            is_cured(wire, Refuse::AfterOneMessage, kind).await;
        }
    }
}

#[tokio::test]
async fn a_bare_401_of_a_gateway_is_a_refusal_of_the_token() {
    for wire in WIRES {
        for kind in Kind::ALL {
            is_cured(wire, Refuse::Gateway, kind).await;
        }
    }
}

#[tokio::test]
async fn a_client_stream_that_is_refused_while_it_is_open_is_sent_again_and_goes_on() {
    for refuse in [Refuse::AtOnce, Refuse::AfterOneMessage, Refuse::Gateway] {
        for kind in [Kind::ClientStream, Kind::Bidirectional] {
            let told = format!("{refuse:?} {kind:?}");
            let stand = Stand::refusing(Wire::Plain, refuse).await;
            let client = stand.client().await;
            let (messages, stream) = stream();
            messages.send(Note::new("one")).unwrap();
            let request = tonic::Request::new(stream);
            let outcome = tokio::spawn(async move { send(&client, kind, request).await });
            // Nothing more is sent before the second sending has brought what the first had.
            stand
                .server
                .log
                .wait(1, |calls| calls.len() == 1 && calls[0].came == ["one"])
                .await;
            for (number, text) in [(2, "two"), (3, "three")] {
                messages.send(Note::new(text)).unwrap();
                let log = &stand.server.log;
                log.wait(1, |calls| calls[0].came.len() == number).await;
            }
            drop(messages);

            let outcome = outcome.await.unwrap();
            assert_eq!(outcome.code(), Code::Ok, "{told}: {outcome:?}");
            assert_eq!(outcome.answers, answered(kind, &TEXTS), "{told}");
            assert_eq!(outcome.replay, Some(Replay::Replayed), "{told}");
            let calls = stand.server.log.calls(1);
            assert_eq!(calls[0].came, TEXTS, "{told}");
            assert_eq!((calls.len(), calls[0].end), (1, End::Finished), "{told}");
            assert_eq!(stand.script.exchanges(), 1, "{told}");
        }
    }
}

#[tokio::test]
async fn observers_are_told_that_a_refusal_came_too_late_for_a_replay() {
    let heard = Heard::default();
    let script = Script::with_lifetime(secs(DAY));
    let stand = Stand::new(Wire::Plain, Refuse::Late, script, |layer| {
        layer.initial(token(0, secs(DAY))).observer(heard.clone())
    })
    .await;
    let client = stand.client().await;
    call(&client, Kind::ServerStream, &TEXTS).await;
    let heard = heard.take();
    assert_eq!(heard[..2], ["refused", "not replayed: late"]);
}

#[tokio::test]
async fn a_call_refused_after_it_was_committed_ends_so_and_the_next_has_a_newer_token() {
    for wire in WIRES {
        for kind in Kind::ALL {
            let told = format!("{wire:?} {kind:?}");
            let stand = Stand::refusing(wire, Refuse::Late).await;
            let client = stand.client().await;

            let outcome = call(&client, kind, &TEXTS).await;
            assert_eq!(outcome.code(), Code::Unauthenticated, "{told}: {outcome:?}");
            let message = outcome.end.as_ref().unwrap_err().message();
            assert_eq!(message, "this token is not good", "{told}");
            if matches!(kind, Kind::ServerStream | Kind::Bidirectional) {
                // What had come before is the caller's, and the refusal came too late to be marked.
                assert_eq!(outcome.answers[0], "one", "{told}");
                assert_eq!(outcome.replay, None, "{told}");
            }
            assert_eq!(stand.server.log.refused(), 1, "sent once: {told}");
            assert_eq!(stand.server.log.calls(1), [], "sent once: {told}");

            // The exchange has begun by now; it is not the next call that begins it.
            stand.layer.handle().token().await.unwrap();
            crate::support::settle().await;
            assert_eq!(stand.script.exchanges(), 1, "{told}");
            let next = call(&client, kind, &TEXTS).await;
            assert_eq!(next.code(), Code::Ok, "{told}: {next:?}");
            assert_eq!(next.answers, answered(kind, &TEXTS), "{told}");
            assert_eq!(next.replay, None, "{told}");
            assert_eq!(stand.server.log.calls(1).len(), 1, "{told}");
            assert_eq!(stand.script.exchanges(), 1, "{told}");
        }
    }
}

#[tokio::test]
async fn late_refusals_of_one_token_make_one_exchange_and_do_not_touch_its_successor() {
    let stand = Stand::refusing(Wire::Plain, Refuse::Late).await;
    let client = stand.client().await;
    // Two are committed with `access-0`, and their refusals are read one after the other.
    let mut first = client.clone();
    let mut second = client.clone();
    let note = || tonic::Request::new(Note::new("one"));
    let mut first = first.list(note()).await.unwrap().into_inner();
    let mut second = second.list(note()).await.unwrap().into_inner();
    while let Ok(Some(_)) = first.message().await {}
    crate::support::settle().await;
    assert_eq!(stand.script.exchanges(), 1);
    // So much later that a refusal of the successor would be worth an exchange.
    stand.clock.advance(secs(3_600));
    while let Ok(Some(_)) = second.message().await {}
    crate::support::settle().await;
    assert_eq!(stand.script.exchanges(), 1);
    let next = call(&client, Kind::Unary, &TEXTS).await;
    assert_eq!((next.code(), next.replay), (Code::Ok, None));
}

#[tokio::test]
async fn a_server_that_refuses_every_token_late_makes_one_exchange_and_no_loop() {
    for kind in Kind::ALL {
        let stand = Stand::refusing(Wire::Plain, Refuse::Late).await;
        stand.server.log.good_from(usize::MAX);
        let client = stand.client().await;
        for _ in 0..5 {
            let outcome = call(&client, kind, &TEXTS).await;
            assert_eq!(outcome.code(), Code::Unauthenticated, "{kind:?}");
            crate::support::settle().await;
        }
        assert_eq!(stand.script.exchanges(), 1, "{kind:?}");
        assert_eq!(stand.server.log.refused(), 5, "{kind:?}");
        // It is left alone for half a minute, and then has another chance.
        stand.clock.advance(secs(31));
        let _refused = call(&client, kind, &TEXTS).await;
        crate::support::settle().await;
        assert_eq!(stand.script.exchanges(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn a_late_refusal_is_heard_where_replay_is_off() {
    for kind in Kind::ALL {
        let script = Script::with_lifetime(secs(DAY));
        let stand = Stand::new(Wire::Plain, Refuse::Late, script, |layer| {
            layer.initial(token(0, secs(DAY))).replay(false)
        });
        let stand = stand.await;
        let client = stand.client().await;
        let outcome = call(&client, kind, &TEXTS).await;
        assert_eq!(outcome.code(), Code::Unauthenticated, "{kind:?}");
        crate::support::settle().await;
        let next = call(&client, kind, &TEXTS).await;
        assert_eq!(next.code(), Code::Ok, "{kind:?}: {next:?}");
        assert_eq!(stand.script.exchanges(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn with_replay_off_a_refused_call_ends_so_and_the_next_has_a_newer_token() {
    for refuse in [Refuse::AtOnce, Refuse::AfterOneMessage, Refuse::Gateway] {
        for kind in Kind::ALL {
            let told = format!("{refuse:?} {kind:?}");
            let script = Script::with_lifetime(secs(DAY));
            let stand = Stand::new(Wire::Plain, refuse, script, |layer| {
                layer.initial(token(0, secs(DAY))).replay(false)
            });
            let stand = stand.await;
            let client = stand.client().await;
            let outcome = call(&client, kind, &TEXTS).await;
            assert_ne!(outcome.code(), Code::Ok, "{told}: {outcome:?}");
            crate::support::settle().await;
            let next = call(&client, kind, &TEXTS).await;
            assert_eq!((next.code(), next.replay), (Code::Ok, None), "{told}");
            assert_eq!(stand.script.exchanges(), 1, "{told}");
        }
    }
}

#[tokio::test]
async fn a_gateway_that_always_says_401_makes_one_exchange_and_no_loop() {
    for kind in Kind::ALL {
        let stand = Stand::refusing(Wire::Plain, Refuse::Gateway).await;
        stand.server.log.good_from(usize::MAX);
        let client = stand.client().await;
        for _ in 0..3 {
            let outcome = call(&client, kind, &TEXTS).await;
            // UNAUTHENTICATED, if tonic did not take the page for a message.
            assert_eq!(outcome.code(), Code::Internal, "{kind:?}: {outcome:?}");
        }
        assert_eq!(stand.script.exchanges(), 1, "{kind:?}");
        assert_eq!(stand.server.log.refused(), 4, "{kind:?}: 2, 1 and 1");
    }
}

#[tokio::test]
async fn a_gateway_that_says_401_once_costs_one_exchange() {
    for kind in Kind::ALL {
        let stand = Stand::refusing(Wire::Plain, Refuse::Gateway).await;
        stand.server.log.good_from(0);
        stand.server.log.refuse_next(1);
        let client = stand.client().await;
        let outcome = call(&client, kind, &TEXTS).await;
        assert_eq!(outcome.code(), Code::Ok, "{kind:?}: {outcome:?}");
        assert_eq!(outcome.replay, Some(Replay::Replayed), "{kind:?}");
        assert_eq!(stand.script.exchanges(), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_refused_call_that_gets_no_newer_token_ends_unauthenticated() {
    for refuse in [Refuse::AtOnce, Refuse::AfterOneMessage, Refuse::Late] {
        for kind in Kind::ALL {
            let told = format!("{refuse:?} {kind:?}");
            let stand = Stand::refusing(Wire::Plain, refuse).await;
            stand
                .script
                .usually(|_| Err(ProviderError::transient("down")));
            let client = stand.client().await;
            let outcome = call(&client, kind, &TEXTS).await;
            assert_eq!(outcome.code(), Code::Unauthenticated, "{told}: {outcome:?}");
            crate::support::settle().await;
            assert_eq!(stand.script.exchanges(), 1, "{told}");
            assert_eq!(stand.server.log.refused(), 1, "{told}");
        }
    }
}

#[tokio::test]
async fn a_call_over_the_cap_is_sent_once_and_the_next_has_a_newer_token() {
    let script = Script::with_lifetime(secs(DAY));
    let configure = |layer: tower_reauth::layer::AuthLayerBuilder<Script>| {
        layer.initial(token(0, secs(DAY))).replay_cap(1_024)
    };
    let stand = Stand::new(Wire::Plain, Refuse::AfterOneMessage, script, configure).await;
    let client = stand.client().await;
    let long = "x".repeat(2_000);
    let outcome = call(&client, Kind::ClientStream, &[&long, "two"]).await;
    assert_eq!(outcome.code(), Code::Unauthenticated, "{outcome:?}");
    crate::support::settle().await;
    let next = call(&client, Kind::ClientStream, &[&long, "two"]).await;
    assert_eq!((next.code(), next.replay), (Code::Ok, None));
    assert_eq!(stand.script.exchanges(), 1);
}

#[tokio::test]
async fn a_token_that_served_calls_to_their_end_is_exchanged_again_when_it_is_refused_late() {
    for kind in Kind::ALL {
        let stand = Stand::refusing(Wire::Plain, Refuse::Late).await;
        let client = stand.client().await;
        for number in 1..4 {
            stand.server.log.good_from(number);
            let outcome = call(&client, kind, &TEXTS).await;
            assert_eq!(outcome.code(), Code::Unauthenticated, "{kind:?} {number}");
            crate::support::settle().await;
            assert_eq!(stand.script.exchanges(), number, "{kind:?}");
            let outcome = call(&client, kind, &TEXTS).await;
            assert_eq!(outcome.code(), Code::Ok, "{kind:?} {number}");
        }
    }
}
