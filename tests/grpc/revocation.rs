//! A revocation amid calls of all four kinds over one channel.

use std::collections::HashMap;

use tokio::task::JoinSet;
use tonic::Code;
use tower_reauth::replay::Replay;

use crate::{
    caller::{call, send, stream},
    notes::Note,
    server::{End, Kind, Refuse, Wire},
    stand::{DAY, Stand, answered},
    support::{Script, secs, token},
};

const CALLERS: usize = 256;
const TEXTS: [&str; 3] = ["one", "two", "three"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_amid_calls_of_all_kinds_reaches_no_caller_and_makes_one_exchange() {
    for (wire, refuse) in [
        (Wire::Plain, Refuse::AtOnce),
        (Wire::Plain, Refuse::AfterOneMessage),
        (Wire::Plain, Refuse::Gateway),
        (Wire::Tls, Refuse::AtOnce),
    ] {
        amid(wire, refuse).await;
    }
}

async fn amid(wire: Wire, refuse: Refuse) {
    let script = Script::with_lifetime(secs(DAY));
    script.usually(|number| Ok(token(number + 1, secs(DAY))));
    let stand = Stand::new(wire, refuse, script, |layer| {
        layer.initial(token(1, secs(DAY)))
    });
    let stand = stand.await;
    stand.server.log.revoke_after(CALLERS / 2);
    let client = stand.client().await;
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let client = client.clone();
        let kind = Kind::ALL[number % 4];
        callers.spawn(async move {
            // One in two sends its messages one after another.
            if number % 8 < 4 {
                return (kind, call(&client, kind, &TEXTS).await);
            }
            let (messages, stream) = stream();
            let sending = tokio::spawn(async move {
                for text in TEXTS {
                    let _gone = messages.send(Note::new(text));
                    tokio::task::yield_now().await;
                }
            });
            let outcome = send(&client, kind, tonic::Request::new(stream)).await;
            sending.await.unwrap();
            (kind, outcome)
        });
    }
    let (mut reached, mut replayed) = (0, 0);
    let mut done: HashMap<Kind, usize> = HashMap::new();
    for (kind, outcome) in callers.join_all().await {
        reached += usize::from(outcome.code() != Code::Ok);
        replayed += usize::from(outcome.replay == Some(Replay::Replayed));
        assert_eq!(
            outcome.answers,
            answered(kind, &TEXTS),
            "{kind:?}: {outcome:?}"
        );
        *done.entry(kind).or_default() += 1;
    }
    let log = &stand.server.log;
    let (refused, exchanges) = (log.refused(), stand.script.exchanges());
    println!(
        "{wire:?}, refused {refuse:?}: {CALLERS} concurrent calls of {} kinds over one channel, \
         {refused} of them refused and {replayed} sent again, \
         {reached} refusals reached a caller, {exchanges} exchange",
        done.len(),
    );
    assert_eq!((reached, exchanges), (0, 1));
    assert_eq!((done.len(), replayed), (4, refused));
    assert!(refused > 0, "the revocation came amid the calls");
    let through = [log.calls(1), log.calls(2)].concat();
    assert_eq!(through.len(), CALLERS);
    for call in through {
        let whole = matches!(call.kind, Kind::ClientStream | Kind::Bidirectional);
        assert_eq!(call.came, TEXTS[..if whole { 3 } else { 1 }], "{call:?}");
        assert_eq!(call.end, End::Finished, "{call:?}");
    }
}
