//! What earlier exchanges forbid.
//!
//! A failure is kept here until a success, or a login, wipes it: how long to pause, which refresh
//! token is refused for good, which may have been spent already. The next exchange asks first.

mod floor;
mod login;

use std::time::Duration;

use super::schedule::{self, Respend, Spend};
use crate::{
    clock::Moment,
    error::Error,
    provider::{FailureKind, LostReply, OriginIndex, ProviderError, Reason, Rotation},
    token::Secret,
};

pub(crate) use self::floor::Floor;

/// The failures of one session since its last success.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Those in a row that left the session without a good token.
    failures: u32,
    pause: Option<Pause>,
    refused: Option<(Secret, Error)>,
    spent: Option<(Secret, Spend, ProviderError)>,
    /// How the login ended that nobody makes again.
    login_over: Option<Error>,
}

#[derive(Debug)]
struct Pause {
    until: Moment,
    /// The part of it that counts once the token is refused: where the token was good there was
    /// no hurry.
    in_need: Moment,
    /// The part of it that the vendor asked for, and that nobody may skip.
    asked_for: Moment,
    /// Nobody needed the token: whoever does may log in at once.
    idle: bool,
    error: Error,
}

/// An exchange that somebody would like to begin, or has finished.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) reason: Reason,
    /// Who refused the access token, where that is the reason.
    pub(super) refused_by: Option<OriginIndex>,
    /// The refresh token that it would spend.
    pub(super) refresh: Option<Secret>,
    /// When the access token stops being of use; past where a server has refused it.
    pub(super) access_dead: Moment,
    pub(super) began_at: Moment,
    /// When the latest try began; none while nothing can have been sent.
    pub(super) sent_at: Option<Moment>,
    /// It is a login by now, which spends no refresh token.
    pub(super) logs_in: bool,
}

/// The vendor's rules that a ledger is kept by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) rotation: Rotation,
    pub(super) lost_reply: LostReply,
    /// What forbids an exchange for good may be lifted by a login elsewhere: the provider is asked
    /// again, who looks into its store and sends nothing that is forbidden.
    pub(super) looks_again: bool,
    /// The provider can log in where nothing else helps.
    pub(super) logs_in: bool,
}

// === impl Ledger ===

impl Ledger {
    /// Why the exchange may not begin now, and when it may, as far as that is known.
    pub(super) fn forbids(&self, ask: &Ask, rules: Rules, now: Moment) -> Option<(Error, Moment)> {
        if let Some(error) = self.ended(ask, rules) {
            return Some((error, Moment::NEVER));
        }
        later(self.holds_back(ask, rules, now), self.pauses(ask, now))
    }

    /// Why a refresh token that may be spent already is not sent yet, or not at all.
    fn holds_back(&self, ask: &Ask, rules: Rules, now: Moment) -> Option<(Error, Moment)> {
        let (refresh, spend, cause) = self.spent.as_ref()?;
        if ask.refresh.as_ref() != Some(refresh) {
            return None;
        }
        match schedule::respend(rules.lost_reply, spend, ask.access_dead, now) {
            Respend::Now => None,
            Respend::NotBefore(at) => Some((Error::exchange(cause.clone()), at)),
            Respend::Never if self.calls_for_login(ask, rules) => None,
            Respend::Never => {
                let at = match rules.looks_again {
                    true => schedule::looks_again_at(spend),
                    false => Moment::NEVER,
                };
                (!at.reached(now)).then(|| (Error::login_required(cause.clone()), at))
            }
        }
    }

