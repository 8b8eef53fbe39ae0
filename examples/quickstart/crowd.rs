//! Callers that share one wrapped client, and what they notice.

use std::{
    cell::Cell,
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::sync::{Barrier, Semaphore};
use tower::{Service, ServiceBuilder, ServiceExt, util::MapRequest};
use tower_reauth::{
    Auth, AuthLayer, BoxError, Provider,
    handle::{AuthHandle, Status},
    test_util::Simulator,
};

pub(crate) const CALLERS: u32 = 512;
/// Each caller sends one request in this time.
const PACE: Duration = Duration::from_millis(1_600);
/// So many requests of a crowd are on their way at once; a program may not open a socket for each.
const CONNECTIONS: usize = 48;

/// One vendor and its callers.
#[derive(Clone)]
pub(crate) struct Crowd {
    pub(crate) name: &'static str,
    pub(crate) vendor: Arc<dyn Deref<Target = Simulator> + Send + Sync>,
    pub(crate) lifetime: Duration,
    pub(crate) session: AuthHandle,
    notes: Arc<Mutex<Notes>>,
    /// The callers meet after their first answer, and before they leave.
    meeting: Arc<Barrier>,
}

/// What the callers noticed.
#[derive(Clone, Default)]
pub(crate) struct Notes {
    pub(crate) requests: u64,
    pub(crate) answered: u64,
    /// Requests that the layer did not hand on at once.
    pub(crate) kept_back: u64,
    /// Those of them that had no reason to wait: the same token was good before and after.
    pub(crate) in_vain: u64,
    /// For all others, the time from `call` until the client had the request.
    pub(crate) added: Vec<Duration>,
    pub(crate) complaint: Option<String>,
    over: bool,
}

type Get = Request<Empty<Bytes>>;
type Hyper = Client<HttpConnector, Empty<Bytes>>;
type Wrapped<P> = Auth<MapRequest<Few, fn(Get) -> Get>, P>;

/// A hyper client that sends a few requests at once, and lets the others wait for their turn.
#[derive(Clone)]
struct Few {
    client: Hyper,
    turns: Arc<Semaphore>,
}

thread_local! {
    /// When the client last got a request on this thread.
    static ARRIVED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Stands between the layer and the client.
fn note_arrival(request: Get) -> Get {
    ARRIVED.set(Some(Instant::now()));
    request
}

impl Service<Get> for Few {
    type Response = <Hyper as Service<Get>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Get) -> Self::Future {
        let Self { client, turns } = self.clone();
        Box::pin(async move {
            let _turn = turns.acquire().await?;
            Ok(client.request(request).await?)
        })
    }
}

impl Crowd {
    /// Wraps a hyper client, and lets callers loose on it.
    pub(crate) fn gather<P: Provider>(
        name: &'static str,
        vendor: impl Deref<Target = Simulator> + Send + Sync + 'static,
        lifetime: Duration,
        auth: &AuthLayer<P>,
    ) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let service = ServiceBuilder::new()
            .layer(auth.clone())
            .map_request(note_arrival as fn(Get) -> Get)
            .service(Few {
                client,
                turns: Arc::new(Semaphore::new(CONNECTIONS)),
            });

        let crowd = Self {
            name,
            vendor: Arc::new(vendor),
            lifetime,
            session: auth.handle(),
            notes: Arc::default(),
            meeting: Arc::new(Barrier::new(CALLERS as usize + 1)),
        };
        for number in 0..CALLERS {
            tokio::spawn(crowd.clone().work(service.clone(), PACE / CALLERS * number));
        }
        crowd
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every caller has had its first answer.
    pub(crate) async fn first_answers(&self) {
        self.meeting.wait().await;
    }

    /// Ends the work.
    pub(crate) fn call_it_a_day(&self) {
        self.notes().over = true;
    }

    /// Waits for the requests under way, after the work has ended.
    pub(crate) async fn leave(&self) {
        self.meeting.wait().await;
    }

    /// One caller: the first request together with all others, then evenly spread.
    async fn work<P: Provider>(self, mut client: Wrapped<P>, offset: Duration) {
        self.request(&mut client).await;
        self.meeting.wait().await;
        tokio::time::sleep(offset).await;
        let mut pace = tokio::time::interval(PACE);
        while !self.notes().over {
            self.request(&mut client).await;
            pace.tick().await;
        }
        self.meeting.wait().await;
    }

    async fn request<P: Provider>(&self, client: &mut Wrapped<P>) {
        self.notes().requests += 1;
        match self.send(client).await {
            Ok(()) => self.notes().answered += 1,
            Err(error) => self.notes().complaint = Some(error.to_string()),
        }
    }

    async fn send<P: Provider>(&self, client: &mut Wrapped<P>) -> Result<(), BoxError> {
        let request = Request::get(self.vendor.base_url() + "/things").body(Empty::new())?;
        let client = client.ready().await?;

        ARRIVED.set(None);
        let before = self.session.status();
        let began = Instant::now();
        let response = client.call(request);
        self.note(began, ARRIVED.get(), &before);

        let response = response.await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("a caller got the answer {status}").into());
        }
        // Dressipi never refuses; it answers strangers as well, and tells them less.
        let body: serde_json::Value = serde_json::from_slice(&body)?;
        match body["personalised"].as_bool() {
            Some(false) => Err("a caller was answered as a stranger".into()),
            _ => Ok(()),
        }
    }

    /// With a good token, a request is with the client when `call` returns. If it is not, but the
    /// *same* token was good both before and after, it waits in vain. If the token died or was
    /// replaced in between, nobody can tell, and it does not count.
    fn note(&self, began: Instant, arrived: Option<Instant>, before: &Status) {
        let after = self.session.status();
        let same = before.generation == after.generation;
        let mut notes = self.notes();
        match arrived {
            Some(arrived) => notes.added.push(arrived - began),
            None => {
                notes.kept_back += 1;
                notes.in_vain += u64::from(same && before.usable && after.usable);
            }
        }
    }
}
