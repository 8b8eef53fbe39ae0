//! An application that talks to a vendor through the layer.

use std::{
    error::Error as StdError,
    future::Future,
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_reauth::{
    Auth, AuthLayer, BoxError, Error,
    handle::AuthHandle,
    layer::AuthLayerBuilder,
    provider::BoxProvider,
    test_util::{Counters, ManualClock, Seed},
    token_client::HttpTokenClient,
};

pub(crate) use crate::stand::{
    ALL, DAY, HOUR, Kind, LASTING, MINUTE, ROTATING, SECOND, Stand, pair,
};
use crate::{sockets::Line, stand::Vendor};

/// What an error tells its caller to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    LoginRequired,
    Misconfigured,
    Throttled,
    UnknownOutcome,
    Transient,
    Other,
}

pub(crate) type Service = Auth<Client<HttpConnector, Empty<Bytes>>, BoxProvider>;

/// An application that calls the vendor's API through the layer.
pub(crate) struct Site {
    pub(crate) clock: ManualClock,
    pub(crate) vendor: Vendor,
    pub(crate) line: Option<Line>,
    pub(crate) auth: AuthLayer<BoxProvider>,
    pub(crate) service: Service,
    pub(crate) seed: Seed,
    /// Of access tokens.
    pub(crate) lifetime: Duration,
    served: AtomicU64,
}

/// A vendor's reply, read to its end.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: serde_json::Value,
}

// === impl Stand: the application ===

impl Stand {
    /// An application with everything at its default.
    pub(crate) fn open(self) -> Site {
        self.open_with(|builder| builder)
    }

    pub(crate) fn open_with(
        self,
        configure: impl FnOnce(AuthLayerBuilder<BoxProvider>) -> AuthLayerBuilder<BoxProvider>,
    ) -> Site {
        let mut builder = AuthLayer::builder(self.provider)
            .clock(self.clock.clone())
            .session_key("canary-session-key")
            .memory_only();
        if let Some(initial) = self.initial {
            builder = builder.initial(initial);
        }
        let auth = configure(builder).build().unwrap();
        Site {
            clock: self.clock,
            vendor: self.vendor,
            line: self.line,
            service: auth.layer(client()),
            auth,
            seed: self.seed,
            lifetime: self.lifetime,
            served: AtomicU64::new(0),
        }
    }
}

// === impl Site ===

impl Site {
    pub(crate) async fn of(kind: Kind) -> Self {
        Stand::of(kind).await.open()
    }

    /// One whose token client gives up soon, by the real clock.
    pub(crate) async fn impatient(kind: Kind) -> Self {
        let stand = Stand::of(kind).await;
        stand.open_with(|builder| builder.token_client(impatient()))
    }

    /// The line that its token requests go over.
    pub(crate) fn line(&self) -> &Line {
        self.line.as_ref().expect("it was put on one")
    }

