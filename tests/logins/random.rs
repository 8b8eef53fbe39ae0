//! Random days of sessions that are logged in to, of one process and of three: whatever happens in
//! whatever order, nobody is asked twice at once, no refresh token is sent twice, a refused login stays
//! the last, and a person who answers brings everybody their token.

use tower_reauth::{
    AuthLayer, Token, provider::ProviderError, store::MemoryStore, test_util::ManualClock,
};

use crate::{
    stage::{LIFETIME, Vendor, ask, pass},
    support::{secs, seed},
};

/// A day, and what has happened in it.
struct Day {
    random: fastrand::Rng,
    clock: ManualClock,
    vendor: Vendor,
    layers: Vec<AuthLayer<Vendor>>,
    /// Nobody logs in any more by itself, until a token is handed over.
    over: bool,
    /// The same, and nobody knows.
    unsure: bool,
    callers: Vec<tokio::task::JoinHandle<Result<String, tower_reauth::Error>>>,
}

impl Day {
    fn new(seed: u64, replicas: usize) -> Self {
        let (clock, vendor) = (ManualClock::new(), Vendor::with_a_person());
        let store = MemoryStore::new();
        let layers = match replicas {
            1 => vec![vendor.layer(&clock).build().unwrap()],
            _ => (0..replicas)
                .map(|_| vendor.replica(&clock, &store))
                .collect(),
        };
        Self {
            random: fastrand::Rng::with_seed(seed),
            clock,
            vendor,
            layers,
            over: false,
            unsure: false,
            callers: Vec::new(),
        }
    }

    async fn step(&mut self) {
        let which = self.random.usize(..self.layers.len());
        let handle = self.layers[which].handle();
        match self.random.u32(..100) {
            0..45 => self.callers.push(ask(&handle)),
            45..65 => {
                let time = self.random.u64(1..40);
                pass(&self.clock, secs(time)).await;
            }
            65..80 => self.vendor.answer_if_asked(),
            // Not in the middle of a login: to its process that is a suspend, which loses the lease.
            80..84 if !self.vendor.is_asking() => self.clock.advance(LIFETIME),
            80..84 => {}
            84..90 => self.vendor.end_sessions(),
            90..93 => {
                self.vendor.next(ProviderError::transient("down"));
            }
            93..95 => {
                self.vendor.next(ProviderError::refused("declined"));
            }
            95..98 => {
                let token = self.vendor.log_in_elsewhere();
                handle.replace(token).await.unwrap();
                self.over = false;
            }
            _ => {
                let revoking = tokio::spawn(async move { handle.revoke().await });
                pass(&self.clock, secs(2)).await;
                match revoking.is_finished() {
                    true => self.over |= revoking.await.unwrap().is_ok(),
                    // It waits for the lease of another process, and ends when nobody looks.
                    false => self.unsure = true,
                }
            }
        }
        pass(&self.clock, secs(1)).await;
        self.over |= self.vendor.declined();
        assert!(
            self.vendor.asked_at_once() <= 1,
            "two people were asked at once"
        );
        assert!(!self.vendor.sent_twice(), "{:?}", self.vendor.sent());
    }

    /// In the end everybody gets a token, if anybody can.
    async fn ends_well(&mut self) {
        self.vendor.forget_failures();
        // Whatever is under way ends; whatever pauses there are are over.
        for _ in 0..3 {
            self.vendor.answer_if_asked();
            pass(&self.clock, secs(40)).await;
        }
        self.clock.advance(secs(330));
        pass(&self.clock, secs(5)).await;
        for caller in self.callers.drain(..) {
            assert!(caller.is_finished(), "a caller waits for ever");
        }
        let before = self.vendor.logins();
        for layer in &self.layers {
            let handle = layer.handle();
            let mut last = None;
            for _ in 0..6 {
                let caller = ask(&handle);
                pass(&self.clock, secs(2)).await;
                self.vendor.answer_if_asked();
                pass(&self.clock, secs(32)).await;
                let got = caller.await.unwrap();
                let done = got.is_ok();
                last = Some(got);
                if done {
                    break;
                }
            }
            let last = last.unwrap();
            match &last {
                Ok(_) => {}
                Err(error) => assert!(
                    (self.over || self.unsure) && error.is_login_required(),
                    "over: {}, {error}",
                    self.over
                ),
            }
        }
        let after = self.vendor.logins();
        assert!(after <= before + 1, "{before} logins, then {after}");
        // And a token that is handed over helps in any case.
        let handle = self.layers[0].handle();
        let token = Token::new("handed over").with_lifetime(LIFETIME);
        handle.replace(token).await.unwrap();
        let caller = ask(&handle);
        pass(&self.clock, secs(2)).await;
        assert_eq!(caller.await.unwrap().unwrap(), "handed over");
    }
}

async fn days(replicas: usize, many: u64) {
    let seed = seed();
    let times = match std::env::var_os("TOWER_REAUTH_LONG") {
        Some(_) => 100,
        None => 1,
    };
    for number in 0..many * times {
        let seed = seed.wrapping_add(number);
        // The sessions' own chance.
        fastrand::seed(seed);
        println!("day {seed} of {replicas}");
        let mut day = Day::new(seed, replicas);
        for _ in 0..40 {
            day.step().await;
        }
        day.ends_well().await;
    }
}

#[tokio::test]
async fn a_process_comes_through_any_day() {
    days(1, 4).await;
}

#[tokio::test]
async fn three_processes_come_through_any_day() {
    days(3, 3).await;
}
