//! What to do with a record: pure.

use std::time::Duration;

use super::{
    super::{Intent, Record, held::HeldToken, unix::UnixMillis},
    intent::MARGIN,
    seat::Known,
};
use crate::{
    cell::schedule::{self, Respend, Spend},
    clock::Moment,
    provider::{Exchange, LostReply, Profile, ProviderError, Reason},
    token::Token,
};

/// What one exchange finds.
pub(super) struct Case<'a> {
    pub(super) record: &'a Record,
    pub(super) known: &'a Known,
    pub(super) exchange: &'a Exchange,
    pub(super) profile: &'a Profile,
    pub(super) now: Moment,
    /// What the store's clock shows.
    pub(super) shown: UnixMillis,
}

/// What comes of it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Somebody was quicker: use the record's token.
    Adopt(Box<Token>),
    /// Somebody may be spending it: look again later.
    Wait,
    /// Not now.
    Fail(ProviderError),
    /// Ask the vendor.
    Spend,
}

// === impl Case ===

impl Case<'_> {
    pub(super) fn verdict(&self) -> Verdict {
        let Some(token) = &self.record.token else {
            return Verdict::Spend;
        };
        if self.is_adoptable(token) {
            return Verdict::Adopt(Box::new(token.to_token(self.now)));
        }
        if let Some(error) = self.refusal(token) {
            return Verdict::Fail(error);
        }
        if let Some(at) = self.record.not_before
            && self.shown < at
            && at.since(self.shown) <= schedule::RETRY_AFTER_AT_MOST
        {
            // One that is longer was noted by a clock that was wrong, or has been set since.
            return Verdict::Fail(ProviderError::throttled(Some(at.since(self.shown))));
        }
        match self.known.open_intent(self.record) {
            Some(intent) => self.answer(&intent, token),
            None => Verdict::Spend,
        }
    }

    /// Whether the record's token does what the exchange is for. That it is another one is not
    /// enough.
    fn is_adoptable(&self, token: &HeldToken) -> bool {
        let plan = token.plan(self.now);
        let last = self.exchange.last();
        let access = token.access.as_ref();
        let newer = access.is_some()
            && access != last.and_then(Token::access_token)
            && access != self.exchange.refused();
        let good = newer && !plan.dead.reached(self.now);
        match self.exchange.reason() {
            Reason::First | Reason::Expired | Reason::Refused => good,
            Reason::Due | Reason::Asked => good && !plan.due.reached(self.now),
            // The access token of an idle session is dead, and nobody misses it; that it is another
            // one shows that somebody has made an exchange, where the refresh token stays the same.
            Reason::KeepAlive => {
                let refresh = token.refresh.as_ref();
                let rotated = refresh != last.and_then(Token::refresh_token);
                (rotated || newer) && !plan.keep_alive.reached(self.now)
            }
        }
    }

    fn refusal(&self, token: &HeldToken) -> Option<ProviderError> {
        let here = self.known.refusal_of(token, self.now);
        here.or_else(|| {
            let elsewhere = self.record.is_refused(self.shown);
            elsewhere.then(|| {
                ProviderError::refused("another process was told that the credential is refused")
            })
        })
    }

    /// Whether another process may be exchanging the record's token.
    pub(super) fn under_way_elsewhere(&self) -> bool {
        let intent = self.known.open_intent(self.record);
        intent.is_some_and(|intent| {
            !self.known.is_own(&intent) && !self.spend_of(&intent).deadline.reached(self.now)
        })
    }

    /// When the refresh token was first sent under an intent, and when that is over.
    fn spend_of(&self, intent: &Intent) -> Spend {
        let now = self.now;
        let rule = self.profile.lost_reply_rule();
        let mut spend = Spend {
            began_at: intent.began_at.seen_from(now, self.shown),
            deadline: intent.deadline.seen_from(now, self.shown),
        };
        if !self.known.is_own(intent) {
            let forgiven =
                rule == LostReply::Harmless || schedule::is_given_again(rule, &spend, now);
            spend.deadline = self.over_at(intent, spend.deadline, forgiven);
        }
        spend
    }

    /// An open intent is waited out, and then answered by the vendor's rule.
    fn answer(&self, intent: &Intent, token: &HeldToken) -> Verdict {
        if self.under_way_elsewhere() {
            return Verdict::Wait;
        }
        let now = self.now;
        let spend = self.spend_of(intent);
        let access_dead = self.access_dead(token);
        match schedule::respend(self.profile.lost_reply_rule(), &spend, access_dead, now) {
            Respend::Now => Verdict::Spend,
            Respend::NotBefore(_) if access_dead.reached(now) => Verdict::Wait,
            Respend::NotBefore(_) => Verdict::Fail(ProviderError::transient(
                "the refresh token may have been spent by a process that did not save what it got; \
                 it is tried again when the access token is dead",
            )),
            // A verdict, not a guess: by the vendor's rule nothing but a login helps.
            Respend::Never => Verdict::Fail(ProviderError::refused(
                "the refresh token may have been spent by a process that did not save what it got, \
                 and this vendor's must not be sent again",
            )),
        }
    }

    /// When somebody else's intent is over, that says `stored`.
    ///
    /// Where the vendor forgives nothing, it is watched for as long as an exchange takes as well, by
    /// our own clock: the store's may have been set since, or that of whoever wrote it be wrong. And
    /// for no longer than the longest that there are, whatever it says.
    fn over_at(&self, intent: &Intent, stored: Moment, forgiven: bool) -> Moment {
        let since = self.known.watched_since(intent).unwrap_or(self.now);
        let watched_for = |time| Moment::new(since.after(time).monotonic(), Duration::MAX);
        let stored = match forgiven || intent.is_distrust() {
            true => stored,
            false => stored.latest(watched_for(schedule::EXCHANGE + MARGIN)),
        };
        stored.earliest(watched_for(LONGEST))
    }

    /// When the access token stops being of use.
    fn access_dead(&self, token: &HeldToken) -> Moment {
        let refused = self.exchange.refused();
        match refused.is_some() && refused == token.access.as_ref() {
            true => Moment::PAST,
            false => token.plan(self.now).dead,
        }
    }
}

/// As long as people are given to confirm a login.
const LONGEST: Duration = schedule::LOGIN;
