//! What a store gives back. A part of the module `store`, for what is private there.

use std::{
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use ::redis::{ErrorKind, ServerErrorKind, Value};

use super::{
    Expected, Lease, Record, SealKey, SealKeys, Sealed, Seen, SessionKey, StoreError, StoreFailure,
    TokenStore, Written,
    file::Folio,
    redis::{Address, meaning, seen},
    unix::UnixMillis,
};
use crate::fuzz::claims::{beside, is_secret_in, says_nothing, shows_nothing, split_line};
use crate::{
    oauth2::harness::SENT_AT,
    provider::{Profile, SessionId},
};

/// What is shown of a record: names, and what is no secret in it.
const PUBLIC: [&str; 8] = [
    "token_type",
    "scope",
    "id",
    "intent",
    "format",
    "seeds",
    "rotated",
    "refused",
];

/// A record: what is read is written back the same, and is worked with whatever its numbers are.
pub(crate) fn record(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    match Record::from_json(text) {
        Ok(record) => {
            comes_back(&record);
            works(record, text);
        }
        Err(error) => {
            says_nothing(&error);
            let failures = [StoreFailure::Torn, StoreFailure::Newer];
            assert!(failures.contains(&error.failure()), "{error}");
        }
    }
}

fn comes_back(record: &Record) {
    let json = record.to_json().unwrap();
    assert_eq!(&Record::from_json(json.expose()).unwrap(), record);
}

fn works(record: Record, text: &str) {
    // A later field may hold what no value can, such as 1e999.
    let value = beside(|| serde_json::from_str::<serde_json::Value>(text).ok());
    if let Some(value) = &value {
        if beside(|| is_secret_in(value, &PUBLIC)) {
            shows_nothing(&record);
        }
        beside(|| later_fields_stay(&record, value));
    }
    let now = UnixMillis::of(SENT_AT);
    let _ = (
        record.is_refused(now),
        record.has_ended(),
        record.is_sealed(),
    );
    let _ = record
        .intent()
        .map(|intent| (intent.deadline(), intent.is_distrust()));
    let record = record.seen_from(SENT_AT, now.after(Duration::from_secs(60)));
    if let Some(token) = &record.token {
        let _ = token.plan(SENT_AT);
        let kept = token.to_token(SENT_AT);
        assert!(kept.is_kept());
        assert!(record.has_seen(token));
        comes_back(&record.exchanged(token.clone()));
    }
    // Nothing is done with one that is still sealed.
    if record.is_sealed() {
        return;
    }
    let ended = record.ended();
    // A lineage is a time in milliseconds, and none comes after the last.
    let is_last = record.version().lineage == u64::MAX;
    assert!(ended.has_ended() && (is_last || ended.version() > record.version()));
    comes_back(&ended);
}

/// What a later release wrote is written back.
fn later_fields_stay(record: &Record, read: &serde_json::Value) {
    const OURS: [&str; 10] = [
        "format",
        "lineage",
        "revision",
        "token",
        "intent",
        "refused",
        "not_before",
        "seeds",
        "rotated",
        "sealed",
    ];
    let written = record.to_json().unwrap();
    let written: serde_json::Value = serde_json::from_str(written.expose()).unwrap();
    let fields = read.as_object().unwrap().iter();
    for (name, value) in fields.filter(|(name, _)| !OURS.contains(&name.as_str())) {
        assert_eq!(written.get(name), Some(value), "{name}");
    }
}

/// A file of records.
pub(crate) fn file(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    match Folio::from_json(text) {
        Err(error) => says_nothing(&error),
        Ok(mut folio) => {
            let once = folio.to_json().unwrap();
            let again = Folio::from_json(once.expose()).unwrap().to_json().unwrap();
            assert!(once == again);
            if let Err(error) = folio.record(&KEY) {
                says_nothing(&error);
            }
            if let Err(error) = folio.change_all(|record| record.intent = None) {
                says_nothing(&error);
            }
            folio.set(&KEY, &Record::from_json(PLAIN).unwrap()).unwrap();
            assert!(folio.record(&KEY).unwrap().is_some());
        }
    }
}

/// The text of a seal: nothing opens but what was sealed.
pub(crate) fn sealed(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    let outside = beside(|| {
        let sealed = serde_json::json!({"format": 1, "lineage": 1, "revision": 2, "sealed": text});
        Record::from_json(&sealed.to_string()).unwrap()
    });
    let keys = SealKeys::new(SealKey::new("2026-11", [7; 32]).unwrap());
    let store = Sealed::new(Held(outside), keys);
    let read = std::pin::pin!(store.read(&KEY, SystemTime::UNIX_EPOCH));
    let Poll::Ready(read) = read.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits for something");
    };
    match read {
        Ok(seen) => {
            let genuine = text.trim_end() == GENUINE.trim_end();
            assert!(genuine, "opened: {:?}", seen.record);
        }
        Err(error) => says_nothing(&error),
    }
}

