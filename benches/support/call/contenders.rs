//! Who is compared, of those that need nothing but this crate and what it is built on.

use std::hint::black_box;

use http::Request;
use tower::Service;

use super::{
    clients::{self, Answer, Body, send},
    cost::Contender,
};

impl Contender {
    /// The floor: what it costs is taken off the others.
    pub const BARE: Self = Self {
        key: "bare",
        name: "nothing",
        run: |calls| repeat(clients::Bare, calls),
    };
    pub const INSERT: Self = Self {
        key: "insert",
        name: "a header, by hand",
        run: |calls| repeat(clients::insert(), calls),
    };
    pub const STATIC: Self = Self {
        key: "static",
        name: "tower-http's `AddAuthorization`",
        run: |calls| repeat(clients::fixed(), calls),
    };
    pub const OURS: Self = Self {
        key: "attach",
        name: "this layer, replay off",
        run: |calls| repeat(clients::ours(false), calls),
    };
    pub const OURS_WITH_REPLAY: Self = Self {
        key: "attach_replay",
        name: "this layer, replay on",
        run: |calls| repeat(clients::ours(true), calls),
    };
    pub const RWLOCK: Self = Self {
        key: "rwlock",
        name: "a `tokio::RwLock` around a token",
        run: |calls| repeat(clients::rwlock(), calls),
    };
    pub const MUTEX: Self = Self {
        key: "mutex",
        name: "a `tokio::Mutex` around a token",
        run: |calls| repeat(clients::mutex(), calls),
    };

    /// All but the bare one.
    pub const ALL: [Self; 6] = [
        Self::INSERT,
        Self::STATIC,
        Self::OURS,
        Self::OURS_WITH_REPLAY,
        Self::RWLOCK,
        Self::MUTEX,
    ];
}

/// Sends so many requests by `client`.
pub fn repeat<S>(mut client: S, calls: usize)
where
    S: Service<Request<Body>, Response = Answer>,
{
    for _ in 0..calls {
        send(&mut client, black_box(clients::request()));
    }
}
