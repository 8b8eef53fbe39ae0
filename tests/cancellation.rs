//! Promise 2: no caller owns the exchange. Whoever is dropped, and whatever dies, nobody hangs and
//! nothing is lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use http::StatusCode;
use support::{Api, Script, get, poll_bare, poll_once, runtime, secs, seed, send, settle};
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Auth, AuthLayer, Error, Token,
    handle::AuthHandle,
    provider::{BoxProvider, Rotation, provider_fn},
    test_util::ManualClock,
};

fn gated() -> (ManualClock, Script, Api) {
    (
        ManualClock::new(),
        Script::gated(secs(1800)),
        Api::accepting_all(),
    )
}

/// A caller comes, which begins an exchange, and goes; the exchange is under way.
async fn begins(service: &Auth<Api, Script>) {
    let mut caller = Box::pin(service.clone().oneshot(get()));
    assert!(poll_once(caller.as_mut()).await.is_pending());
    settle().await;
}

#[tokio::test]
async fn dropping_the_caller_that_started_the_flight_does_not_end_it() {
    let (clock, script, api) = gated();
    let service = script.service(&clock, &api);
    let mut first = Box::pin(service.clone().oneshot(get()));
    let mut second = Box::pin(service.clone().oneshot(get()));
    assert!(poll_once(first.as_mut()).await.is_pending());
    assert!(poll_once(second.as_mut()).await.is_pending());
    // Before the flight's task was polled for the first time.
    drop(first);
    settle().await;
    assert_eq!(script.exchanges(), 1);
    script.open(1);
    assert_eq!(second.await.unwrap().status(), StatusCode::OK);
    assert_eq!(script.exchanges(), 1);
    assert_eq!(api.seen(), ["Bearer access-1"]);
}

#[tokio::test]
async fn when_all_callers_are_dropped_the_exchange_lands_and_the_next_caller_uses_it() {
    let (clock, script, api) = gated();
    let service = script.service(&clock, &api);
    let mut callers: Vec<_> = (0..100)
        .map(|_| Box::pin(service.clone().oneshot(get())))
        .collect();
    for caller in &mut callers {
        assert!(poll_once(caller.as_mut()).await.is_pending());
    }
    settle().await;
    drop(callers);
    settle().await;
    script.open(1);
    settle().await;
    let mut next = Box::pin(service.clone().oneshot(get()));
    assert!(poll_once(next.as_mut()).await.is_ready(), "it was kept");
    assert_eq!(script.exchanges(), 1);
    assert_eq!(api.seen(), ["Bearer access-1"]);
}

#[test]
fn after_its_runtime_died_in_mid_flight_the_layer_starts_anew_on_another() {
    let (clock, script, api) = gated();
    let service = script.service(&clock, &api);
    let first = runtime();
    first.block_on(begins(&service));
    assert_eq!(script.exchanges(), 1);
    drop(first);
    script.open(1);
    assert_eq!(runtime().block_on(send(&service)).unwrap(), StatusCode::OK);
    assert_eq!(script.exchanges(), 2, "at once, without any pause");
    assert_eq!(api.seen(), ["Bearer access-2"]);
}

#[test]
fn a_rotating_refresh_token_that_was_in_flight_is_spent_once_more_as_a_last_resort() {
    let (clock, script, api) = gated();
    let seed = Token::from_pair("access-0", "refresh-0").with_lifetime(secs(1800));
    let layer = script
        .clone()
        .profile(|profile| profile.rotation(Rotation::Must))
        .layer(&clock)
        .initial(seed)
        .build()
        .unwrap();
    let service = layer.layer(api.clone());
    clock.advance(secs(1400));
    let first = runtime();
    first.block_on(async {
        send(&service).await.unwrap();
        settle().await;
    });
    assert_eq!(script.exchanges(), 1, "due, beside the request");
    drop(first);
    let second = runtime();
    script.open(10);
    // The access token dies at 1770 s. Until then there is no need for a last resort.
    for _ in 0..36 {
        second.block_on(async {
            send(&service).await.unwrap();
            settle().await;
        });
        clock.advance(secs(10));
    }
    assert_eq!(script.exchanges(), 1, "not while the access token is good");
    clock.advance(secs(10));
    second.block_on(send(&service)).unwrap();
    let asked: Vec<_> = script.asked().into_iter().map(|it| it.refresh).collect();
    assert_eq!(asked, [Some("refresh-0".into()), Some("refresh-0".into())]);
    assert_eq!(api.seen().last().unwrap(), "Bearer access-2");
}

