//! Where Redis is, and who we are to it.

use std::{fmt, time::Duration};

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::{provider::is_loopback, store::StoreError, token::Secret};

/// An address, with everything that a connection to it needs.
#[derive(Clone)]
pub(in crate::store) struct Address {
    pub(in crate::store) host: String,
    pub(in crate::store) port: u16,
    pub(in crate::store) tls: bool,
    database: i64,
    pub(in crate::store) user: Option<String>,
    pub(in crate::store) password: Option<Secret>,
}

// === impl Address ===

impl Address {
    /// `redis://user:password@host:port/database`, or `rediss://` for TLS.
    pub(in crate::store) fn parse(url: &str) -> Result<Self, StoreError> {
        // The crate parses addresses of TLS only where it brings TLS along.
        let (tls, plain) = match url.split_once("://") {
            Some(("rediss" | "valkeys", rest)) => (true, format!("redis://{rest}")),
            Some(("redis" | "valkey", rest)) => (false, format!("redis://{rest}")),
            _ => return Err(no_address()),
        };
        let plain = Secret::from(plain);
        // Its error may quote the address, and so the password.
        let info = plain.expose().into_connection_info();
        let info = info.map_err(|_| no_address())?;
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err(no_address());
        };
        let redis = info.redis_settings();
        Ok(Self {
            host: host.clone(),
            port: *port,
            tls,
            database: redis.db(),
            user: redis.username().map(str::to_owned),
            password: redis.password().map(Secret::from),
        })
    }

    /// Whether nobody between here and there can read along.
    pub(in crate::store) fn is_private(&self) -> bool {
        self.tls || is_loopback(&self.host)
    }

    /// How the connection introduces itself.
    pub(in crate::store) fn greeting(&self) -> RedisConnectionInfo {
        let mut info = RedisConnectionInfo::default()
            .set_db(self.database)
            .set_skip_set_lib_name();
        if let Some(user) = &self.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password.expose());
        }
        info
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("database", &self.database)
            .field("user", &self.user)
            .field("password", &self.password)
            .finish()
    }
}

fn no_address() -> StoreError {
    StoreError::misconfigured(
        "this is no address of a Redis: it looks like `rediss://user:password@host:6379/0`, with \
         percent-encoding in user and password",
    )
}

/// How long an operation may take, unless it is set.
pub(in crate::store) const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_an_address_is_taken_apart() {
        let address = Address::parse("rediss://us%40er:pa%3Ass@redis.example:6380/3").unwrap();
        assert_eq!(
            (address.host.as_str(), address.port),
            ("redis.example", 6380)
        );
        assert_eq!((address.tls, address.database), (true, 3));
        assert_eq!(address.user.as_deref(), Some("us@er"));
        assert_eq!(address.password, Some(Secret::from("pa:ss")));
        assert!(!format!("{address:?}").contains("pa:ss"));
        let address = Address::parse("redis://[::1]").unwrap();
        assert_eq!((address.host.as_str(), address.port), ("::1", 6379));
    }

    #[test]
    fn redis_what_is_no_address_is_not_quoted() {
        for wrong in [
            "",
            "redis.example",
            "http://:canary@redis.example",
            "redis://",
            "redis://:canary@redis.example/first",
            "unix:///run/redis.sock?pass=canary",
        ] {
            let error = Address::parse(wrong).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("canary"), "{wrong}");
        }
    }

    #[test]
    fn redis_plain_is_private_on_loopback_only() {
        for (url, private) in [
            ("redis://127.0.0.1", true),
            ("redis://localhost:1", true),
            ("valkey://[::1]", true),
            ("redis://10.0.0.1", false),
            ("redis://localhost.example", false),
            ("redis://127.0.0.1.example", false),
            ("rediss://10.0.0.1", true),
        ] {
            assert_eq!(Address::parse(url).unwrap().is_private(), private, "{url}");
        }
    }
}
