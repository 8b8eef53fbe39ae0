//! Promise 3, the generation rule: a refusal of a token makes the session newer only where that
//! token is still the current one, a request is sent twice at most, and an endpoint that refuses
//! everything neither loops nor takes recovery away from the others.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    collections::HashSet,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, request::Parts};
use http_body_util::{BodyExt, Empty, Full};
use support::{ORIGIN, Script, get, secs, settle, token};
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{
    Auth, AuthLayer, Token,
    attach::Bare,
    layer::AuthLayerBuilder,
    provider::{ProviderError, Reason, Refusal},
    test_util::ManualClock,
};

const DAY: u64 = 86_400;
const OTHER: &str = "https://other.example.com";

type Reply = Response<Full<Bytes>>;
type Answer = dyn Fn(Parts) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync;

/// An API that answers by a closure over the head, and remembers who came.
#[derive(Clone)]
struct Server {
    answer: Arc<Answer>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(answer: impl Fn(&Uri, &str) -> StatusCode + Send + Sync + 'static) -> Self {
        Self::slow(move |head| std::future::ready(reply(answer(&head.uri, bearer(&head)))))
    }

    fn slow<Fut>(answer: impl Fn(Parts) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self {
            answer: Arc::new(move |head| Box::pin(answer(head))),
            seen: Arc::default(),
        }
    }

    /// The tokens that arrived, in order.
    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl<B> Service<Request<B>> for Server {
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, _) = request.into_parts();
        self.seen.lock().unwrap().push(bearer(&head).to_owned());
        let reply = (self.answer)(head);
        Box::pin(async { Ok(reply.await) })
    }
}

/// The tokens that an API does not take any more.
#[derive(Clone, Default)]
struct Revoked(Arc<Mutex<HashSet<String>>>);

impl Revoked {
    fn revoke(&self, token: &str) {
        self.0.lock().unwrap().insert(token.to_owned());
    }

    fn verdict(&self, token: &str) -> StatusCode {
        match self.0.lock().unwrap().contains(token) {
            true => StatusCode::UNAUTHORIZED,
            false => StatusCode::OK,
        }
    }
}

fn bearer(head: &Parts) -> &str {
    let value = head.headers.get("authorization");
    let value = value.map_or("", |value| value.to_str().unwrap());
    value.strip_prefix("Bearer ").unwrap_or(value)
}

fn reply(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply
}

fn refusing(token: &'static str) -> Server {
    Server::new(move |_, sent| match sent == token {
        true => StatusCode::UNAUTHORIZED,
        false => StatusCode::OK,
    })
}

fn refusing_all() -> Server {
    Server::new(|_, _| StatusCode::UNAUTHORIZED)
}

/// A layer that starts from `access-0`, good for a day.
fn layer(script: &Script, clock: &ManualClock) -> AuthLayerBuilder<Script> {
    script.layer(clock).initial(token(0, secs(DAY)))
}

fn service<S>(script: &Script, clock: &ManualClock, server: &S) -> Auth<S, Script>
where
    S: Clone,
{
    layer(script, clock).build().unwrap().layer(server.clone())
}

fn script() -> Script {
    Script::with_lifetime(secs(DAY))
}

/// A request whose body is of a type that nobody knows, and so cannot be sent twice.
fn unrepeatable() -> Request<()> {
    get().map(|_| ())
}

async fn status<B: Send + 'static>(
    service: &Auth<Server, Script>,
    request: Request<B>,
) -> StatusCode {
    service.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn a_refusal_of_the_current_token_makes_one_exchange_and_one_replay() {
    let (clock, script, server) = (ManualClock::new(), script(), refusing("access-0"));
    let service = service(&script, &clock, &server);
    assert_eq!(status(&service, get()).await, StatusCode::OK);
    assert_eq!(server.seen(), ["access-0", "access-1"]);
    let asked = script.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].reason, Reason::Refused);
    assert_eq!(asked[0].refused.as_deref(), Some("access-0"));
    assert_eq!(status(&service, get()).await, StatusCode::OK);
    assert_eq!(script.exchanges(), 1, "the next request is fine at once");
}

#[tokio::test]
async fn a_replay_has_the_same_head_and_body() {
    let (clock, script) = (ManualClock::new(), script());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = tower::service_fn(move |request: Request<Full<Bytes>>| {
        let log = Arc::clone(&log);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let status = match bearer(&head) {
                "access-0" => StatusCode::UNAUTHORIZED,
                _ => StatusCode::OK,
            };
            log.lock().unwrap().push((head.method, head.uri, body));
            Ok::<_, Infallible>(reply(status))
        }
    });
    let request = Request::post(format!("{ORIGIN}/orders?dry=1"))
        .body(Full::from("ten pieces"))
        .unwrap();
    let response = service(&script, &clock, &server).oneshot(request).await;
    assert_eq!(response.unwrap().status(), StatusCode::OK);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[1].2, "ten pieces");
}

