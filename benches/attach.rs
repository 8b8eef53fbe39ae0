//! What a request with a good token costs, beside the static header and what people write by hand.
//!
//! ```sh
//! cargo bench --all-features --bench attach               # the table
//! cargo bench --all-features --bench attach -- --write    # and the README's table and its chart
//! ```
//!
//! Instructions are counted where valgrind is installed. The times are printed below the table and
//! are not kept: they are those of one machine at one moment.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends, and what it finds it prints"
)]

mod support;

use std::{env, fs, path::Path, process::Command};

use support::{
    call::{
        cost::{self, Contender},
        report,
    },
    chart,
};

fn main() {
    if cost::is_being_counted(&Contender::ALL) {
        return;
    }
    let rows = report::rows(&Contender::ALL);
    let table = report::table(&rows);
    println!("{table}");
    for row in &rows {
        println!("{:>8.1} ns  {}", row.cost.nanoseconds, row.name);
    }
    if env::args().any(|argument| argument == "--write") {
        assert!(cost::has_valgrind(), "instructions are counted by valgrind");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::write(root.join("benches/attach.svg"), chart::draw(&rows).unwrap()).unwrap();
        write_readme(&root.join("README.md"), &table);
    }
}

/// Puts the table between the two marks of the README.
fn write_readme(path: &Path, table: &str) {
    let text = fs::read_to_string(path).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    let measured = format!("Counted on {}, {}.", machine(), today());
    fs::write(
        path,
        format!("{head}{BEGIN}\n{table}\n{measured}\n{END}{tail}"),
    )
    .unwrap();
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let model = model.map_or(env::consts::ARCH, |(_, model)| model);
    format!("{model}, {}", said_by("rustc", "--version"))
}

fn today() -> String {
    said_by("date", "+%Y-%m-%d")
}

fn said_by(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

const BEGIN: &str = "<!-- attach: written by the bench -->";
const END: &str = "<!-- attach: end -->";
