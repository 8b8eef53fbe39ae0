//! What happens to sessions: exchanges, logins, and their ends.

use std::{
    panic,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tower::Layer;
use tower_reauth::{
    AuthLayer, Token,
    observe::Event,
    provider::{ProviderError, Rotation},
    test_util::ManualClock,
};

use crate::{
    heard::Heard,
    support::{Api, Script, runtime, secs, send, settle},
};

fn observed(script: &Script, clock: &ManualClock, heard: &Heard) -> AuthLayer<Script> {
    script.layer(clock).observer(heard.clone()).build().unwrap()
}

/// A session that has to log in, does, and is revoked at the second try.
pub(crate) async fn login_and_end(heard: &Heard) {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(3600));
    script.next(|_| Err(ProviderError::refused("the session has ended")));
    let layer = observed(&script, &clock, heard);
    let handle = layer.handle();
    handle.token().await.unwrap_err();
    handle.token().await.unwrap_err();
    handle.replace(Token::new("login")).await.unwrap();
    script.fail_revocations(1);
    handle.revoke().await.unwrap_err();
    handle.revoke().await.unwrap();
    settle().await;
}

#[tokio::test]
async fn a_needed_login_is_told_once_until_it_comes() {
    let heard = Heard::default();
    login_and_end(&heard).await;
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "ended: first refused, took 0ns, 1 waiting",
            "login required: login_required",
            "LoginNoLongerRequired",
            "Replaced",
            "not revoked: transient",
            "revoked",
        ]
    );
}

#[tokio::test]
async fn a_credential_that_is_refused_again_and_again_needs_one_login() {
    let heard = Heard::default();
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(3600)).profile(|it| it.rotation(Rotation::Never));
    script.usually(|_| Err(ProviderError::refused("no such key")));
    let handle = observed(&script, &clock, &heard).handle();
    for _ in 0..3 {
        handle.token().await.unwrap_err();
        clock.advance(secs(15 * 60));
    }
    let heard = heard.take();
    assert_eq!(heard.iter().filter(|it| it.starts_with("ended")).count(), 3);
    assert_eq!(heard.iter().filter(|it| it.starts_with("login")).count(), 1);
}

#[tokio::test]
async fn a_session_that_is_gone_waits_for_no_login() {
    let heard = Heard::default();
    let clock = ManualClock::new();
    let script = Script::gated(secs(3600));
    script.next(|_| Err(ProviderError::refused("the session has ended")));
    script.open(1);
    let layer = observed(&script, &clock, &heard);
    layer.handle().token().await.unwrap_err();
    assert_eq!(
        heard.take().last().unwrap(),
        "login required: login_required"
    );
    drop(layer);
    assert_eq!(heard.take(), ["LoginNoLongerRequired"]);
    // And one that is told of its need when nobody is left is not counted at all.
    script.next(|_| Err(ProviderError::refused("the session has ended")));
    let layer = observed(&script, &clock, &heard);
    let handle = layer.handle();
    let caller = tokio::spawn(async move { handle.token().await });
    settle().await;
    caller.abort();
    drop(layer);
    script.open(1);
    settle().await;
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "ended: first refused, took 0ns, 0 waiting"
        ]
    );
}

