//! The gate: instructions and allocations against the numbers in `benches/counts.txt`. Never times.
//!
//! ```sh
//! cargo run --release -p tower-reauth-gate -- --check    # fails where they have grown
//! cargo run --release -p tower-reauth-gate -- --bless    # keeps what is counted now
//! ```
//!
//! Instructions are compared as multiples of a header inserted by hand, which moves with the compiler
//! and with the `http` crate, and may be a twentieth more than what is kept. Allocations may not be
//! more. Without valgrind allocations are compared alone.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends, and what it finds it prints"
)]

#[path = "../../support/call/mod.rs"]
mod call;

use std::{env, fs, path::Path, process::ExitCode};

use call::cost::{self, Contender};

/// What is counted of one contender.
struct Count {
    key: &'static str,
    ratio: Option<f64>,
    allocations: f64,
}

fn main() -> ExitCode {
    if cost::is_being_counted(&Contender::ALL) {
        return ExitCode::SUCCESS;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../counts.txt");
    let counts = count();
    if env::args().any(|argument| argument == "--bless") {
        let lines: String = counts.iter().map(Count::line).collect();
        fs::write(path, lines).unwrap();
        return ExitCode::SUCCESS;
    }
    let kept = fs::read_to_string(path).unwrap();
    let mut worse = 0;
    for count in counts {
        print!("{}", count.line());
        if let Some(why) = count.worse_than(&kept) {
            println!("  WORSE: {why}");
            worse += 1;
        }
    }
    match worse {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn count() -> Vec<Count> {
    let insert = Contender::INSERT.instructions();
    let ours = [Contender::OURS, Contender::OURS_WITH_REPLAY];
    let count = |contender: Contender| Count {
        key: contender.key,
        ratio: contender
            .instructions()
            .zip(insert)
            .map(|(own, insert)| own / insert),
        allocations: contender.allocations(),
    };
    ours.into_iter().map(count).collect()
}

// === impl Count ===

impl Count {
    /// `name instructions-by-hand allocations`.
    fn line(&self) -> String {
        let ratio = self
            .ratio
            .map_or("unknown".to_owned(), |ratio| format!("{ratio:.3}"));
        format!("{} {ratio} {}\n", self.key, self.allocations)
    }

    fn worse_than(&self, kept: &str) -> Option<String> {
        let mut lines = kept.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let Some(line) = lines.find(|line| line[0] == self.key) else {
            return Some("nothing is kept to compare with".to_owned());
        };
        let [ratio, allocations] = [1, 2].map(|at| line[at].parse::<f64>());
        if let (Some(now), Ok(kept)) = (self.ratio, ratio)
            && now > kept * TOLERANCE
        {
            return Some(format!(
                "{now:.3} × the instructions by hand, where {kept} are kept"
            ));
        }
        let kept = allocations.unwrap();
        (self.allocations > kept)
            .then(|| format!("{} allocations, where {kept} are kept", self.allocations))
    }
}

const TOLERANCE: f64 = 1.05;