#[test]
fn a_last_resort_waits_until_the_lost_request_cannot_be_under_way_any_more() {
    let (clock, script, api) = gated();
    let service = script.seeded(&clock).layer(api);
    let first = runtime();
    first.block_on(begins(&service));
    drop(first);
    let second = runtime();
    let error = second.block_on(send(&service)).unwrap_err();
    assert!(error.is_unknown_outcome(), "{error}");
    assert_eq!(error.retry_after(), Some(secs(10)));
    assert_eq!(script.exchanges(), 1);
    clock.advance(secs(10));
    script.open(1);
    second.block_on(send(&service)).unwrap();
    assert_eq!(script.exchanges(), 2);
}

#[test]
fn a_refresh_token_that_never_left_is_not_taken_for_spent() {
    let (clock, script, api) = gated();
    let service = script.seeded(&clock).layer(api);
    let first = runtime();
    first.block_on(async {
        let mut caller = Box::pin(service.clone().oneshot(get()));
        assert!(poll_once(caller.as_mut()).await.is_pending());
    });
    drop(first);
    assert_eq!(script.exchanges(), 0, "the task was never polled");
    script.open(1);
    runtime().block_on(send(&service)).unwrap();
}

#[test]
fn a_waiter_on_another_runtime_is_woken_with_a_typed_error() {
    let (clock, script, api) = gated();
    let service = script.service(&clock, &api);
    let (first, second) = (runtime(), runtime());
    first.block_on(begins(&service));
    let waiter = second.spawn({
        let service = service.clone();
        async move { send(&service).await }
    });
    second.block_on(settle());
    assert!(!waiter.is_finished());
    drop(first);
    second.block_on(settle());
    assert!(waiter.is_finished(), "its waker was called");
    let error = second.block_on(waiter).unwrap().unwrap_err();
    assert!(
        error.is_unknown_outcome() && error.is_transient(),
        "{error}"
    );
    script.open(1);
    second.block_on(send(&service)).unwrap();
    assert_eq!(script.exchanges(), 2);
}

#[tokio::test]
async fn a_panicking_provider_is_a_typed_error_for_all_who_wait_and_then_a_pause() {
    let (clock, script, api) = gated();
    script.next(|_| panic!("on purpose"));
    let service = script.service(&clock, &api);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { send(&service).await })
        })
        .collect();
    settle().await;
    script.open(10);
    settle().await;
    for caller in callers {
        assert!(caller.is_finished(), "nobody hangs");
        let error = caller.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        assert!(error.is_unknown_outcome(), "{error}");
    }
    assert_eq!(script.exchanges(), 1);
    let error = send(&service).await.unwrap_err();
    assert_eq!(script.exchanges(), 1, "the failure is kept for a while");
    let pause = error.retry_after().expect("a pause");
    assert!(pause <= secs(2), "{pause:?}");
    clock.advance(pause);
    send(&service).await.unwrap();
    assert_eq!(script.exchanges(), 2);
}

#[test]
fn a_layer_built_outside_any_runtime_works_inside_one() {
    let (clock, script, api) = gated();
    let service = script.service(&clock, &api);
    script.open(1);
    assert_eq!(runtime().block_on(send(&service)).unwrap(), StatusCode::OK);
}

#[test]
fn without_any_runtime_a_caller_gets_a_typed_error_and_does_no_damage() {
    let (clock, script, api) = gated();
    let layer = script.seeded(&clock);
    let service = layer.layer(api);
    let Poll::Ready(Err(error)) = poll_bare(Box::pin(send(&service)).as_mut()) else {
        panic!("it neither waits nor succeeds");
    };
    assert!(error.is_misconfigured(), "{error}");
    let handle = layer.handle();
    let Poll::Ready(Err(error)) = poll_bare(Box::pin(handle.refresh()).as_mut()) else {
        panic!("it neither waits nor succeeds");
    };
    assert!(error.is_misconfigured(), "{error}");
    assert!(!handle.reject(handle.status().generation));
    assert_eq!(script.exchanges(), 0);
    script.open(1);
    runtime().block_on(send(&service)).unwrap();
    assert_eq!(script.exchanges(), 1, "at once, and with its refresh token");
    // With a good token, and with a due one, a request needs no runtime.
    clock.advance(secs(1500));
    let Poll::Ready(Ok(StatusCode::OK)) = poll_bare(Box::pin(send(&service)).as_mut()) else {
        panic!("the token is good");
    };
}

