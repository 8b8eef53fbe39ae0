//! How a target is run: on what, how often, and within which bounds.

use std::{fmt, fs, path::PathBuf, time::Duration};

use allocation_counter::measure;
use bolero::{ValueGenerator, produce};
use fastrand::Rng;

/// One parser, and the claims about it.
#[derive(Clone)]
pub(super) struct Target {
    name: &'static str,
    claims: fn(&[u8]),
}

/// What a target is tried out on. Shown as a text that can be pasted into a seed's file.
pub(super) struct Input(pub(super) Vec<u8>);

/// How often a target is tried out at random, on top of its seeds.
pub(super) fn iterations() -> usize {
    match std::env::var_os("TOWER_REAUTH_LONG") {
        None => 10_000,
        Some(_) => 200_000,
    }
}

// === impl Target ===

impl Target {
    pub(super) fn new(name: &'static str, claims: fn(&[u8])) -> Self {
        Self { name, claims }
    }

    /// Tries the target out on `input`: it neither panics nor takes long, needs no more memory than
    /// its input explains, and holds its claims.
    pub(super) fn try_out(&self, input: &[u8]) {
        let (began, most) = (now(), FIXED + PER_BYTE * input.len() as u64);
        let used = measure(|| (self.claims)(input));
        let took = now().saturating_sub(began);
        assert!(took < LONGEST, "{took:?} for {} bytes", input.len());
        let (held, all) = (used.bytes_max, used.bytes_total);
        assert!(held <= most, "{held} bytes held for {}", input.len());
        assert!(
            all <= PASSES * most,
            "{all} bytes in all for {}",
            input.len()
        );
    }

    pub(super) fn replay(&self) {
        for seed in self.seeds() {
            let shown = format!("{:?}", Input(seed.clone()));
            let held = std::panic::catch_unwind(|| self.try_out(&seed));
            assert!(held.is_ok(), "the seed {shown}");
        }
    }

    /// The seeds, bent.
    pub(super) fn bent(&self) -> impl ValueGenerator<Output = Input> {
        let seeds = self.seeds();
        produce::<u64>().map_gen(move |drawn| bend(&seeds, &mut Rng::with_seed(drawn)))
    }

    fn seeds(&self) -> Vec<Vec<u8>> {
        let folder = [env!("CARGO_MANIFEST_DIR"), "tests/fuzz/corpus", self.name];
        let folder: PathBuf = folder.iter().collect();
        let mut files: Vec<_> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("no seeds in {}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files.iter().map(|file| fs::read(file).unwrap()).collect()
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// One of the seeds with a few changes, so that most of it is still understood.
fn bend(seeds: &[Vec<u8>], rng: &mut Rng) -> Input {
    let mut bytes = rng.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..=rng.usize(..6) {
        let from = rng.usize(..=bytes.len());
        let to = (from + rng.usize(..=8)).min(bytes.len());
        let piece: Vec<u8> = match rng.u8(..8) {
            0 => Vec::new(),
            1 => vec![rng.u8(..)],
            2 => {
                let other = rng.choice(seeds).map_or(&[][..], |seed| seed);
                let start = rng.usize(..=other.len());
                other[start..].to_vec()
            }
            3 => bytes[from..to].repeat(rng.usize(1..64)),
            4 => rng
                .choice(OPENINGS)
                .unwrap_or(&"")
                .repeat(rng.usize(1..400))
                .into(),
            _ => rng.choice(WORDS).copied().unwrap_or_default().into(),
        };
        let end = if rng.bool() { to } else { from };
        bytes.splice(from..end, piece);
        bytes.truncate(64 * 1024);
    }
    if rng.u8(..8) == 0 {
        bytes.truncate(rng.usize(..=bytes.len()));
    }
    Input(bytes)
}

#[allow(
    clippy::disallowed_methods,
    reason = "no clock of ours says how long a test takes"
)]
fn now() -> Duration {
    use std::{sync::LazyLock, time::Instant};
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    FIRST.elapsed()
}

/// What nothing is worth of, with room for machines that are busy.
const LONGEST: Duration = Duration::from_secs(10);
/// What may be held at once: a constant, and a multiple of the input.
const FIXED: u64 = 64 * 1024;
const PER_BYTE: u64 = 64;
/// How often an input may be gone through and copied: linear work, whatever is in it.
const PASSES: u64 = 16;

const OPENINGS: &[&str] = &[
    "[", "{\"a\":", "[1,", "\"", "\\", ",", " ", "a.", "9", "=\"\",", "\r\n",
];
const WORDS: &[&str] = &[
    "canary",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "1e-999",
    "18446744073709551615",
    "9223372036854775808",
    "-9223372036854775808",
    "253402300800",
    "0.5",
    "\"\"",
    "\"3600\"",
    "\\ud800",
    "\\u0000",
    "\u{feff}",
    "\u{1f511}",
    "\u{7f}",
    "\r\n",
    "\n",
    "\0",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "=",
    "\"access_token\":",
    "\"refresh_token\":",
    "\"expires_in\":",
    "\"token_type\":",
    "\"error\":",
    "invalid_grant",
    "invalid_client",
    "Bearer ",
    "DPoP ",
    "insufficient_scope",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "\"success\":false",
    "\"data\":{",
    "e30",
    ".",
    "\"revision\":",
    "\"intent\":",
    "\"value\":",
    "file",
    "env",
];