    pub(crate) fn handle(&self) -> AuthHandle {
        self.auth.handle()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.vendor.counters()
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Reply, BoxError> {
        get(self.service.clone(), self.vendor.base_url() + path).await
    }

    /// The headers that a request to `path` has when it leaves, which has to be answered.
    pub(crate) async fn headers_at(&self, path: &str) -> HeaderMap {
        let seen = Arc::new(Mutex::new(HeaderMap::new()));
        let note = Arc::clone(&seen);
        let service = ServiceBuilder::new()
            .layer(self.auth.clone())
            .map_request(move |request: Request<_>| {
                *note.lock().unwrap() = request.headers().clone();
                request
            })
            .service(client());
        let url = self.vendor.base_url() + path;
        assert_eq!(get(service, url).await.unwrap().status, StatusCode::OK);
        let headers = seen.lock().unwrap();
        headers.clone()
    }

    /// `n` requests at once.
    pub(crate) async fn burst(&self, n: usize) -> Vec<Result<Reply, BoxError>> {
        let url = self.vendor.base_url() + "/api/things";
        let callers: Vec<_> = (0..n)
            .map(|_| tokio::spawn(get(self.service.clone(), url.clone())))
            .collect();
        let mut replies = Vec::new();
        for caller in callers {
            replies.push(soon(caller).await.unwrap());
        }
        replies
    }

    /// `n` requests at once, all of them answered; then waits for what they began beside them.
    #[track_caller]
    pub(crate) fn serves(&self, n: usize) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            for reply in self.burst(n).await {
                let status = reply.map(|reply| reply.status);
                let good = matches!(status, Ok(StatusCode::OK));
                assert!(
                    good,
                    "at {caller}: {status:?} from {:?}",
                    self.vendor_name()
                );
            }
            self.served.fetch_add(n as u64, Ordering::Relaxed);
            self.quiet().await;
        }
    }

    /// A request, which fails with this crate's error; what the error shows is harmless.
    #[track_caller]
    pub(crate) fn fails(&self) -> impl Future<Output = Error> {
        let caller = std::panic::Location::caller();
        async move {
            let Err(error) = self.get("/api/things").await else {
                panic!("at {caller}: an answer from {}", self.vendor_name());
            };
            let error = Error::find(&*error)
                .expect("an error of this crate")
                .clone();
            self.shows_no_secret(&error);
            error
        }
    }

    /// Ten requests at once, which all fail in the same way.
    #[track_caller]
    pub(crate) fn all_fail(&self) -> impl Future<Output = Verdict> {
        let caller = std::panic::Location::caller();
        async move {
            let one = Verdict::of(&self.fails().await);
            for reply in self.burst(9).await {
                let error = reply.map(|reply| reply.status).unwrap_err();
                let error = Error::find(&*error).expect("an error of this crate");
                assert_eq!(Verdict::of(error), one, "at {caller}");
            }
            one
        }
    }

    /// Waits until no exchange is under way.
    pub(crate) async fn quiet(&self) {
        let mut states = self.handle().subscribe();
        let quiet = async {
            while states.current().exchanging {
                states.changed().await;
            }
        };
        soon(quiet).await;
    }

    /// Lets the access token die.
    pub(crate) fn expire(&self) {
        self.clock.advance(self.lifetime + SECOND);
    }

    /// Lets the access token get old enough to be exchanged, but not to die.
    pub(crate) fn age(&self) {
        self.clock.advance(self.lifetime - self.early());
    }

    /// How long before its end a token is due at the latest.
    pub(crate) fn early(&self) -> Duration {
        (self.lifetime / 4).min(HOUR)
    }

    /// All that was asked was answered, and nothing was ever wrong with a token request.
    #[track_caller]
    pub(crate) fn was_healthy(&self) {
        let counters = self.counters();
        assert_eq!(counters.api_answered, self.served.load(Ordering::Relaxed));
        assert_eq!(counters.api_refused, 0, "{counters:?}");
        self.was_careful();
    }

    /// No refresh token was spent twice, and no request malformed.
    #[track_caller]
    pub(crate) fn was_careful(&self) {
        let counters = self.counters();
        assert_eq!(counters.malformed, 0, "{:?}", self.vendor.last_malformed());
        assert_eq!(counters.spent_twice, 0, "{counters:?}");
        assert_eq!(counters.api_anonymous, 0, "{counters:?}");
        assert!(counters.in_flight_max <= 1, "{counters:?}");
    }

    /// Neither the error nor anything that an application may print shows a secret.
    #[track_caller]
    pub(crate) fn shows_no_secret(&self, error: &Error) {
        let (auth, service, handle) = (&self.auth, &self.service, self.handle());
        let mut shown = vec![
            format!("{auth:?}{service:?}{handle:?}"),
            format!("{:?}{:?}", handle.status(), handle.subscribe()),
        ];
        let chain = iter::successors(Some(error as &(dyn StdError + 'static)), |&it| it.source());
        shown.extend(chain.map(|error| format!("{error} {error:?} {error:#?}")));
        // As CSP writes it. Five letters alone are sooner or later a part of a word of ours.
        let tail = &self.seed.refresh_token[self.seed.refresh_token.len() - 5..];
        let tail = &format!("...{tail}");
        let secrets = [
            "canary",
            &self.seed.access_token,
            &self.seed.refresh_token,
            tail,
        ];
        for shown in shown {
            for secret in secrets {
                assert!(!shown.contains(secret), "{secret} in {shown}");
            }
        }
    }

    fn vendor_name(&self) -> String {
        let name = format!("{:?}", **self.vendor);
        name.split("Options").next().unwrap_or_default().to_owned()
    }
}

// === impl Verdict ===

impl Verdict {
    pub(crate) fn of(error: &Error) -> Self {
        match () {
            () if error.is_login_required() => Self::LoginRequired,
            () if error.is_misconfigured() => Self::Misconfigured,
            () if error.is_throttled() => Self::Throttled,
            () if error.is_unknown_outcome() => Self::UnknownOutcome,
            () if error.is_transient() => Self::Transient,
            () => Self::Other,
        }
    }
}

pub(crate) fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

/// The built-in token client with a short time limit: it goes by the real clock.
pub(crate) fn impatient() -> HttpTokenClient {
    HttpTokenClient::builtin().timeout(Duration::from_millis(250))
}

pub(crate) async fn get<S, B>(service: S, url: String) -> Result<Reply, BoxError>
where
    S: tower::Service<Request<Empty<Bytes>>, Response = http::Response<B>, Error = BoxError>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let reply = service
        .oneshot(Request::get(url).body(Empty::new())?)
        .await?;
    let (head, body) = reply.into_parts();
    let body = body.collect().await.map_err(Into::into)?.to_bytes();
    Ok(Reply {
        status: head.status,
        body: serde_json::from_slice(&body)?,
    })
}

/// A test that would hang fails instead.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(Duration::from_secs(10), future).await;
    outcome.expect("it never happened")
}

/// Lets the tasks that were just woken run until they wait for something else.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
