//! The built-in token client: hyper-util with rustls.

use std::{
    future::ready,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use hyper_rustls::{HttpsConnectorBuilder, builderstates::WantsSchemes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, crypto::ring};
use tower::{ServiceBuilder, util::BoxCloneSyncService};

use super::{
    Limits,
    body::Body,
    stack::{Around, Stack},
};
use crate::{
    clock::Clock,
    provider::{ProviderError, SendFuture},
};

/// One for the whole process, built at first use: reading the root certificates takes a while and
/// can fail, and neither belongs in a constructor. It keeps no connection, and so nothing of the
/// runtime that it is used from.
pub(super) struct Builtin;

/// For name, TCP and TLS together. Below the limit of a whole try, so that a connection which does
/// not come up is told from a reply which does not.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

static CLIENT: LazyLock<Result<Arc<dyn Stack>, ProviderError>> = LazyLock::new(|| {
    build().map_err(|error| {
        ProviderError::misconfigured(
            "the built-in token client cannot set up TLS; \
             give another one with the builder's `token_client`",
        )
        .because(error)
    })
});

// === impl Builtin ===

impl Stack for Builtin {
    fn send(&self, request: Request<Bytes>, clock: Arc<dyn Clock>, limits: Limits) -> SendFuture {
        match &*CLIENT {
            Ok(stack) => stack.send(request, clock, limits),
            Err(error) => Box::pin(ready(Err(error.clone()))),
        }
    }
}

fn build() -> Result<Arc<dyn Stack>, rustls::Error> {
    // Named, because a process may have two providers compiled in and rustls then picks none.
    let tls =
        HttpsConnectorBuilder::new().with_provider_and_webpki_roots(ring::default_provider())?;
    Ok(connected(tls))
}

/// The same client over TLS of another kind.
pub(super) fn over(tls: ClientConfig) -> Arc<dyn Stack> {
    connected(HttpsConnectorBuilder::new().with_tls_config(tls))
}

fn connected(tls: HttpsConnectorBuilder<WantsSchemes>) -> Arc<dyn Stack> {
    let mut tcp = HttpConnector::new();
    // The scheme was checked before; the connector sees https, too.
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_LIMIT));
    let tls = tls.https_or_http().enable_http1().wrap_connector(tcp);
    let connector = ServiceBuilder::new().timeout(CONNECT_LIMIT).service(tls);
    // A stale connection is a lost reply, and so is a silent second try.
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .retry_canceled_requests(false)
        .build::<_, Body>(BoxCloneSyncService::new(connector));
    Arc::new(Around::new(client))
}
