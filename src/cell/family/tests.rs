use std::{future::ready, sync::Mutex};

use bytes::Bytes;
use http::Request;
use tokio::runtime::Builder;

use super::*;
use crate::{
    provider::{FixedToken, Provider, SendFuture, Transport},
    test_util::ManualClock,
};

struct NoVendor;

impl Transport for NoVendor {
    fn send(&self, _: Request<Bytes>, _: &Arc<dyn Clock>) -> SendFuture {
        Box::pin(ready(Err(ProviderError::transient("no vendor"))))
    }
}

/// Keeps the identities whose seeds it has.
#[derive(Default)]
struct Seeds(Mutex<Vec<SessionId>>);

impl Seeds {
    fn of(&self, session: &SessionId) -> usize {
        let seeds = self.0.lock().unwrap();
        seeds.iter().filter(|it| *it == session).count()
    }
}

impl SeedKeeper for Seeds {
    fn keep_seed(&self, session: &SessionId, _: Token) {
        self.0.lock().unwrap().push(session.clone());
    }

    fn forget(&self, session: &SessionId) {
        self.0.lock().unwrap().retain(|it| it != session);
    }
}

fn family(home: Home) -> Arc<Family> {
    let provider = FixedToken::bearer("t");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    Family::new(FamilyParts {
        observers: Arc::default(),
        profile: Arc::new(Provider::profile(&provider)),
        provider: Arc::new(provider),
        client: TokenClient::new(Arc::new(NoVendor), Arc::clone(&clock)),
        clock,
        keeps_idle_alive: true,
        caller_waits: Duration::from_secs(30),
        home,
    })
}

#[test]
fn a_session_that_is_gone_takes_its_seed_along_and_not_that_of_the_next() {
    let seeds = Arc::new(Seeds::default());
    let family = family(Home::Store(Arc::clone(&seeds) as _));
    let [one, other] = ["one", "other"].map(|user| family.profile.session().with_session_key(user));
    let begin = |id: &SessionId| {
        let seed = Token::from_refresh_token("r");
        family.session(id.clone(), seed).unwrap()
    };
    let (first, _others) = (begin(&one), begin(&other));
    drop(first);
    assert_eq!((seeds.of(&one), seeds.of(&other)), (0, 1));
    let _next = begin(&one);
    // What the end of the first one does, where the next is quicker than it.
    family.forget(&one);
    assert_eq!(seeds.of(&one), 1, "the next one's");
}

#[test]
fn sessions_hear_of_a_keepers_beginning_and_of_its_runtimes_end() {
    let family = family(Home::Memory);
    let id = family.profile.session();
    let seed = Token::from_pair("t", "r");
    let lifetime = Duration::from_secs(12 * 3_600);
    let session = family.session(id, seed.with_refresh_lifetime(lifetime));
    let session = session.unwrap();
    let needs_one = || session.cell().load().attention.reached(family.clock.now());
    assert!(needs_one());
    let runtime = Builder::new_current_thread().build().unwrap();
    family.keeper.run_on(runtime.handle());
    assert!(!needs_one());
    drop(runtime);
    assert!(needs_one());
}