/// A store that holds one record.
struct Held(Record);

impl TokenStore for Held {
    async fn read(&self, _: &SessionKey, now: SystemTime) -> Result<Seen, StoreError> {
        let record = Some(self.0.clone());
        Ok(Seen { record, now })
    }

    async fn write(&self, _: &SessionKey, _: &Expected, _: &Record) -> Result<Written, StoreError> {
        Ok(Written::Conflict)
    }

    async fn take_lease(
        &self,
        _: &SessionKey,
        _: &Lease,
        _: SystemTime,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn release_lease(&self, _: &SessionKey, _: &Lease) -> Result<(), StoreError> {
        Ok(())
    }
}

/// An answer of Redis to a look, each of its six parts on a line: `_` for nothing, `:` before a number,
/// else a text. The protocol itself is read by the redis crate.
pub(crate) fn redis_reply(input: &[u8]) {
    let parts = input
        .splitn(6, |byte| *byte == b'\n')
        .map(|part| match part {
            b"_" => Value::Nil,
            b"[]" => Value::Array(vec![Value::Okay; 2]),
            [b':', number @ ..] => {
                let number = str::from_utf8(number).ok().and_then(|it| it.parse().ok());
                number.map_or(Value::Nil, Value::Int)
            }
            text => Value::BulkString(text.to_vec()),
        });
    let parts = parts.collect();
    match seen(Value::Array(parts)) {
        Err(error) => says_nothing(&error),
        Ok(seen) => {
            if let Some(record) = seen.record {
                comes_back(&record);
            }
        }
    }
}

/// An error of Redis: a code on the first line, and a text that may quote what was sent.
pub(crate) fn redis_error(input: &[u8]) {
    let (code, detail) = split_line(input);
    let detail = String::from_utf8_lossy(detail).into_owned();
    let reply = format!("-{code} {detail}\r\n");
    let parsed = ::redis::parse_redis_value(reply.as_bytes());
    let told = match parsed {
        Err(error) => vec![error],
        Ok(value) => Vec::from_iter(value.extract_error().err()),
    };
    let made = [
        (
            ErrorKind::Server(ServerErrorKind::ResponseError),
            "canary",
            detail.clone(),
        )
            .into(),
        (ErrorKind::AuthenticationFailed, "canary", detail.clone()).into(),
        (ErrorKind::Parse, "canary", detail).into(),
    ];
    for error in told.into_iter().chain(made) {
        let (error, _) = meaning(&error);
        says_nothing(&error);
    }
}

/// The address of a Redis, whose password is shown nowhere.
pub(crate) fn redis_address(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    match Address::parse(text) {
        Err(error) => says_nothing(&error),
        Ok(address) => {
            let password = address.password.as_ref().map(|it| it.expose());
            let elsewhere = address.host.contains("canary")
                || address
                    .user
                    .as_deref()
                    .is_some_and(|user| user.contains("canary"));
            if !elsewhere && password.is_some_and(|it| it.contains("canary")) {
                shows_nothing(&address);
            }
            let host = address.host.trim_matches(['[', ']']);
            let ip = host.parse::<std::net::IpAddr>();
            let here =
                host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback());
            assert_eq!(address.is_private(), here || address.tls, "{text}");
        }
    }
}

static KEY: LazyLock<SessionKey> =
    LazyLock::new(|| SessionKey::of(&SessionId::new(Profile::new("fuzz").parts)));
const PLAIN: &str = r#"{"format":1,"lineage":1,"revision":2}"#;
/// What these tests' key has sealed for this session.
const GENUINE: &str = include_str!("corpus/fuzz_record_sealed/genuine");
