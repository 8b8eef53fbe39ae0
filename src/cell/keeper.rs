//! Keeps idle sessions alive: one task for all sessions of a layer.
//!
//! A refresh token dies when it is not used for long enough. Requests refresh a busy session; the
//! keeper does it for an idle one. It sleeps until the first session needs it, but looks at both
//! clocks once a minute at least, since timers stand still while the machine is suspended. It
//! holds its sessions weakly and ends with the last of them. If its runtime dies, the sessions
//! notice, and the next request starts it on its own.
//!
//! Which sessions it watches over is a list, in this file; what it does for them is in `running.rs`.

mod running;

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    sync::{Arc, Weak},
    task::{Poll, Waker},
    time::Duration,
};

use tokio::runtime::Handle;

use self::running::Running;
use super::{
    Session,
    sync::{Mutex, lock},
};
use crate::{clock::Clock, provider::SessionId};

/// The one that watches over the sessions of a layer.
#[derive(Clone)]
pub(crate) struct Keeper {
    list: Arc<Mutex<List>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct List {
    sessions: HashMap<SessionId, Weak<Session>>,
    running: bool,
    nudged: bool,
    waker: Option<Waker>,
}

// === impl Keeper ===

impl Keeper {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let list = Arc::new(Mutex::new(List::default()));
        Self { list, clock }
    }

    /// Watches over `session` as well, unless one of its identity is alive. Says whether it does.
    pub(crate) fn watch(&self, session: &Arc<Session>) -> bool {
        let mut list = lock(&self.list);
        let added = list.add(session);
        if added {
            // Under the list's lock, as in `keep`.
            session.cell().set_has_keeper(list.running);
        }
        drop(list);
        if added {
            self.nudge();
        }
        added
    }

    /// Sees that a keeper watches over `session`, one on `runtime` if none is running.
    pub(crate) fn keep(&self, session: &Session, runtime: &Handle) {
        let list = lock(&self.list);
        if list.running {
            // The end of one keeper and the start of the next may have reached the session in the
            // wrong order. Under the list's lock this one cannot end before the word is given.
            session.cell().set_has_keeper(true);
            return;
        }
        drop(list);
        self.run_on(runtime);
    }

    /// Starts the task on `runtime`, if it is not running.
    pub(crate) fn run_on(&self, runtime: &Handle) {
        let mut list = lock(&self.list);
        if list.running {
            return;
        }
        list.running = true;
        drop(list);
        let running = Running::new(self.clone());
        running.tell_sessions(true);
        runtime.spawn(running.run());
    }

    /// Makes the task look again: a session is new, gone, or has another token.
    pub(crate) fn nudge(&self) {
        let mut list = lock(&self.list);
        list.nudged = true;
        let waker = list.waker.take();
        drop(list);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Does `work` if no session of this identity is alive, and before one begins.
    pub(super) fn unless_alive(&self, id: &SessionId, work: impl FnOnce()) {
        let list = lock(&self.list);
        let alive = list
            .sessions
            .get(id)
            .is_some_and(|it| it.strong_count() > 0);
        if !alive {
            work();
        }
    }

    fn live_sessions(&self) -> Vec<Arc<Session>> {
        let list = lock(&self.list);
        list.sessions.values().filter_map(Weak::upgrade).collect()
    }

    /// Sleeps for `pause`, or until nudged.
    async fn pause(&self, pause: Duration) {
        let mut sleep = self.clock.sleep(pause);
        poll_fn(|cx| {
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut list = lock(&self.list);
            if std::mem::take(&mut list.nudged) {
                return Poll::Ready(());
            }
            let old = list.waker.replace(cx.waker().clone());
            drop(list);
            drop(old);
            Poll::Pending
        })
        .await;
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

// === impl List ===

impl List {
    /// Adds a session, unless one of its identity is alive. Instead of growing, forgets those that
    /// are gone: where no keeper runs, nobody else does.
    fn add(&mut self, session: &Arc<Session>) -> bool {
        let known = self.sessions.get(session.id());
        if known.is_some_and(|known| known.strong_count() > 0) {
            return false;
        }
        if self.sessions.len() == self.sessions.capacity() {
            self.forget_dead();
            // Room for as many again, so that this does not happen at every one.
            self.sessions.reserve(self.sessions.len() + 1);
        }
        self.sessions
            .insert(session.id().clone(), Arc::downgrade(session));
        true
    }

    fn forget_dead(&mut self) {
        self.sessions
            .retain(|_, session| session.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use bytes::Bytes;
    use http::Request;
    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::{
        cell::{Family, FamilyParts, Home},
        provider::{FixedToken, Provider, ProviderError, SendFuture, TokenClient, Transport},
        test_util::ManualClock,
        token::Token,
    };

    struct NoVendor;

    impl Transport for NoVendor {
        fn send(&self, _: Request<Bytes>, _: &Arc<dyn Clock>) -> SendFuture {
            Box::pin(ready(Err(ProviderError::transient("no vendor"))))
        }
    }

    fn family() -> Arc<Family> {
        let provider = FixedToken::bearer("t");
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        Family::new(FamilyParts {
            observers: Arc::default(),
            profile: Arc::new(provider.profile()),
            provider: Arc::new(provider),
            client: TokenClient::new(Arc::new(NoVendor), Arc::clone(&clock)),
            clock,
            keeps_idle_alive: true,
            caller_waits: Duration::from_secs(30),
            home: Home::Memory,
        })
    }

    /// A session that wants to be kept alive.
    fn session(family: &Arc<Family>, user: String) -> Arc<Session> {
        let id = family.profile.session().with_session_key(user);
        let seed = Token::new("t").with_refresh_token("r");
        let lifetime = Duration::from_secs(12 * 3_600);
        family
            .session(id, seed.with_refresh_lifetime(lifetime))
            .unwrap()
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn sessions_that_are_gone_leave_nothing_behind_although_no_keeper_runs() {
        let family = family();
        let users: Vec<_> = (0..100)
            .map(|user| session(&family, format!("user {user}")))
            .collect();
        for visitor in 0..10_000 {
            session(&family, format!("visitor {visitor}"));
        }
        let watched = lock(&family.keeper.list).sessions.len();
        assert!((100..1_000).contains(&watched), "{watched}");
        drop(users);
    }

    #[test]
    fn the_end_of_one_keeper_is_not_the_end_of_the_next() {
        let (runtime, family) = (runtime(), family());
        let mut first = Running::new(family.keeper.clone());
        assert!(!first.goes_on(), "nobody is there");
        let session = session(&family, "late".into());
        family.keeper.run_on(runtime.handle());
        drop(first);
        assert!(lock(&family.keeper.list).running, "a third would start");
        drop(session);
    }

    #[test]
    fn a_session_that_heard_of_an_end_too_late_takes_no_lock_for_ever() {
        let (runtime, family) = (runtime(), family());
        let session = session(&family, "late".into());
        family.keeper.run_on(runtime.handle());
        session.cell().set_has_keeper(false);
        let needs_attention = || session.cell().load().attention.reached(family.clock.now());
        assert!(needs_attention());
        let _within = runtime.enter();
        session.attend();
        assert!(!needs_attention());
    }
}
