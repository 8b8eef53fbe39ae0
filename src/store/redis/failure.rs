//! What a failure of Redis means, and what to do about it.

use redis::{ErrorKind, RedisError};

use self::After::{Keep, Reconnect};
use crate::store::{
    StoreError,
    StoreFailure::{self, Full, Misconfigured, Torn, Unavailable},
};

/// What the connection is good for after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum After {
    /// Further commands.
    Keep,
    /// Nothing: another one may reach another server, or be let in.
    Reconnect,
}

/// What a failure means. The server's own text goes no further than here: it may quote what it was
/// sent, a password among it.
pub(in crate::store) fn meaning(error: &RedisError) -> (StoreError, After) {
    let (failure, message, after) = if error.kind() == ErrorKind::Parse {
        (
            StoreFailure::Unavailable,
            "what answers is no Redis: look at the address, and whether it speaks TLS",
            After::Reconnect,
        )
    } else if error.is_connection_refusal() {
        (
            StoreFailure::Unavailable,
            "Redis cannot be reached: nothing listens at its address",
            After::Reconnect,
        )
    } else if error.is_io_error() {
        (
            StoreFailure::Unavailable,
            "the connection to Redis broke",
            After::Reconnect,
        )
    } else if error.kind() == ErrorKind::AuthenticationFailed {
        of_code("WRONGPASS")
    } else {
        of_code(code(error))
    };
    (StoreError::new(failure, message), after)
}

/// Whether the connection was gone before or while the command was on its way.
pub(super) fn lost_connection(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped()
}

/// The code of a server's answer. Before Redis 7 an error inside of a script is told in a text.
fn code(error: &RedisError) -> &str {
    let code = error.code().unwrap_or_default();
    let detail = error.detail().unwrap_or_default();
    let inside = || INSIDE.into_iter().find(|code| detail.contains(code));
    match code {
        "ERR" if detail.starts_with("unknown command") => "UNKNOWN",
        "ERR" => inside().map_or(code, |code| code.trim_start_matches('-')),
        code => code,
    }
}

fn of_code(code: &str) -> (StoreFailure, &'static str, After) {
    let known = CODES.iter().find(|(known, ..)| *known == code);
    let (_, failure, message, after) =
        known.unwrap_or(&("", Unavailable, "Redis answered with an error", Reconnect));
    (*failure, message, *after)
}

/// What the server's codes mean.
const CODES: &[(&str, StoreFailure, &str, After)] = &[
    (
        "OOM",
        Full,
        "Redis is out of memory and refuses writes: raise its `maxmemory`, and keep \
         `maxmemory-policy noeviction`",
        Keep,
    ),
    (
        "MISCONF",
        Full,
        "Redis cannot save to its disk and refuses writes: look at its log, and at the space \
         on its disk",
        Keep,
    ),
    (
        "READONLY",
        Unavailable,
        "this Redis is a replica: it is failing over, or the address is not that of the primary",
        Reconnect,
    ),
    (
        "LOADING",
        Unavailable,
        "Redis is starting and loads its data",
        Keep,
    ),
    (
        "MASTERDOWN",
        Unavailable,
        "this Redis has lost its primary",
        Reconnect,
    ),
    (
        "NOREPLICAS",
        Unavailable,
        "Redis refuses writes while it has fewer good replicas than its \
         `min-replicas-to-write`",
        Keep,
    ),
    (
        "CLUSTERDOWN",
        Unavailable,
        "the Redis cluster is down: some of its slots are served by no node",
        Keep,
    ),
    ("MOVED", Misconfigured, ANOTHER_NODE, Reconnect),
    ("ASK", Misconfigured, ANOTHER_NODE, Reconnect),
    ("TRYAGAIN", Misconfigured, ANOTHER_NODE, Reconnect),
    ("CROSSSLOT", Misconfigured, ANOTHER_NODE, Reconnect),
    (
        "NOAUTH",
        Misconfigured,
        "Redis asks for a password: put user and password into the address, or give them to \
         the builder",
        Reconnect,
    ),
    (
        "WRONGPASS",
        Misconfigured,
        "Redis does not accept the user and password",
        Reconnect,
    ),
    (
        "NOPERM",
        Misconfigured,
        "this user of Redis may not do what the store has to: see `RedisStore` for its ACL",
        Keep,
    ),
    (
        "UNKNOWN",
        Misconfigured,
        "this Redis does not know a command that the store needs, or has renamed it",
        Keep,
    ),
    (
        "WRONGTYPE",
        Torn,
        "Redis holds something else under the record's name",
        Keep,
    ),
    (
        "BUSY",
        Unavailable,
        "Redis is busy with a script of somebody's",
        Keep,
    ),
];

const ANOTHER_NODE: &str = "this node of a Redis cluster does not hold the session: give each process the address \
         of a proxy for the cluster, or a Redis without cluster mode";

/// Codes that are told in a text.
const INSIDE: [&str; 5] = ["-OOM", "-READONLY", "-MISCONF", "-NOREPLICAS", "-WRONGTYPE"];
