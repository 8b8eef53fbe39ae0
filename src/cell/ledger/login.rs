//! Where nothing but a login helps: whether the provider may make one.
//!
//! A refused refresh token calls for one login. One that fails in passing is made again after a
//! pause, without the refresh token being sent once more; one that is refused itself, or that may
//! have used up what is good for one use, is the last until somebody hands a token over.

use super::{Ask, Ledger, Rules};
use crate::{
    cell::schedule::{self, Respend},
    clock::Moment,
    error::Error,
    provider::{FailureKind, ProviderError, Reason, Rotation},
};

// === impl Ledger ===

impl Ledger {
    /// Whether a login would be made where `ask` finds its refresh token refused. Not for an idle
    /// session, whose people may be asleep.
    pub(super) fn calls_for_login(&self, ask: &Ask, rules: Rules) -> bool {
        rules.logs_in && self.login_over.is_none() && ask.reason != Reason::KeepAlive
    }

    pub(in crate::cell) fn login_is_over(&self) -> bool {
        self.login_over.is_some()
    }

    /// Why this session needs somebody who logs in, by what was refused here.
    pub(super) fn ended(&self, ask: &Ask, rules: Rules) -> Option<Error> {
        let refused = self.refused.as_ref();
        let refused = refused.filter(|(refresh, _)| ask.refresh.as_ref() == Some(refresh));
        match &self.login_over {
            Some(over) if !rules.looks_again && (refused.is_some() || ask.refresh.is_none()) => {
                Some(over.clone())
            }
            _ if self.calls_for_login(ask, rules) => None,
            _ => refused.map(|(_, error)| error.clone()),
        }
    }

    /// What is known before the vendor is asked: that there is no refresh token that it would take.
    /// With a store, it is the one to know.
    pub(in crate::cell) fn told(
        &self,
        ask: &Ask,
        rules: Rules,
        now: Moment,
    ) -> Option<ProviderError> {
        if !rules.logs_in || rules.looks_again {
            return None;
        }
        let Some(refresh) = &ask.refresh else {
            return Some(ProviderError::refused(
                "there is no refresh token, and this session does not log in by itself: \
                 hand a token over with the handle's `replace`",
            ));
        };
        if let Some((refused, error)) = &self.refused
            && refused == refresh
        {
            return error.provider_error().cloned();
        }
        let (spent, spend, _) = self.spent.as_ref()?;
        let never = schedule::respend(rules.lost_reply, spend, ask.access_dead, now);
        (spent == refresh && never == Respend::Never).then(|| {
            ProviderError::refused(
                "the refresh token may have been spent, and this vendor's must not be sent again",
            )
        })
    }

    /// Notes that the vendor refuses the refresh token of `ask`. With a store, that is noted there.
    pub(in crate::cell) fn refuse(&mut self, error: &Error, ask: &Ask, rules: Rules) {
        if let Some(refresh) = &ask.refresh
            && rules.rotation != Rotation::Never
            && !rules.looks_again
        {
            self.refused = Some((refresh.clone(), error.clone()));
        }
    }

    /// What a failure is to all who waited; takes note of a login that was the last.
    pub(super) fn shared(&mut self, error: &ProviderError, ask: &Ask) -> Error {
        let is_final = matches!(
            error.kind(),
            FailureKind::Refused | FailureKind::UnknownOutcome
        );
        if ask.logs_in && is_final && error.salvaged().is_none() {
            let over = Error::login_required(error.clone());
            self.login_over = Some(over.clone());
            return over;
        }
        match &self.login_over {
            // It says more than that there is no refresh token.
            Some(over) if error.kind() == FailureKind::Refused => over.clone(),
            _ => Error::exchange(error.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