#[tokio::test]
async fn a_session_that_goes_while_its_key_is_probed_is_taken_out_of_the_count_once() {
    let heard = Heard::default();
    let clock = ManualClock::new();
    let script = Script::gated(secs(3600)).profile(|it| it.rotation(Rotation::Never));
    script.usually(|_| Err(ProviderError::refused("no such key")));
    script.open(1);
    let layer = observed(&script, &clock, &heard);
    let handle = layer.handle();
    handle.token().await.unwrap_err();
    clock.advance(secs(16 * 60));
    let caller = tokio::spawn(async move { handle.token().await });
    settle().await;
    caller.abort();
    drop(layer);
    settle().await;
    script.open(1);
    settle().await;
    let heard = heard.take();
    let count = |what: &str| heard.iter().filter(|it| it.starts_with(what)).count();
    assert_eq!(count("started"), 2, "{heard:?}");
    assert_eq!(
        (count("login required"), count("LoginNoLonger")),
        (1, 1),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_rotation_that_ends_is_told_when_it_does_and_not_when_it_is_too_late() {
    let heard = Heard::default();
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(3600)).profile(|it| it.rotation(Rotation::Must));
    script.next(|_| Ok(Token::new("last").with_lifetime(secs(60))));
    let layer = script.layer(&clock).observer(heard.clone());
    let layer = layer.initial(Token::from_refresh_token("seed"));
    let handle = layer.build().unwrap().handle();
    handle.token().await.unwrap();
    assert_eq!(
        heard.take().last().unwrap(),
        "login required: login_required"
    );
}

#[tokio::test]
async fn an_exchange_tells_how_long_it_took_and_who_waited() {
    let heard = Heard::default();
    let clock = ManualClock::new();
    let script = Script::gated(secs(3600));
    let layer = observed(&script, &clock, &heard);
    let service = layer.layer(Api::accepting_all());
    let callers: Vec<_> = (0..7)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { send(&service).await })
        })
        .collect();
    settle().await;
    // Two do not wait for the end.
    callers[0].abort();
    callers[1].abort();
    settle().await;
    clock.advance(secs(3));
    script.open(1);
    settle().await;
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "ended: first issued, took 3s, lives 3597s, 5 waiting"
        ]
    );
}

#[tokio::test]
async fn a_login_that_overtakes_an_exchange_is_told_as_its_outcome() {
    let heard = Heard::default();
    let clock = ManualClock::new();
    let script = Script::gated(secs(3600));
    let layer = observed(&script, &clock, &heard);
    let handle = layer.handle();
    let caller = tokio::spawn({
        let handle = handle.clone();
        async move { handle.token().await }
    });
    settle().await;
    let login = Token::new("login").with_lifetime(secs(60));
    handle.replace(login).await.unwrap();
    script.open(1);
    settle().await;
    caller.await.unwrap().unwrap();
    assert_eq!(
        heard.take(),
        [
            "started: first",
            "Replaced",
            "ended: first superseded, took 0ns, 0 waiting"
        ]
    );
}

#[test]
fn an_exchange_whose_runtime_dies_is_told_as_such() {
    let heard = Heard::default();
    let clock = ManualClock::new();
    let script = Script::gated(secs(3600));
    let layer = observed(&script, &clock, &heard);
    let runtime = runtime();
    runtime.block_on(async {
        let handle = layer.handle();
        assert!(handle.reject(handle.status().generation));
        settle().await;
    });
    drop(runtime);
    assert_eq!(
        heard.take(),
        [
            "started: refused",
            "ended: refused died, took 0ns, 0 waiting"
        ]
    );
}

#[tokio::test]
async fn an_observer_that_panics_harms_nobody_and_the_others_are_told() {
    let heard = Heard::default();
    let clock = ManualClock::new();
    let told = Arc::new(AtomicUsize::new(0));
    let script = Script::with_lifetime(secs(3600));
    let panics = {
        let told = Arc::clone(&told);
        move |_: &str, _: &Event<'_>| {
            told.fetch_add(1, SeqCst);
            panic::resume_unwind(Box::new("observed"));
        }
    };
    let layer = script
        .layer(&clock)
        .observer(panics)
        .observer(heard.clone());
    let handle = layer.build().unwrap().handle();
    handle.token().await.unwrap();
    assert_eq!(told.load(SeqCst), 2);
    assert_eq!(heard.take().len(), 2);
}

#[tokio::test]
async fn every_event_names_the_vendor_of_the_profile() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(3600));
    let names = Arc::new(Mutex::new(Vec::new()));
    let layer = script.layer(&clock).observer({
        let names = Arc::clone(&names);
        move |vendor: &str, _: &Event<'_>| names.lock().unwrap().push(vendor.to_owned())
    });
    layer.build().unwrap().handle().token().await.unwrap();
    assert_eq!(*names.lock().unwrap(), ["script", "script"]);
}