    fn pauses(&self, ask: &Ask, now: Moment) -> Option<(Error, Moment)> {
        let pause = self.pause.as_ref()?;
        let until = match ask.reason {
            Reason::Asked => pause.asked_for,
            Reason::KeepAlive => pause.until,
            _ if pause.idle => pause.asked_for,
            Reason::Refused => pause.in_need,
            _ => pause.until,
        };
        (!until.reached(now)).then(|| (pause.error.clone(), until))
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Notes an exchange that worked and brought a token that is dead already. That says nothing
    /// against the refresh token, but the next one may be as slow.
    pub(super) fn arrived_dead(&mut self, ask: &Ask, rules: Rules, now: Moment) -> Error {
        *self = Self {
            failures: self.failures,
            ..Self::default()
        };
        let error = ProviderError::transient("the token had expired when it arrived");
        self.failed(error, ask, rules, now)
    }

    /// Notes a failed exchange. Gives the error for those who waited.
    pub(super) fn failed(
        &mut self,
        error: ProviderError,
        ask: &Ask,
        rules: Rules,
        now: Moment,
    ) -> Error {
        let shared = self.shared(&error, ask);
        if error.may_have_spent() {
            self.lost(&error, ask);
        }
        if error.kind() == FailureKind::Refused {
            self.refuse(&shared, ask, rules);
        }
        let (pause, in_need) = self.pause_after(&error, ask, rules, now);
        let asked_for = error.delay().map(schedule::capped_delay);
        let at_least = asked_for.unwrap_or_default();
        self.pause = Some(Pause {
            until: now.after(pause.max(at_least)),
            in_need: now.after(in_need.max(at_least)),
            asked_for: asked_for.map_or(Moment::PAST, |delay| now.after(delay)),
            idle: ask.reason == Reason::KeepAlive
                && rules.logs_in
                && error.kind() == FailureKind::Refused,
            error: shared.clone(),
        });
        shared
    }

    /// Notes an exchange whose task died. After a panic there is a pause; after a runtime's end
    /// there is none, so that the next caller, on another runtime, starts anew.
    pub(super) fn died(&mut self, panicked: bool, ask: &Ask, now: Moment) -> Error {
        let error = Error::died(panicked);
        let cause = ProviderError::unknown_outcome("the exchange was cut short");
        self.lost(&cause, ask);
        if panicked {
            self.failures = self.failures.saturating_add(1);
            let pause = schedule::pause_without_token(self.failures, fastrand::f64());
            self.pause = Some(Pause {
                until: now.after(pause),
                in_need: now.after(pause),
                asked_for: Moment::PAST,
                idle: false,
                error: error.clone(),
            });
        }
        error
    }

    /// Notes that the reply to `ask` was lost and is about to be asked for again, if the vendor
    /// still gives it out after `pause`.
    pub(super) fn asks_again(
        &mut self,
        error: &ProviderError,
        ask: &Ask,
        rules: Rules,
        after_pause: Moment,
    ) -> bool {
        let (true, Some(refresh)) = (error.may_have_spent(), &ask.refresh) else {
            return false;
        };
        let spend = self.spend_of(refresh, ask);
        let given_again = schedule::is_given_again(rules.lost_reply, &spend, after_pause);
        if given_again {
            self.spent = Some((refresh.clone(), spend, error.clone()));
        }
        given_again
    }

    /// Notes that the refresh token of `ask` may have been spent without its successor arriving.
    pub(super) fn lost(&mut self, cause: &ProviderError, ask: &Ask) {
        let Some(refresh) = &ask.refresh else {
            return;
        };
        let spend = self.spend_of(refresh, ask);
        self.spent = Some((refresh.clone(), spend, cause.clone()));
    }

    /// What is known about `refresh` once `ask` has sent it and no answer came.
    fn spend_of(&self, refresh: &Secret, ask: &Ask) -> Spend {
        let sent_at = ask.sent_at.unwrap_or(ask.began_at);
        let earlier = self.spent.as_ref().filter(|(spent, ..)| spent == refresh);
        Spend {
            began_at: earlier.map_or(ask.began_at, |(_, spend, _)| spend.began_at),
            deadline: sent_at.after(schedule::EXCHANGE),
        }
    }

    /// Failures count while they hurt. What failed beside a good token is no reason to be slow when
    /// there is none: the second pause is for when that token is refused.
    fn pause_after(
        &mut self,
        error: &ProviderError,
        ask: &Ask,
        rules: Rules,
        now: Moment,
    ) -> (Duration, Duration) {
        let random = fastrand::f64();
        let last_login = ask.logs_in && self.login_over.is_some();
        let calls_for_somebody = error.kind() == FailureKind::Refused || last_login;
        match error.kind() {
            _ if rules.looks_again && calls_for_somebody => {
                (schedule::LOOK_AGAIN, schedule::LOOK_AGAIN)
            }
            FailureKind::Refused | FailureKind::Misconfigured => {
                let pause = schedule::pause_before_probe(random);
                (pause, pause)
            }
            // A lost reply is fetched while the vendor still gives it out, not minutes later.
            _ if ask.access_dead.reached(now) || self.is_given_again(ask, rules, now) => {
                self.failures = self.failures.saturating_add(1);
                let pause = schedule::pause_without_token(self.failures, random);
                (pause, pause)
            }
            _ => {
                let pause = schedule::pause_while_valid(ask.access_dead.remaining(now), random);
                let in_need = schedule::pause_without_token(self.failures, random);
                (pause, in_need.min(pause))
            }
        }
    }

    fn is_given_again(&self, ask: &Ask, rules: Rules, now: Moment) -> bool {
        self.spent.as_ref().is_some_and(|(refresh, spend, _)| {
            ask.refresh.as_ref() == Some(refresh)
                && schedule::is_given_again(rules.lost_reply, spend, now)
        })
    }
}

/// The first of two reasons to wait, and the later of their moments: a try needs both to be over.
pub(super) fn later(
    one: Option<(Error, Moment)>,
    other: Option<(Error, Moment)>,
) -> Option<(Error, Moment)> {
    match (one, other) {
        (Some((error, one)), Some((_, other))) => Some((error, one.latest(other))),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
