//! Promise 10: a token goes to declared origins and nowhere else, one session's token is never
//! another's, and a setting that is missing is named.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{Empty, Full};
use support::{Api, ORIGIN, Script, get, secs, settle, token};
use tower::{Layer, Service, ServiceExt, util::BoxCloneService};
use tower_reauth::{
    Auth, AuthLayer, BoxError, Error, Provider, Token,
    attach::Bare,
    layer::AuthLayerBuilder,
    provider::{FixedToken, Origins, Placement, ProviderError, Rotation, provider_fn},
    replay::Replay,
    test_util::ManualClock,
    token_client::Body,
};

const HOUR: u64 = 3_600;

fn script() -> Script {
    Script::with_lifetime(secs(HOUR))
}

fn to(uri: &str) -> Request<Empty<Bytes>> {
    let uri: Uri = uri.parse().unwrap();
    Request::get(uri).body(Empty::new()).unwrap()
}

fn bare(mut request: Request<Empty<Bytes>>) -> Request<Empty<Bytes>> {
    request.extensions_mut().insert(Bare);
    request
}

/// Sends `request` with a token for `declared`. Gives what went wrong, or what the API saw.
async fn sent_to(
    declared: impl Into<Origins>,
    request: Request<Empty<Bytes>>,
) -> Result<String, BoxError> {
    let api = Api::accepting_all();
    let layer = AuthLayer::new(FixedToken::bearer("t0ken").origins(declared));
    let result = layer.layer(api.clone()).oneshot(request).await;
    let seen = api.seen();
    match result {
        Ok(_) => Ok(seen.join(",")),
        Err(error) => {
            assert!(seen.is_empty(), "an error, and it was sent");
            Err(error)
        }
    }
}

fn ours(error: &BoxError) -> &Error {
    Error::find(&**error).unwrap()
}

// === declared origins ===

