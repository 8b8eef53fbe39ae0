use super::*;

pub(super) const NOW: Moment = Moment::new(secs(1_000), secs(1_800_000_000));
pub(super) const ROTATING: Rules = Rules {
    rotation: Rotation::Must,
    lost_reply: LostReply::LastResort,
    looks_again: false,
    logs_in: false,
};

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn replaying(window: u64) -> Rules {
    Rules {
        lost_reply: LostReply::ReplayWithin(secs(window)),
        looks_again: false,
        ..ROTATING
    }
}

/// An exchange that would spend `refresh` at `now`, with no good access token.
pub(super) fn ask(refresh: &str, now: Moment) -> Ask {
    Ask {
        reason: Reason::Expired,
        refused_by: None,
        refresh: Some(Secret::from(refresh.to_owned())),
        access_dead: Moment::PAST,
        began_at: now,
        sent_at: Some(now),
        logs_in: false,
    }
}

pub(super) fn lost() -> ProviderError {
    ProviderError::unknown_outcome("lost")
}

pub(super) fn down() -> ProviderError {
    ProviderError::transient("down")
}

#[test]
fn a_pause_holds_back_everybody_but_the_application() {
    let mut ledger = Ledger::default();
    ledger.failed(down(), &ask("r", NOW), ROTATING, NOW);
    let (error, until) = ledger.forbids(&ask("r", NOW), ROTATING, NOW).unwrap();
    assert!(error.is_transient() && !until.reached(NOW));
    for reason in [Reason::Due, Reason::Refused, Reason::KeepAlive] {
        let ask = Ask {
            reason,
            ..ask("r", NOW)
        };
        assert!(ledger.forbids(&ask, ROTATING, NOW).is_some(), "{reason:?}");
        assert!(ledger.forbids(&ask, ROTATING, until).is_none());
    }
    let asked = Ask {
        reason: Reason::Asked,
        ..ask("r", NOW)
    };
    assert!(ledger.forbids(&asked, ROTATING, NOW).is_none());
    ledger.succeeded();
    assert!(ledger.forbids(&ask("r", NOW), ROTATING, NOW).is_none());
}

#[test]
fn a_refusal_is_bound_to_the_token_that_was_refused() {
    let mut ledger = Ledger::default();
    ledger.failed(
        ProviderError::refused("ended"),
        &ask("r", NOW),
        ROTATING,
        NOW,
    );
    let later = NOW.after(secs(1_000_000));
    let (error, at) = ledger.forbids(&ask("r", later), ROTATING, later).unwrap();
    assert!(error.is_login_required());
    assert_eq!(at, Moment::NEVER);
    assert!(ledger.forbids(&ask("s", later), ROTATING, later).is_none());
}

#[test]
fn only_what_may_have_been_sent_counts_as_spent() {
    let later = NOW.after(secs(5));
    let mut ledger = Ledger::default();
    ledger.failed(down(), &ask("r", NOW), ROTATING, NOW);
    assert!(ledger.forbids(&ask("r", later), ROTATING, later).is_none());
    ledger.failed(lost(), &ask("r", NOW), ROTATING, NOW);
    let (error, at) = ledger.forbids(&ask("r", later), ROTATING, later).unwrap();
    assert!(error.is_unknown_outcome());
    assert_eq!(at, NOW.after(schedule::EXCHANGE));
    assert!(ledger.forbids(&ask("s", later), ROTATING, later).is_none());
    // A later failure does not make it unspent.
    ledger.failed(down(), &ask("r", later), ROTATING, later);
    let (error, _) = ledger.forbids(&ask("r", later), ROTATING, later).unwrap();
    assert!(error.is_unknown_outcome());
}

#[test]
fn each_lost_reply_waits_out_its_own_deadline() {
    let mut ledger = Ledger::default();
    ledger.failed(lost(), &ask("r", NOW), ROTATING, NOW);
    let later = NOW.after(secs(100));
    assert!(ledger.forbids(&ask("r", later), ROTATING, later).is_none());
    ledger.died(false, &ask("r", later), later);
    let (error, at) = ledger.forbids(&ask("r", later), ROTATING, later).unwrap();
    assert!(error.is_unknown_outcome());
    assert_eq!(at, later.after(schedule::EXCHANGE));
}

#[test]
fn replays_are_one_spend_with_one_window_and_the_latest_deadline() {
    let rules = replaying(60);
    let mut ledger = Ledger::default();
    let mut flight = ask("r", NOW);
    for second in [0, 1, 3, 10, 50] {
        let now = NOW.after(secs(second));
        flight.sent_at = Some(now);
        assert!(ledger.asks_again(&lost(), &flight, rules, now.after(secs(1))));
    }
    let end = NOW.after(secs(60));
    assert!(!ledger.asks_again(&lost(), &flight, rules, end));
    flight.sent_at = Some(NOW.after(secs(59)));
    ledger.failed(lost(), &flight, rules, NOW.after(secs(59)));
    // Another flight in the window replays as well, and not beyond it.
    let now = NOW.after(secs(59));
    assert!(!ledger.asks_again(&lost(), &ask("r", now), rules, end));
    let (_, at) = ledger.forbids(&ask("r", end), rules, end).unwrap();
    assert_eq!(at, NOW.after(secs(69)), "the last one may be under way");
    let last = NOW.after(secs(69));
    assert!(ledger.forbids(&ask("r", last), rules, last).is_none());
}

