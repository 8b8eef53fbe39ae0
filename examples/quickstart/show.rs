//! What the user sees.

use std::{
    fmt::Display,
    time::{Duration, Instant, SystemTime},
};

use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressStyle};
use tokio::{task::JoinHandle, time::interval};
use tower_reauth::test_util::Counters;

use crate::{
    crowd::{CALLERS, Crowd, Notes},
    story::Findings,
};

pub(crate) fn introduce() {
    println!("\nFour simulated vendors on loopback, {CALLERS} callers each, about nine seconds.");
    println!("Each bar is the life of an access token.\n");
}

/// The story, and below it a bar for each vendor: on a terminal only.
pub(crate) struct Stage {
    bars: MultiProgress,
    began: Instant,
    drawing: JoinHandle<()>,
}

impl Stage {
    pub(crate) fn open(crowds: &[Crowd; 4]) -> Self {
        let bars = MultiProgress::new();
        let lives = crowds.clone().map(|crowd| {
            let bar = bars.add(ProgressBar::new(millis(crowd.lifetime)).with_prefix(crowd.name));
            let style = ProgressStyle::with_template("  {prefix:13}{bar:20.green} {msg}");
            if let Ok(style) = style {
                bar.set_style(style.progress_chars("━╸ "));
            }
            (bar, crowd)
        });
        let drawing = tokio::spawn(async move {
            let mut frames = interval(Duration::from_millis(50));
            loop {
                frames.tick().await;
                lives.iter().for_each(|(bar, crowd)| draw(bar, crowd));
            }
        });
        Self {
            bars,
            began: Instant::now(),
            drawing,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn say(&self, what: &str, text: impl Display) {
        let now = self.elapsed().as_secs_f64();
        let line = || println!("{now:4.1} s  {what:12}{text}");
        self.bars.suspend(line);
    }

    pub(crate) fn close(self) {
        self.drawing.abort();
        let _nothing_to_clear = self.bars.clear();
    }
}

fn draw(bar: &ProgressBar, crowd: &Crowd) {
    let status = crowd.session.status();
    let left = status
        .expires_at
        .map(|at| at.duration_since(SystemTime::now()));
    let left = left.and_then(Result::ok).unwrap_or_default();
    bar.set_position(millis(left));
    bar.set_message(format!(
        "token {}, {:.1} s   {} answered{}",
        status.generation.number(),
        left.as_secs_f64(),
        HumanCount(crowd.notes().answered),
        status.failure.map_or("", |_| "   failing"),
    ));
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn table(crowds: &[Crowd; 4]) {
    let mut table = Table::new();
    let header = "vendor requests answered exchanges rotations spent\ntwice waited p50\nµs p99\nµs";
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_header(header.split(' '));
    for crowd in crowds {
        let (mut notes, seen) = (crowd.notes().clone(), crowd.vendor.counters());
        notes.added.sort_unstable();
        let added = |percent| match notes.added.get(notes.added.len() * percent / 100) {
            Some(added) => format!("{:5.1}", Duration::as_secs_f64(added) * 1e6),
            None => "-".to_owned(),
        };
        let counts = [
            notes.requests,
            notes.answered,
            seen.exchanges,
            seen.rotations,
        ];
        let counts = counts.into_iter().chain([seen.spent_twice, notes.in_vain]);
        let mut row = vec![crowd.name.to_owned()];
        row.extend(counts.map(|count| HumanCount(count).to_string()));
        row.extend([added(50), added(99)]);
        table.add_row(row);
    }
    // Narrow enough for 80 columns.
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
        column.set_padding((0, 0));
    }
    if let Some(last) = table.column_mut(8) {
        last.set_padding((0, 1));
    }
    let kept_back: u64 = crowds.iter().map(|crowd| crowd.notes().kept_back).sum();
    println!("\n{table}");
    println!("spent twice: refresh tokens that were sent again after they had been used.");
    println!("waited: requests that had to wait although their token was valid.");
    println!("p50, p99: time that the layer added, from `call` until hyper has the request;");
    println!(
        "without the {kept_back} requests that came when there was no valid token, and waited."
    );
    if cfg!(debug_assertions) {
        println!("This is a debug build: add --release for times that mean something.");
    }
}

/// Says which promises were kept. Gives whether all were.
pub(crate) fn verdict(crowds: &[Crowd; 4], found: &Findings) -> bool {
    let noted = |kept: fn(&Notes) -> bool| crowds.iter().all(|crowd| kept(&crowd.notes()));
    let seen = |kept: fn(Counters) -> bool| crowds.iter().all(|it| kept(it.vendor.counters()));
    let promises = [
        (
            noted(|it| it.answered == it.requests),
            "every request was answered, and as its user's",
        ),
        (
            found.cold == [1; 4],
            "a cold start takes one exchange, for all who wait",
        ),
        (
            seen(|it| it.in_flight_max == 1),
            "a session has one exchange at a time",
        ),
        (
            seen(|it| it.spent_twice == 0),
            "no refresh token is spent twice",
        ),
        (
            noted(|it| it.in_vain == 0),
            "nobody waits while the token is valid",
        ),
        (
            found.failed > 0,
            "a valid token survives a failing provider",
        ),
        (
            found.refused > 0 && found.recovered_by == 1,
            "a revocation takes one exchange",
        ),
        (
            seen(|it| it.malformed == 0),
            "every token request is as its vendor documents it",
        ),
        (found.complete, "nothing hangs"),
    ];
    println!();
    for (kept, promise) in promises {
        println!("  {} {promise}", if kept { "✓" } else { "✗" });
    }
    for crowd in crowds {
        let complaints = [
            crowd.notes().complaint.clone(),
            crowd.vendor.last_malformed(),
        ];
        for complaint in complaints.into_iter().flatten() {
            println!("    {}: {complaint}", crowd.name);
        }
    }
    let kept = promises.iter().all(|(kept, _)| *kept);
    println!(
        "\n{}",
        if kept {
            "All promises were kept."
        } else {
            "A promise was broken."
        }
    );
    kept
}
