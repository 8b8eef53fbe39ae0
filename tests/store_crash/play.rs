//! The vendor, the session, where it is kept, and what time it is.

use std::{env, process::Command, thread, time::Duration};

use tower_reauth::test_util::SimOauth;

use crate::{child::GRACE, dial::Dial, folder::Folder, place::Place, process::Process};

pub struct Play {
    pub vendor: SimOauth,
    pub place: Place,
    /// The rule for lost replies that the processes go by.
    pub rule: &'static str,
    pub login: String,
    /// How long a process waits for the vendor, in real time.
    pub patience: Duration,
    dial: Dial,
    _folder: Folder,
}

// === impl Play ===

impl Play {
    pub async fn new(place: Place, rule: &'static str) -> Self {
        let folder = Folder::new();
        let dial = Dial::at(folder.path("dial"));
        let mut vendor = SimOauth::builder()
            .client("app", "secret")
            .opaque_access_tokens()
            .clock(dial.clone());
        if rule == "replay" {
            vendor = vendor.reuse_grace(GRACE);
        }
        let vendor = vendor.start().await.unwrap();
        Self {
            login: vendor.seed().refresh_token,
            vendor,
            place,
            rule,
            patience: Duration::from_secs(10),
            dial,
            _folder: folder,
        }
    }

    /// This much time goes by, for everybody.
    pub fn pass(&self, by: Duration) {
        self.dial.pass(by);
        self.place.pass(by);
    }

    /// What a process sent before its end has arrived, and is done with.
    pub fn settle(&self) {
        let mut quiet = 0;
        let mut seen = self.vendor.counters();
        while quiet < 3 {
            thread::sleep(Duration::from_millis(2));
            let counters = self.vendor.counters();
            quiet = if counters == seen { quiet + 1 } else { 0 };
            seen = counters;
        }
    }

    pub fn log_in(&mut self) {
        self.login = self.vendor.seed().refresh_token;
    }

    /// Lets a process go on to its end. Time goes by while it waits for somebody else's intent to be
    /// over. Gives the last that it said.
    pub fn sees_out(&self, process: &mut Process) -> String {
        while let Some(step) = process.next() {
            if step == "waits" {
                self.pass(PAST_INTENTS);
            }
        }
        process.last().to_owned()
    }

    pub fn spawn(&self, stepwise: bool) -> Process {
        Process::start(
            Command::new(env::current_exe().unwrap())
                .args(["--exact", "child::store_crash_child"])
                .args(["--nocapture", "--test-threads=1"])
                .env("TOWER_REAUTH_CHILD", self.place.address())
                .env("TOWER_REAUTH_TOKEN_URL", self.vendor.token_url())
                .env("TOWER_REAUTH_LOGIN", &self.login)
                .env("TOWER_REAUTH_RULE", self.rule)
                .env("TOWER_REAUTH_STEPWISE", if stepwise { "1" } else { "" })
                .env(
                    "TOWER_REAUTH_PATIENCE",
                    self.patience.as_millis().to_string(),
                )
                .env("TOWER_REAUTH_DIAL", self.dial.file()),
        )
    }
}

/// Access tokens are dead by then, and so is whatever a process left behind.
pub const LATER: Duration = Duration::from_secs(2 * 3600);

/// Leases are over after 10 s, intents after 12.
pub const PAST_INTENTS: Duration = Duration::from_secs(13);

pub fn seed() -> u64 {
    let given = env::var("TEST_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("TEST_SEED={seed}");
    seed
}

pub fn rounds(usual: usize, long: usize) -> usize {
    let given = env::var("TOWER_REAUTH_ROUNDS").ok();
    let given = given.and_then(|rounds| rounds.parse().ok());
    let by_length = || env::var_os("TOWER_REAUTH_LONG").map_or(usual, |_| long);
    given.unwrap_or_else(by_length)
}
