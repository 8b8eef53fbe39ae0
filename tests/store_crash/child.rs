//! The process itself, when this binary is executed for it.

use std::{
    env,
    io::{Read, Write},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use tower_reauth::{
    AuthLayer, Provider, Token,
    clock::{Clock, Moment, Sleep},
    oauth2::{ClientAuth, OAuth2},
    provider::{Exchange, LostReply, Profile, ProviderError, Rotation},
    store::{
        Expected, FileStore, Lease, Record, RedisStore, Seen, SessionKey, StoreError, TokenStore,
        Written,
    },
    token_client::HttpTokenClient,
};

use crate::dial::Dial;

pub const PREFIX: &str = "step: ";

/// For how long the vendor takes a spent refresh token again, where it does.
pub const GRACE: Duration = Duration::from_secs(60);

#[test]
fn store_crash_child() {
    let Ok(address) = env::var("TOWER_REAUTH_CHILD") else {
        return;
    };
    say("start");
    let mut runtime = match env::var_os("TOWER_REAUTH_THREADS") {
        Some(_) => tokio::runtime::Builder::new_multi_thread(),
        None => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        if address.starts_with("redis://") {
            let store = RedisStore::builder(address)
                .answers_within(Duration::from_secs(4))
                .build();
            let server = Some(dial());
            let inner = store.unwrap();
            live(Stepwise::new(inner, server)).await;
        } else {
            let inner = FileStore::new(address);
            live(Stepwise::new(inner, None)).await;
        }
    });
}

async fn live(store: impl TokenStore) {
    let provider = OAuth2::refresh_token(var("TOWER_REAUTH_TOKEN_URL"), "app")
        .client_auth(ClientAuth::Basic("secret".into()))
        .origins(["https://api.example.com"])
        .rotation(Rotation::Must)
        .lost_reply(rule(&var("TOWER_REAUTH_RULE")));
    let patience = var("TOWER_REAUTH_PATIENCE").parse().unwrap();
    let client = HttpTokenClient::builtin().timeout(Duration::from_millis(patience));
    let layer = AuthLayer::builder(Asking(provider))
        .initial(Token::from_refresh_token(var("TOWER_REAUTH_LOGIN")))
        .token_client(client)
        .clock(Waiting(dial()))
        .store(store)
        .build()
        .unwrap();
    let handle = layer.handle();
    let result = handle.token().await;
    handle.shutdown().await;
    match result {
        Ok(_) => say("done"),
        Err(error) if error.is_login_required() => say("login required"),
        Err(error) => say(&format!("error: {error}")),
    }
}

fn rule(name: &str) -> LostReply {
    match name {
        "last resort" => LostReply::LastResort,
        "replay" => LostReply::ReplayWithin(GRACE),
        _ => LostReply::Never,
    }
}

fn dial() -> Dial {
    Dial::at(var("TOWER_REAUTH_DIAL"))
}

fn var(name: &str) -> String {
    env::var(name).unwrap()
}

/// Says where the process is, and waits for the word to go on.
fn say(step: &str) {
    step.clone_into(&mut LAST.lock().unwrap());
    let mut out = std::io::stdout().lock();
    writeln!(out, "{PREFIX}{step}").unwrap();
    out.flush().unwrap();
    if env::var("TOWER_REAUTH_STEPWISE").is_ok_and(|it| !it.is_empty()) {
        std::io::stdin().read_exact(&mut [0]).unwrap();
    }
}

/// What the process said last.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Says when the process waits for somebody else, once it sleeps.
#[derive(Debug)]
struct Waiting(Dial);

impl Clock for Waiting {
    fn now(&self) -> Moment {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let sleep = self.0.sleep(duration);
        let last = LAST.lock().unwrap().clone();
        let may_wait = ["looked", "lease taken", "lease released"];
        if duration <= LONGEST_POLL && may_wait.contains(&&*last) {
            say("waits");
        }
        sleep
    }
}

const LONGEST_POLL: Duration = Duration::from_millis(1500);

/// Says when it is asked, and when it has answered.
struct Asking<P>(P);

impl<P: Provider> Provider for Asking<P> {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        say("ask");
        let result = self.0.obtain(exchange).await;
        say("answered");
        result
    }

    fn profile(&self) -> Profile {
        self.0.profile()
    }
}

/// Says when it is called, and when it has answered.
struct Stepwise<S> {
    inner: S,
    /// What the server's clock is ahead, where there is a server.
    server: Option<Dial>,
    /// It has the lease.
    leases: AtomicBool,
}

impl<S> Stepwise<S> {
    fn new(inner: S, server: Option<Dial>) -> Self {
        Self {
            inner,
            server,
            leases: AtomicBool::new(false),
        }
    }
}

impl<S: TokenStore> TokenStore for Stepwise<S> {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        let (before, after) = match self.leases.load(Relaxed) {
            true => ("read", "record read"),
            false => ("look", "looked"),
        };
        say(before);
        let mut seen = self.inner.read(key, now).await;
        if let (Ok(seen), Some(server)) = (&mut seen, &self.server) {
            seen.now = server.shifted(seen.now);
        }
        say(after);
        seen
    }

    async fn write(
        &self,
        key: &SessionKey,
        expected: &Expected,
        record: &Record,
    ) -> Result<Written, StoreError> {
        let version = record.version();
        let (before, after) = match record.intent() {
            Some(_) => ("write intent", "intent written"),
            None if version.revision == 0 && expected.version != Some(version) => {
                ("write seed", "seed written")
            }
            None if expected.version == Some(version) => ("write note", "note written"),
            None => ("save", "saved"),
        };
        say(before);
        let written = self.inner.write(key, expected, record).await;
        say(after);
        written
    }

    async fn take_lease(
        &self,
        key: &SessionKey,
        lease: &Lease,
        now: SystemTime,
    ) -> Result<bool, StoreError> {
        say("take_lease");
        let taken = self.inner.take_lease(key, lease, now).await;
        let has_it = taken.as_ref().is_ok_and(|taken| *taken);
        self.leases.store(has_it, Relaxed);
        say("lease taken");
        taken
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        say("release_lease");
        let released = self.inner.release_lease(key, lease).await;
        self.leases.store(false, Relaxed);
        say("lease released");
        released
    }
}
