//! A process is killed by SIGKILL at every step of the protocol, on a file, against a strict vendor.
//!
//! The process is this test binary, executed anew. It keeps one session in a `FileStore` and makes
//! one exchange; before and after each of its steps it says so on its standard output and waits for
//! a word, or for its end. What must hold is read from the vendor's own counters: no refresh token
//! is spent twice but under the rule for a lost reply, and no session is lost but between the
//! vendor's answer and the save.
//!
//! `TOWER_REAUTH_LONG=1` makes it 10 000 rounds.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

#[path = "support/folder.rs"]
mod folder;

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use folder::Folder;
use tower_reauth::{
    AuthLayer, Provider, Token,
    clock::{Clock, Moment, Sleep, SystemClock},
    oauth2::{ClientAuth, OAuth2},
    provider::{Exchange, LostReply, Profile, ProviderError, Rotation},
    store::{
        Expected, FileStore, Lease, Record, Seen, SessionKey, StoreError, TokenStore, Written,
    },
    test_util::SimOauth,
};

/// Where a process is killed, in the order of its steps.
const STEPS: [&str; 18] = [
    "start",
    "look",
    "looked",
    "take_lease",
    "lease taken",
    "read",
    "record read",
    "write seed",
    "seed written",
    "write intent",
    "intent written",
    "ask",
    "answered",
    "save",
    "saved",
    "release_lease",
    "lease released",
    "done",
];
/// After one of these and before the next, the vendor may have answered, and nothing is saved.
const WINDOW: [&str; 3] = ["ask", "answered", "save"];
/// Access tokens are dead by then, and so is whatever a process left behind.
const LATER: Duration = Duration::from_secs(2 * 3600);
/// A process that runs freely is done by then, most of the time.
const LATEST_KILL: u64 = 25_000;