#[tokio::test]
async fn a_hanging_provider_keeps_callers_for_thirty_seconds_and_still_lands() {
    let (clock, script, api) = gated();
    let service = script.service(&clock, &api);
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { send(&service).await })
        })
        .collect();
    settle().await;
    clock.advance(secs(29));
    settle().await;
    assert!(callers.iter().all(|caller| !caller.is_finished()));
    clock.advance(secs(1));
    settle().await;
    for caller in callers {
        assert!(caller.is_finished());
        let error = caller.await.unwrap().unwrap_err();
        assert!(error.is_in_progress(), "{error}");
        assert!(!error.is_login_in_progress(), "nobody is asked");
    }
    script.open(1);
    settle().await;
    let mut next = Box::pin(send(&service));
    assert!(poll_once(next.as_mut()).await.is_ready(), "it landed");
    assert_eq!(script.exchanges(), 1);
    assert_eq!(clock.sleepers(), 0, "nobody sleeps on");
}

/// Counts exchanges in flight; each takes a few turns of the scheduler.
fn slow(most: &Arc<AtomicUsize>, exchanges: &Arc<AtomicUsize>) -> BoxProvider {
    let (most, exchanges) = (Arc::clone(most), Arc::clone(exchanges));
    let flying = Arc::new(AtomicUsize::new(0));
    let provider = provider_fn(move |_| {
        let (flying, most) = (Arc::clone(&flying), Arc::clone(&most));
        let number = exchanges.fetch_add(1, Ordering::SeqCst);
        async move {
            let _guard = Counted::new(flying, &most);
            for _ in 0..fastrand::u32(0..20) {
                yield_now().await;
            }
            Ok(Token::new(format!("access-{number}")).with_lifetime(secs(100)))
        }
    });
    BoxProvider::new(
        provider
            .origins([support::ORIGIN])
            .profile(|profile| profile.rotation(Rotation::Never)),
    )
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(flying: Arc<AtomicUsize>, most: &AtomicUsize) -> Self {
        let now = flying.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        Self(flying)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Polls a request a few times, then drops it or sees it through.
async fn caller_that_may_leave(service: Auth<Api, BoxProvider>, polls: u32, stays: bool) {
    let mut request = Box::pin(send(&service));
    for _ in 0..polls {
        if let Poll::Ready(result) = poll_once(request.as_mut()).await {
            result.unwrap();
            return;
        }
        yield_now().await;
    }
    if stays {
        request.await.unwrap();
    }
}

#[test]
fn callers_that_come_and_go_on_many_threads_never_hang_and_never_fly_twice() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let (most, exchanges) = (Arc::default(), Arc::default());
    let clock = ManualClock::new();
    let layer = AuthLayer::builder(slow(&most, &exchanges))
        .clock(clock.clone())
        .build()
        .unwrap();
    let service = layer.layer(Api::accepting_all());
    let workers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    let rounds = 300;
    for _ in 0..rounds {
        let callers: Vec<_> = (0..random.usize(1..40))
            .map(|_| {
                let (polls, stays) = (random.u32(0..5), random.bool());
                workers.spawn(caller_that_may_leave(service.clone(), polls, stays))
            })
            .collect();
        // Some are torn away at any point.
        for caller in &callers {
            if random.u8(..) < 64 {
                caller.abort();
            }
        }
        workers.block_on(async {
            for caller in callers {
                match caller.await {
                    Ok(()) => {}
                    Err(error) => assert!(error.is_cancelled(), "{error}"),
                }
            }
            // Whatever is still under way lands before its token would be too old.
            send(&service).await.unwrap();
        });
        clock.advance(secs(200));
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let exchanges = exchanges.load(Ordering::SeqCst);
    assert!(exchanges <= rounds, "one for each expiry: {exchanges}");
}

#[test]
fn runtimes_that_die_at_any_point_leave_a_layer_that_works() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let (most, exchanges) = (Arc::default(), Arc::default());
    let clock = ManualClock::new();
    let layer = AuthLayer::builder(slow(&most, &exchanges))
        .clock(clock.clone())
        .build()
        .unwrap();
    let service = layer.layer(Api::accepting_all());
    let steady = runtime();
    for _ in 0..300 {
        let brief = runtime();
        brief.spawn({
            let service = service.clone();
            async move { send(&service).await }
        });
        brief.block_on(async {
            for _ in 0..random.u32(0..30) {
                yield_now().await;
            }
        });
        let waiter = steady.spawn({
            let service = service.clone();
            async move { send(&service).await }
        });
        steady.block_on(async {
            for _ in 0..random.u32(0..3) {
                yield_now().await;
            }
        });
        drop(brief);
        steady.block_on(settle());
        assert!(waiter.is_finished(), "nobody hangs");
        match steady.block_on(waiter).unwrap() {
            Ok(status) => assert_eq!(status, StatusCode::OK),
            Err(error) => assert!(Error::is_unknown_outcome(&error), "{error}"),
        }
        steady.block_on(send(&service)).unwrap();
        clock.advance(secs(200));
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[test]
fn without_any_runtime_the_systems_clock_does_not_panic_either() {
    let script = Script::with_lifetime(secs(1800));
    let layer = AuthLayer::new(script.clone());
    let service = layer.layer(Api::accepting_all());
    let handle = layer.handle();
    for _ in 0..2 {
        let Poll::Ready(Err(error)) = poll_bare(Box::pin(send(&service)).as_mut()) else {
            panic!("it neither waits nor succeeds");
        };
        assert!(error.is_misconfigured(), "{error}");
        let Poll::Ready(Err(error)) = poll_bare(Box::pin(handle.refresh()).as_mut()) else {
            panic!("it neither waits nor succeeds");
        };
        assert!(error.is_misconfigured(), "{error}");
    }
    assert!(handle.status().failure.is_none(), "nothing was tried");
    let timed = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    timed.block_on(send(&service)).unwrap();
    assert_eq!(script.exchanges(), 1);
}

#[test]
fn a_caller_without_a_runtime_neither_panics_nor_waits_for_a_flight_of_others() {
    let script = Script::gated(secs(1800));
    let layer = AuthLayer::new(script.clone());
    let service = layer.layer(Api::accepting_all());
    let timed = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let caller = timed.spawn({
        let service = service.clone();
        async move { send(&service).await }
    });
    timed.block_on(settle());
    let Poll::Ready(Err(error)) = poll_bare(Box::pin(send(&service)).as_mut()) else {
        panic!("nobody would tell it when it has waited long enough");
    };
    assert!(error.is_misconfigured(), "{error}");
    script.open(1);
    timed.block_on(caller).unwrap().unwrap();
    assert_eq!(script.exchanges(), 1);
}

/// A session on the system's clock, with an exchange under way on a runtime with a timer.
fn flying() -> (Runtime, Script, AuthHandle) {
    let (runtime, script) = (with_timer(), Script::gated(secs(1800)));
    let layer = AuthLayer::builder(script.clone()).memory_only();
    let handle = layer.build().unwrap().handle();
    runtime.block_on(async {
        assert!(
            poll_once(Box::pin(handle.token()).as_mut())
                .await
                .is_pending()
        );
        settle().await;
    });
    assert_eq!(script.exchanges(), 1);
    (runtime, script, handle)
}

fn with_timer() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn a_caller_that_outlives_the_runtime_it_waited_on_gets_its_token() {
    let (runtime, script, handle) = flying();
    let mut caller = pin!(handle.token());
    let first = with_timer();
    let polled = first.block_on(poll_once(caller.as_mut()));
    assert!(polled.is_pending());
    drop(first);
    assert!(runtime.block_on(poll_once(caller.as_mut())).is_pending());
    script.open(1);
    assert!(runtime.block_on(caller).is_ok());
}

#[test]
fn a_caller_on_a_runtime_that_is_gone_gets_its_token() {
    let (runtime, script, handle) = flying();
    let gone = with_timer().handle().clone();
    let mut caller = pin!(handle.token());
    assert!(gone.block_on(poll_once(caller.as_mut())).is_pending());
    script.open(1);
    runtime.block_on(settle());
    assert!(gone.block_on(caller).is_ok());
}
