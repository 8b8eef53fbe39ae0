//! What a session tells its application: the latest state with its cause, once, and in time.

mod support;

use std::task::Poll;

use support::{Script, poll_once, secs, settle};
use tower_reauth::{
    Error, Token,
    provider::{LostReply, ProviderError, Rotation},
    test_util::ManualClock,
};

fn rotating(rule: LostReply) -> Script {
    Script::with_lifetime(secs(1800))
        .profile(|profile| profile.rotation(Rotation::Must).lost_reply(rule))
}

/// The first reply is cut after the access token: the new refresh token is lost, the old one spent.
fn cut_behind_the_access_token(rule: LostReply) -> Script {
    let script = rotating(rule);
    script.next(|_| {
        let saved = Token::new("saved").with_lifetime(secs(1800));
        Err(ProviderError::unknown_outcome("the reply broke off").salvaging(saved))
    });
    script
}

#[tokio::test]
async fn a_refresh_token_that_must_not_be_sent_again_is_announced_when_it_is_lost() {
    let clock = ManualClock::new();
    let script = rotating(LostReply::Never);
    script.usually(|_| Err(ProviderError::unknown_outcome("the reply is lost")));
    let seed = Token::from_refresh_token("seed");
    let auth = script.layer(&clock).initial(seed).build().unwrap();
    let handle = auth.handle();
    let error = handle.token().await.unwrap_err();
    assert!(error.is_unknown_outcome(), "{error}");
    assert!(
        handle.status().is_login_required(),
        "nobody has to call again to learn it"
    );
    let error = handle.token().await.unwrap_err();
    assert!(error.is_login_required(), "{error}");
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn subscribers_hear_of_one_exchange_once() {
    let clock = ManualClock::new();
    let script = Script::with_lifetime(secs(1800));
    let auth = script.layer(&clock).build().unwrap();
    let handle = auth.handle();
    let mut states = handle.subscribe();
    assert!(!states.changed().await.unwrap().usable);
    handle.token().await.unwrap();
    settle().await;
    assert!(states.changed().await.unwrap().usable);
    let mut next = Box::pin(states.changed());
    assert!(
        matches!(poll_once(next.as_mut()).await, Poll::Pending),
        "nothing else has changed"
    );
}

#[tokio::test]
async fn an_access_token_saved_without_its_refresh_token_is_used_and_the_old_one_is_a_last_resort()
{
    let clock = ManualClock::new();
    let script = cut_behind_the_access_token(LostReply::LastResort);
    let seed = Token::from_refresh_token("seed");
    let auth = script.layer(&clock).initial(seed).build().unwrap();
    let handle = auth.handle();
    let token = handle.token().await.unwrap();
    assert_eq!(token.access_token().unwrap().expose(), "saved");
    assert!(!handle.status().is_login_required());

    clock.advance(secs(1700));
    handle.token().await.unwrap();
    settle().await;
    assert_eq!(script.exchanges(), 1, "not while the access token lives");

    clock.advance(secs(100));
    handle.token().await.unwrap();
    let refresh: Vec<_> = script
        .asked()
        .into_iter()
        .map(|asked| asked.refresh.unwrap())
        .collect();
    assert_eq!(refresh, ["seed", "seed"]);
}

#[tokio::test]
async fn an_access_token_saved_without_its_refresh_token_is_the_last_where_nothing_may_be_sent_again()
 {
    let clock = ManualClock::new();
    let script = cut_behind_the_access_token(LostReply::Never);
    let seed = Token::from_refresh_token("seed");
    let auth = script.layer(&clock).initial(seed).build().unwrap();
    let handle = auth.handle();
    handle.token().await.unwrap();
    let status = handle.status();
    assert!(status.usable && status.is_login_required(), "{status:?}");
    clock.advance(secs(1800));
    let error = handle.token().await.unwrap_err();
    assert!(error.is_login_required(), "{error}");
    assert_eq!(script.exchanges(), 1);
    assert!(Error::find(&error).is_some());
}