#[tokio::test]
async fn an_origin_is_scheme_host_and_port_however_they_are_spelt() {
    for (declared, uri) in [
        ("https://api.example.com", "https://api.example.com/a?b"),
        ("https://api.example.com", "https://api.example.com:443"),
        ("https://api.example.com:443", "https://api.example.com"),
        ("https://API.Example.COM", "HTTPS://api.example.com/"),
        ("https://api.example.com", "https://API.EXAMPLE.COM/"),
        ("https://api.example.com/v1", "https://api.example.com/v2"),
        (
            "https://api.example.com",
            "https://someone@api.example.com/",
        ),
        (
            "https://api.example.com:8443",
            "https://api.example.com:8443/",
        ),
        ("https://[2001:db8::A]", "https://[2001:DB8::a]:443/"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
        ("http://localhost", "http://localhost:80/"),
    ] {
        let sent = sent_to([declared], to(uri)).await;
        assert_eq!(sent.unwrap(), "Bearer t0ken", "{declared} {uri}");
    }
}

#[tokio::test]
async fn a_request_to_any_other_origin_is_a_typed_error_and_is_not_sent() {
    for uri in [
        "http://api.example.com/",
        "http://api.example.com:443/",
        "https://api.example.com:444/",
        "https://api.example.com:/",
        "https://api.example.com:99999/",
        "https://api.example.com./",
        "https://api.example.com.evil.example/",
        "https://evil.example/https://api.example.com",
        "https://evil.example/?https://api.example.com",
        "https://evil.example#https://api.example.com",
        "https://api.example.com@evil.example/",
        "https://api.example.com:443@evil.example/",
        "https://user:api.example.com@evil.example:443/",
        "https://sub.api.example.com/",
        "https://example.com/",
        "https://api-example.com/",
        "https://xapi.example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "ftp://api.example.com/",
        "wss://api.example.com/",
        "api.example.com:443",
    ] {
        let error = sent_to([ORIGIN], to(uri)).await.expect_err(uri);
        assert!(ours(&error).is_origin(), "{uri}: {error}");
        assert!(!ours(&error).is_transient() && !ours(&error).is_misconfigured());
    }
    for (declared, uri) in [
        ("https://[::1]", "https://[::2]/"),
        ("https://[::1]:1", "https://[::1]/"),
        ("http://127.0.0.1", "http://127.0.0.2/"),
        ("http://127.0.0.1", "http://localhost/"),
        ("http://localhost:1", "http://localhost:2/"),
    ] {
        let error = sent_to([declared], to(uri)).await.expect_err(uri);
        assert!(ours(&error).is_origin(), "{declared} {uri}");
    }
}

#[tokio::test]
async fn an_undeclared_origin_does_not_even_make_an_exchange() {
    let (clock, script) = (ManualClock::new(), script());
    let service = script.service(&clock, &Api::accepting_all());
    let error = service
        .oneshot(to("https://evil.example/"))
        .await
        .unwrap_err();
    assert!(ours(&error).is_origin());
    settle().await;
    assert_eq!(script.exchanges(), 0);
}

#[tokio::test]
async fn each_of_several_declared_origins_gets_the_token() {
    let declared = [
        "https://a.example",
        "https://b.example:1",
        "http://127.0.0.1:2",
    ];
    for uri in declared {
        assert_eq!(sent_to(declared, to(uri)).await.unwrap(), "Bearer t0ken");
    }
}

#[tokio::test]
async fn a_request_without_an_authority_goes_to_its_one_peer_with_the_token() {
    assert_eq!(
        sent_to([ORIGIN], to("/v1/things")).await.unwrap(),
        "Bearer t0ken"
    );
    assert_eq!(sent_to([ORIGIN], to("*")).await.unwrap(), "Bearer t0ken");
}

#[tokio::test]
async fn by_explicit_choice_requests_go_elsewhere_without_a_token() {
    let (clock, script, api) = (ManualClock::new(), script(), Api::accepting_all());
    let layer = script.layer(&clock).send_bare_elsewhere().build().unwrap();
    let service = layer.layer(api.clone());
    service
        .clone()
        .oneshot(to("https://cdn.example/"))
        .await
        .unwrap();
    assert_eq!(script.exchanges(), 0, "nor is a token asked for");
    let mut own = to("https://cdn.example/");
    let value = HeaderValue::from_static("Basic own");
    own.headers_mut().insert("authorization", value);
    service.clone().oneshot(own).await.unwrap();
    service.oneshot(get()).await.unwrap();
    assert_eq!(api.seen(), ["", "Basic own", "Bearer access-1"]);
}

// === what cannot be declared ===

#[tokio::test]
async fn plain_http_is_refused_unless_it_is_loopback_or_said_to_be_dangerous() {
    for declared in [
        "http://api.example.com",
        "http://10.0.0.1",
        "http://localhost.evil.example",
    ] {
        let error = sent_to([declared], to(declared)).await.expect_err(declared);
        assert!(ours(&error).is_misconfigured());
        assert!(error.to_string().contains("use https"), "{error}");
    }
    let mesh = "http://orders.mesh";
    let dangerous = || Origins::danger_allowing_plain_http([mesh]);
    assert_eq!(
        sent_to(dangerous(), to(mesh)).await.unwrap(),
        "Bearer t0ken"
    );
    let error = sent_to(dangerous(), to("https://orders.mesh"))
        .await
        .unwrap_err();
    assert!(ours(&error).is_origin());
}

#[tokio::test]
async fn an_origin_that_cannot_be_read_is_named_by_build_and_by_every_call() {
    for declared in [
        "api.example.com",
        "https://",
        "",
        "wss://api.example.com",
        "https://api.example.com:99999",
        "https://api.example.com:65536",
        "https://api.example.com:",
        "https://canary@api.example.com",
    ] {
        let origins = ["https://good.example", declared];
        let provider = FixedToken::bearer("t").origins(origins);
        let error = AuthLayer::builder(provider).build().expect_err(declared);
        assert!(error.is_misconfigured());
        let shown = declared.rsplit('@').next().unwrap();
        assert!(error.to_string().contains(&format!("{shown:?}")), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
        let call = sent_to(origins, to("https://good.example")).await;
        assert_eq!(call.unwrap_err().to_string(), error.to_string());
    }
}

#[tokio::test]
async fn a_layer_without_origins_says_how_to_declare_them_at_build_and_at_every_call() {
    let error = AuthLayer::builder(FixedToken::bearer("t"))
        .build()
        .unwrap_err();
    assert!(error.is_misconfigured());
    assert!(error.to_string().contains(".origins(["), "{error}");
    for request in [get(), to("/path"), bare(get())] {
        let answer = sent_to(Origins::none(), request).await.unwrap_err();
        assert!(ours(&answer).is_misconfigured());
        assert_eq!(answer.to_string(), error.to_string());
    }
}

// === headers ===

fn placed() -> Placement {
    Placement::bearer()
        .and_header(HeaderName::from_static("x-token"))
        .and_fixed(HeaderName::from_static("x-api-key"), "k3y")
}

/// What arrives of a request that has headers of the caller's own under our names.
async fn arrives(request: Request<Empty<Bytes>>) -> HeaderMap {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let log = Arc::clone(&seen);
    let api = tower::service_fn(move |request: Request<Empty<Bytes>>| {
        *log.lock().unwrap() = request.headers().clone();
        async { Ok::<_, BoxError>(Response::new(())) }
    });
    let layer = AuthLayer::new(FixedToken::placed("t0ken", placed()).origins([ORIGIN]));
    layer.layer(api).oneshot(request).await.unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

fn with_own_headers() -> Request<Empty<Bytes>> {
    let mut request = get();
    let headers = request.headers_mut();
    for name in ["authorization", "x-token", "x-api-key", "accept"] {
        headers.append(name, HeaderValue::from_static("own"));
        headers.append(name, HeaderValue::from_static("own as well"));
    }
    request
}

#[tokio::test]
async fn headers_that_the_caller_set_under_our_names_are_replaced_and_others_stay() {
    let headers = arrives(with_own_headers()).await;
    let all = |name| headers.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(all("authorization"), ["Bearer t0ken"]);
    assert_eq!(all("x-token"), ["t0ken"]);
    assert_eq!(all("x-api-key"), ["k3y"]);
    assert_eq!(all("accept"), ["own", "own as well"]);
}

#[tokio::test]
async fn a_bare_request_is_sent_as_it_is() {
    let request = with_own_headers();
    let own = request.headers().clone();
    assert_eq!(arrives(bare(request)).await, own);
    assert_eq!(
        arrives(bare(to("https://elsewhere.example"))).await,
        HeaderMap::new()
    );
}

#[tokio::test]
async fn a_bare_request_waits_for_no_token() {
    let (clock, script) = (ManualClock::new(), Script::gated(secs(HOUR)));
    let service = script.service(&clock, &Api::accepting_all());
    let call = tokio::spawn(service.oneshot(bare(get())));
    settle().await;
    assert!(call.is_finished(), "it waits");
    call.await.unwrap().unwrap();
    assert_eq!(script.exchanges(), 0);
}

// === a token request through the layer itself ===

type Client = BoxCloneService<Request<Body>, Response<Full<Bytes>>, BoxError>;

/// A layer whose token client is a client that the layer wraps.
fn knotted<P: Provider>(provider: P, inner: impl FnOnce(&AuthLayer<P>) -> Client) -> AuthLayer<P> {
    let knot: Arc<Mutex<Option<Client>>> = Arc::default();
    let wrapped = Arc::clone(&knot);
    let client = tower::service_fn(move |request: Request<Body>| {
        let client = wrapped.lock().unwrap().clone().unwrap();
        client.oneshot(request)
    });
    let layer = AuthLayer::builder(provider)
        .token_client(client)
        .clock(ManualClock::new())
        .build()
        .unwrap();
    *knot.lock().unwrap() = Some(inner(&layer));
    layer
}

fn asking() -> impl Provider {
    provider_fn(|exchange| async move {
        let request = Request::post(format!("{ORIGIN}/token"));
        let request = request.body(Bytes::from_static(b"grant")).unwrap();
        exchange.client().send(request).await?.success()?;
        Ok(Token::new("never"))
    })
    .origins([ORIGIN])
}

#[derive(Clone)]
struct NeverCalled;

impl<B> Service<Request<B>> for NeverCalled {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        unreachable!("it was sent")
    }
}

async fn names_the_fix<P: Provider>(layer: AuthLayer<P>) {
    let call = tokio::spawn(layer.layer(NeverCalled).oneshot(get()));
    settle().await;
    assert!(call.is_finished(), "it waits for itself");
    let error = call.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("`token_client`"), "{error}");
    assert!(ours(&error).is_misconfigured(), "{error:?}");
    assert!(!ours(&error).is_unknown_outcome());
}

#[tokio::test]
async fn a_token_request_through_the_layer_itself_is_a_typed_error_that_names_the_fix() {
    let layer = knotted(asking(), |layer| {
        BoxCloneService::new(layer.layer(NeverCalled))
    });
    names_the_fix(layer).await;
}

#[tokio::test]
async fn so_it_is_where_an_adapter_has_read_the_body_first() {
    let layer =
        knotted(asking(), |layer| {
            let client = layer.layer(NeverCalled);
            BoxCloneService::new(client.map_request(|request: Request<Body>| {
                request.map(|body| Full::new(body.into_bytes()))
            }))
        });
    names_the_fix(layer).await;
}

// === sessions ===

#[tokio::test]
async fn sessions_of_one_layer_never_use_each_others_tokens() {
    let (clock, script) = (ManualClock::new(), script());
    script.usually(|number| Ok(token(number, secs(HOUR))));
    let api = Api::new(|header| match header {
        "Bearer ann-0" => StatusCode::UNAUTHORIZED,
        _ => StatusCode::OK,
    });
    let mine = script
        .layer(&clock)
        .initial(Token::new("mine-0"))
        .build()
        .unwrap();
    let ann = Token::from_pair("ann-0", "ann-refresh").with_lifetime(secs(HOUR));
    let ann = mine.with_session("ann", ann).unwrap();
    let bob = Token::from_pair("bob-0", "bob-refresh").with_lifetime(secs(HOUR));
    let bob = mine.with_session("bob", bob).unwrap();
    for layer in [&ann, &bob, &mine, &ann, &bob, &mine] {
        let response = layer.layer(api.clone()).oneshot(get()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    assert_eq!(
        api.seen(),
        [
            "Bearer ann-0",
            "Bearer access-1",
            "Bearer bob-0",
            "Bearer mine-0",
            "Bearer access-1",
            "Bearer bob-0",
            "Bearer mine-0",
        ]
    );
    let asked = script.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].refresh.as_deref(), Some("ann-refresh"));
    assert_eq!(asked[0].refused.as_deref(), Some("ann-0"));
    clock.advance(secs(HOUR));
    bob.layer(api.clone()).oneshot(get()).await.unwrap();
    assert_eq!(script.asked()[1].refresh.as_deref(), Some("bob-refresh"));
    ann.layer(api.clone()).oneshot(get()).await.unwrap();
    assert_eq!(script.asked()[2].refresh.as_deref(), Some("refresh-1"));
}

#[tokio::test]
async fn sessions_of_one_layer_do_not_wait_for_each_others_exchanges() {
    let (clock, script) = (ManualClock::new(), Script::gated(secs(HOUR)));
    let mine = script.layer(&clock).build().unwrap();
    let theirs = mine
        .with_session("ann", Token::from_refresh_token("ann"))
        .unwrap();
    let calls = [&mine, &theirs].map(|layer| {
        let service = layer.layer(Api::accepting_all());
        tokio::spawn(service.oneshot(get()))
    });
    settle().await;
    assert_eq!(script.exchanges(), 2);
    script.open(2);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(script.exchanges(), 2);
}

#[tokio::test]
async fn a_failed_login_of_one_session_leaves_the_others_alone() {
    let (clock, script) = (ManualClock::new(), script());
    let mine = script
        .layer(&clock)
        .initial(Token::new("mine"))
        .build()
        .unwrap();
    let theirs = mine
        .with_session("ann", Token::from_refresh_token("ann"))
        .unwrap();
    script.next(|_| Err(ProviderError::refused("log in again")));
    let error = theirs.layer(Api::accepting_all()).oneshot(get()).await;
    assert!(ours(&error.unwrap_err()).is_login_required());
    assert!(theirs.handle().status().is_login_required());
    assert!(!mine.handle().status().is_login_required());
    mine.layer(Api::accepting_all())
        .oneshot(get())
        .await
        .unwrap();
}

/// A builder that was not told where sessions live.
fn homeless(rotation: Rotation) -> AuthLayerBuilder<Script> {
    AuthLayer::builder(script().profile(|profile| profile.rotation(rotation)))
}

#[test]
fn a_rotating_refresh_token_needs_a_home_and_the_error_names_one() {
    for rotation in [Rotation::Must, Rotation::May] {
        for seed in [Token::from_refresh_token("r"), Token::from_pair("a", "r")] {
            let error = homeless(rotation)
                .initial(seed.clone())
                .build()
                .unwrap_err();
            assert!(error.is_misconfigured());
            assert!(error.to_string().contains("`.memory_only()`"), "{error}");
            let sibling = homeless(rotation)
                .build()
                .unwrap()
                .with_session("ann", seed.clone());
            assert!(
                sibling
                    .unwrap_err()
                    .to_string()
                    .contains("`.memory_only()`")
            );
            let said = homeless(rotation)
                .initial(seed.clone())
                .memory_only()
                .build();
            assert!(said.unwrap().with_session("ann", seed).is_ok());
        }
    }
}

#[test]
fn a_seed_that_cannot_be_lost_needs_no_home() {
    let seed = Token::from_refresh_token("api-token");
    assert!(homeless(Rotation::Never).initial(seed).build().is_ok());
    assert!(
        homeless(Rotation::Must)
            .initial(Token::new("access"))
            .build()
            .is_ok()
    );
}

#[test]
fn an_empty_seed_is_an_error() {
    let error = homeless(Rotation::May)
        .initial(Token::new(""))
        .build()
        .unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
}

#[tokio::test]
async fn a_blocked_layer_has_blocked_siblings() {
    let mine = AuthLayer::new(FixedToken::bearer("t"));
    let theirs: Auth<_, FixedToken> = mine
        .with_session("ann", Token::new("theirs"))
        .unwrap()
        .layer(Api::accepting_all());
    let error = theirs.oneshot(get()).await.unwrap_err();
    assert!(ours(&error).is_misconfigured());
}

// === headers that the caller set itself ===

/// A request that carries what the caller got elsewhere.
fn with_one_own(name: &'static str) -> Request<Empty<Bytes>> {
    let mut request = get();
    let own = HeaderValue::from_static("Bearer own");
    request.headers_mut().insert(name, own);
    request
}

#[tokio::test]
async fn a_header_that_the_caller_set_is_kept_where_that_is_asked_for() {
    let (script, api) = (script(), Api::accepting_all());
    let layer = script.layer(&ManualClock::new()).respect_existing();
    let service = layer.build().unwrap().layer(api.clone());
    service
        .clone()
        .oneshot(with_one_own("authorization"))
        .await
        .unwrap();
    assert_eq!(api.seen(), ["Bearer own"]);
    assert_eq!(script.exchanges(), 0, "and no token is awaited for it");
    service
        .clone()
        .oneshot(with_one_own("x-another"))
        .await
        .unwrap();
    service.oneshot(get()).await.unwrap();
    assert_eq!(api.seen()[1..], ["Bearer access-1", "Bearer access-1"]);
}

#[tokio::test]
async fn a_kept_header_keeps_all_of_ours_away() {
    let headers = Arc::new(Mutex::new(HeaderMap::new()));
    let seen = Arc::clone(&headers);
    let api = tower::service_fn(move |request: Request<Empty<Bytes>>| {
        *seen.lock().unwrap() = request.headers().clone();
        std::future::ready(Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new())))
    });
    let token = HeaderName::from_static("x-token");
    let placement = Placement::bearer()
        .and_header(token)
        .and_fixed(HeaderName::from_static("x-key"), "k");
    let script = script().profile(|profile| profile.placement(placement));
    let layer = script.layer(&ManualClock::new()).respect_existing();
    let service = layer.build().unwrap().layer(api);
    for name in ["authorization", "x-token", "x-key"] {
        service.clone().oneshot(with_one_own(name)).await.unwrap();
        let headers = headers.lock().unwrap();
        assert_eq!(
            (headers.len(), &headers[name]),
            (1, &HeaderValue::from_static("Bearer own"))
        );
    }
}

#[tokio::test]
async fn the_refusal_of_a_kept_header_is_none_of_our_token() {
    let (script, api) = (script(), Api::new(|_| StatusCode::UNAUTHORIZED));
    let layer = script.layer(&ManualClock::new()).respect_existing();
    let layer = layer.initial(token(0, secs(HOUR))).build().unwrap();
    let service = layer.layer(api.clone());
    let response = service
        .oneshot(with_one_own("authorization"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.extensions().get::<Replay>().is_none());
    settle().await;
    assert_eq!((script.exchanges(), api.seen().len()), (0, 1));
}
