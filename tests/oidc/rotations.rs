//! A session whose API refuses a tenth of all calls, and whose token endpoint fails now and then.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::json;
use tokio::task::JoinSet;
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{
    AuthLayer, BoxError,
    clock::{Clock, SystemClock},
    handle::AuthHandle,
    oauth2::{ClientAuth, OAuth2},
    test_util::ManualClock,
};

use crate::oidc::{HttpClient, Minted, Oidc, SECRET};

const CALLERS: usize = 64;
/// As long as an API's call takes, on the layer's clock. Longer than a session is careful for after
/// an exchange that a refusal began: on a clock that nobody moves, so many refusals in such a short
/// time would be those of an endpoint that refuses everything.
const CALL: Duration = Duration::from_secs(301);

/// The layer's clock. While an exchange is under way it goes slowly, else a call takes [`CALL`].
#[derive(Clone)]
struct Time {
    clock: ManualClock,
    handle: AuthHandle,
}

/// A client whose calls take time.
#[derive(Clone)]
struct Slow {
    inner: HttpClient,
    time: Time,
}

impl Time {
    fn pass(&self) {
        if !self.handle.status().exchanging {
            self.clock.advance(CALL);
        }
    }

    /// Lets an exchange wait before it asks again: as time goes by for it, ten times faster.
    async fn go_by(self) {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if self.handle.status().exchanging {
                self.clock.advance(Duration::from_millis(10));
            }
        }
    }
}

impl Service<Request<Full<Bytes>>> for Slow {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let response = self.inner.request(request);
        let time = self.time.clone();
        Box::pin(async move {
            let response = response.await?;
            time.pass();
            Ok(response)
        })
    }
}

/// What the callers share.
struct Crowd {
    oidc: Oidc,
    minted: Minted,
    layer: AuthLayer<OAuth2>,
    time: Time,
    enough: AtomicBool,
    calls: AtomicUsize,
}

impl Crowd {
    async fn gather(oidc: Oidc) -> Result<Arc<Self>, BoxError> {
        let minted = oidc.mint("basic", json!({ "scope": "read" })).await;
        let clock = ManualClock::new();
        let provider = OAuth2::refresh_token(oidc.token_url(), "basic")
            .client_auth(ClientAuth::Basic(SECRET.into()))
            .server_errors_are_transient()
            .origins([oidc.url()]);
        let layer = AuthLayer::builder(provider)
            .initial(minted.seed())
            .memory_only()
            .clock(clock.clone())
            .build()?;
        let time = Time {
            clock,
            handle: layer.handle(),
        };
        Ok(Arc::new(Self {
            oidc,
            minted,
            layer,
            time,
            enough: AtomicBool::new(false),
            calls: AtomicUsize::new(0),
        }))
    }

    /// Calls until it is enough. Gives the calls that failed.
    async fn call(self: Arc<Self>) -> Vec<String> {
        let inner = Slow {
            inner: self.oidc.http().clone(),
            time: self.time.clone(),
        };
        let service = self.layer.layer(inner);
        let mut failed = Vec::new();
        while !self.enough.load(Ordering::Relaxed) {
            // Else the server would be busy with calls only.
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..120))).await;
            let number = self.calls.fetch_add(1, Ordering::Relaxed);
            let request = Request::get(format!("{}/api/{number}", self.oidc.url()))
                .header("x-call", number)
                .body(Full::default())
                .unwrap();
            match service.clone().oneshot(request).await {
                Ok(response) if response.status() == 200 => {
                    response.into_body().collect().await.unwrap();
                }
                Ok(response) => {
                    let why = response.extensions().get::<tower_reauth::Error>();
                    failed.push(format!("{number}: {}, {why:?}", response.status()));
                }
                Err(error) => failed.push(format!("{number}: {error}")),
            }
        }
        failed
    }

    /// An application that wants newer tokens all the time, else refusals would be the only reason.
    async fn refresh(self: Arc<Self>) -> Vec<String> {
        let mut failed = Vec::new();
        while !self.enough.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..10))).await;
            let refreshed = self.layer.handle().refresh().await;
            failed.extend(refreshed.err().map(|error| format!("refresh: {error}")));
        }
        failed
    }
}

/// On one thread, so that no time goes by between a look at the session and what is made of it.
#[tokio::test]
async fn a_thousand_rotations_at_the_oidc_server_fail_no_call_and_spend_no_token_twice()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let (wanted, limit) = match std::env::var_os("TOWER_REAUTH_LONG") {
        None => (1_000, 120),
        Some(_) => (10_000, 600),
    };
    let faults = json!({
        "api_401": 0.1, "token_5xx": 0.05, "api_delay_ms": 6, "token_delay_ms": 6,
        "access_ttl": 86_400,
    });
    oidc.faults(faults).await;
    let crowd = Crowd::gather(oidc).await?;
    let time_goes_by = tokio::spawn(crowd.time.clone().go_by());
    let began = SystemClock.now();
    let mut callers: JoinSet<_> = (0..CALLERS).map(|_| Arc::clone(&crowd).call()).collect();
    callers.spawn(Arc::clone(&crowd).refresh());
    let state = loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let state = crowd.oidc.state(&crowd.minted.grant_id).await;
        let is_over = state["rotations"]
            .as_u64()
            .is_none_or(|done| done >= wanted);
        if is_over
            || began
                .after(Duration::from_secs(limit))
                .reached(SystemClock.now())
        {
            break state;
        }
    };
    crowd.enough.store(true, Ordering::Relaxed);
    let failed: Vec<_> = callers.join_all().await.concat();
    let calls = crowd.calls.load(Ordering::Relaxed);
    time_goes_by.abort();
    println!(
        "{calls} calls by {CALLERS} callers in {:?}: {state}",
        SystemClock.now().monotonic() - began.monotonic()
    );
    let failures = failed.len();
    assert_eq!(failed.first(), None, "and {failures} in all");
    assert_eq!(state["reused"], 0);
    assert_eq!(state["alive"], true);
    assert!(state["rotations"].as_u64() >= Some(wanted));
    assert!(state["api_401"].as_u64() > Some(wanted / 2));
    assert!(state["token_5xx"].as_u64() > Some(wanted / 50));
    Ok(())
}
