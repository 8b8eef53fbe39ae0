//! Tokens that are bound to a key (RFC 9449), with nonces required at both ends.

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
    Auth, AuthLayer, BoxError, Error, Provider, Token,
    clock::{Clock, Moment, Sleep, SystemClock},
    oauth2::{OAuth2, dpop::DpopKey},
    provider::{Exchange, FailureKind, Profile, ProviderError},
    store::MemoryStore,
};

use crate::{
    oidc::{HttpClient, Minted, Oidc, SECRET},
    sessions::call,
};

fn provider(oidc: &Oidc) -> OAuth2 {
    OAuth2::refresh_token(oidc.token_url(), "dpop")
        .dpop()
        .server_errors_are_transient()
        .origins([oidc.url()])
}

/// A session of the public client, whose refresh token is bound to the key that it is minted with.
async fn mint(oidc: &Oidc) -> (Minted, Token, DpopKey) {
    let key = DpopKey::generate().unwrap();
    let asked = json!({ "jkt": key.thumbprint(), "scope": "openid offline_access read" });
    let minted = oidc.mint("dpop", asked).await;
    let seed = minted.seed().with_dpop_key(&key);
    (minted, seed, key)
}

#[tokio::test]
async fn a_dpop_session_rotates_at_the_oidc_server_with_the_key_of_its_login()
-> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let (minted, seed, key) = mint(&oidc).await;
    let api = format!("{}/api/x?page=1", oidc.url());
    let store = MemoryStore::new();
    // Each time as after a restart.
    for _ in 0..3 {
        let layer = AuthLayer::builder(provider(&oidc)).initial(seed.clone());
        let layer = layer.store(store.clone()).build()?;
        let service = layer.layer(oidc.http().clone());
        for _ in 0..2 {
            let (status, says) = call(service.clone(), &api).await?;
            assert_eq!((status, &says["bound"]), (200, &json!(key.thumbprint())));
            layer.handle().refresh().await?;
        }
        layer.handle().shutdown().await;
    }
    let state = oidc.state(&minted.grant_id).await;
    assert_eq!(
        (&state["reused"], &state["alive"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(state["rotations"], 7, "{state}");
    assert_eq!(state["dpop_jti_reused"], 0);
    assert!(
        state["dpop_nonce_challenges"].as_u64() >= Some(1),
        "{state}"
    );
    Ok(())
}

#[tokio::test]
async fn a_dpop_session_with_another_key_is_refused_by_the_oidc_server() -> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let (_, seed, _) = mint(&oidc).await;
    let stranger = seed.with_dpop_key(&DpopKey::generate()?);
    let layer = AuthLayer::builder(provider(&oidc)).initial(stranger);
    let service = layer.memory_only().build()?.layer(oidc.http().clone());
    let error = call(service, &format!("{}/api/x", oidc.url()))
        .await
        .unwrap_err();
    assert!(
        Error::find(&*error).is_some_and(Error::is_login_required),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_dpop_service_gets_bound_tokens_from_the_oidc_server() -> Result<(), BoxError> {
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let key = DpopKey::generate()?;
    let provider = OAuth2::client_credentials(oidc.token_url(), "dpop-service", SECRET);
    let provider = provider.dpop_key(key.clone()).origins([oidc.url()]);
    let layer = AuthLayer::builder(provider).build()?;
    let service = layer.layer(oidc.http().clone());
    for _ in 0..3 {
        let (status, says) = call(service.clone(), &format!("{}/api/x", oidc.url())).await?;
        assert_eq!((status, &says["bound"]), (200, &json!(key.thumbprint())));
        layer.handle().refresh().await?;
    }
    Ok(())
}

/// The time, of which more goes by than the wall shows: proofs say what that shows.
#[derive(Clone, Debug)]
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

/// Asks again where the server says that it did nothing.
struct Again(OAuth2);

impl Provider for Again {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let mut last = self.0.obtain(exchange.clone()).await;
        for _ in 0..8 {
            match &last {
                Err(error) if error.kind() == FailureKind::Transient => {}
                _ => break,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            last = self.0.obtain(exchange.clone()).await;
        }
        last
    }

    fn profile(&self) -> Profile {
        Provider::profile(&self.0)
    }
}

/// What the callers share.
struct Crowd {
    url: String,
    layer: AuthLayer<Again>,
    service: Auth<HttpClient, Again>,
    hasty: Hasty,
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
            self.time_goes_by();
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

    /// A session is careful for five minutes after an exchange that a refusal began. Here a tenth of
    /// all calls is refused; so that these are not taken for an endpoint that refuses everything, more
    /// than that goes by with each call.
    fn time_goes_by(&self) {
        if !self.layer.handle().status().exchanging {
            self.hasty.0.fetch_add(301, Relaxed);
        }
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

/// On one thread, so that no time goes by between a look at the session and what is made of it.
#[tokio::test]
async fn a_thousand_dpop_rotations_at_the_oidc_server_fail_no_call_and_spend_no_token_twice()
-> Result<(), BoxError> {
    const CALLERS: usize = 64;
    const WANTED: u64 = 1_000;
    let Some(oidc) = Oidc::start() else {
        return Ok(());
    };
    let faults = json!({
        "api_401": 0.1, "token_5xx": 0.05, "api_delay_ms": 6, "token_delay_ms": 6,
        "api_nonce_ms": 1_000, "access_ttl": 86_400,
    });
    oidc.faults(faults).await;
    let (minted, seed, _) = mint(&oidc).await;
    let hasty = Hasty(Arc::default());
    let layer = AuthLayer::builder(Again(provider(&oidc)))
        .initial(seed)
        .memory_only()
        .clock(hasty.clone())
        .build()?;
    let crowd = Arc::new(Crowd {
        url: oidc.url(),
        service: layer.layer(oidc.http().clone()),
        layer,
        hasty,
        enough: AtomicBool::new(false),
        calls: AtomicUsize::new(0),
    });
    let began = SystemClock.now();
    let mut callers: JoinSet<_> = (0..CALLERS).map(|_| Arc::clone(&crowd).call()).collect();
    callers.spawn(Arc::clone(&crowd).refresh());
    let limit = began.after(Duration::from_secs(120));
    let state = loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let state = oidc.state(&minted.grant_id).await;
        let rotations = state["rotations"].as_u64();
        if rotations.is_none_or(|done| done >= WANTED) || limit.reached(SystemClock.now()) {
            break state;
        }
    };
    crowd.enough.store(true, Relaxed);
    let failed: Vec<_> = callers.join_all().await.concat();
    let calls = crowd.calls.load(Relaxed);
    let took = SystemClock.now().remaining(began);
    println!("{calls} calls by {CALLERS} callers in {took:?}: {state}");
    let failures = failed.len();
    assert_eq!(failed.first(), None, "and {failures} in all");
    assert_eq!(
        (&state["reused"], &state["alive"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(state["dpop_jti_reused"], 0);
    assert!(state["rotations"].as_u64() >= Some(WANTED));
    assert!(state["api_401"].as_u64() > Some(WANTED / 10), "{state}");
    assert!(state["token_5xx"].as_u64() > Some(WANTED / 50), "{state}");
    assert!(
        state["dpop_nonce_challenges"].as_u64() > Some(10),
        "{state}"
    );
    Ok(())
}
