use super::*;
use crate::{
    cell::ledger::tests::{NOW, ROTATING, ask, down, lost, secs},
    provider::LostReply,
};

/// Of a provider that logs in.
const LOGGING_IN: Rules = Rules {
    logs_in: true,
    ..ROTATING
};

/// With a store, or with a refresh token that does not rotate, what was refused is not noted.
const UNNOTED: [Rules; 2] = [
    Rules {
        looks_again: true,
        ..LOGGING_IN
    },
    Rules {
        rotation: Rotation::Never,
        ..LOGGING_IN
    },
];

fn refused(why: &'static str) -> ProviderError {
    ProviderError::refused(why)
}

fn for_reason(reason: Reason) -> Ask {
    Ask {
        reason,
        ..ask("r", NOW)
    }
}

fn login() -> Ask {
    Ask {
        refresh: None,
        logs_in: true,
        ..ask("r", NOW)
    }
}

fn says(error: &Error) -> String {
    error.provider_error().unwrap().to_string()
}

#[test]
fn a_lost_reply_whose_token_must_not_be_sent_again_calls_for_a_login() {
    let never = Rules {
        lost_reply: LostReply::Never,
        ..LOGGING_IN
    };
    let later = NOW.after(secs(100));
    let mut ledger = Ledger::default();
    assert!(ledger.told(&ask("r", NOW), never, NOW).is_none());
    ledger.failed(lost(), &ask("r", NOW), never, NOW);
    assert!(ledger.forbids(&ask("r", later), never, later).is_none());
    let told = ledger.told(&ask("r", later), never, later).unwrap();
    assert_eq!(told.kind(), FailureKind::Refused);
    assert!(ledger.told(&ask("s", later), never, later).is_none());
    assert!(
        ledger.told(&ask("r", later), LOGGING_IN, later).is_none(),
        "a last resort may be sent"
    );
    let ask = for_reason(Reason::KeepAlive);
    let (error, at) = ledger.forbids(&ask, never, later).unwrap();
    assert!(
        error.is_login_required() && at == Moment::NEVER,
        "nobody needs it"
    );
}

#[test]
fn what_an_idle_session_is_refused_holds_back_its_keeper_and_nobody_who_needs_a_token() {
    for rules in UNNOTED {
        let mut ledger = Ledger::default();
        let keeper = for_reason(Reason::KeepAlive);
        ledger.failed(refused("ended"), &keeper, rules, NOW);
        let (_, at) = ledger.forbids(&keeper, rules, NOW).unwrap();
        assert!(at.reached(NOW.after(schedule::PROBE_TO)) && !at.reached(NOW.after(secs(29))));
        assert!(ledger.forbids(&ask("r", NOW), rules, NOW).is_none());
        // Who needed a token, and is refused it, waits as well.
        ledger.failed(refused("ended"), &ask("r", NOW), rules, NOW);
        assert!(ledger.forbids(&ask("r", NOW), rules, NOW).is_some());
    }
}

#[test]
fn a_login_that_was_the_last_says_more_than_the_refusals_after_it() {
    for is_final in [refused("wrong password"), lost()] {
        let mut ledger = Ledger::default();
        let over = ledger.failed(is_final.clone(), &login(), LOGGING_IN, NOW);
        assert!(ledger.login_is_over() && over.is_login_required());
        let shared = |ledger: &mut Ledger, error| {
            says(&ledger.failed(error, &ask("r", NOW), LOGGING_IN, NOW))
        };
        assert_eq!(
            shared(&mut ledger, refused("ended")),
            is_final.to_string(),
            "why nobody logs in"
        );
        assert_eq!(shared(&mut ledger, down()), down().to_string());
        let asks = Ledger::default().failed(refused("ended"), &ask("r", NOW), LOGGING_IN, NOW);
        assert_eq!(says(&asks), refused("ended").to_string());
    }
}

/// With a store, another process may log in where this one may not.
#[test]
fn the_store_is_looked_into_after_the_last_login_and_the_vendor_asked_soon_after_a_failed_one() {
    let [stored, _] = UNNOTED;
    let mut ledger = Ledger::default();
    let pause = |ledger: &mut Ledger, error, ask: &Ask| {
        ledger.failed(error, ask, stored, NOW);
        let until = ledger.pause.as_ref().unwrap().until;
        until.remaining(NOW)
    };
    assert!(pause(&mut ledger, down(), &login()) < secs(2), "in passing");
    assert_eq!(pause(&mut ledger, lost(), &login()), schedule::LOOK_AGAIN);
    assert!(ledger.login_is_over());
    assert!(pause(&mut ledger, down(), &ask("r", NOW)) < secs(4));
}
