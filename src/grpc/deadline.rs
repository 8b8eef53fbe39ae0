//! How long a caller waits, as a gRPC request says it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use http::{HeaderMap, HeaderValue};

use super::is_grpc;
use crate::{cell::Cell, clock::Moment, error::Error};

/// How long the caller of a request waits for all of it.
///
/// A gRPC call says so in `grpc-timeout`, and whoever sends the call keeps to it from then on. What
/// the layer spends before that, waiting for a token or for a service to be ready again, counts as
/// well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// On the monotonic clock: how long something took is not for the wall clock to say. As long as
    /// the layer itself likes, where there is none.
    ends: Option<Duration>,
}

// === impl Patience ===

impl Patience {
    /// That of a request which begins at `now` and may take as long as `timeout`.
    #[cfg(feature = "reqwest")]
    pub(crate) fn within(timeout: Option<Duration>, now: Moment) -> Self {
        Self {
            ends: timeout.map(|timeout| now.monotonic().saturating_add(timeout)),
        }
    }

    /// That of a request which begins at `now`, by its headers.
    pub(crate) fn of(headers: &HeaderMap, now: Moment) -> Self {
        let timeout = headers.get(TIMEOUT).filter(|_| is_grpc(headers));
        let timeout = timeout.and_then(read);
        Self {
            ends: timeout.map(|timeout| now.monotonic().saturating_add(timeout)),
        }
    }

    /// What is left of it at `now`.
    pub(crate) fn left(&self, now: Moment) -> Duration {
        self.ends
            .map_or(Duration::MAX, |ends| ends.saturating_sub(now.monotonic()))
    }

    /// Waits for `work` for as long as there is something left.
    ///
    /// # Errors
    ///
    /// *Out of time*, where that was not long enough.
    pub(crate) async fn limit<T>(
        &self,
        cell: &Cell,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let left = self.ends.map(|_| self.left(cell.now()));
        let mut limit = left.map(|left| cell.sleep(left));
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            let is_over = limit.as_mut().map(|limit| limit.as_mut().poll(cx));
            match is_over {
                Some(Poll::Ready(())) => Poll::Ready(Err(Error::out_of_time())),
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Says in `headers` what is left at `now`, for whoever keeps to it from here on.
    ///
    /// # Errors
    ///
    /// *Out of time*, where nothing is left: such a call is not worth sending.
    pub(crate) fn pass_on(&self, headers: &mut HeaderMap, now: Moment) -> Result<(), Error> {
        if self.ends.is_some() {
            match self.left(now) {
                Duration::ZERO => return Err(Error::out_of_time()),
                left => headers.insert(TIMEOUT, write(left)),
            };
        }
        Ok(())
    }
}

/// At most eight digits and a unit. What cannot be read is no limit: the server will say so.
fn read(header: &HeaderValue) -> Option<Duration> {
    let text = header.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number = is_number.then(|| digits.parse().ok())??;
    let (_, nanos) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    Duration::from_nanos(nanos).checked_mul(number)
}

/// In the finest unit that eight digits are enough for. Never zero, which is no timeout.
fn write(left: Duration) -> HeaderValue {
    let nanos = left.as_nanos().max(1);
    let written = UNITS.into_iter().find_map(|(name, unit)| {
        let number = nanos / u128::from(unit);
        (number <= MOST).then(|| format!("{number}{name}"))
    });
    let written = written.unwrap_or_else(|| format!("{MOST}H"));
    // Digits and a letter are a header value.
    HeaderValue::try_from(written).unwrap_or_else(|_| HeaderValue::from_static("1n"))
}

const TIMEOUT: &str = "grpc-timeout";
const MOST: u128 = 99_999_999;
/// The finest first, each in nanoseconds.
const UNITS: [(&str, u64); 6] = [
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("S", 1_000_000_000),
    ("M", 60_000_000_000),
    ("H", 3_600_000_000_000),
];

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    fn headers(timeout: &'static str) -> HeaderMap {
        HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
            (
                http::HeaderName::from_static(TIMEOUT),
                HeaderValue::from_static(timeout),
            ),
        ])
    }

    const fn at(duration: Duration) -> Moment {
        Moment::new(duration, Duration::ZERO)
    }

    #[test]
    fn each_unit_is_read() {
        for (text, timeout) in [
            ("1H", Duration::from_secs(3_600)),
            ("2M", Duration::from_secs(120)),
            ("30S", Duration::from_secs(30)),
            ("250m", Duration::from_millis(250)),
            ("1u", Duration::from_micros(1)),
            ("99999999n", Duration::from_nanos(99_999_999)),
            ("99999999H", Duration::from_secs(99_999_999 * 3_600)),
            ("0S", Duration::ZERO),
        ] {
            let patience = Patience::of(&headers(text), Moment::PAST);
            assert_eq!(patience.left(Moment::PAST), timeout, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_is_no_call_of_grpc_is_no_limit() {
        for text in [
            "",
            "S",
            "1",
            "1s",
            "-1S",
            "+1S",
            "123456789n",
            "1 S",
            "1.5S",
        ] {
            let patience = Patience::of(&headers(text), Moment::PAST);
            assert_eq!(patience.left(Moment::PAST), Duration::MAX, "{text}");
        }
        let mut other = headers("1S");
        other.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        let patience = Patience::of(&other, Moment::PAST);
        assert_eq!(patience.left(Moment::PAST), Duration::MAX);
    }

    #[test]
    fn what_is_left_is_passed_on() {
        let secs = Duration::from_secs;
        for (text, spent, left) in [
            ("30S", secs(0), "30000000u"),
            ("30S", secs(10), "20000000u"),
            ("1H", secs(60), "3540000m"),
            ("99999999H", secs(0), "99999999H"),
            ("90n", Duration::from_nanos(30), "60n"),
        ] {
            let mut headers = headers(text);
            let patience = Patience::of(&headers, at(secs(7)));
            let passed = patience.pass_on(&mut headers, at(secs(7) + spent));
            assert!(passed.is_ok(), "{text} after {spent:?}");
            assert_eq!(headers[TIMEOUT], left, "{text} after {spent:?}");
        }
        let mut none = HeaderMap::new();
        let unlimited = Patience::of(&none, Moment::PAST);
        assert!(unlimited.pass_on(&mut none, at(secs(1))).is_ok());
        assert!(none.is_empty());
    }

    #[test]
    fn nothing_left_is_not_passed_on() {
        for (text, spent) in [("1S", 1), ("1S", 2), ("0S", 0)] {
            let mut headers = headers(text);
            let patience = Patience::of(&headers, Moment::PAST);
            let late = patience.pass_on(&mut headers, at(Duration::from_secs(spent)));
            assert!(late.is_err_and(|error| error.is_out_of_time()), "{text}");
            assert_eq!(headers[TIMEOUT], text);
        }
    }

    #[test]
    fn what_is_written_is_never_more_than_what_is_left() {
        for left in (0..200).map(|n| Duration::from_nanos(3_u64.saturating_pow(n / 4).max(2) - 1)) {
            let written = write(left);
            let read = read(&written).unwrap();
            assert!(written.len() <= 9, "{written:?}");
            assert!(read <= left && left - read <= left / 10_000, "{left:?}");
        }
    }
}