/// A server that answers `access-0` with 401 once the gate is open, and anything else with 200.
fn late(gate: &Arc<Semaphore>) -> Server {
    let gate = Arc::clone(gate);
    Server::slow(move |head| {
        let gate = Arc::clone(&gate);
        let old = bearer(&head) == "access-0";
        async move {
            if !old {
                return reply(StatusCode::OK);
            }
            gate.acquire().await.unwrap().forget();
            reply(StatusCode::UNAUTHORIZED)
        }
    })
}

#[tokio::test]
async fn a_late_refusal_of_an_old_token_is_replayed_with_the_newer_and_makes_no_exchange() {
    let (clock, script) = (ManualClock::new(), script());
    let gate = Arc::new(Semaphore::new(0));
    let server = late(&gate);
    let layer = layer(&script, &clock).build().unwrap();
    let slow = tokio::spawn(layer.layer(server.clone()).oneshot(get()));
    settle().await;
    layer.handle().refresh().await.unwrap();
    gate.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(server.seen(), ["access-0", "access-1"]);
    assert_eq!(script.exchanges(), 1, "the one that was asked for");
}

#[tokio::test]
async fn a_late_refusal_of_an_old_token_never_touches_the_new_one() {
    let (clock, script) = (ManualClock::new(), script());
    let gate = Arc::new(Semaphore::new(0));
    let layer = layer(&script, &clock).build().unwrap();
    let slow = tokio::spawn(layer.layer(late(&gate)).oneshot(unrepeatable()));
    settle().await;
    layer.handle().refresh().await.unwrap();
    let generation = layer.handle().status().generation;
    gate.add_permits(1);
    let response = slow.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    settle().await;
    assert_eq!(script.exchanges(), 1);
    assert_eq!(layer.handle().status().generation, generation);
    assert!(layer.handle().status().usable);
}

#[tokio::test]
async fn a_late_refusal_of_an_old_token_is_no_reason_where_the_newer_one_has_expired() {
    let (clock, script) = (ManualClock::new(), Script::with_lifetime(secs(3_600)));
    let gate = Arc::new(Semaphore::new(0));
    let layer = layer(&script, &clock).build().unwrap();
    let slow = tokio::spawn(layer.layer(late(&gate)).oneshot(get()));
    settle().await;
    layer.handle().refresh().await.unwrap();
    clock.advance(secs(3_600));
    gate.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
    let reasons: Vec<_> = script.asked().iter().map(|asked| asked.reason).collect();
    assert_eq!(reasons, [Reason::Asked, Reason::Expired]);
    assert_eq!(script.asked()[1].refused, None);
}

#[tokio::test]
async fn a_thousand_refusals_at_once_make_one_exchange_and_all_are_answered() {
    let (clock, script, server) = (
        ManualClock::new(),
        Script::gated(secs(DAY)),
        refusing("access-0"),
    );
    let service = service(&script, &clock, &server);
    let callers: Vec<_> = (0..1_000)
        .map(|_| tokio::spawn(service.clone().oneshot(get())))
        .collect();
    settle().await;
    assert_eq!(script.exchanges(), 1);
    script.open(1_000);
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(script.exchanges(), 1);
    assert_eq!(server.seen().len(), 2_000);
}

