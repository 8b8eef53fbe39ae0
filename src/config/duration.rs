//! Durations as people write them.

use std::time::Duration;

/// What is said of anything else.
pub(super) const FORMS: &str =
    "must be a duration, such as \"30s\", \"5min\" or \"1h 30min\", or a whole number of seconds";

/// Whole numbers with a unit each, added up. None where it is anything else, or too long.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut sum = (!rest.is_empty()).then_some(Duration::ZERO)?;
    while !rest.is_empty() {
        let (number, after) = split(rest, |character| character.is_ascii_digit());
        let (unit, after) = split(after.trim_start(), |character| {
            character.is_ascii_alphabetic()
        });
        let number: u64 = number.parse().ok()?;
        sum = sum.checked_add(of_unit(number, unit)?)?;
        rest = after.trim_start();
    }
    Some(sum)
}

/// Months and years have no length of their own, and `M` is one or the other: neither is known.
fn of_unit(number: u64, unit: &str) -> Option<Duration> {
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 60 * 60,
        "d" | "day" | "days" => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// The longest beginning of characters that `belongs`, and what follows.
fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|character| !belongs(character));
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let table = [
            ("30s", 30_000),
            ("5min", 300_000),
            ("1h 30m", 5_400_000),
            ("1h30min", 5_400_000),
            (" 2 days  3 hours ", 183_600_000),
            ("250ms", 250),
            ("1m 500ms", 60_500),
            ("0s", 0),
            ("007 s", 7_000),
        ];
        for (text, milliseconds) in table {
            assert_eq!(
                parse(text),
                Some(Duration::from_millis(milliseconds)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn anything_else_is_no_duration() {
        let table = [
            "",
            " ",
            "s",
            "30",
            "30 30s",
            "1h 30",
            "-5s",
            "+5s",
            "1.5h",
            "1,5h",
            "5 M",
            "1y",
            "1month",
            "five minutes",
            "5s!",
            "\u{664}s",
            "5\u{b5}s",
            "PT5M",
            "1:30",
            "5s\0",
        ];
        for text in table {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_no_duration_and_no_panic() {
        let most = u64::MAX;
        assert_eq!(parse(&format!("{most}s")), Some(Duration::from_secs(most)));
        for text in [
            format!("{most}0s"),
            format!("{most}m"),
            format!("{most}d"),
            format!("{most}s 1s"),
            format!("{most}s 1000ms"),
        ] {
            assert_eq!(parse(&text), None, "{text}");
        }
    }
}
