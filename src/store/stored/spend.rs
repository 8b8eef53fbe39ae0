//! The exchange itself, between its intent and its save.

use super::{
    desk::Sight,
    turn::{Step, Trouble, Turn},
};
use crate::{
    cell::schedule,
    clock::Moment,
    observe::Event,
    provider::{FailureKind, Provider, ProviderError, Rotation},
    store::{Expected, Intent, Record, Written, held::HeldToken},
    token::Token,
};

/// A record that is being spent.
pub(super) struct Spending {
    /// With our intent; none where the session has no record yet.
    pub(super) base: Option<Record>,
    /// The intent that stood there before ours.
    pub(super) before: Option<Intent>,
    pub(super) sight: Sight,
    in_memory: bool,
}

// === impl Turn ===

impl<P: Provider> Turn<'_, P> {
    /// Writes the intent, asks the vendor, saves.
    pub(super) async fn spend(&self, mut sight: Sight) -> Result<Step, Trouble> {
        let base = sight.record.take();
        let mut spending = Spending {
            base,
            before: None,
            sight,
            in_memory: false,
        };
        if self.needs_intent(&spending)
            && self.writes_intent(&mut spending).await? == Written::Conflict
        {
            return Ok(Step::Again);
        }
        let asked = self.ask(&spending);
        let desk = &self.stored.desk;
        let (result, sent_at) = desk.holding_lease(&self.seat.key, asked).await;
        self.conclude(spending, result, sent_at).await
    }

    /// The same while the store cannot be asked.
    pub(super) async fn spend_in_memory(&self, mut sight: Sight) -> Result<Step, Trouble> {
        let base = sight.record.take();
        let mut spending = Spending {
            base,
            before: None,
            sight,
            in_memory: true,
        };
        if self.needs_intent(&spending)
            && let Some(base) = spending.base.take()
        {
            // Saved together with the record, if no reply comes.
            let (next, before) = self.with_intent(&base, &spending.sight);
            let version = next.version();
            self.seat.known().keep(next.clone(), Some(version));
            (spending.base, spending.before) = (Some(next), before);
        }
        let (result, sent_at) = self.ask(&spending).await;
        self.conclude(spending, result, sent_at).await
    }

    /// Asks the vendor. Gives when it was asked, too.
    async fn ask(&self, spending: &Spending) -> (Result<Token, ProviderError>, Moment) {
        if let Some(before) = &spending.before {
            let own = self.seat.known().is_own(before);
            self.stored.desk.tell(Event::IntentFound { own });
        }
        let sent_at = self.now();
        let last = self.starting_point(spending.base.as_ref(), &spending.sight, sent_at);
        let mut deadline = sent_at.after(self.allowed);
        if let Some(intent) = spending.base.as_ref().and_then(Record::intent) {
            // The process may have been stopped since it wrote that.
            let shown = spending.sight.shown(sent_at);
            deadline = deadline.earliest(intent.deadline.seen_from(sent_at, shown));
        }
        let exchange = self.exchange.going_on_from(last, deadline);
        (self.stored.provider.obtain(exchange).await, sent_at)
    }

    /// The token that is exchanged: the record's, or what the process has without one. Of a session
    /// that was revoked it has none.
    pub(super) fn starting_point(
        &self,
        base: Option<&Record>,
        sight: &Sight,
        now: Moment,
    ) -> Option<Token> {
        if base.is_some_and(Record::has_ended) {
            return None;
        }
        let held = base.and_then(|base| base.token.as_ref());
        let in_memory = || {
            let seed = || Some(self.seat.known().seed.as_ref()?.to_token(now));
            self.exchange.last().cloned().or_else(seed)
        };
        let shown = sight.shown(now);
        held.map(|held| held.seen_from(now, shown).to_token(now))
            .or_else(in_memory)
    }

    /// A reply without a refresh token keeps the old one, which the cell may never have had.
    fn for_cell(&self, token: Token, spending: &Spending, sent_at: Moment) -> Token {
        let of_cell = self.exchange.last().and_then(Token::refresh_token);
        match self.starting_point(spending.base.as_ref(), &spending.sight, sent_at) {
            Some(last)
                if self.stored.profile.rotation != Rotation::Must
                    && last.refresh_token() != of_cell =>
            {
                token.borrowing_refresh_from(&last)
            }
            _ => token,
        }
    }

    async fn conclude(
        &self,
        spending: Spending,
        result: Result<Token, ProviderError>,
        sent_at: Moment,
    ) -> Result<Step, Trouble> {
        let error = match result {
            Ok(token) => {
                let token = token.obtained(sent_at);
                let kept = self.keep(&spending, &token, sent_at, None);
                let token = self.for_cell(token, &spending, sent_at);
                return Ok(match kept {
                    true if spending.in_memory => Step::Done(token),
                    true => self.save(token).await,
                    false => Step::Again,
                });
            }
            Err(error) => error,
        };
        match error.salvaged() {
            Some(salvaged) => {
                // Without a new refresh token the old one may be spent: the intent stays open.
                let lost = error.may_have_spent() && salvaged.refresh_token().is_none();
                let open = spending
                    .base
                    .as_ref()
                    .and_then(Record::intent)
                    .filter(|_| lost);
                if self.keep(&spending, salvaged, sent_at, open.cloned()) && !spending.in_memory {
                    self.save(salvaged.clone()).await;
                }
            }
            None => self.take_note(spending, &error).await,
        }
        Err(Trouble::Provider(error))
    }

    /// Keeps what an exchange brought, to be saved. False where the session has gone on elsewhere.
    fn keep(
        &self,
        spending: &Spending,
        token: &Token,
        sent_at: Moment,
        intent: Option<Intent>,
    ) -> bool {
        let (now, profile) = (self.now(), &self.stored.profile);
        let ahead = spending.sight.ahead();
        let mut held = HeldToken::fresh(token, sent_at, now, profile).by_clock(ahead);
        let mut known = self.seat.known();
        let Some(base) = &spending.base else {
            // Without the store nobody knows what it holds: then nothing is kept.
            return spending.in_memory || known.keep(Record::begin(held, None, now), None);
        };
        if let Some(old) = &base.token {
            let old = old.seen_from(now, spending.sight.shown(now));
            let partial = held.access.is_none() || intent.is_some();
            if profile.rotation != Rotation::Must || partial {
                held = held.inheriting_refresh_from(&old);
            }
            held = held.inheriting_access_from(&old);
        }
        let mut next = base.exchanged(held);
        next.intent = intent;
        known.keep(next, Some(base.version()))
    }

    /// Notes a failure in the record, for the others.
    async fn take_note(&self, spending: Spending, error: &ProviderError) {
        let Some(base) = &spending.base else {
            return;
        };
        let noted = self.noted(base, &spending, error);
        if noted == *base {
            return;
        }
        if spending.in_memory {
            self.seat.known().keep(noted, Some(base.version()));
            return;
        }
        let desk = &self.stored.desk;
        let expected = Expected::as_seen(base);
        let written = desk.write(&self.seat.key, &expected, &noted).await;
        let mut known = self.seat.known();
        match written {
            Ok(Written::Done) => known.wrote(&noted),
            // Somebody has gone on from there, and nothing of ours is left to take back.
            Ok(Written::Conflict) => {}
            Err(_) => {
                drop(known);
                if !error.may_have_spent() {
                    self.unspent(base, spending.before.clone());
                }
            }
        }
    }

    /// The record with what a failure said: what was refused, the pause that was asked for, and that
    /// nothing was spent where that is certain.
    fn noted(&self, base: &Record, spending: &Spending, error: &ProviderError) -> Record {
        let now = self.now();
        let shown = spending.sight.shown(now);
        let mut noted = base.clone();
        if !error.may_have_spent() {
            noted.intent.clone_from(&spending.before);
        }
        if error.kind() == FailureKind::Refused {
            let pause = schedule::pause_before_probe(fastrand::f64());
            let probes = self.stored.profile.rotation == Rotation::Never;
            noted.refuse(probes.then(|| shown.after(pause)));
            let until = if probes {
                now.after(pause)
            } else {
                Moment::NEVER
            };
            if let Some(refresh) = base.token.as_ref().and_then(|token| token.refresh.clone()) {
                self.seat.known().refuse(refresh, until, error.clone());
            }
        }
        let throttled = error.kind() == FailureKind::Throttled;
        let throttled = throttled.then_some(schedule::THROTTLED_WITHOUT_DELAY);
        if let Some(delay) = error.delay().or(throttled) {
            noted.not_before = Some(shown.after(schedule::capped_delay(delay)));
        }
        noted
    }
}
