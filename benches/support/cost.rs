//! What one call costs.
//!
//! Instructions are counted by valgrind's cachegrind, in this program, started anew with
//! `--calls <contender> <number>`: the difference between so many calls and twice as many is that of
//! the calls alone, to the instruction, and needs nothing but valgrind to be installed. What a bare
//! service costs, the making of the request included, is taken off, so that a figure is what the
//! contender adds.

use std::{env, hint::black_box, process::Command};

use allocation_counter::measure;

use super::{
    clients::{self, Answer, Body, send},
    clock,
};
use http::Request;
use tower::Service;

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    Bare,
    Insert,
    Static,
    Ours,
    OursWithReplay,
    RwLock,
    Mutex,
}

/// What one call adds to a bare one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// None where there is no valgrind.
    pub instructions: Option<f64>,
    pub allocations: f64,
    pub nanoseconds: f64,
}

// === impl Contender ===

impl Contender {
    /// All but the bare one, which is the floor.
    pub const ALL: [Self; 6] = [
        Self::Insert,
        Self::Static,
        Self::Ours,
        Self::OursWithReplay,
        Self::RwLock,
        Self::Mutex,
    ];

    /// As it is called in files and on the command line.
    pub fn key(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Insert => "insert",
            Self::Static => "static",
            Self::Ours => "attach",
            Self::OursWithReplay => "attach_replay",
            Self::RwLock => "rwlock",
            Self::Mutex => "mutex",
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        let all = [Self::Bare].into_iter().chain(Self::ALL);
        all.into_iter().find(|contender| contender.key() == key)
    }

    /// What each call adds.
    pub fn cost(self) -> Cost {
        Cost {
            instructions: self.instructions(),
            allocations: self.allocations(),
            nanoseconds: self.nanoseconds(),
        }
    }

    /// Instructions that each call adds; none where there is no valgrind.
    pub fn instructions(self) -> Option<f64> {
        Some(counted(self)? - counted(Self::Bare)?)
    }

    /// Allocations that each call adds.
    pub fn allocations(self) -> f64 {
        self.allocations_of_a_call() - Self::Bare.allocations_of_a_call()
    }

    fn allocations_of_a_call(self) -> f64 {
        // What is made once, for all calls of a thread, is not counted.
        self.run(1);
        let [once, twice] = [FEW, 2 * FEW].map(|calls| measure(|| self.run(calls)).count_total);
        (twice - once) as f64 / FEW as f64
    }

    /// The least of many short rounds, in turns with bare ones: whatever else the machine does only
    /// makes a round longer.
    fn nanoseconds(self) -> f64 {
        let (mut own, mut bare) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            own = own.min(self.round());
            bare = bare.min(Self::Bare.round());
        }
        own - bare
    }

    fn round(self) -> f64 {
        let began = clock();
        self.run(MANY);
        began.elapsed().as_nanos() as f64 / MANY as f64
    }

    fn run(self, calls: usize) {
        match self {
            Self::Bare => repeat(clients::Bare, calls),
            Self::Insert => repeat(clients::insert(), calls),
            Self::Static => repeat(clients::fixed(), calls),
            Self::Ours => repeat(clients::ours(false), calls),
            Self::OursWithReplay => repeat(clients::ours(true), calls),
            Self::RwLock => repeat(clients::rwlock(), calls),
            Self::Mutex => repeat(clients::mutex(), calls),
        }
    }
}

fn repeat<S>(mut client: S, calls: usize)
where
    S: Service<Request<Body>, Response = Answer>,
{
    for _ in 0..calls {
        send(&mut client, black_box(clients::request()));
    }
}

// === instructions ===

/// Whether this program was started to be counted. Then it has done its calls.
pub fn is_being_counted() -> bool {
    let mut arguments = env::args().skip_while(|argument| argument != CALLS).skip(1);
    let (Some(key), Some(calls)) = (arguments.next(), arguments.next()) else {
        return false;
    };
    Contender::of_key(&key).unwrap().run(calls.parse().unwrap());
    true
}

pub fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

fn counted(contender: Contender) -> Option<f64> {
    let [once, twice] = [FEW, 2 * FEW].map(|calls| run_counted(contender, calls));
    Some((twice? - once?) / FEW as f64)
}

fn run_counted(contender: Contender, calls: usize) -> Option<f64> {
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(env::current_exe().ok()?)
        .args([CALLS, contender.key(), &calls.to_string()])
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "valgrind fails: {said}");
    let line = said.lines().find(|line| line.contains("I   refs:"))?;
    let (_, number) = line.rsplit_once(' ')?;
    number.replace(',', "").parse().ok()
}

const CALLS: &str = "--calls";
const FEW: usize = 2_000;
const MANY: usize = 20_000;
const ROUNDS: usize = 25;
