//! Claims that several targets share.

use std::{error::Error, fmt::Debug};

use allocation_counter::opt_out;
use serde_json::Value;

/// In every secret of the seeds, whichever those are: nothing may show it.
pub(crate) const MARKER: &str = "canary";

/// An input that begins with a line of its own: what is said apart from the body.
pub(crate) fn split_line(input: &[u8]) -> (&str, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (head, rest) = input.split_at(end.unwrap_or(input.len()));
    (
        str::from_utf8(head).unwrap_or_default(),
        rest.get(1..).unwrap_or_default(),
    )
}

/// `error` in every form, with all that is behind it.
#[track_caller]
pub(crate) fn says_nothing(error: &(dyn Error + 'static)) {
    let mut next = Some(error);
    while let Some(error) = next {
        shows_nothing(&error);
        hides_marker(&error.to_string());
        next = error.source();
    }
}

/// What `Debug` shows, in both forms.
#[track_caller]
pub(crate) fn shows_nothing(value: &impl Debug) {
    hides_marker(&format!("{value:?}"));
    hides_marker(&format!("{value:#?}"));
}

#[track_caller]
pub(crate) fn hides_marker(shown: &str) {
    assert!(!shown.contains(MARKER), "{shown}");
}

/// Does what is no part of the parser, such as reading an input by another one: its memory does not
/// count.
pub(crate) fn beside<T>(work: impl FnOnce() -> T) -> T {
    let mut done = None;
    opt_out(|| done = Some(work()));
    done.unwrap()
}

/// Whether the marker is in the values of `value` only, and under none of `public`: only there it is
/// a secret.
pub(crate) fn is_secret_in(value: &Value, public: &[&str]) -> bool {
    match value {
        Value::Object(fields) => fields.iter().all(|(name, value)| {
            let shown = public.contains(&name.as_str());
            !name.contains(MARKER) && is_secret_in(value, public) && !(shown && holds_marker(value))
        }),
        Value::Array(values) => values.iter().all(|value| is_secret_in(value, public)),
        _ => true,
    }
}

fn holds_marker(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(MARKER),
        Value::Array(values) => values.iter().any(holds_marker),
        Value::Object(fields) => fields.values().any(holds_marker),
        _ => false,
    }
}
