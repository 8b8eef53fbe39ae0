//! When to do what: pure functions of a token's expiry and the time.
//!
//! Every window scales with the lifetime, so that a token of 20 seconds is handled like one of an
//! hour. Randomness comes in as an argument, a fraction from 0 up to 1.

use std::time::Duration;

use crate::{clock::Moment, provider::LostReply, token::expiry::Expiry};

/// The moments in the life of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// From here on the access token is exchanged beside the requests that still use it.
    pub(crate) due: Moment,
    /// From here on it is not sent any more.
    pub(crate) dead: Moment,
    /// From here on the refresh token is exchanged so that it does not die unused.
    pub(crate) keep_alive: Moment,
}

/// What is known about the end of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// There is none.
    None,
    /// There is one, and only a server's refusal will tell.
    Unknown,
    /// It dies then.
    Until(Expiry),
}

/// A refresh token that may have been spent without its successor arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spend {
    /// When it was first sent.
    pub(crate) began_at: Moment,
    /// When the last request that carried it can no longer be under way.
    pub(crate) deadline: Moment,
}

/// Whether a refresh token may be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Respend {
    Now,
    NotBefore(Moment),
    Never,
}

// === impl Plan ===

impl Plan {
    /// The plan of a session without any token.
    pub(crate) const EMPTY: Plan = Plan {
        due: Moment::PAST,
        dead: Moment::PAST,
        keep_alive: Moment::NEVER,
    };

    /// The plan for a token that arrived at `now`. `hint` is the vendor's own word on when to
    /// refresh.
    pub(crate) fn new(
        access: Access,
        refresh: Option<Expiry>,
        hint: Option<Moment>,
        now: Moment,
        jitter: f64,
    ) -> Self {
        // A hint that has passed on arrival is of no use: the next one would have, too.
        let hint = hint.filter(|hint| !hint.reached(now));
        let keep_alive = keep_alive(refresh, now, jitter);
        match access {
            Access::None => Self {
                keep_alive,
                ..Self::EMPTY
            },
            Access::Unknown => Self {
                due: hint.unwrap_or(Moment::NEVER),
                dead: Moment::NEVER,
                keep_alive,
            },
            Access::Until(expiry) => {
                let early = (expiry.lifetime / EARLY_PART).min(EARLY_AT_MOST);
                let dead = expiry.at.before(early);
                // A token that took most of its life to arrive is not due at once: each exchange
                // would be followed by the next.
                let soonest = now.after(dead.remaining(now) / 2);
                let usual = ahead_of(expiry, DUE_AT_MOST, jitter).latest(soonest);
                Self {
                    due: hint.unwrap_or(usual).earliest(dead),
                    dead,
                    keep_alive,
                }
            }
        }
    }

    /// When somebody has to look after this token for the first time.
    pub(crate) fn attention(&self) -> Moment {
        self.due.earliest(self.keep_alive)
    }
}

/// When a refresh token is exchanged to keep it alive. One that is dead, or as good as dead, on
/// arrival is past help, and so would be its successors: a vendor's clock that is behind ours, or a
/// session that ends at a fixed time, must not be answered with exchanges in a loop.
pub(crate) fn keep_alive(refresh: Option<Expiry>, now: Moment, jitter: f64) -> Moment {
    match refresh.map(|refresh| (refresh, refresh.at.remaining(now))) {
        Some((refresh, left)) if left >= KEEP_ALIVE_LEAST => {
            let soonest = now.after(left / 2);
            ahead_of(refresh, KEEP_ALIVE_AT_MOST, jitter).latest(soonest)
        }
        _ => Moment::NEVER,
    }
}

/// A quarter of the lifetime before its end, `at_most` that early, plus jitter that only makes it
/// earlier.
fn ahead_of(expiry: Expiry, at_most: Duration, jitter: f64) -> Moment {
    let window = (expiry.lifetime / DUE_PART).min(at_most);
    let jitter = (expiry.lifetime / JITTER_PART).mul_f64(jitter.clamp(0.0, 1.0));
    expiry.at.before(window.saturating_add(jitter))
}

/// The pause after a failure while a token is good for another `left`.
pub(crate) fn pause_while_valid(left: Duration, random: f64) -> Duration {
    let pause = between(VALID_PAUSE_FROM, VALID_PAUSE_TO, random);
    pause.min(left / VALID_PAUSE_PART).max(VALID_PAUSE_LEAST)
}

