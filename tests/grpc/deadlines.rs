//! Deadlines, and tokens that come too late for them.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use tokio::sync::Notify;
use tonic::{Code, Request};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, timeout::error::Elapsed};
use tower_reauth::test_util::ManualClock;

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
            let stand = Stand::waiting_for_a_newer(refuse).await;
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
            let stand = match refused {
                true => Stand::waiting_for_a_newer(Refuse::AtOnce).await,
                false => Stand::waiting().await,
            };
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
        let stand = Stand::waiting_for_a_newer(Refuse::AtOnce).await;
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

#[tokio::test]
async fn a_deadline_as_long_as_the_layer_itself_waits_is_a_deadline() {
    let stand = Stand::waiting().await;
    let client = stand.client().await;
    let late = tokio::spawn(async move { send(&client, Kind::Unary, within(30, &TEXTS)).await });
    settle().await;
    stand.clock.advance(secs(30));
    let outcome = late.await.unwrap();
    assert_eq!(outcome.code(), Code::DeadlineExceeded, "{outcome:?}");
}

/// Refuses what comes first. Its clones are ready only when they are let.
struct Busy {
    is_clone: bool,
    free: Arc<(AtomicBool, Notify)>,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Clone for Busy {
    fn clone(&self) -> Self {
        Self {
            is_clone: true,
            free: Arc::clone(&self.free),
            seen: Arc::clone(&self.seen),
            waiting: None,
        }
    }
}

impl Service<http::Request<String>> for Busy {
    type Response = http::Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !self.is_clone || self.free.0.load(SeqCst) {
            return Poll::Ready(Ok(()));
        }
        let free = Arc::clone(&self.free);
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(async move { free.1.notified().await }));
        waiting.as_mut().poll(cx).map(Ok)
    }

    fn call(&mut self, request: http::Request<String>) -> Self::Future {
        let mut seen = self.seen.lock().unwrap();
        seen.push(request.headers().clone());
        let mut response = http::Response::new(String::new());
        *response.status_mut() = match seen.len() {
            1 => StatusCode::UNAUTHORIZED,
            _ => StatusCode::OK,
        };
        std::future::ready(Ok(response))
    }
}

#[tokio::test]
async fn a_second_sending_waits_for_its_place_until_the_deadline_and_passes_on_what_is_left() {
    for waits in [2, 5] {
        let (clock, script) = (ManualClock::new(), Script::with_lifetime(secs(DAY)));
        let layer = script.layer(&clock).initial(token(0, secs(DAY)));
        let busy = Busy {
            is_clone: false,
            free: Arc::default(),
            seen: Arc::default(),
            waiting: None,
        };
        let (free, seen) = (Arc::clone(&busy.free), Arc::clone(&busy.seen));
        let request = http::Request::post(format!("{}/notes", crate::support::ORIGIN))
            .header("content-type", "application/grpc")
            .header("grpc-timeout", "5S");
        let request = request.body(String::new()).unwrap();
        let mut service = layer.build().unwrap().layer(busy);
        let calling = tokio::spawn(service.ready().await.unwrap().call(request));
        settle().await;
        clock.advance(secs(waits));
        settle().await;
        if waits < 5 {
            free.1.notify_one();
            assert_eq!(calling.await.unwrap().unwrap().status(), StatusCode::OK);
            assert_eq!(seen.lock().unwrap()[1]["grpc-timeout"], "3000000u");
            continue;
        }
        let late = tokio::time::timeout(secs(10), calling).await.unwrap();
        let late = late.unwrap().unwrap_err();
        let status = late.downcast_ref::<tonic::Status>().unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(seen.lock().unwrap().len(), 1, "it was not sent");
    }
}
