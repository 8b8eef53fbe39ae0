//! Sixty-four callers of one session whose API refuses a tenth of all calls, and whose token endpoint
//! fails now and then.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Auth, AuthLayer, BoxError, Error, Token,
    clock::{Clock, Moment, Sleep, SystemClock},
    oauth2::OAuth2,
    observe::{Event, Observer},
};

use crate::oidc::{HttpClient, Minted, Oidc};

const CALLERS: usize = 64;

/// The time, of which more goes by than the wall shows: proofs say what that shows.
#[derive(Clone, Debug, Default)]
struct Hasty(Arc<AtomicU64>);

impl Clock for Hasty {
    fn now(&self) -> Moment {
        let now = SystemClock.now();
        let skipped = Duration::from_secs(self.0.load(Relaxed));
        Moment::new(now.monotonic() + skipped, now.unix())
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        SystemClock.sleep(duration)
    }
}

/// A session is careful for five minutes after an exchange that a refusal began. Here a tenth of all
/// calls is refused; so that these are not taken for an endpoint that refuses everything, more than
/// that goes by with each exchange: before anybody has the token that it brought.
impl Observer for Hasty {
    fn on_event(&self, _: &str, event: &Event<'_>) {
        if let Event::ExchangeEnded { .. } = event {
            self.0.fetch_add(301, Relaxed);
        }
    }
}

/// What the callers share.
struct Crowd {
    url: String,
    layer: AuthLayer<OAuth2>,
    service: Auth<HttpClient, OAuth2>,
    enough: AtomicBool,
    calls: AtomicUsize,
}

impl Crowd {
    /// Calls until it is enough. Gives the calls that failed.
    async fn call(self: Arc<Self>) -> Vec<String> {
        let mut failed = Vec::new();
        while !self.enough.load(Relaxed) {
            // Else the server would be busy with calls only.
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..600))).await;
            let number = self.calls.fetch_add(1, Relaxed);
            let request = Request::post(format!("{}/api/{number}?page=1", self.url))
                .header("x-call", number)
                .body(Full::from(Bytes::from(number.to_string())))
                .unwrap();
            match self.service.clone().oneshot(request).await {
                Ok(response) => failed.extend(self.judge(number, response).await),
                Err(error) => failed.push(format!("{number}: {error}")),
            }
        }
        failed
    }

    async fn judge(&self, number: usize, response: Response<Incoming>) -> Option<String> {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let says: Value = serde_json::from_slice(&body).unwrap_or_default();
        let sent = number.to_string();
        let is_good = head.status == 200 && says["body"] == *sent;
        let why = head.extensions.get::<Error>();
        (!is_good).then(|| format!("{number}: {}, {:?}, {why:?}", head.status, head.headers))
    }

    /// An application that wants newer tokens all the time, else refusals would be the only reason.
    async fn refresh(self: Arc<Self>) -> Vec<String> {
        let mut failed = Vec::new();
        while !self.enough.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..10))).await;
            let refreshed = self.layer.handle().refresh().await;
            failed.extend(refreshed.err().map(|error| format!("refresh: {error}")));
        }
        failed
    }
}

/// Lets a crowd use the session of `minted`, which starts from `seed`, until it has been rotated a
/// thousand times. No call fails and no refresh token is spent twice. Gives what the server counted.
///
/// On one thread, so that no time goes by between a look at the clock and one at the session.
pub(crate) async fn rotates(
    oidc: &Oidc,
    provider: OAuth2,
    minted: &Minted,
    seed: Token,
) -> Result<Value, BoxError> {
    let (wanted, limit) = match std::env::var_os("TOWER_REAUTH_LONG") {
        None => (1_000, 120),
        Some(_) => (10_000, 600),
    };
    let faults = json!({
        "api_401": 0.1, "token_5xx": 0.05, "api_delay_ms": 6, "token_delay_ms": 6,
        "api_nonce_ms": 1_000, "access_ttl": 86_400,
    });
    oidc.faults(faults).await;
    let hasty = Hasty::default();
    let layer = AuthLayer::builder(provider)
        .initial(seed)
        .memory_only()
        .clock(hasty.clone())
        .observer(hasty)
        .build()?;
    let crowd = Arc::new(Crowd {
        url: oidc.url(),
        service: layer.layer(oidc.http().clone()),
        layer,
        enough: AtomicBool::new(false),
        calls: AtomicUsize::new(0),
    });
    let began = SystemClock.now();
    let mut callers: JoinSet<_> = (0..CALLERS).map(|_| Arc::clone(&crowd).call()).collect();
    callers.spawn(Arc::clone(&crowd).refresh());
    let limit = began.after(Duration::from_secs(limit));
    let state = loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let state = oidc.state(&minted.grant_id).await;
        let rotations = state["rotations"].as_u64();
        if rotations.is_none_or(|done| done >= wanted) || limit.reached(SystemClock.now()) {
            break state;
        }
    };
    crowd.enough.store(true, Relaxed);
    let failed: Vec<_> = callers.join_all().await.concat();
    let calls = crowd.calls.load(Relaxed);
    let took = SystemClock.now().monotonic() - began.monotonic();
    println!("{calls} calls by {CALLERS} callers in {took:?}: {state}");
    let failures = failed.len();
    assert_eq!(failed.first(), None, "and {failures} in all");
    assert_eq!(
        (&state["reused"], &state["alive"]),
        (&json!(0), &json!(true))
    );
    assert!(state["rotations"].as_u64() >= Some(wanted), "{state}");
    assert!(state["api_401"].as_u64() > Some(wanted / 10), "{state}");
    assert!(state["token_5xx"].as_u64() > Some(wanted / 50), "{state}");
    Ok(state)
}
