//! The network between replicas and their vendor breaks, and that between them and Redis as well.
//!
//! What is lost on the way back from the vendor is answered by its rule: no refresh token is spent
//! twice but by a last resort, and no session ends but where a reply was lost and the rule has no
//! other end; then every caller is told that a login is needed.

use std::{
    env,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use http::{Request, Uri};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::task::JoinHandle;
use tower::ServiceExt;
use tower_reauth::{
    AuthLayer, Error, Provider, Token,
    handle::AuthHandle,
    oauth2::{ClientAuth, OAuth2},
    provider::{Exchange, FailureKind, LostReply, Profile, ProviderError, Rotation},
    store::{
        Expected, Lease, Record, RedisStore, Seen, SessionKey, StoreError, TokenStore, Written,
    },
    test_util::{self, SimOauth},
    token_client::{Body, HttpTokenClient},
};

use crate::{
    dial::Dial,
    folder::Folder,
    proxy::{Fault, Proxy},
    server::Server,
};

/// Longer than it takes until all agree again.
const GRACE: Duration = Duration::from_secs(30 * 60);
const LATER: Duration = Duration::from_secs(2 * 3600);

#[tokio::test(flavor = "multi_thread")]
async fn redis_partition_from_the_vendor_is_answered_by_a_last_resort() {
    let book = rounds(LostReply::LastResort).await;
    assert!(book.lost <= book.replies_lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_partition_from_the_vendor_ends_a_session_that_must_not_be_tried_again() {
    let book = rounds(LostReply::Never).await;
    assert_eq!(book.spent_twice, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_partition_from_a_vendor_that_gives_replies_again_loses_nothing() {
    let book = rounds(LostReply::ReplayWithin(GRACE)).await;
    assert_eq!((book.spent_twice, book.lost), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_partition_from_a_vendor_that_does_not_rotate_loses_nothing() {
    let book = rounds(LostReply::Harmless).await;
    assert_eq!((book.spent_twice, book.lost), (0, 0));
}

/// What happened in all rounds.
#[derive(Debug, Default)]
struct Book {
    rounds: u64,
    calls_failed: u64,
    exchanges: u64,
    /// By the word of the replicas.
    replies_lost: u64,
    /// By the vendor's count.
    spent_twice: u64,
    /// Said to every caller.
    lost: u64,
}

async fn rounds(rule: LostReply) -> Book {
    let mut book = Book::default();
    let Some(server) = Server::start() else {
        return book;
    };
    let given = env::var("TEST_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(rule, server).await;
    let rounds = match env::var_os("TOWER_REAUTH_LONG") {
        Some(_) => 300,
        None => 4,
    };
    for _ in 0..rounds {
        let before = (world.vendor.counters(), world.replies_lost.load(SeqCst));
        world.breaks(&mut random, &mut book).await;
        let lost = world.agrees(&mut book).await;
        let after = (world.vendor.counters(), world.replies_lost.load(SeqCst));
        let (twice, replies) = (
            after.0.spent_twice - before.0.spent_twice,
            after.1 - before.1,
        );
        let context = format!("TEST_SEED={seed}, round {}: {book:?}", book.rounds);
        let by_rule = rule == LostReply::LastResort && replies > 0;
        assert!(twice == 0 || by_rule, "spent twice: {context}");
        assert!(!lost || replies > 0, "lost: {context}");
        book.rounds += 1;
        book.replies_lost += replies;
        book.spent_twice += twice;
        book.lost += u64::from(lost);
    }
    book.exchanges = world.vendor.counters().exchanges;
    println!("{rule:?}: {book:?}");
    book
}

/// A vendor, a Redis, three replicas, and two ways for each of them.
struct World {
    vendor: SimOauth,
    server: Server,
    dial: Dial,
    replicas: Vec<AuthHandle>,
    /// To the vendor and to Redis, in turn.
    ways: Vec<Proxy>,
    replies_lost: Arc<AtomicU64>,
    _folder: Folder,
}

// === impl World ===

impl World {
    async fn new(rule: LostReply, server: Server) -> Self {
        let folder = Folder::new();
        let dial = Dial::at(folder.path("dial"));
        let mut vendor = SimOauth::builder()
            .client("app", "secret")
            .opaque_access_tokens()
            .clock(dial.clone());
        match rule {
            LostReply::ReplayWithin(grace) => vendor = vendor.reuse_grace(grace),
            LostReply::Harmless => vendor = vendor.rotation(test_util::Rotation::Never),
            _ => {}
        }
        let vendor = vendor.start().await.unwrap();
        let mut world = Self {
            vendor,
            server,
            dial,
            replicas: Vec::new(),
            ways: Vec::new(),
            replies_lost: Arc::default(),
            _folder: folder,
        };
        let login = world.vendor.seed().refresh_token;
        for _ in 0..3 {
            world.add_replica(rule, &login).await;
        }
        world
    }

    async fn add_replica(&mut self, rule: LostReply, login: &str) {
        let vendor: Uri = self.vendor.base_url().parse().unwrap();
        let to_vendor = Proxy::to(vendor.port_u16().unwrap()).await;
        let to_redis = Proxy::to(self.server.port()).await;
        let store = RedisStore::builder(to_redis.url());
        let store = store.answers_within(Duration::from_millis(250)).build();
        let rotation = match rule {
            LostReply::Harmless => Rotation::Never,
            _ => Rotation::Must,
        };
        let provider = OAuth2::refresh_token(self.vendor.token_url(), "app")
            .client_auth(ClientAuth::Basic("secret".into()))
            .origins(["https://api.example.com"])
            .rotation(rotation)
            .lost_reply(rule);
        let provider = Counted {
            inner: provider,
            replies_lost: Arc::clone(&self.replies_lost),
        };
        let client = client(to_vendor.address()).timeout(Duration::from_millis(400));
        let layer = AuthLayer::builder(provider)
            .initial(Token::from_refresh_token(login))
            .token_client(client)
            .clock(self.dial.clone())
            .store(Shifted {
                inner: store.unwrap(),
                server: self.dial.clone(),
            })
            .build()
            .unwrap();
        self.replicas.push(layer.handle());
        self.ways.extend([to_vendor, to_redis]);
    }

    fn pass(&self, by: Duration) {
        self.dial.pass(by);
        self.server.age(by);
    }

    /// All want a token while their ways break.
    async fn breaks(&self, random: &mut fastrand::Rng, book: &mut Book) {
        self.pass(LATER);
        let to_vendor = self.ways.iter().step_by(2);
        to_vendor.for_each(|way| way.set(any_fault(random)));
        let asking = self.all_ask();
        let to_redis = self.ways.iter().skip(1).step_by(2);
        for way in to_redis {
            let delay = Duration::from_micros(random.u64(..6_000));
            tokio::time::sleep(delay).await;
            way.set(any_fault(random));
        }
        tokio::time::sleep(Duration::from_millis(random.u64(100..700))).await;
        self.ways.iter().for_each(|way| way.set(Fault::None));
        for said in self.hear(asking).await {
            book.calls_failed += u64::from(said.is_err());
        }
    }

    /// What they come to. Time goes by while they wait for it.
    async fn hear(&self, asking: Vec<Asking>) -> Vec<Result<Token, Error>> {
        let mut said = Vec::new();
        for asking in asking {
            for _ in 0..10 {
                if !asking.is_finished() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            while !asking.is_finished() {
                // Slowly enough for Redis to answer in time by the dial.
                self.pass(Duration::from_secs(1));
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            said.push(asking.await.unwrap());
        }
        said
    }

    fn all_ask(&self) -> Vec<Asking> {
        self.replicas.iter().cloned().map(ask).collect()
    }

    /// Waits until each replica has a token, or each says that a login is needed; then there is
    /// one. Says which it was.
    async fn agrees(&self, book: &mut Book) -> bool {
        let mut said = Vec::new();
        for _ in 0..200 {
            said = self.hear(self.all_ask()).await;
            if said.iter().all(Result::is_ok) {
                return false;
            }
            if said
                .iter()
                .all(|it| it.as_ref().is_err_and(Error::is_login_required))
            {
                self.logs_in().await;
                return true;
            }
            book.calls_failed += 1;
            self.pass(Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("they do not agree: {said:?}");
    }

    /// One replica is told, and the others find out.
    async fn logs_in(&self) {
        let token = Token::from_refresh_token(self.vendor.seed().refresh_token);
        self.replicas[0].replace(token).await.unwrap();
        for _ in 0..100 {
            let said = self.hear(self.all_ask()).await;
            if said.iter().all(Result::is_ok) {
                return;
            }
            self.pass(Duration::from_secs(5));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("a new login does not help");
    }
}

/// A client that connects to `way`, whatever the address: the vendor's is part of what makes a
/// session.
fn client(way: SocketAddr) -> HttpTokenClient {
    let http = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http::<Body>();
    let detour = move |mut request: Request<Body>| {
        let detour = format!("http://{way}{}", request.uri().path());
        *request.uri_mut() = detour.parse().unwrap();
        request
    };
    HttpTokenClient::over(http.map_request(detour))
}

type Asking = JoinHandle<Result<Token, Error>>;

fn ask(handle: AuthHandle) -> Asking {
    tokio::spawn(async move { handle.token().await })
}

fn any_fault(random: &mut fastrand::Rng) -> Fault {
    let faults = [
        Fault::None,
        Fault::Cut,
        Fault::Delay(Duration::from_millis(random.u64(10..400))),
        Fault::NoAnswers,
        Fault::HalfClose,
        Fault::BreakAtAnswer,
        Fault::BreakAmidAnswer,
        Fault::Silence,
    ];
    faults[random.usize(..faults.len())]
}

/// Counts replies that were lost.
struct Counted<P> {
    inner: P,
    replies_lost: Arc<AtomicU64>,
}

impl<P: Provider> Provider for Counted<P> {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let result = self.inner.obtain(exchange).await;
        let lost = |error: &ProviderError| error.kind() == FailureKind::UnknownOutcome;
        if result.as_ref().is_err_and(lost) {
            self.replies_lost.fetch_add(1, SeqCst);
        }
        result
    }

    fn profile(&self) -> Profile {
        self.inner.profile()
    }
}

/// A Redis whose clock goes by the dial.
struct Shifted {
    inner: RedisStore,
    server: Dial,
}

impl TokenStore for Shifted {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        let mut seen = self.inner.read(key, now).await?;
        seen.now = self.server.shifted(seen.now);
        Ok(seen)
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        self.inner.write(key, expected, record).await
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        self.inner.take_lease(key, lease, now).await
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        self.inner.release_lease(key, lease).await
    }
}
