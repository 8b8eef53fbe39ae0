//! Services that are no HTTP clients, so that each can be as odd as the claim needs.

use std::{
    convert::Infallible,
    future::pending,
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, Empty, Full};
use tower::{BoxError, Service, ServiceExt, service_fn, util::BoxCloneService};

use super::{CANARY, client, failure, post};
use crate::{
    clock::{Clock, Moment, Sleep},
    provider::{FailureKind, ProviderError, TokenClient, TokenRequest},
    test_util::ManualClock,
    token_client::{Body, HttpTokenClient, body::LastCall, missing::Missing},
};

const URL: &str = "https://id.example/token";
const LIMIT: Duration = Duration::from_secs(10);

type Reply = Result<Response<Full<Bytes>>, io::Error>;

/// Hands requests to `answer` and does nothing else.
fn over<F, Fut>(answer: F) -> TokenClient
where
    F: Fn(Request<Body>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Reply> + Send + 'static,
{
    client(HttpTokenClient::over(service_fn(answer)))
}

fn ok() -> Reply {
    Ok(Response::new(Full::default()))
}

/// Requests whose credential may be in the head.
fn heads() -> [Request<Bytes>; 4] {
    let mut authorized = post(URL);
    let basic = header::HeaderValue::from_static("Basic Y2FuYXJ5");
    authorized.headers_mut().insert("authorization", basic);
    let mut keyed = post(URL);
    let mut key = header::HeaderValue::from_static("key");
    key.set_sensitive(true);
    keyed.headers_mut().insert("x-key", key);
    let empty = post(URL).map(|_| Bytes::new());
    [authorized, keyed, empty, post(format!("{URL}?secret=1"))]
}

// === whether anything was sent ===

#[tokio::test(start_paused = true)]
async fn a_body_that_was_never_read_was_never_sent() {
    let silent = over(|_kept| pending());
    let failing = over(|_| async { Err(io::Error::other("broken")) });
    for client in [silent, failing] {
        assert_eq!(
            failure(client.send(post(URL)).await),
            FailureKind::Transient
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_may_have_been_sent() {
    let silent = over(|request| async {
        let _ = request.into_body().collect().await;
        pending().await
    });
    let failing = over(|request| async {
        let _ = request.into_body().into_bytes();
        Err(io::Error::other("broken"))
    });
    for client in [silent, failing] {
        assert_eq!(
            failure(client.send(post(URL)).await),
            FailureKind::UnknownOutcome
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_unread_body_proves_nothing_where_the_head_may_hold_the_credential() {
    let silent = over(|_| pending());
    let failing = over(|_| async { Err(io::Error::other("broken")) });
    for client in [silent, failing] {
        for request in heads() {
            let head = format!("{request:?}");
            let kind = failure(client.send(request).await);
            assert_eq!(kind, FailureKind::UnknownOutcome, "{head}");
        }
    }
}

#[tokio::test]
async fn a_connect_failure_is_proof_wherever_the_credential_is() {
    let client = over(|request| async {
        let _ = request.into_body().into_bytes();
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        Err(io::Error::other(refused))
    });
    for request in heads().into_iter().chain([post(URL)]) {
        assert_eq!(failure(client.send(request).await), FailureKind::Transient);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_found_unread_cannot_be_read_later() {
    let stash = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&stash);
    let client = over(move |request| {
        kept.lock().unwrap().push(request.into_body());
        pending()
    });
    for _ in 0..2 {
        assert_eq!(
            failure(client.send(post(URL)).await),
            FailureKind::Transient
        );
    }
    let mut bodies = std::mem::take(&mut *stash.lock().unwrap());
    assert_eq!(bodies.pop().unwrap().into_bytes(), "");
    assert!(bodies.pop().unwrap().collect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_has_sent_nothing() {
    #[derive(Clone)]
    struct Busy(bool);

    impl Service<Request<Body>> for Busy {
        type Response = Response<Empty<Bytes>>;
        type Error = io::Error;
        type Future = std::future::Pending<Result<Self::Response, io::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.0 {
                true => Poll::Pending,
                false => Poll::Ready(Err(io::Error::other("closed"))),
            }
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            panic!("it was not ready")
        }
    }

    for busy in [true, false] {
        let client = client(HttpTokenClient::over(Busy(busy)));
        for request in heads() {
            assert_eq!(failure(client.send(request).await), FailureKind::Transient);
        }
    }
}

/// A service that reads the body or does not, and fails with `error`.
async fn fails(error: impl Fn() -> BoxError + Clone + Send + 'static, reads: bool) -> FailureKind {
    let service = service_fn(move |request: Request<Body>| {
        if reads {
            let _ = request.into_body().into_bytes();
        }
        std::future::ready(Err::<Response<Empty<Bytes>>, _>(error()))
    });
    let client = client(HttpTokenClient::over(service));
    failure(client.send(post(URL)).await)
}

#[tokio::test]
async fn a_verdict_of_the_service_is_passed_on() {
    let verdict = || ProviderError::refused("it said so").into();
    assert_eq!(fails(verdict, true).await, FailureKind::Refused);
}

#[tokio::test]
async fn a_verdict_about_another_session_is_not_ours() {
    let theirs = || io::Error::other(ProviderError::refused("log in there")).into();
    assert_eq!(fails(theirs, true).await, FailureKind::UnknownOutcome);
    assert_eq!(fails(theirs, false).await, FailureKind::Transient);
}

#[tokio::test]
async fn a_layer_that_refuses_its_own_token_request_is_a_misconfiguration() {
    let itself = || io::Error::other(ProviderError::misconfigured("through itself")).into();
    assert_eq!(fails(itself, false).await, FailureKind::Misconfigured);
    assert_eq!(fails(itself, true).await, FailureKind::UnknownOutcome);
}

// === what goes out ===

#[tokio::test]
async fn an_address_that_shows_the_credential_is_refused_before_anything_is_sent() {
    let client = over(|_| async { panic!("it was sent") });
    for url in [
        "http://id.example/token",
        "http://10.0.0.1/token",
        "http://localhost.evil.example/token",
        "ftp://127.0.0.1/token",
        "/token",
        "id.example",
        "https://canary-4711@id.example/token",
        "https://user:canary-4711@id.example/token",
        "http://canary-4711@127.0.0.1/token",
        "https://:443/token",
    ] {
        let kind = failure(client.send(post(url)).await);
        assert_eq!(kind, FailureKind::Misconfigured, "{url}");
    }
    let error = client.send(post("http://id.example/t?k=v")).await;
    let text = error.expect_err("plain http").to_string();
    assert!(
        text.contains("id.example") && text.contains("https"),
        "{text}"
    );
    assert!(!text.contains("k=v"), "{text}");
}

#[tokio::test]
async fn plain_http_to_this_machine_is_sent() {
    let client = over(|_| async { ok() });
    for url in ["http://127.0.0.1:1/", "http://[::1]/", "http://localhost/"] {
        client.send(post(url)).await.expect(url);
    }
}

#[tokio::test]
async fn a_request_says_who_asks_and_is_marked() {
    let client = over(|request| async move {
        let headers = request.headers();
        let agent = concat!("tower-reauth/", env!("CARGO_PKG_VERSION"));
        assert_eq!(headers["user-agent"], agent);
        assert_eq!(headers["accept"], "application/json");
        assert!(request.extensions().get::<TokenRequest>().is_some());
        assert!(!format!("{request:?}").contains(CANARY));
        ok()
    });
    client.send(post(URL)).await.expect("a reply");
}

#[tokio::test]
async fn headers_of_the_provider_are_kept() {
    let client = over(|request| async move {
        let headers = request.headers();
        assert_eq!(headers["user-agent"], "mine");
        assert_eq!(headers["accept"], "text/plain");
        assert!(headers["authorization"].is_sensitive());
        ok()
    });
    let mut request = post(URL);
    for (name, value) in [
        ("user-agent", "mine"),
        ("accept", "text/plain"),
        ("authorization", "Basic eA=="),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    client.send(request).await.expect("a reply");
}

// === what comes back ===

/// A body that yields the same frame for ever, each after a pause.
struct Endless {
    frame: &'static [u8],
    pause: Option<tokio::time::Interval>,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.poll_tick(cx));
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.frame)))))
    }
}

fn endless(frame: &'static [u8], every: Option<Duration>) -> HttpTokenClient {
    HttpTokenClient::over(service_fn(move |_: Request<Body>| async move {
        let pause = every.map(tokio::time::interval);
        Ok::<_, Infallible>(Response::new(Endless { frame, pause }))
    }))
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_ends_at_the_time_limit_with_what_had_arrived() {
    let slow = client(endless(b"x", Some(Duration::from_millis(900))));
    let reply = slow.send(post(URL)).await.expect("a reply");
    assert!(!reply.is_complete());
    assert_eq!(reply.body(), b"x".repeat(12));
}

#[tokio::test(start_paused = true)]
async fn head_and_body_share_one_time_limit() {
    let slow = HttpTokenClient::over(service_fn(|_: Request<Body>| async {
        tokio::time::sleep(Duration::from_secs(9)).await;
        let pause = Some(tokio::time::interval(Duration::from_millis(900)));
        Ok::<_, Infallible>(Response::new(Endless { frame: b"x", pause }))
    }));
    let reply = client(slow).send(post(URL)).await.expect("a reply");
    assert_eq!((reply.body(), reply.is_complete()), (&b"xx"[..], false));
}

#[tokio::test]
async fn an_endless_body_ends_at_the_size_limit() {
    let flood = client(endless(&[b'x'; 1_000], None).max_reply_bytes(2_500));
    let reply = flood.send(post(URL)).await.expect("a reply");
    assert_eq!((reply.body().len(), reply.is_complete()), (2_500, false));
}

#[tokio::test]
async fn a_body_of_empty_frames_ends_at_the_time_limit() {
    // Real time: paused time moves on only when nothing is ready, and this body always is.
    let empty = client(endless(b"", None).timeout(Duration::from_millis(50)));
    let reply = empty.send(post(URL)).await.expect("a reply");
    assert!(!reply.is_complete());
}

#[tokio::test]
async fn lifetimes_count_from_before_the_request_went_out() {
    #[derive(Debug, Default)]
    struct Ticking(AtomicU64);

    impl Clock for Ticking {
        fn now(&self) -> Moment {
            let now = Duration::from_secs(self.0.load(SeqCst));
            Moment::new(now, now)
        }

        fn sleep(&self, _: Duration) -> Sleep {
            Box::pin(pending())
        }
    }

    let clock = Arc::new(Ticking::default());
    let ticking = Arc::clone(&clock);
    let later = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(100));
    let service = service_fn(move |_: Request<Body>| {
        ticking.0.fetch_add(30, SeqCst);
        let reply = Response::builder().header("retry-after", &later);
        std::future::ready(reply.body(Empty::<Bytes>::new()))
    });
    let client = TokenClient::new(HttpTokenClient::over(service).into_transport(), clock);
    let reply = client.send(post(URL)).await.expect("a reply");
    assert_eq!(reply.sent_at(), Moment::PAST);
    assert_eq!(reply.retry_after(), Some(Duration::from_secs(70)));
}

/// The process was stopped, before the request was begun or while the client connected.
#[tokio::test]
async fn a_request_whose_exchange_is_over_is_not_sent() {
    let clock = ManualClock::new();
    let until = clock.now().after(LIMIT);
    let connecting = clock.clone();
    let read = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&read);
    let service = service_fn(move |request: Request<Body>| {
        let count = Arc::clone(&count);
        connecting.advance(LIMIT / 2);
        async move {
            let body = request.into_body().collect().await?;
            count.fetch_add(body.to_bytes().len() as u64, SeqCst);
            Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let client = HttpTokenClient::over(service).into_transport();
    let client = TokenClient::new(client, Arc::new(clock)).until(until);
    assert!(client.send(post(URL)).await.is_ok(), "there was time");
    let sent = read.swap(0, SeqCst);
    assert!(sent > 0);
    let connected_too_late = client.send(post(URL)).await;
    assert_eq!(failure(connected_too_late), FailureKind::Transient);
    let begun_too_late = client.send(post(URL)).await;
    assert_eq!(failure(begun_too_late), FailureKind::Transient);
    assert_eq!(read.load(SeqCst), 0);
}

/// Nobody knows by then whether another process has taken the exchange for over.
#[tokio::test(start_paused = true)]
async fn an_answer_is_awaited_no_longer_than_its_exchange_lasts() {
    let clock = ManualClock::new();
    let service = service_fn(|request: Request<Body>| async move {
        request.into_body().collect().await?;
        tokio::time::sleep(LIMIT - Duration::from_secs(1)).await;
        Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
    });
    let client = HttpTokenClient::over(service).into_transport();
    let client = TokenClient::new(client, Arc::new(clock.clone()));
    let until = |seconds| clock.now().after(Duration::from_secs(seconds));
    let hasty = client.until(until(1));
    let late = tokio::time::timeout(Duration::from_secs(3), hasty.send(post(URL)));
    let late = late.await.expect("it ends with its exchange");
    assert_eq!(failure(late), FailureKind::UnknownOutcome);
    assert!(client.until(until(10)).send(post(URL)).await.is_ok());
}

// === what it can be built over, and where ===

#[tokio::test]
async fn a_service_need_not_be_sync() {
    let service = service_fn(|_: Request<Body>| async { ok() });
    let boxed: BoxCloneService<_, _, _> = service.boxed_clone();
    let reply = client(boxed.into()).send(post(URL)).await;
    assert_eq!(reply.expect("a reply").status(), StatusCode::OK);
}

#[test]
fn a_request_outside_a_runtime_is_an_error_and_no_panic() {
    let client = over(|_| async { ok() });
    let mut sending = pin!(client.send(post(URL)));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(result) = sending.as_mut().poll(&mut cx) else {
        panic!("it waits for a runtime")
    };
    assert_eq!(failure(result), FailureKind::Misconfigured);
}

#[tokio::test]
async fn no_token_client_is_an_error_that_names_the_fix() {
    let client = client(HttpTokenClient::with_stack(Missing));
    let error = client.send(post(URL)).await.expect_err("none");
    assert_eq!(error.kind(), FailureKind::Misconfigured);
    assert!(error.to_string().contains("`https`"), "{error}");
}

#[test]
fn debug_output_shows_no_more_than_the_limits() {
    let client = HttpTokenClient::default().timeout(LIMIT);
    let shown = format!("{client:?}");
    assert!(
        shown.contains("10s") && shown.contains("1048576"),
        "{shown}"
    );
    let bytes = Bytes::from_static(CANARY.as_bytes());
    let (body, _) = super::super::body::Body::new(bytes, LastCall::default());
    assert!(!format!("{body:?}").contains(CANARY));
    assert_eq!(body.size_hint().exact(), Some(CANARY.len() as u64));
}