#[tokio::test]
async fn a_request_is_replayed_once_and_then_its_refusal_is_the_callers() {
    let (clock, script, server) = (ManualClock::new(), script(), refusing_all());
    let service = service(&script, &clock, &server);
    assert_eq!(status(&service, get()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(server.seen(), ["access-0", "access-1"]);
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_thousand_uncurable_refusals_make_one_exchange() {
    let (clock, script, server) = (ManualClock::new(), script(), refusing_all());
    let service = service(&script, &clock, &server);
    let callers: Vec<_> = (0..1_000)
        .map(|_| tokio::spawn(service.clone().oneshot(get())))
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap().status().as_u16(), 401);
    }
    assert_eq!(script.exchanges(), 1);
}

/// Lets `pause` seconds pass and shows that exactly then, and not before, a refusal makes the
/// `nth` exchange.
async fn quiet_for(
    pause: u64,
    nth: usize,
    clock: &ManualClock,
    script: &Script,
    call: impl AsyncFn(),
) {
    call().await;
    clock.advance(secs(pause - 1));
    call().await;
    settle().await;
    assert_eq!(script.exchanges(), nth - 1, "quiet for {pause} s");
    clock.advance(secs(1));
    call().await;
    settle().await;
    assert_eq!(script.exchanges(), nth, "after {pause} s");
}

#[tokio::test]
async fn an_origin_that_refuses_everything_is_left_alone_for_30_seconds_and_longer_each_time() {
    let (clock, script, server) = (ManualClock::new(), script(), refusing_all());
    let service = service(&script, &clock, &server);
    let call = async || assert_eq!(status(&service, get()).await, StatusCode::UNAUTHORIZED);
    call().await;
    for (nth, pause) in (2..).zip([30, 60, 120, 240, 300, 300]) {
        quiet_for(pause, nth, &clock, &script, call).await;
    }
    assert_eq!(script.exchanges(), 7);
}

#[tokio::test]
async fn an_origin_that_refuses_everything_does_not_loop_where_nothing_can_be_replayed() {
    let (clock, script, server) = (ManualClock::new(), script(), refusing_all());
    let service = service(&script, &clock, &server);
    let call = async || {
        assert_eq!(status(&service, unrepeatable()).await.as_u16(), 401);
        settle().await;
    };
    call().await;
    assert_eq!(script.exchanges(), 1);
    // The refusal of what that exchange brought is the first to show that it was in vain.
    for (nth, pause) in (2..).zip([30, 60, 120, 240, 300, 300]) {
        quiet_for(pause, nth, &clock, &script, call).await;
    }
    assert_eq!(script.exchanges(), 7);
}

#[tokio::test]
async fn other_origins_recover_while_one_is_left_alone() {
    let (clock, revoked) = (ManualClock::new(), Revoked::default());
    let script = script().profile(|profile| profile.origins([ORIGIN, OTHER]));
    let list = revoked.clone();
    let server = Server::new(move |uri, token| match uri.host() {
        Some("other.example.com") => list.verdict(token),
        _ => StatusCode::UNAUTHORIZED,
    });
    let service = service(&script, &clock, &server);
    let other = || Request::get(OTHER).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(status(&service, get()).await.as_u16(), 401);
    assert_eq!(script.exchanges(), 1);
    for nth in 1..4 {
        revoked.revoke(&format!("access-{nth}"));
        clock.advance(secs(5));
        assert_eq!(status(&service, other()).await, StatusCode::OK, "{nth}");
        assert_eq!(script.exchanges(), nth + 1);
    }
}

#[tokio::test]
async fn two_origins_that_refuse_everything_do_not_keep_each_other_going() {
    let (clock, server) = (ManualClock::new(), refusing_all());
    let script = script().profile(|profile| profile.origins([ORIGIN, OTHER]));
    let service = service(&script, &clock, &server);
    let other = || Request::get(OTHER).body(Empty::<Bytes>::new()).unwrap();
    for _ in 0..1_800 {
        clock.advance(secs(1));
        assert_eq!(status(&service, get()).await.as_u16(), 401);
        assert_eq!(status(&service, other()).await.as_u16(), 401);
    }
    // Half an hour: 30, 60, 120 and 240 s, and then every 5 minutes, for each of the two.
    assert!(script.exchanges() <= 20, "{}", script.exchanges());
}

/// A vendor whose every exchange kills the token before it, as many do: each of them makes the
/// requests that are under way come back refused, and their replays are fine.
#[tokio::test]
async fn replays_that_were_cured_do_not_end_the_pause_of_an_endpoint_that_refuses_everything() {
    let (clock, script) = (ManualClock::new(), script());
    let gate = Arc::new(Semaphore::new(0));
    let good = late(&gate);
    let server = Server::slow(move |head| {
        let answer = (good.answer)(head.clone());
        async move {
            match head.uri.path() {
                "/forbidden" => reply(StatusCode::UNAUTHORIZED),
                _ => answer.await,
            }
        }
    });
    let service = service(&script, &clock, &server);
    let forbidden = || {
        let request = Request::get(format!("{ORIGIN}/forbidden"));
        request.body(Empty::<Bytes>::new()).unwrap()
    };
    let under_way = tokio::spawn(service.clone().oneshot(get()));
    settle().await;
    assert_eq!(status(&service, forbidden()).await.as_u16(), 401);
    assert_eq!(script.exchanges(), 1);
    gate.add_permits(1);
    assert_eq!(under_way.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(status(&service, forbidden()).await.as_u16(), 401);
    assert_eq!(script.exchanges(), 1, "30 s have not passed");
}

#[tokio::test]
async fn a_token_that_dies_early_again_and_again_is_cured_each_time() {
    let (clock, script, revoked) = (ManualClock::new(), script(), Revoked::default());
    let list = revoked.clone();
    let server = Server::new(move |_, token| list.verdict(token));
    let service = service(&script, &clock, &server);
    for nth in 0..20 {
        revoked.revoke(&format!("access-{nth}"));
        assert_eq!(status(&service, get()).await, StatusCode::OK, "{nth}");
        clock.advance(secs(10));
    }
    assert_eq!(script.exchanges(), 20);
}

#[tokio::test]
async fn no_more_than_five_exchanges_in_thirty_seconds_are_made_for_refusals() {
    let (clock, script, revoked) = (ManualClock::new(), script(), Revoked::default());
    let list = revoked.clone();
    let server = Server::new(move |_, token| list.verdict(token));
    let service = service(&script, &clock, &server);
    for nth in 0..5 {
        revoked.revoke(&format!("access-{nth}"));
        assert_eq!(status(&service, get()).await, StatusCode::OK, "{nth}");
        clock.advance(secs(1));
    }
    revoked.revoke("access-5");
    clock.advance(secs(24));
    assert_eq!(status(&service, get()).await.as_u16(), 401);
    assert_eq!(script.exchanges(), 5, "29 s after the first");
    clock.advance(secs(1));
    assert_eq!(status(&service, get()).await, StatusCode::OK);
    assert_eq!(script.exchanges(), 6, "30 s after the first");
}

#[tokio::test]
async fn an_exchange_that_brings_the_same_token_again_stops_there() {
    let (clock, script, server) = (ManualClock::new(), script(), refusing_all());
    script.usually(|_| Ok(token(0, secs(DAY))));
    let service = service(&script, &clock, &server);
    let call = async || assert_eq!(status(&service, get()).await.as_u16(), 401);
    call().await;
    assert_eq!(server.seen(), ["access-0"], "no replay with the same token");
    for (nth, pause) in (2..).zip([30, 60, 120]) {
        quiet_for(pause, nth, &clock, &script, call).await;
    }
}

#[tokio::test]
async fn the_same_token_again_stops_there_although_nobody_waits_for_it() {
    let (clock, script, server) = (ManualClock::new(), script(), refusing_all());
    script.usually(|_| Ok(token(0, secs(DAY))));
    let service = service(&script, &clock, &server);
    let call = async || {
        assert_eq!(status(&service, unrepeatable()).await.as_u16(), 401);
        settle().await;
    };
    call().await;
    assert_eq!(script.exchanges(), 1);
    for (nth, pause) in (2..).zip([30, 60, 120]) {
        quiet_for(pause, nth, &clock, &script, call).await;
    }
}

#[tokio::test]
async fn others_go_on_with_the_old_token_while_a_refusal_is_looked_into() {
    let (clock, script) = (ManualClock::new(), Script::gated(secs(DAY)));
    let server = Server::new(|uri, token| match (uri.path(), token) {
        ("/thing", "access-0") => StatusCode::UNAUTHORIZED,
        _ => StatusCode::OK,
    });
    let service = service(&script, &clock, &server);
    let refused = tokio::spawn(service.clone().oneshot(get()));
    settle().await;
    assert_eq!(script.exchanges(), 1);
    let elsewhere = Request::get(format!("{ORIGIN}/elsewhere"))
        .body(())
        .unwrap();
    assert_eq!(status(&service, elsewhere).await, StatusCode::OK);
    assert_eq!(server.seen(), ["access-0", "access-0"]);
    script.open(1);
    assert_eq!(refused.await.unwrap().unwrap().status(), StatusCode::OK);
}

/// A 401 that says something.
fn eloquent() -> Server {
    Server::slow(|_| {
        let mut reply = Response::new(Full::from("the reason"));
        *reply.status_mut() = StatusCode::UNAUTHORIZED;
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        reply.headers_mut().insert("www-authenticate", challenge);
        std::future::ready(reply)
    })
}

async fn is_untouched(reply: Reply) {
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    let challenge = &reply.headers()["www-authenticate"];
    assert_eq!(challenge, "Bearer error=\"invalid_token\"");
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "the reason");
}

#[tokio::test]
async fn where_the_exchange_fails_the_caller_gets_its_own_refusal_untouched() {
    let failures: [fn() -> ProviderError; 4] = [
        || ProviderError::transient("down"),
        || ProviderError::refused("log in"),
        || ProviderError::unknown_outcome("lost"),
        || ProviderError::misconfigured("wrong"),
    ];
    for failure in failures {
        let (clock, script, server) = (ManualClock::new(), script(), eloquent());
        script.usually(move |_| Err(failure()));
        let service = service(&script, &clock, &server);
        is_untouched(service.clone().oneshot(get()).await.unwrap()).await;
        assert_eq!(script.exchanges(), 1);
        // And the next one too, although no exchange may begin so soon.
        is_untouched(service.oneshot(get()).await.unwrap()).await;
        assert_eq!(script.exchanges(), 1);
        assert_eq!(server.seen(), ["access-0", "access-0"], "never emptied");
    }
}

#[tokio::test]
async fn where_the_provider_panics_the_caller_gets_its_own_refusal() {
    let (clock, script, server) = (ManualClock::new(), script(), eloquent());
    script.usually(|_| panic!("a provider's fault"));
    let service = service(&script, &clock, &server);
    is_untouched(service.oneshot(get()).await.unwrap()).await;
}

#[tokio::test]
async fn where_the_exchange_takes_longer_than_a_caller_waits_it_gets_its_own_refusal() {
    let (clock, script) = (ManualClock::new(), Script::gated(secs(DAY)));
    let service = service(&script, &clock, &eloquent());
    let caller = tokio::spawn(service.oneshot(get()));
    settle().await;
    clock.advance(secs(30));
    is_untouched(caller.await.unwrap().unwrap()).await;
}

#[tokio::test]
async fn after_a_shutdown_a_refusal_is_the_callers() {
    let (clock, script) = (ManualClock::new(), script());
    let layer = layer(&script, &clock).build().unwrap();
    layer.handle().shutdown().await;
    is_untouched(layer.layer(eloquent()).oneshot(get()).await.unwrap()).await;
    assert_eq!(script.exchanges(), 0);
}

#[tokio::test]
async fn a_body_that_cannot_be_sent_twice_gets_its_refusal_untouched_and_helps_the_next() {
    let (clock, script, server) = (ManualClock::new(), script(), eloquent());
    let layer = layer(&script, &clock).build().unwrap();
    let response = layer.layer(server.clone()).oneshot(unrepeatable()).await;
    is_untouched(response.unwrap()).await;
    settle().await;
    assert_eq!(script.exchanges(), 1);
    let next = layer.handle().token().await.unwrap();
    assert_eq!(next.access_token().unwrap().expose(), "access-1");
    assert_eq!(server.seen(), ["access-0"]);
}

#[tokio::test]
async fn without_replay_a_refusal_is_the_callers_and_helps_the_next() {
    let (clock, script, server) = (ManualClock::new(), script(), refusing("access-0"));
    let layer = layer(&script, &clock).replay(false).build().unwrap();
    let service = layer.layer(server.clone());
    assert_eq!(status(&service, get()).await.as_u16(), 401);
    settle().await;
    assert_eq!(status(&service, get()).await, StatusCode::OK);
    assert_eq!(server.seen(), ["access-0", "access-1"]);
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_token_that_was_waited_for_is_recovered_as_well() {
    for replayed in [true, false] {
        let (clock, script, server) = (ManualClock::new(), script(), refusing("access-1"));
        let service = script.service(&clock, &server);
        if replayed {
            assert_eq!(status(&service, get()).await, StatusCode::OK);
            assert_eq!(server.seen(), ["access-1", "access-2"]);
        } else {
            assert_eq!(status(&service, unrepeatable()).await.as_u16(), 401);
            settle().await;
            assert_eq!(server.seen(), ["access-1"]);
        }
        assert_eq!(script.exchanges(), 2);
    }
}

#[tokio::test]
async fn a_refusal_of_a_bare_request_says_nothing_about_the_token() {
    let (clock, script, server) = (ManualClock::new(), script(), refusing_all());
    let service = service(&script, &clock, &server);
    let mut request = get();
    request.extensions_mut().insert(Bare);
    assert_eq!(status(&service, request).await.as_u16(), 401);
    settle().await;
    assert_eq!(script.exchanges(), 0);
    assert_eq!(server.seen(), [""]);
}

#[tokio::test]
async fn the_profile_says_which_statuses_refuse_a_token() {
    let expired = StatusCode::from_u16(419).unwrap();
    let statuses = [StatusCode::FORBIDDEN, expired];
    for (status_of_api, cured) in [
        (StatusCode::FORBIDDEN, true),
        (expired, true),
        (StatusCode::UNAUTHORIZED, false),
        (StatusCode::NOT_FOUND, false),
    ] {
        let clock = ManualClock::new();
        let script = script().profile(|profile| profile.refusal(Refusal::statuses(statuses)));
        let server = Server::new(move |_, token| match token {
            "access-0" => status_of_api,
            _ => StatusCode::OK,
        });
        let service = service(&script, &clock, &server);
        let answer = if cured { StatusCode::OK } else { status_of_api };
        assert_eq!(status(&service, get()).await, answer);
        assert_eq!(script.exchanges(), usize::from(cured), "{status_of_api}");
    }
}

#[tokio::test]
async fn where_nothing_is_a_refusal_none_is() {
    let (clock, server) = (ManualClock::new(), refusing_all());
    let script = script().profile(|profile| profile.refusal(Refusal::never()));
    let service = service(&script, &clock, &server);
    assert_eq!(status(&service, get()).await.as_u16(), 401);
    assert_eq!((script.exchanges(), server.seen().len()), (0, 1));
}

#[tokio::test]
async fn an_error_of_the_replay_is_the_callers() {
    let (clock, script) = (ManualClock::new(), script());
    let server = tower::service_fn(|request: Request<Empty<Bytes>>| {
        let (head, _) = request.into_parts();
        std::future::ready(match bearer(&head) {
            "access-0" => Ok(reply(StatusCode::UNAUTHORIZED)),
            _ => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
        })
    });
    let error = service(&script, &clock, &server).oneshot(get()).await;
    let error = error.unwrap_err().downcast::<std::io::Error>().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

// === handle.reject ===

fn session(script: &Script, clock: &ManualClock) -> AuthLayer<Script> {
    layer(script, clock).build().unwrap()
}

#[tokio::test]
async fn an_application_can_refuse_a_generation_and_requests_go_on_meanwhile() {
    let (clock, script) = (ManualClock::new(), Script::gated(secs(DAY)));
    let layer = session(&script, &clock);
    let handle = layer.handle();
    let refused = handle.status().generation;
    assert!(handle.reject(refused), "begins");
    assert!(handle.reject(refused), "is under way");
    settle().await;
    assert_eq!(script.exchanges(), 1);
    let token = handle.token().await.unwrap();
    assert_eq!(token.access_token().unwrap().expose(), "access-0");
    script.open(1);
    settle().await;
    let token = handle.token().await.unwrap();
    assert_eq!(token.access_token().unwrap().expose(), "access-1");
    assert!(!handle.reject(refused), "it is an old one now");
    settle().await;
    assert_eq!(script.exchanges(), 1);
    assert!(handle.status().generation > refused);
}

#[tokio::test]
async fn an_application_that_refuses_everything_does_not_loop() {
    let (clock, script) = (ManualClock::new(), script());
    let handle = session(&script, &clock).handle();
    for _ in 0..300 {
        handle.reject(handle.status().generation);
        settle().await;
        clock.advance(secs(1));
    }
    // At 0, 30, 90 and 210 s.
    assert!(script.exchanges() <= 5, "{}", script.exchanges());
}

#[tokio::test]
async fn a_generation_that_the_session_never_had_says_nothing() {
    let (clock, script) = (ManualClock::new(), script());
    let layer = session(&script, &clock);
    layer.handle().refresh().await.unwrap();
    let theirs = layer.handle().status().generation;
    let ours = layer.with_session("other", Token::new("other")).unwrap();
    assert!(theirs > ours.handle().status().generation);
    assert!(!ours.handle().reject(theirs));
    settle().await;
    assert_eq!(script.exchanges(), 1, "the one that was asked for");
}

#[tokio::test]
async fn a_refusal_found_outside_of_a_runtime_is_not_held_against_the_session() {
    let (clock, script) = (ManualClock::new(), script());
    let layer = session(&script, &clock);
    let handle = layer.handle();
    let outside = std::thread::spawn(move || handle.reject(handle.status().generation));
    assert!(!outside.join().unwrap(), "no exchange is under way");
    assert!(layer.handle().status().usable);
    assert!(layer.handle().token().await.is_ok());
    assert!(layer.handle().status().failure.is_none());
}

/// The exchange was made for another reason, but what it brought is an answer to the refusal as well.
#[tokio::test]
async fn the_same_token_again_out_of_an_exchange_that_was_under_way_stops_there() {
    let (clock, script, server) = (ManualClock::new(), Script::gated(secs(DAY)), refusing_all());
    script.usually(|_| Ok(token(0, secs(DAY))));
    let layer = layer(&script, &clock).build().unwrap();
    let service = layer.layer(server);
    let handle = layer.handle();
    let refreshing = tokio::spawn(async move { handle.refresh().await });
    settle().await;
    let refused = tokio::spawn({
        let service = service.clone();
        async move { status(&service, get()).await }
    });
    settle().await;
    script.open(1);
    assert_eq!(refused.await.unwrap(), StatusCode::UNAUTHORIZED);
    refreshing.await.unwrap().unwrap();
    // Another exchange would not hang, and is counted.
    script.open(1);
    assert_eq!(status(&service, get()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(script.exchanges(), 1);
}

/// Another origin's refusal has brought the token that a straggler is sent again with: that it is
/// refused as well is an answer, and no reason for the next exchange.
#[tokio::test]
async fn a_straggler_whose_replay_is_refused_too_quiets_its_origin() {
    let (clock, script) = (ManualClock::new(), script());
    let script = script.profile(|profile| profile.origins([ORIGIN, OTHER]));
    let gate = Arc::new(Semaphore::new(0));
    let server = Server::slow({
        let gate = Arc::clone(&gate);
        move |head| {
            let (is_first, gate) = (bearer(&head) == "access-0", Arc::clone(&gate));
            let refuses_all = head.uri.host() == Some("other.example.com");
            async move {
                if refuses_all && is_first {
                    gate.acquire().await.unwrap().forget();
                }
                match refuses_all || is_first {
                    true => reply(StatusCode::UNAUTHORIZED),
                    false => reply(StatusCode::OK),
                }
            }
        }
    });
    let service = service(&script, &clock, &server);
    let straggler = tokio::spawn({
        let service = service.clone();
        let mut request = get();
        *request.uri_mut() = format!("{OTHER}/thing").parse().unwrap();
        async move { status(&service, request).await }
    });
    settle().await;
    assert_eq!(status(&service, get()).await, StatusCode::OK);
    gate.add_permits(1);
    assert_eq!(straggler.await.unwrap(), StatusCode::UNAUTHORIZED);
    settle().await;
    assert_eq!(
        server.seen().last().unwrap(),
        "access-1",
        "it was sent again"
    );
    assert_eq!(script.exchanges(), 1);
}

/// A straggler sent with a token from before a due rotation is refused, replayed with the current
/// one, and refused again: no exchange has been made for a refusal yet, so one is due.
#[tokio::test]
async fn a_straggler_refused_twice_does_not_switch_recovery_off() {
    let (clock, script) = (ManualClock::new(), script());
    let layer = script.layer(&clock).build().unwrap();
    let api = support::Api::new(|token| match token {
        "Bearer access-1" | "Bearer access-2" => StatusCode::UNAUTHORIZED,
        _ => StatusCode::OK,
    });
    let mut service = layer.layer(api);
    layer.handle().token().await.unwrap();
    let straggler = service.call(get());
    layer.handle().refresh().await.unwrap();
    assert_eq!(straggler.await.unwrap().status(), StatusCode::UNAUTHORIZED);
    settle().await;
    assert_eq!(
        script.exchanges(),
        3,
        "an exchange is under way for the next one"
    );
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

/// The pause after a failed exchange is long where the token is good: nobody is hurt. A server that
/// refuses the token ends that.
#[tokio::test]
async fn a_refusal_does_not_wait_out_a_pause_that_was_meant_for_a_good_token() {
    let (clock, script, revoked) = (ManualClock::new(), script(), Revoked::default());
    let known = revoked.clone();
    let server = Server::new(move |_, token| known.verdict(token));
    let service = service(&script, &clock, &server);
    script.next(|_| Err(ProviderError::transient("down for a moment")));
    clock.advance(secs(DAY - 1_800));
    assert_eq!(status(&service, get()).await, StatusCode::OK);
    settle().await;
    assert_eq!(script.exchanges(), 1, "due, and failed");
    revoked.revoke("access-0");
    assert_eq!(status(&service, get()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(script.exchanges(), 1, "it has only just failed");
    clock.advance(secs(2));
    assert_eq!(status(&service, get()).await, StatusCode::OK);
    assert_eq!(script.exchanges(), 2);
}

#[tokio::test]
async fn refusals_found_outside_of_a_runtime_do_not_count_as_exchanges() {
    let (clock, script) = (ManualClock::new(), script());
    let layer = session(&script, &clock);
    let handle = layer.handle();
    let outside = std::thread::spawn(move || {
        for _ in 0..10 {
            assert!(!handle.reject(handle.status().generation));
        }
    });
    outside.join().unwrap();
    let handle = layer.handle();
    assert!(handle.reject(handle.status().generation), "one begins");
    settle().await;
    assert_eq!(script.exchanges(), 1);
}

/// An API whose first good token has the number that is given back, to be changed.
fn good_from() -> (Arc<AtomicUsize>, Server) {
    let first = Arc::new(AtomicUsize::new(1));
    let good = Arc::clone(&first);
    let server = Server::new(move |_, token| {
        let number = token.rsplit('-').next().and_then(|it| it.parse().ok());
        match number.is_some_and(|number: usize| number >= good.load(SeqCst)) {
            true => StatusCode::OK,
            false => StatusCode::UNAUTHORIZED,
        }
    });
    (first, server)
}

#[tokio::test]
async fn a_token_that_was_taken_since_its_exchange_is_exchanged_again_when_it_is_revoked() {
    let (clock, script) = (ManualClock::new(), script());
    let (good_from, server) = good_from();
    let service = service(&script, &clock, &server);
    // An exchange that no second sending showed to have cured anything.
    assert_eq!(status(&service, unrepeatable()).await, 401);
    settle().await;
    for number in 2..6 {
        assert_eq!(status(&service, get()).await, 200, "taken: {number}");
        good_from.store(number, SeqCst);
        assert_eq!(status(&service, get()).await, 200, "revoked: {number}");
        assert_eq!(script.exchanges(), number);
        clock.advance(secs(31));
    }
}

#[tokio::test]
async fn a_replay_that_was_dropped_does_not_speak_against_its_token() {
    let (clock, script) = (ManualClock::new(), script());
    let (good_from, server) = good_from();
    let hangs = Server::slow({
        let answers = server.clone();
        let first = Arc::new(AtomicUsize::new(0));
        move |head| {
            let is_replay = bearer(&head) == "Bearer access-1" && first.fetch_add(1, SeqCst) == 0;
            let answers = answers.clone();
            async move {
                if is_replay {
                    std::future::pending::<()>().await;
                }
                answers
                    .oneshot(Request::from_parts(head, ()))
                    .await
                    .unwrap()
            }
        }
    });
    let service = service(&script, &clock, &hangs);
    let dropped = tokio::spawn(service.clone().oneshot(get()));
    settle().await;
    assert_eq!(hangs.seen().len(), 2, "it is being sent again");
    dropped.abort();
    assert_eq!(status(&service, get()).await, 200);
    good_from.store(2, SeqCst);
    assert_eq!(status(&service, get()).await, 200);
    assert_eq!(script.exchanges(), 2);
}

#[tokio::test]
async fn that_another_origin_takes_a_token_says_nothing_of_the_one_that_refused_its_predecessor() {
    let clock = ManualClock::new();
    let script = script().profile(|profile| profile.origins([ORIGIN, OTHER]));
    let server = Server::new(|uri, _| match uri.to_string().starts_with(OTHER) {
        true => StatusCode::OK,
        false => StatusCode::UNAUTHORIZED,
    });
    let service = service(&script, &clock, &server);
    let other = || Request::get(OTHER).body(()).unwrap();
    assert_eq!(status(&service, unrepeatable()).await, 401);
    settle().await;
    for _ in 0..3 {
        assert_eq!(status(&service, other()).await, 200);
        assert_eq!(status(&service, unrepeatable()).await, 401);
        settle().await;
    }
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn an_origin_judges_its_token_although_another_took_it_before() {
    let clock = ManualClock::new();
    let script = script().profile(|profile| profile.origins([ORIGIN, OTHER]));
    let (good_from, server) = good_from();
    let service = service(&script, &clock, &server);
    assert_eq!(status(&service, unrepeatable()).await, 401);
    settle().await;
    let other = Request::get(OTHER).body(()).unwrap();
    assert_eq!(status(&service, other).await, 200);
    assert_eq!(status(&service, get()).await, 200);
    good_from.store(2, SeqCst);
    assert_eq!(status(&service, get()).await, 200);
    assert_eq!(script.exchanges(), 2);
}

#[tokio::test]
async fn a_service_whose_peer_refuses_everything_is_no_reason_for_another_service() {
    let (clock, script) = (ManualClock::new(), script());
    let layer = layer(&script, &clock).build().unwrap();
    // As a generated client of gRPC sends them: each service was built for one peer.
    let path = || Request::get("/thing").body(Empty::<Bytes>::new()).unwrap();
    let (good_from, server) = good_from();
    let hopeless = layer.layer(refusing_all());
    drop(layer.layer(()));
    let other = layer.layer(server);
    assert_eq!(status(&hopeless, path()).await, 401);
    assert_eq!(status(&other, path()).await, 200);
    good_from.store(2, SeqCst);
    assert_eq!(status(&hopeless, path()).await, 401);
    assert_eq!(status(&other.clone(), path()).await, 200, "revoked");
    assert_eq!(script.exchanges(), 2);
    // However many services there are.
    for _ in 0..70_000 {
        drop(layer.layer(()));
    }
    assert_eq!(status(&layer.layer(refusing_all()), path()).await, 401);
    assert_eq!(script.exchanges(), 3);
    assert_eq!(status(&layer.layer(refusing_all()), path()).await, 401);
    assert_eq!(script.exchanges(), 3);
}

#[tokio::test]
async fn an_answer_that_may_come_from_before_the_token_was_looked_at_does_not_speak_for_it() {
    for nothing in [429, 500, 502, 503] {
        for replays in [false, true] {
            let (clock, script) = (ManualClock::new(), script());
            let asked = AtomicUsize::new(0);
            let server = Server::new(move |_, _| match asked.fetch_add(1, SeqCst) % 2 {
                0 => StatusCode::UNAUTHORIZED,
                _ => StatusCode::from_u16(nothing).unwrap(),
            });
            let layer = layer(&script, &clock).replay(replays).build().unwrap();
            let service = layer.layer(server);
            for _ in 0..4 {
                let _ignored = status(&service, get()).await;
                settle().await;
            }
            assert_eq!(script.exchanges(), 1, "{nothing} {replays}");
        }
    }
}
