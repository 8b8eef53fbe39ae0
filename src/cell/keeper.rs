//! Keeps idle sessions alive: one task for all sessions of a layer.
//!
//! A refresh token dies when it is not used for long enough. Requests refresh a busy session; the
//! keeper does it for an idle one. It sleeps until the first session needs it, but looks at both
//! clocks once a minute at least, since timers stand still while the machine is suspended. It
//! holds its sessions weakly and ends with the last of them. If its runtime dies, the sessions
//! notice, and the next request starts it on its own.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    sync::{Arc, Weak},
    task::{Poll, Waker},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    Session, schedule,
    sync::{Mutex, lock},
};
use crate::{
    clock::{Clock, Moment},
    provider::SessionId,
};

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

/// Held by the running task; its end is the keeper's.
struct Running(Keeper);

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
        let running = list.running;
        drop(list);
        if added {
            session.cell().set_kept(running);
            self.nudge();
        }
        added
    }

    /// Starts the task on `runtime`, if it is not running.
    pub(crate) fn run_on(&self, runtime: &Handle) {
        let mut list = lock(&self.list);
        if list.running {
            return;
        }
        list.running = true;
        drop(list);
        let running = Running(self.clone());
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

    fn live_sessions(&self) -> Vec<Arc<Session>> {
        let list = lock(&self.list);
        list.sessions.values().filter_map(Weak::upgrade).collect()
    }

    /// Forgets sessions that are gone. Without any left, the keeper is no longer running: said
    /// under the same lock, so that a session that comes now starts it anew.
    fn forget_dead(&self) -> bool {
        let mut list = lock(&self.list);
        list.forget_dead();
        list.running = !list.sessions.is_empty();
        list.running
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

// === impl Running ===

impl Running {
    async fn run(self) {
        let keeper = &self.0;
        while keeper.forget_dead() {
            let next = self.look_after_all();
            let pause = next.remaining(keeper.clock.now());
            keeper.pause(pause.min(schedule::LOOK_AT_LEAST_EVERY)).await;
        }
    }

    /// Looks after whoever needs it, and says when the next one will.
    fn look_after_all(&self) -> Moment {
        let now = self.0.clock.now();
        let mut next = Moment::NEVER;
        for session in self.0.live_sessions() {
            if session.cell().keep_alive_at().reached(now) {
                session.attend();
            }
            next = next.earliest(session.cell().keep_alive_at());
        }
        next
    }

    fn tell_sessions(&self, kept: bool) {
        for session in self.0.live_sessions() {
            session.cell().set_kept(kept);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.0.list).running = false;
        self.tell_sessions(false);
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use bytes::Bytes;
    use http::Request;

    use super::*;
    use crate::{
        cell::{Family, FamilyParts},
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

    #[test]
    fn sessions_that_are_gone_leave_nothing_behind_although_no_keeper_runs() {
        let provider = FixedToken::bearer("t");
        let profile = Arc::new(provider.profile());
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
        let family = Family::new(FamilyParts {
            provider: Arc::new(provider),
            client: TokenClient::new(Arc::new(NoVendor), Arc::clone(&clock)),
            clock,
            keeps_idle_alive: true,
            caller_waits: Duration::from_secs(30),
            memory_only: true,
            profile: Arc::clone(&profile),
        });
        let session = |user: String| {
            let id = profile.session().with_session_key(user);
            family.session(id, Token::new("t")).unwrap()
        };
        let users: Vec<_> = (0..100)
            .map(|user| session(format!("user {user}")))
            .collect();
        for visitor in 0..10_000 {
            session(format!("visitor {visitor}"));
        }
        let watched = lock(&family.keeper.list).sessions.len();
        assert!((100..1_000).contains(&watched), "{watched}");
        drop(users);
    }
}
