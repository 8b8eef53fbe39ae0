//! A login, by one of the processes that share a store.
//!
//! It runs under the lease, so that no two of them ask the same person, and the others wait for what
//! comes of it. It is covered by no intent, since it spends nothing: if the process dies in the middle,
//! the lease ends by itself, and nothing is lost but the login. What it brings begins a lineage,
//! unless one has begun meanwhile.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use super::{
    desk::Sight,
    judge::Verdict,
    seat::Meeting,
    turn::{POLL, POLL_AT_MOST, ROUNDS_AT_MOST, Step, Trouble, Turn},
    unreachable_store,
};
use crate::{
    clock::Moment,
    observe::Event,
    provider::{FailureKind, Login, Provider, ProviderError},
    store::{Expected, Record, Version, Written, held::HeldToken, unix::UnixMillis},
    token::Token,
};

/// What a login begins from.
struct Beginning {
    record: Option<Record>,
    at: Moment,
    sight: Sight,
}

// === impl Turn ===

impl<P: Provider> Turn<'_, P> {
    pub(super) async fn log_in(&self) -> Result<Token, ProviderError> {
        let mut poll = POLL;
        for _ in 0..ROUNDS_AT_MOST {
            match self.step_to_log_in().await {
                Ok(Step::Done(token)) => return Ok(token),
                Ok(Step::Again) => {}
                Ok(Step::Wait) => {
                    let pause = poll.mul_f64(0.5 + fastrand::f64());
                    let wait = self.stored.desk.sleep(pause);
                    self.exchange.by_the_deadline(wait).await?;
                    poll = (poll * 2).min(POLL_AT_MOST);
                }
                Err(Trouble::Provider(error)) => return Err(error),
                Err(Trouble::Store(error)) => return Err(unreachable_store(error)),
            }
        }
        Err(ProviderError::transient(
            "another process holds the session, and does not come to an end",
        ))
    }

    /// Why there is nothing to exchange for a provider that would rather log in.
    pub(super) fn nothing_to_spend(&self, record: Option<&Record>) -> Option<ProviderError> {
        let held = record.and_then(|record| record.token.as_ref());
        let spendable = held.is_some_and(|held| held.refresh.is_some());
        let logs_in = self.stored.profile.login != Login::None;
        (logs_in && !spendable).then(|| {
            ProviderError::refused(
                "there is no refresh token, and this session does not log in by itself: \
                 hand a token over with the handle's `replace`",
            )
        })
    }

    async fn step_to_log_in(&self) -> Result<Step, Trouble> {
        let desk = &self.stored.desk;
        if let Some(sight) = self.glance().await?
            && let Some(step) = self.without_login(&sight)?
        {
            return Ok(step);
        }
        if !desk.take_lease(&self.seat.key).await? {
            return Ok(Step::Wait);
        }
        let step = self.log_in_under_lease().await;
        desk.release_lease(&self.seat.key).await;
        step
    }

    /// What the store holds; none where it has lost something.
    async fn glance(&self) -> Result<Option<Sight>, Trouble> {
        let mut sight = self.stored.desk.read(&self.seat.key).await?;
        let meeting = self.seat.known().meet(sight.record.take(), self.now());
        let Meeting::Current(record) = meeting else {
            return Ok(None);
        };
        sight.record = record;
        Ok(Some(sight))
    }

    async fn log_in_under_lease(&self) -> Result<Step, Trouble> {
        let Some(sight) = self.sees().await? else {
            return Ok(Step::Again);
        };
        if let Some(step) = self.without_login(&sight)? {
            return Ok(step);
        }
        if self.nothing_to_spend(sight.record.as_ref()).is_some() || self.is_refused(&sight) {
            return self.log_in_now(sight).await;
        }
        // Somebody has logged in elsewhere, and its access token is dead again.
        match self.spend(sight).await {
            Err(Trouble::Provider(error)) if error.kind() == FailureKind::Refused => {
                Ok(Step::Again)
            }
            step => step,
        }
    }

    /// What makes a login needless, or hopeless.
    fn without_login(&self, sight: &Sight) -> Result<Option<Step>, Trouble> {
        let before = lineage(sight.record.as_ref());
        let refused_here = self.seat.known().has_login_over(before);
        let Some(record) = &sight.record else {
            let over = refused_here.then(refused_before);
            return over.map_or(Ok(None), Err);
        };
        if record.has_ended() {
            return Err(Trouble::Provider(ProviderError::refused(
                "the session was revoked: log in, and hand the token over with the handle's `replace`",
            )));
        }
        let (now, born) = (self.now(), self.stored.born);
        let over = record.login_over_at;
        let refused = over.is_some_and(|at| !at.seen_from(now, sight.shown(now)).reached(born));
        if refused || refused_here {
            return Err(refused_before());
        }
        match self.judge(sight) {
            Verdict::Adopt(token) => Ok(Some(Step::Done(*token))),
            Verdict::Wait => Ok(Some(Step::Wait)),
            Verdict::Fail(error) if error.kind() != FailureKind::Refused => {
                Err(Trouble::Provider(error))
            }
            Verdict::Fail(_) | Verdict::Spend => Ok(None),
        }
    }

    fn is_refused(&self, sight: &Sight) -> bool {
        matches!(self.judge(sight), Verdict::Fail(_))
    }

    async fn log_in_now(&self, mut sight: Sight) -> Result<Step, Trouble> {
        let beginning = Beginning {
            record: sight.record.take(),
            at: self.now(),
            sight,
        };
        let desk = &self.stored.desk;
        desk.tell(Event::LoginStarted);
        let login = self.as_long_as_it_is_the_newest(&beginning);
        let error = match desk.holding_lease(&self.seat.key, login).await {
            Some(Ok(token)) => return Ok(self.land(&beginning, token).await),
            Some(Err(error)) => error,
            // What it brings would not land: others need the lease more.
            None => return Ok(Step::Again),
        };
        match error.salvaged() {
            Some(salvaged) => {
                self.land(&beginning, salvaged.clone()).await;
            }
            None if matches!(
                error.kind(),
                FailureKind::Refused | FailureKind::UnknownOutcome
            ) =>
            {
                self.note_that_it_is_over(&beginning).await;
            }
            None => {}
        }
        Err(Trouble::Provider(error))
    }

    /// The provider's login; none where a newer lineage has begun meanwhile.
    async fn as_long_as_it_is_the_newest(
        &self,
        beginning: &Beginning,
    ) -> Option<Result<Token, ProviderError>> {
        let desk = &self.stored.desk;
        let login = self.stored.provider.login(self.exchange.clone());
        let mut login = pin!(self.exchange.limiting(login));
        let mut newer = pin!(async {
            loop {
                desk.sleep(LOOK).await;
                if let Ok(sight) = desk.read(&self.seat.key).await
                    && lineage(sight.record.as_ref()) > lineage(beginning.record.as_ref())
                {
                    return;
                }
            }
        });
        poll_fn(|cx| {
            if let Poll::Ready(done) = login.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            newer.as_mut().poll(cx).map(|()| None)
        })
        .await
    }

    /// Begins a lineage with what a login brought, unless a newer one has begun since it did: then
    /// that is the session.
    async fn land(&self, beginning: &Beginning, token: Token) -> Step {
        let token = token.obtained(beginning.at);
        let before = beginning.record.as_ref();
        let held = HeldToken::fresh(&token, beginning.at, self.now(), &self.stored.profile);
        let held = held.by_clock(beginning.sight.ahead());
        // Numbered by when it began: whatever came meanwhile is newer.
        let begun = Record::begin(held, before, beginning.at);
        let desk = &self.stored.desk;
        for _ in 0..ROUNDS {
            let Ok(sight) = desk.read(&self.seat.key).await else {
                break;
            };
            if lineage(sight.record.as_ref()) > lineage(before) {
                self.seat.known().meet(sight.record, self.now());
                return Step::Again;
            }
            let expected = Expected::version(sight.record.as_ref().map(Record::version));
            match desk.write(&self.seat.key, &expected, &begun).await {
                Ok(Written::Done) => {
                    self.seat.known().logged_in(begun);
                    return Step::Done(token);
                }
                Ok(Written::Conflict) => {}
                Err(_) => break,
            }
        }
        // Not saved: used all the same, and saved by `settle`.
        let mut known = self.seat.known();
        let kept = known.keep(begun, before.map(Record::version));
        known.doubt();
        match kept {
            true => Step::Done(token),
            false => Step::Again,
        }
    }

    /// For the processes that wait for it, and those that come to need a login later: none of them
    /// is to make it once more, unless it is one that has begun since.
    async fn note_that_it_is_over(&self, beginning: &Beginning) {
        // First: whatever becomes of the note, it is not made again here.
        let before = lineage(beginning.record.as_ref());
        self.seat.known().login_is_over(before);
        let shown = beginning.sight.shown(self.now());
        let noted = refused_login(beginning.record.as_ref(), shown);
        let expected = match &beginning.record {
            Some(record) => Expected::as_seen(record),
            None => Expected::version(None),
        };
        let desk = &self.stored.desk;
        let written = desk.write(&self.seat.key, &expected, &noted).await;
        if matches!(written, Ok(Written::Done)) {
            self.seat.known().wrote(&noted);
        }
    }
}

/// The record with a note that a login was refused; one of that alone, where there is none.
fn refused_login(record: Option<&Record>, at: UnixMillis) -> Record {
    let none = Version {
        lineage: 0,
        revision: 0,
    };
    let mut noted = record.cloned().unwrap_or_else(|| Record::bare(none));
    noted.login_over_at = Some(at);
    noted
}

fn refused_before() -> Trouble {
    Trouble::Provider(ProviderError::refused(
        "the login that was made for this session was refused",
    ))
}

fn lineage(record: Option<&Record>) -> Option<u64> {
    record.map(|record| record.version().lineage)
}

const ROUNDS: usize = 8;
/// How often somebody who waits for a person looks whether there is a token by now.
const LOOK: Duration = Duration::from_secs(3);
