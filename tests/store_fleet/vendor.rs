//! A vendor whose refresh tokens are good for one exchange, and who ends a session whose token
//! comes twice. It counts.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tower_reauth::{
    Provider, Token,
    provider::{Exchange, Profile, ProviderError, Rotation},
};

use crate::{DAY, HOUR, clock::PausedClock, support::ORIGIN};

#[derive(Clone)]
pub(crate) struct Vendor(Arc<Office>);

struct Office {
    clock: PausedClock,
    profile: Profile,
    book: Mutex<Book>,
}

struct Book {
    random: fastrand::Rng,
    state: State,
    sessions: Vec<Session>,
    /// When each access token dies.
    access: Vec<Duration>,
    counters: Counters,
}

/// The session that a login began.
struct Session {
    /// The number of the refresh token that is good.
    current: usize,
    dies: Duration,
    ended: bool,
}

/// How the vendor is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    Well,
    /// 503, with this in its `Retry-After`. Whether it was processed, nobody can tell; it was not.
    Unavailable(Option<Duration>),
    /// 429.
    Throttled(Duration),
    /// No reply within ten seconds.
    Silent,
}

/// What the vendor counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// When the requests were sent that were answered with a token.
    pub(crate) granted: Vec<Duration>,
    /// When all others were sent.
    pub(crate) turned_away: Vec<Duration>,
    pub(crate) spent_twice: usize,
    /// Refresh tokens that came too late.
    pub(crate) died_unused: usize,
    pub(crate) in_flight: usize,
    pub(crate) most_in_flight: usize,
}

/// A request that is under way.
struct Flying<'a>(&'a Vendor);

// === impl Vendor ===

impl Vendor {
    pub(crate) fn new(clock: PausedClock, random: fastrand::Rng) -> Self {
        Self::with_profile(clock, random, profile())
    }

    /// One that says how long its refresh tokens last unless they are used.
    pub(crate) fn of_idle_sessions(clock: PausedClock, random: fastrand::Rng) -> Self {
        let profile = profile().default_refresh_lifetime(REFRESH_LIFETIME);
        Self::with_profile(clock, random, profile)
    }

    fn with_profile(clock: PausedClock, random: fastrand::Rng, profile: Profile) -> Self {
        Self(Arc::new(Office {
            clock,
            profile,
            book: Mutex::new(Book {
                random,
                state: State::Well,
                sessions: Vec::new(),
                access: Vec::new(),
                counters: Counters::default(),
            }),
        }))
    }

    /// A new login: the token that a session starts from.
    pub(crate) fn log_in(&self) -> Token {
        let mut book = self.book();
        book.sessions.push(Session {
            current: 0,
            dies: self.0.clock.elapsed() + REFRESH_LIFETIME,
            ended: false,
        });
        Token::from_refresh_token(refresh(book.sessions.len() - 1, 0))
    }

    pub(crate) fn set(&self, state: State) {
        self.book().state = state;
    }

    pub(crate) fn counters(&self) -> Counters {
        self.book().counters.clone()
    }

    /// When an access token dies, if there ever was such a one.
    pub(crate) fn dies_at(&self, access: &str) -> Option<Duration> {
        let number: usize = access.strip_prefix("access-")?.parse().ok()?;
        self.book().access.get(number).copied()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap()
    }

    /// One way, there or back.
    async fn travel(&self) {
        let millis = self.book().random.u64(40..250);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// What becomes of a request that was sent at `sent_at`.
    fn answer(&self, spent: &str, sent_at: Duration) -> Result<Token, ProviderError> {
        let now = self.0.clock.elapsed();
        let mut book = self.book();
        let turned_away = match book.state {
            State::Well => None,
            State::Unavailable(delay) => {
                let error = ProviderError::unknown_outcome("the vendor is down");
                Some(error.retry_after(delay))
            }
            State::Throttled(delay) => Some(ProviderError::throttled(Some(delay))),
            State::Silent => Some(ProviderError::unknown_outcome("no reply")),
        };
        let result = turned_away.map_or_else(|| book.exchange(spent, now), Err);
        let counters = &mut book.counters;
        let list = match result {
            Ok(_) => &mut counters.granted,
            Err(_) => &mut counters.turned_away,
        };
        list.push(sent_at);
        result
    }
}

impl Provider for Vendor {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let spent = exchange.refresh_token()?.expose().to_owned();
        let sent_at = self.0.clock.elapsed();
        let _flying = Flying::new(self);
        self.travel().await;
        let result = self.answer(&spent, sent_at);
        if matches!(self.book().state, State::Silent) {
            tokio::time::sleep(GIVES_UP_AFTER).await;
        }
        self.travel().await;
        result
    }

    fn profile(&self) -> Profile {
        self.0.profile.clone()
    }
}

// === impl Book ===

impl Book {
    fn exchange(&mut self, spent: &str, now: Duration) -> Result<Token, ProviderError> {
        let mut parts = spent.split('-').skip(1).map(|it| it.parse().ok());
        let (Some(Some(login)), Some(Some(number))) = (parts.next(), parts.next()) else {
            return Err(ProviderError::refused("this was never given out"));
        };
        let session: &mut Session = &mut self.sessions[login];
        if session.current != number {
            self.counters.spent_twice += 1;
            session.ended = true;
        }
        if session.dies <= now && !session.ended {
            self.counters.died_unused += 1;
            session.ended = true;
        }
        if session.ended {
            return Err(ProviderError::refused("the session is over").code("gone"));
        }
        session.current += 1;
        session.dies = now + REFRESH_LIFETIME;
        self.access.push(now + LIFETIME);
        let token = Token::new(format!("access-{}", self.access.len() - 1));
        Ok(token
            .with_lifetime(LIFETIME)
            .with_refresh_token(refresh(login, number + 1)))
    }
}

// === impl Flying ===

impl<'a> Flying<'a> {
    fn new(vendor: &'a Vendor) -> Self {
        let counters = &mut vendor.book().counters;
        counters.in_flight += 1;
        counters.most_in_flight = counters.most_in_flight.max(counters.in_flight);
        Self(vendor)
    }
}

impl Drop for Flying<'_> {
    fn drop(&mut self) {
        self.0.book().counters.in_flight -= 1;
    }
}

fn profile() -> Profile {
    Profile::new("fleet")
        .origins([ORIGIN])
        .rotation(Rotation::Must)
}

fn refresh(login: usize, number: usize) -> String {
    format!("refresh-{login}-{number}-3f9a0b7c5d1e2f8a")
}

pub(crate) const LIFETIME: Duration = HOUR;
pub(crate) const REFRESH_LIFETIME: Duration = DAY;
const GIVES_UP_AFTER: Duration = Duration::from_secs(9);