#[test]
fn failures_beside_a_good_token_do_not_count_and_only_a_lost_reply_is_fetched_soon() {
    let rules = replaying(60);
    let valid = |refresh| Ask {
        access_dead: NOW.after(secs(1_000)),
        ..ask(refresh, NOW)
    };
    let mut ledger = Ledger::default();
    let mut pause = |error, refresh| {
        ledger.failed(error, &valid(refresh), rules, NOW);
        let until = ledger.pause.as_ref().unwrap().until;
        (ledger.failures, until.remaining(NOW))
    };
    assert_eq!(pause(down(), "r"), (0, secs(250)));
    let (failures, soon) = pause(lost(), "r");
    assert!(failures == 1 && soon < secs(2), "{soon:?}");
    assert_eq!(pause(down(), "s"), (1, secs(250)), "another was lost");
}

#[test]
fn what_was_not_lost_is_not_replayed() {
    let mut ledger = Ledger::default();
    let after_pause = NOW.after(secs(1));
    let flight = ask("r", NOW);
    let nothing = Ask {
        refresh: None,
        ..flight.clone()
    };
    assert!(!ledger.asks_again(&down(), &flight, replaying(60), after_pause));
    assert!(!ledger.asks_again(&lost(), &nothing, replaying(60), after_pause));
    assert!(!ledger.asks_again(&lost(), &flight, ROTATING, after_pause));
    assert!(ledger.spent.is_none());
}

#[test]
fn a_token_that_keeps_coming_dead_is_not_held_against_its_refresh_token() {
    let mut ledger = Ledger::default();
    ledger.failed(lost(), &ask("r", NOW), ROTATING, NOW);
    ledger.arrived_dead(&ask("r", NOW), ROTATING, NOW);
    assert_eq!(ledger.failures, 2, "the pauses go on growing");
    let (error, at) = ledger.forbids(&ask("r", NOW), ROTATING, NOW).unwrap();
    assert!(!error.is_unknown_outcome() && at != Moment::NEVER);
}

#[test]
fn the_longest_pause_that_a_vendor_asked_for_counts() {
    let floor = Floor::new();
    floor.raise(&ProviderError::throttled(Some(secs(90))), NOW);
    floor.raise(&ProviderError::throttled(None), NOW);
    floor.raise(&ProviderError::throttled(Some(secs(0))), NOW);
    let (error, until) = floor.forbids(NOW).unwrap();
    assert!(error.is_throttled());
    assert_eq!(until, NOW.after(secs(90)));
    assert!(floor.forbids(until).is_none());
    floor.raise(&ProviderError::throttled(None), until);
    let (_, until) = floor.forbids(until).unwrap();
    assert_eq!(until, NOW.after(secs(100)));
}

#[test]
fn no_history_makes_a_ledger_panic_or_pause_beyond_an_hour() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..1_000 {
        let mut ledger = Ledger::default();
        let mut now = NOW;
        for _ in 0..100 {
            let rules = Rules {
                rotation: *random
                    .choice(&[Rotation::Must, Rotation::May, Rotation::Never])
                    .unwrap(),
                lost_reply: *random
                    .choice(&[
                        LostReply::Harmless,
                        LostReply::ReplayWithin(secs(30)),
                        LostReply::LastResort,
                        LostReply::Never,
                    ])
                    .unwrap(),
                looks_again: random.bool(),
                logs_in: false,
            };
            let delay = random.bool().then(|| secs(random.u64(..)));
            let error = match random.u8(0..5) {
                0 => down(),
                1 => lost(),
                2 => ProviderError::throttled(delay),
                3 => ProviderError::refused("ended"),
                _ => ProviderError::misconfigured("wrong"),
            };
            let ask = ask(random.choice(["r", "s"]).unwrap(), now);
            match random.u8(0..10) {
                0 => {
                    ledger.died(random.bool(), &ask, now);
                }
                1 => ledger.succeeded(),
                _ => {
                    ledger.failed(error.retry_after(delay), &ask, rules, now);
                }
            }
            if let Some((_, at)) = ledger.forbids(&ask, rules, now) {
                assert!(!at.reached(now), "it says to wait, and not for what");
                let hour = now.after(secs(3_600));
                assert!(at == Moment::NEVER || at.reached(hour), "{at:?}");
            }
            now = now.after(secs(random.u64(0..100)));
        }
    }
}