/// The pause after the `failures`th failure in a row (from 1) with no good token.
pub(crate) fn pause_without_token(failures: u32, random: f64) -> Duration {
    let exponent = i32::try_from(failures.saturating_sub(1).min(32)).unwrap_or(32);
    let grown = FAILING_FROM.as_secs_f64() * FAILING_GROWTH.powi(exponent);
    let capped = grown.min(FAILING_AT_MOST.as_secs_f64());
    let spread = 1.0 + FAILING_SPREAD * (2.0 * random.clamp(0.0, 1.0) - 1.0);
    Duration::from_secs_f64(capped * spread).min(FAILING_AT_MOST)
}

/// The pause before a refused or misconfigured credential that does not rotate is tried again:
/// somebody may have put it right at the vendor's.
pub(crate) fn pause_before_probe(random: f64) -> Duration {
    between(PROBE_FROM, PROBE_TO, random)
}

/// The pause before what an exchange left owing is tried for the `tries`th time (from 1) again.
pub(crate) fn pause_before_settling(tries: u32) -> Duration {
    match tries {
        0 | 1 => Duration::from_millis(50),
        2 => Duration::from_millis(250),
        _ => Duration::from_secs(2),
    }
}

/// What a vendor's delay counts for.
pub(crate) fn capped_delay(delay: Duration) -> Duration {
    delay.min(RETRY_AFTER_AT_MOST)
}

/// Whether a refresh token that may be spent already is sent once more.
///
/// `access_dead` is when the access token stops being useful: until then a last resort can wait.
pub(crate) fn respend(rule: LostReply, spend: &Spend, access_dead: Moment, now: Moment) -> Respend {
    match rule {
        LostReply::Harmless => Respend::Now,
        LostReply::Never => Respend::Never,
        LostReply::ReplayWithin(_) if is_given_again(rule, spend, now) => Respend::Now,
        LostReply::ReplayWithin(_) | LostReply::LastResort => last_resort(spend, access_dead, now),
    }
}

/// When a store is looked into again for a newer token than one that must not be sent any more.
pub(crate) fn looks_again_at(spend: &Spend) -> Moment {
    spend.deadline.before(EXCHANGE).after(LOOK_AGAIN)
}

/// Whether the vendor still gives out again what it answered to a refresh token.
pub(crate) fn is_given_again(rule: LostReply, spend: &Spend, now: Moment) -> bool {
    match rule {
        LostReply::ReplayWithin(window) => !spend.began_at.after(window).reached(now),
        _ => false,
    }
}

/// Not while the access token is of use, and not while the last request may be under way. After
/// that, for as long as nobody has answered: a vendor that had processed it refuses for good, and
/// one that was down takes it; giving up would lose the session either way.
fn last_resort(spend: &Spend, access_dead: Moment, now: Moment) -> Respend {
    match [access_dead, spend.deadline]
        .into_iter()
        .find(|moment| !moment.reached(now))
    {
        Some(moment) => Respend::NotBefore(moment),
        None => Respend::Now,
    }
}

fn between(from: Duration, to: Duration, random: f64) -> Duration {
    from + (to - from).mul_f64(random.clamp(0.0, 1.0))
}

/// How long one exchange may take.
pub(crate) const EXCHANGE: Duration = Duration::from_secs(10);
/// How long people are given for a login.
pub(crate) const LOGIN: Duration = Duration::from_secs(5 * 60);
/// How long a caller waits for an exchange that is under way.
pub(crate) const CALLER_WAITS: Duration = Duration::from_secs(30);
/// The pause after a 429 that names none.
pub(crate) const THROTTLED_WITHOUT_DELAY: Duration = Duration::from_secs(10);
/// How often a store is looked into for a login elsewhere, which ends a refusal.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Timers look at both clocks this often at least: during a suspend only the wall clock moves.
pub(crate) const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(60);

const DUE_PART: u32 = 4;
const DUE_AT_MOST: Duration = Duration::from_secs(60 * 60);
const JITTER_PART: u32 = 10;
const EARLY_PART: u32 = 10;
const EARLY_AT_MOST: Duration = Duration::from_secs(30);
const KEEP_ALIVE_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);
const KEEP_ALIVE_LEAST: Duration = Duration::from_secs(1);
const VALID_PAUSE_FROM: Duration = Duration::from_secs(5 * 60);
const VALID_PAUSE_TO: Duration = Duration::from_secs(10 * 60);
const VALID_PAUSE_PART: u32 = 4;
const VALID_PAUSE_LEAST: Duration = Duration::from_millis(20);
const FAILING_FROM: Duration = Duration::from_secs(1);
const FAILING_GROWTH: f64 = 1.6;
const FAILING_SPREAD: f64 = 0.2;
const FAILING_AT_MOST: Duration = Duration::from_secs(120);
const PROBE_FROM: Duration = Duration::from_secs(5 * 60);
pub(crate) const PROBE_TO: Duration = Duration::from_secs(15 * 60);
pub(crate) const RETRY_AFTER_AT_MOST: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests;
