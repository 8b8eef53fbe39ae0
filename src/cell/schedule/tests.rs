use super::*;

const NOW: Moment = Moment::new(secs(1_000), secs(1_800_000_000));
const MOST: Duration = secs(10 * 366 * 86_400);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn seeded() -> fastrand::Rng {
    let given = std::env::var("TEST_SEED").ok();
    let seed = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("TEST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// From nanoseconds to the longest there is, as many short ones as long ones.
fn duration(random: &mut fastrand::Rng) -> Duration {
    match random.u8(0..20) {
        0 => Duration::ZERO,
        1 => Duration::MAX,
        _ => Duration::from_nanos(random.u64(..) >> random.u32(0..64)),
    }
}

fn moment(random: &mut fastrand::Rng) -> Moment {
    match random.u8(0..20) {
        0 => Moment::PAST,
        1 => Moment::NEVER,
        _ => Moment::new(duration(random), duration(random)),
    }
}

/// Whether `first` is reached whenever `second` is.
fn not_later(first: Moment, second: Moment) -> bool {
    first.monotonic() <= second.monotonic() && first.unix() <= second.unix()
}

#[test]
fn a_token_is_due_then_dead_then_expired_whatever_its_lifetime() {
    let mut random = seeded();
    for _ in 0..100_000 {
        let lifetime = duration(&mut random).min(MOST);
        let took = lifetime.mul_f64(random.f64());
        let asked = NOW;
        let now = asked.after(took);
        let at = asked.after(lifetime);
        let hint = random.bool().then(|| asked.after(duration(&mut random)));
        let access = Access::Until(Expiry { at, lifetime });
        let plan = Plan::new(access, None, hint, now, random.f64());
        let case = (lifetime, took, hint);
        assert!(not_later(asked, plan.due), "{case:?}");
        assert!(not_later(plan.due, plan.dead), "{case:?}");
        assert!(not_later(plan.dead, at), "{case:?}");
        let early = at.monotonic() - plan.dead.monotonic();
        assert!(early <= secs(30) && early <= lifetime / 10, "{case:?}");
        if let Some(hint) = hint.filter(|hint| !hint.reached(now)) {
            assert_eq!(plan.due, hint.earliest(plan.dead), "{case:?}");
        } else {
            // Never at once, or each exchange would be followed by the next.
            let left = plan.dead.remaining(now);
            assert!(plan.due.remaining(now) >= left / 2, "{case:?}");
            let window = secs(3_600).min(lifetime / 4);
            let latest = at.before(window).latest(now.after(left / 2));
            assert!(not_later(plan.due, latest), "{case:?}");
            let earliest = at.before(window).before(lifetime / 10);
            assert!(
                not_later(earliest.earliest(plan.dead), plan.due),
                "{case:?}"
            );
        }
        assert_eq!(plan.keep_alive, Moment::NEVER);
    }
}

#[test]
fn a_refresh_token_is_kept_alive_before_it_dies_and_never_in_a_loop() {
    let mut random = seeded();
    for _ in 0..100_000 {
        let lifetime = duration(&mut random).min(MOST);
        let took = duration(&mut random).min(MOST);
        let (asked, now) = (NOW, NOW.after(took));
        let at = asked.after(lifetime);
        let refresh = Expiry { at, lifetime };
        let keep_alive = keep_alive(Some(refresh), now, random.f64());
        let case = (lifetime, took);
        let left = at.remaining(now);
        if left < secs(1) {
            assert_eq!(keep_alive, Moment::NEVER, "{case:?}");
        } else {
            assert!(not_later(keep_alive, at), "{case:?}");
            assert!(keep_alive.remaining(now) >= left / 2, "{case:?}");
            if took.is_zero() {
                assert!(left - keep_alive.remaining(now) >= secs(86_400).min(lifetime / 4));
            }
        }
    }
}

#[test]
fn nothing_panics_and_nothing_overflows() {
    let mut random = seeded();
    for _ in 0..100_000 {
        let fraction = match random.u8(0..8) {
            0 => f64::INFINITY,
            1 => -1.0,
            _ => random.f64(),
        };
        let expiry = Expiry {
            at: moment(&mut random),
            lifetime: duration(&mut random),
        };
        let access = match random.u8(0..3) {
            0 => Access::None,
            1 => Access::Unknown,
            _ => Access::Until(expiry),
        };
        let refresh = random.bool().then_some(expiry);
        let hint = random.bool().then(|| moment(&mut random));
        let plan = Plan::new(access, refresh, hint, moment(&mut random), fraction);
        assert!(not_later(plan.attention(), plan.due));
        pause_while_valid(duration(&mut random), fraction);
        pause_without_token(random.u32(..), fraction);
        pause_before_probe(fraction);
        pause_before_settling(random.u32(..));
        let spend = Spend {
            began_at: moment(&mut random),
            deadline: moment(&mut random),
        };
        let rule = LostReply::ReplayWithin(duration(&mut random));
        respend(rule, &spend, moment(&mut random), moment(&mut random));
    }
}

#[test]
fn pauses_keep_within_their_bounds() {
    let mut random = seeded();
    for _ in 0..100_000 {
        let fraction = random.f64();
        let left = duration(&mut random).min(MOST);
        let pause = pause_while_valid(left, fraction);
        let least = Duration::from_millis(20);
        assert!(pause <= secs(600), "{left:?}");
        assert!(pause <= (left / 4).max(least), "{left:?}");
        assert!(pause >= secs(300).min(left / 4).max(least), "{left:?}");
        let failures = random.u32(0..1_000);
        let middle = 1.6_f64
            .powf(f64::from(failures.saturating_sub(1)))
            .min(120.0);
        let pause = pause_without_token(failures, fraction).as_secs_f64();
        assert!(
            pause <= 120.0 && pause <= middle * 1.2 + 0.001,
            "{failures}"
        );
        assert!(pause >= middle * 0.8 - 0.001, "{failures}");
        let probe = pause_before_probe(fraction);
        assert!((secs(300)..=secs(900)).contains(&probe));
    }
    assert_eq!(capped_delay(Duration::MAX), secs(3_600));
    assert_eq!(capped_delay(secs(3)), secs(3));
}

#[test]
fn a_token_without_an_end_is_not_due_and_a_missing_one_is() {
    let unknown = Plan::new(Access::Unknown, None, None, NOW, 0.5);
    assert_eq!((unknown.due, unknown.dead), (Moment::NEVER, Moment::NEVER));
    let hinted = Plan::new(Access::Unknown, None, Some(NOW.after(secs(9))), NOW, 0.5);
    assert_eq!(hinted.due, NOW.after(secs(9)));
    let none = Plan::new(Access::None, None, Some(NOW.after(secs(9))), NOW, 0.5);
    assert!(none.due.reached(NOW) && none.dead.reached(NOW));
}

#[test]
fn a_spent_refresh_token_is_sent_again_by_the_vendors_rule_only() {
    use LostReply::{Harmless, LastResort, Never, ReplayWithin};
    use Respend::{Never as NotAgain, NotBefore, Now};

    let at = |seconds| NOW.after(secs(seconds));
    let spend = Spend {
        began_at: NOW,
        deadline: at(10),
    };
    let (alive, dead) = (at(600), Moment::PAST);
    let window = ReplayWithin(secs(60));
    for (rule, access_dead, now, expected) in [
        (Harmless, alive, 0, Now),
        (Never, dead, 900, NotAgain),
        (LastResort, alive, 0, NotBefore(alive)),
        (LastResort, alive, 599, NotBefore(alive)),
        (LastResort, alive, 600, Now),
        (LastResort, dead, 0, NotBefore(at(10))),
        (LastResort, dead, 9, NotBefore(at(10))),
        (LastResort, dead, 10, Now),
        (window, alive, 59, Now),
        (window, alive, 60, NotBefore(alive)),
        (window, dead, 60, Now),
        (ReplayWithin(secs(5)), dead, 5, NotBefore(at(10))),
    ] {
        let found = respend(rule, &spend, access_dead, at(now));
        assert_eq!(found, expected, "{rule:?} {now} s");
    }
}

#[test]
fn paying_is_tried_again_soon_and_then_every_two_seconds() {
    let pauses: Vec<_> = (1..6)
        .map(|tries| pause_before_settling(tries).as_millis())
        .collect();
    assert_eq!(pauses, [50, 250, 2_000, 2_000, 2_000]);
}