#[tokio::test(flavor = "multi_thread")]
async fn store_crash_at_any_step_spends_nothing_twice_outside_the_rule() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let rounds = match env::var_os("TOWER_REAUTH_LONG") {
        Some(_) => 10_000,
        None => 192,
    };
    let mut book = Book::default();
    let mut play = Play::new(vendor().await);
    for round in 0..rounds {
        // Each step in turn, and as many kills at any time, that is inside of the steps.
        let kill = match round % 2 {
            0 => Kill::At(STEPS[round / 2 % STEPS.len()]),
            _ => Kill::After(Duration::from_micros(random.u64(..LATEST_KILL))),
        };
        play.round(kill, &mut book);
    }
    println!("TEST_SEED={seed}");
    println!("{rounds} rounds: {book:#?}");
    let counters = play.vendor.counters();
    assert_eq!(
        counters.spent_twice, book.spent_twice_by_rule,
        "the vendor's own count"
    );
    assert_eq!(book.spent_twice_outside, 0);
    assert_eq!(book.lost_outside, 0);
    assert_eq!(counters.malformed, 0);
    assert!(book.lost_in_the_window > 0, "the window was never hit");
    for step in STEPS {
        assert!(
            book.killed_at.get(step).is_some_and(|n| *n > 0),
            "never killed at `{step}`"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn store_many_processes_on_one_file_make_one_exchange_for_each_lifetime() {
    let mut play = Play::new(vendor().await);
    for life in 1..=6 {
        let children: Vec<_> = (0..6).map(|_| play.spawn(false)).collect();
        for mut child in children {
            let mut said = Said::of(&mut child);
            while said.next().is_some() {}
            assert_eq!(said.last(), "done");
            assert!(child.wait().unwrap().success());
        }
        let counters = play.vendor.counters();
        assert_eq!((counters.exchanges, counters.spent_twice), (life, 0));
        play.ahead += LATER;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn store_a_process_that_stands_still_past_its_lease_lands_its_token_and_others_take_it() {
    let mut play = Play::new(vendor().await);
    for still_at in ["intent written", "ask", "answered", "save", "saved"] {
        let mut one = play.spawn(true);
        let mut first = Said::of(&mut one);
        while first.next().is_some_and(|step| step != still_at) {
            first.go_on();
        }
        let before = play.vendor.counters();
        // Its lease is over after 10 s, its intent after 12.
        play.ahead += Duration::from_millis(10_500);
        let mut other = play.spawn(false);
        let mut second = Said::of(&mut other);
        // It has found the intent, or the token.
        while second.next().is_some_and(|step| step != "looked") {}
        first.go_on();
        while first.next().is_some() {
            first.go_on();
        }
        while second.next().is_some() {}
        assert_eq!(
            (first.last(), second.last()),
            ("done", "done"),
            "still at `{still_at}`"
        );
        let after = play.vendor.counters();
        assert!(
            after.exchanges - before.exchanges <= 1,
            "still at `{still_at}`"
        );
        assert_eq!(after.spent_twice, 0, "still at `{still_at}`");
        assert!(one.wait().unwrap().success() && other.wait().unwrap().success());
        play.ahead += LATER;
    }
    assert_eq!(play.vendor.counters().exchanges, 5);
}

async fn vendor() -> SimOauth {
    let builder = SimOauth::builder().client("app", "secret");
    builder.opaque_access_tokens().start().await.unwrap()
}

fn seed() -> u64 {
    let given = env::var("TEST_SEED").ok();
    given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..))
}

#[derive(Clone, Copy, Debug)]
enum Kill {
    At(&'static str),
    After(Duration),
}

/// What happened.
#[derive(Debug, Default)]
struct Book {
    crashes: u64,
    killed_at: BTreeMap<String, u64>,
    recoveries: u64,
    exchanges: u64,
    /// A crash after the vendor had answered and before the save: the answer went with the process.
    lost_in_the_window: u64,
    lost_outside: u64,
    spent_twice_by_rule: u64,
    spent_twice_outside: u64,
}

/// The vendor, the session and its file.
struct Play {
    vendor: SimOauth,
    folder: Folder,
    login: String,
    /// How far the clock of the next process is ahead: the one before it is long dead by then.
    ahead: Duration,
}

impl Play {
    fn new(vendor: SimOauth) -> Self {
        let login = vendor.seed().refresh_token;
        Self {
            vendor,
            folder: Folder::new(),
            login,
            ahead: Duration::ZERO,
        }
    }

    /// One process is killed, the next has to make do with what it left.
    fn round(&mut self, kill: Kill, book: &mut Book) {
        if matches!(kill, Kill::At("write seed" | "seed written")) {
            // A new login, which the file has not seen.
            self.login = self.vendor.seed().refresh_token;
        }
        let before = self.vendor.counters();
        let (said, killed) = self.life(Some(kill));
        let last = said.last().cloned().unwrap_or_default();
        if killed {
            book.crashes += 1;
            *book.killed_at.entry(last.clone()).or_default() += 1;
        }
        let after = self.vendor.counters();
        let rotated = after.rotations - before.rotations;
        assert!(
            rotated <= 1 && after.spent_twice == before.spent_twice,
            "{kill:?} {said:?}"
        );
        let in_the_window = killed && WINDOW.contains(&last.as_str());
        self.ahead += LATER;

        let before = self.vendor.counters();
        let (said, _) = self.life(None);
        let after = self.vendor.counters();
        let outcome = said.last().cloned().unwrap_or_default();
        let twice = after.spent_twice - before.spent_twice;
        match in_the_window {
            true => book.spent_twice_by_rule += twice,
            false => book.spent_twice_outside += twice,
        }
        match outcome.as_str() {
            "done" => {
                assert_eq!(twice, 0);
                book.recoveries += 1;
                book.exchanges += after.rotations - before.rotations;
            }
            "login required" => {
                let unprocessed = matches!(kill, Kill::At(_)) && rotated == 0;
                assert!(
                    !unprocessed,
                    "{kill:?}: lost, and the vendor had not been asked"
                );
                match in_the_window {
                    true => book.lost_in_the_window += 1,
                    false => book.lost_outside += 1,
                }
                self.login = self.vendor.seed().refresh_token;
            }
            other => panic!("{kill:?}: the next process ended with `{other}`: {said:?}"),
        }
        self.ahead += LATER;
    }

    /// A process lives until it has its token, or is killed. Gives what it said.
    fn life(&self, kill: Option<Kill>) -> (Vec<String>, bool) {
        let stop_at = match kill {
            Some(Kill::At(step)) => Some(step),
            _ => None,
        };
        let mut child = self.spawn(stop_at.is_some());
        let mut said = Said::of(&mut child);
        if let Some(Kill::After(delay)) = kill {
            // It is on its way, and the moment is nobody's choice.
            said.next();
            std::thread::sleep(delay);
            child.kill().unwrap();
        }
        while let Some(step) = said.next() {
            if stop_at == Some(step.as_str()) {
                child.kill().unwrap();
                break;
            }
            said.go_on();
        }
        let status = child.wait().unwrap();
        (said.said, !status.success())
    }

    fn spawn(&self, stepwise: bool) -> Child {
        Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "store_crash_child",
                "--nocapture",
                "--test-threads=1",
            ])
            .env("TOWER_REAUTH_CHILD", self.folder.path("session.json"))
            .env("TOWER_REAUTH_TOKEN_URL", self.vendor.token_url())
            .env("TOWER_REAUTH_LOGIN", &self.login)
            .env("TOWER_REAUTH_STEPWISE", if stepwise { "1" } else { "" })
            .env("TOWER_REAUTH_AHEAD", self.ahead.as_secs().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

/// What a process says, step by step.
struct Said {
    lines: BufReader<ChildStdout>,
    orders: ChildStdin,
    said: Vec<String>,
}

impl Said {
    fn of(child: &mut Child) -> Self {
        Self {
            lines: BufReader::new(child.stdout.take().unwrap()),
            orders: child.stdin.take().unwrap(),
            said: Vec::new(),
        }
    }

    fn last(&self) -> &str {
        self.said.last().map_or("", String::as_str)
    }

    fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if let Some((_, step)) = line.trim_end().split_once(PREFIX) {
                self.said.push(step.to_owned());
                return self.said.last().cloned();
            }
            line.clear();
        }
        None
    }

    /// A process that is gone does not hear it.
    fn go_on(&mut self) {
        self.orders.write_all(b"\n").ok();
    }
}

const PREFIX: &str = "step: ";

/// The process, when this binary is executed for it.
#[test]
fn store_crash_child() {
    let Some(path) = env::var_os("TOWER_REAUTH_CHILD") else {
        return;
    };
    say("start");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(live(Path::new(&path)));
}

async fn live(path: &Path) {
    let var = |name: &str| env::var(name).unwrap();
    let provider = OAuth2::refresh_token(var("TOWER_REAUTH_TOKEN_URL"), "app")
        .client_auth(ClientAuth::Basic("secret".into()))
        .origins(["https://api.example.com"])
        .rotation(Rotation::Must)
        .lost_reply(LostReply::LastResort);
    let ahead = var("TOWER_REAUTH_AHEAD").parse().unwrap();
    let layer = AuthLayer::builder(Stepwise::new(provider))
        .initial(Token::from_refresh_token(var("TOWER_REAUTH_LOGIN")))
        .clock(Ahead(Duration::from_secs(ahead)))
        .store(Stepwise::new(FileStore::new(path)))
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

/// Says where the process is, and waits for the word to go on.
fn say(step: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{PREFIX}{step}").unwrap();
    out.flush().unwrap();
    if env::var("TOWER_REAUTH_STEPWISE").is_ok_and(|it| !it.is_empty()) {
        std::io::stdin().read_exact(&mut [0]).unwrap();
    }
}

/// Says when it is asked, and when it has answered.
struct Stepwise<T> {
    inner: T,
    /// It holds the lease.
    leases: AtomicBool,
}

impl<T> Stepwise<T> {
    fn new(inner: T) -> Self {
        let leases = AtomicBool::new(false);
        Self { inner, leases }
    }
}

impl<P: Provider> Provider for Stepwise<P> {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        say("ask");
        let result = self.inner.obtain(exchange).await;
        say("answered");
        result
    }

    fn profile(&self) -> Profile {
        self.inner.profile()
    }
}

impl<S: TokenStore> TokenStore for Stepwise<S> {
    async fn read(&self, key: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        let (before, after) = match self.leases.load(Ordering::Relaxed) {
            true => ("read", "record read"),
            false => ("look", "looked"),
        };
        say(before);
        let seen = self.inner.read(key, now).await;
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
            None if version.revision == 0 => ("write seed", "seed written"),
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
        self.leases
            .store(taken.as_ref().is_ok_and(|taken| *taken), Ordering::Relaxed);
        say("lease taken");
        taken
    }

    async fn release_lease(&self, key: &SessionKey, lease: &Lease) -> Result<(), StoreError> {
        say("release_lease");
        let released = self.inner.release_lease(key, lease).await;
        self.leases.store(false, Ordering::Relaxed);
        say("lease released");
        released
    }
}

/// The system's clock, in some time to come.
#[derive(Debug)]
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> Moment {
        SystemClock.now().after(self.0)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        SystemClock.sleep(duration)
    }
}
