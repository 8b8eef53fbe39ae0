//! One connection to Redis, and who drives it.

use std::{io, sync::Arc};

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use super::{address::Address, tls::Tls};

/// A connection that many use at once.
pub(super) struct Link {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

// === impl Link ===

impl Link {
    /// Connects, proves who we are, and starts what drives the connection on the caller's runtime.
    pub(super) async fn open(address: &Address, tls: &Tls) -> RedisResult<Self> {
        let host = address.host.as_str();
        let socket = TcpStream::connect((host, address.port)).await?;
        socket.set_nodelay(true)?;
        if !address.tls {
            return Self::over(address, socket).await;
        }
        let config = tls.config().map_err(|error| unusable(&error))?;
        let name = host.to_owned().try_into().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "no host name that TLS knows")
        })?;
        let stream = TlsConnector::from(config).connect(name, socket).await?;
        Self::over(address, stream).await
    }

    async fn over(
        address: &Address,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> RedisResult<Self> {
        // The limit is ours, and it is the same for all that an operation does.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let greeting = address.greeting();
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&greeting, stream, config).await?;
        let driver = tokio::spawn(driver);
        Ok(Self { connection, driver })
    }

    /// Whether there is any use in sending something.
    pub(super) fn is_up(&self) -> bool {
        !self.driver.is_finished()
    }

    pub(super) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let answer = self.connection.clone().req_packed_command(command).await?;
        // What the server refuses is an answer to this crate's, and would be taken for one.
        answer.extract_error()
    }

    /// Sends a command, and then waits until `replicas` have what it wrote, for `millis` at most.
    /// Gives the command's answer, and how many have it.
    pub(super) async fn send_and_wait(
        &self,
        command: &Cmd,
        replicas: usize,
        millis: u128,
    ) -> RedisResult<(Value, usize)> {
        let mut both = Pipeline::new();
        both.add_command(command.clone());
        both.cmd("WAIT")
            .arg(replicas)
            .arg(u64::try_from(millis).unwrap_or(u64::MAX));
        let mut connection = self.connection.clone();
        both.query_async(&mut connection).await
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // One whose other side has fallen silent would wait for the answers that it is owed.
        self.driver.abort();
    }
}

/// Shared by whoever has a command under way.
pub(super) type Shared = Arc<Link>;

fn unusable(error: &tokio_rustls::rustls::Error) -> RedisError {
    let text = error.to_string();
    RedisError::from((ErrorKind::InvalidClientConfig, "TLS cannot be set up", text))
}
