//! What one call costs.
//!
//! Instructions are counted by valgrind's cachegrind, in this program, started anew with
//! `--calls <contender> <number>`: the difference between so many calls and twice as many is that of
//! the calls alone, to the instruction, and needs nothing but valgrind to be installed. What a bare
//! service costs, the making of the request included, is taken off, so that a figure is what the
//! contender adds. (gungraun would need a runner of its own version installed as well.)

use std::{env, process::Command};

use allocation_counter::measure;

use super::clock;

/// Who is compared: see `contenders.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// As it is called in files and on the command line.
    pub key: &'static str,
    /// As it is called in a table.
    pub name: &'static str,
    /// Makes a client, and so many calls of it.
    pub run: fn(usize),
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
        Some(counted(self)? - counted(Self::BARE)?)
    }

    /// Allocations that each call adds.
    pub fn allocations(self) -> f64 {
        self.allocations_of_a_call() - Self::BARE.allocations_of_a_call()
    }

    fn allocations_of_a_call(self) -> f64 {
        // What is made once, for all calls of a thread, is not counted.
        (self.run)(1);
        let [once, twice] = [FEW, 2 * FEW].map(|calls| measure(|| (self.run)(calls)).count_total);
        (twice - once) as f64 / FEW as f64
    }

    /// The least of many short rounds, in turns with bare ones: whatever else the machine does only
    /// makes a round longer.
    fn nanoseconds(self) -> f64 {
        let (mut own, mut bare) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            own = own.min(self.round());
            bare = bare.min(Self::BARE.round());
        }
        own - bare
    }

    fn round(self) -> f64 {
        let began = clock();
        (self.run)(MANY);
        began.elapsed().as_nanos() as f64 / MANY as f64
    }
}

// === instructions ===

/// Whether this program was started to be counted, with one of `contenders` or the bare service. Then it
/// has done its calls.
pub fn is_being_counted(contenders: &[Contender]) -> bool {
    let mut arguments = env::args().skip_while(|argument| argument != CALLS).skip(1);
    let (Some(key), Some(calls)) = (arguments.next(), arguments.next()) else {
        return false;
    };
    let mut all = contenders.iter().chain([&Contender::BARE]);
    let contender = all.find(|it| it.key == key).unwrap();
    (contender.run)(calls.parse().unwrap());
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
        .args([CALLS, contender.key, &calls.to_string()])
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
