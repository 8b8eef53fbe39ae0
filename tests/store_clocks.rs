//! Clocks that are wrong, and clocks that are set while somebody is at work.
//!
//! A file has no clock: each process goes by its own. Redis has one, for all. The vendor's is right,
//! and what must hold is read from its counters: no refresh token is spent twice, no session ends,
//! and no token is handed out that is dead.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

#[path = "support/dial.rs"]
mod dial;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/redis_server.rs"]
mod server;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use dial::Dial;
use folder::Folder;
use server::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower_reauth::{
    AuthLayer, Error, Provider, Token,
    oauth2::{ClientAuth, OAuth2},
    provider::{Exchange, LostReply, Profile, ProviderError, Rotation},
    store::{
        Expected, FileStore, Lease, Record, RedisStore, Seen, SessionKey, StoreError, TokenStore,
        Written,
    },
    test_util::{Fault, SimOauth},
};

const HOURS: i64 = 3 * 3_600_000;
const MINUTE: Duration = Duration::from_secs(60);
const STEPS: [&str; 8] = [
    "lease taken",
    "record read",
    "write",
    "written",
    "ask",
    "answered",
    "release_lease",
    "lease released",
];

#[tokio::test(flavor = "multi_thread")]
async fn store_clocks_of_replicas_may_differ_by_hours() {
    wrong(|| Some(Place::File(Folder::new()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_clocks_on_redis_of_replicas_may_differ_by_hours() {
    wrong(|| Server::start().map(Place::Redis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_clocks_may_be_set_at_any_step() {
    set_amid(|| Some(Place::File(Folder::new())), Whose::Everybodys).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_clocks_on_redis_may_be_set_at_any_step() {
    set_amid(|| Server::start().map(Place::Redis), Whose::Everybodys).await;
    set_amid(|| Server::start().map(Place::Redis), Whose::Stores).await;
}

/// One replica is hours off. Both want the token again and again, now the one first, now the other.
/// How old a token is that another one has saved only a store with a clock can tell: with a file, one
/// that is dead may be handed out, and is refused.
async fn wrong(place: impl Fn() -> Option<Place>) {
    for off in [-HOURS, HOURS] {
        let Some(place) = place() else { return };
        let world = World::new(place).await;
        let (one, other) = (world.replica(), world.replica());
        other.dial.step(off);
        let tells_ages = matches!(world.place, Place::Redis(_));
        for life in 0..6 {
            let order = match life % 2 {
                0 => [&one, &other],
                _ => [&other, &one],
            };
            for replica in order.into_iter().chain(order) {
                let token = replica.token().await.unwrap();
                if tells_ages {
                    world.is_alive(token).await;
                }
                // Tokens are not new when they are adopted.
                world.pass(20 * MINUTE, &[&one, &other]);
            }
        }
        // Both at once, while the vendor takes its time.
        world.pass(70 * MINUTE, &[&one, &other]);
        let slow = Fault::Delay(Duration::from_millis(300));
        world.vendor.faults().next(slow);
        let (first, second) = tokio::join!(one.token(), other.token());
        for token in [first, second].map(Result::unwrap) {
            if tells_ages {
                world.is_alive(token).await;
            }
        }
        let counters = world.vendor.counters();
        println!(
            "{}, one is off by {off} ms: {} exchanges, {} spent twice, {} ended",
            world.place.name(),
            counters.rotations,
            counters.spent_twice,
            counters.families_killed
        );
        assert_eq!((counters.spent_twice, counters.families_killed), (0, 0));
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Whose {
    Everybodys,
    Stores,
}

/// The clock is set while one replica is at a step of its exchange, and the other wants the token.
async fn set_amid(place: impl Fn() -> Option<Place>, whose: Whose) {
    for by in [-HOURS, HOURS] {
        let Some(place) = place() else { return };
        let world = World::new(place).await;
        let (one, other) = (world.replica(), world.replica());
        one.token().await.unwrap();
        other.token().await.unwrap();
        for step in STEPS {
            world.pass(90 * MINUTE, &[&one, &other]);
            let slow = Fault::Delay(Duration::from_millis(120));
            world.vendor.faults().next(slow);
            let before = world.vendor.counters().rotations;
            let dials = match whose {
                Whose::Everybodys => {
                    vec![one.dial.clone(), other.dial.clone(), world.stores.clone()]
                }
                Whose::Stores => vec![world.stores.clone()],
            };
            one.at(step, move || dials.iter().for_each(|dial| dial.step(by)));
            let late = async {
                // It comes while the other one is at work.
                tokio::time::sleep(Duration::from_millis(40)).await;
                other.token().await
            };
            let (first, second) = tokio::join!(one.token(), late);
            let context = format!("{whose:?} set by {by} at `{step}`");
            let tokens =
                [first, second].map(|token| token.map_err(|it| format!("{context}: {it:?}")));
            for token in tokens {
                world.is_alive(token.unwrap()).await;
            }
            let made = world.vendor.counters().rotations - before;
            assert!((1..=2).contains(&made), "{context}: {made} exchanges");
            assert_eq!(world.vendor.counters().spent_twice, 0, "{context}");
            // Nobody hands out what has died since.
            world.pass(70 * MINUTE, &[&one, &other]);
            world.is_alive(one.token().await.unwrap()).await;
            world.is_alive(other.token().await.unwrap()).await;
        }
        let counters = world.vendor.counters();
        println!(
            "{}, {whose:?} set by {by} ms: {} exchanges, {} spent twice, {} ended",
            world.place.name(),
            counters.rotations,
            counters.spent_twice,
            counters.families_killed
        );
        assert_eq!((counters.spent_twice, counters.families_killed), (0, 0));
    }
}

enum Place {
    File(Folder),
    Redis(Server),
}

struct World {
    vendor: SimOauth,
    place: Place,
    login: String,
    right: Dial,
    /// What Redis shows.
    stores: Dial,
    dials: Folder,
}

struct Replica {
    layer: AuthLayer<Hooked<OAuth2>>,
    dial: Dial,
    hook: Arc<Hook>,
}

// === impl Place ===

impl Place {
    fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Redis(_) => "Redis",
        }
    }
}

// === impl World ===

impl World {
    async fn new(place: Place) -> Self {
        let dials = Folder::new();
        let right = Dial::at(dials.path("right"));
        let builder = SimOauth::builder().client("app", "secret");
        let builder = builder.opaque_access_tokens().clock(right.clone());
        let vendor = builder.start().await.unwrap();
        Self {
            login: vendor.seed().refresh_token,
            vendor,
            place,
            right,
            stores: Dial::at(dials.path("stores")),
            dials,
        }
    }

    /// This much time goes by, for everybody.
    fn pass(&self, by: Duration, replicas: &[&Replica]) {
        self.right.pass(by);
        self.stores.pass(by);
        replicas.iter().for_each(|it| it.dial.pass(by));
        if let Place::Redis(server) = &self.place {
            server.age(by);
        }
    }

    fn replica(&self) -> Replica {
        match &self.place {
            Place::File(folder) => {
                self.replica_on(FileStore::new(folder.path("session.json")), None)
            }
            Place::Redis(server) => {
                let store = RedisStore::builder(server.url());
                let store = store.answers_within(Duration::from_secs(4)).build();
                self.replica_on(store.unwrap(), Some(self.stores.clone()))
            }
        }
    }

    fn replica_on(&self, inner: impl TokenStore, server: Option<Dial>) -> Replica {
        let hook = Arc::new(Hook::default());
        let name = format!("{:016x}", fastrand::u64(..));
        let dial = Dial::at(self.dials.path(name));
        dial.goes_like(&self.right);
        let provider = OAuth2::refresh_token(self.vendor.token_url(), "app")
            .client_auth(ClientAuth::Basic("secret".into()))
            .origins(["https://api.example.com"])
            .rotation(Rotation::Must)
            .lost_reply(LostReply::LastResort);
        let provider = Hooked {
            inner: provider,
            hook: Arc::clone(&hook),
        };
        let store = Watched {
            inner,
            server,
            hook: Arc::clone(&hook),
        };
        let layer = AuthLayer::builder(provider)
            .initial(Token::from_refresh_token(self.login.as_str()))
            .clock(dial.clone())
            .store(store)
            .build()
            .unwrap();
        Replica { layer, dial, hook }
    }

    /// Fails where the vendor does not take this access token.
    #[track_caller]
    fn is_alive(&self, access: String) -> impl Future<Output = ()> + use<> {
        let caller = std::panic::Location::caller();
        let host = self.vendor.base_url().replace("http://", "");
        async move {
            let mut stream = TcpStream::connect(&host).await.unwrap();
            let request = format!(
                "GET /me HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
                 Authorization: Bearer {access}\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).await.unwrap();
            let alive = reply.starts_with("HTTP/1.1 200");
            assert!(alive, "a dead token was handed out, at {caller}");
        }
    }
}

// === impl Replica ===

impl Replica {
    async fn token(&self) -> Result<String, Error> {
        let mut last = None;
        for _ in 0..40 {
            match self.layer.handle().token().await {
                Ok(token) => return Ok(token.access_token().unwrap().expose().to_owned()),
                Err(error) if error.is_login_required() => return Err(error),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(last.unwrap())
    }

    fn at(&self, step: &'static str, work: impl FnOnce() + Send + 'static) {
        *self.hook.0.lock().unwrap() = Some((step, Box::new(work)));
    }
}

/// What happens when a replica comes to a step.
#[derive(Default)]
struct Hook(Mutex<Option<(&'static str, Work)>>);

type Work = Box<dyn FnOnce() + Send>;

// === impl Hook ===

impl Hook {
    fn comes_to(&self, step: &str) {
        let work = self.0.lock().unwrap().take_if(|(at, _)| *at == step);
        if let Some((_, work)) = work {
            work();
        }
    }
}

struct Hooked<P> {
    inner: P,
    hook: Arc<Hook>,
}

impl<P: Provider> Provider for Hooked<P> {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        self.hook.comes_to("ask");
        let result = self.inner.obtain(exchange).await;
        self.hook.comes_to("answered");
        result
    }

    fn profile(&self) -> Profile {
        self.inner.profile()
    }
}

struct Watched<S> {
    inner: S,
    server: Option<Dial>,
    hook: Arc<Hook>,
}

impl<S: TokenStore> TokenStore for Watched<S> {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        let mut seen = self.inner.read(key, now).await?;
        if let Some(server) = &self.server {
            seen.now = server.shifted(seen.now);
        }
        self.hook.comes_to("record read");
        Ok(seen)
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        self.hook.comes_to("write");
        let written = self.inner.write(key, expected, record).await;
        self.hook.comes_to("written");
        written
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        let taken = self.inner.take_lease(key, lease, now).await;
        self.hook.comes_to("lease taken");
        taken
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        self.hook.comes_to("release_lease");
        let released = self.inner.release_lease(key, lease).await;
        self.hook.comes_to("lease released");
        released
    }
}
