//! tower-http's `FollowRedirect` outside of the layer: each hop is a request of its own, which gets
//! the token at a declared origin and nowhere else.
//!
//! What a redirect follower inside of the layer does is in `tests/reqwest.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{Empty, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use peer::{Peer, redirect, status};
use support::{ORIGIN, Script, ours, secs, token};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::{
    FollowRedirect, FollowRedirectLayer, RequestUri,
    policy::{Action, Attempt, FilterCredentials, Policy, Standard},
};
use tower_reauth::{
    Auth, AuthLayer, BoxError, attach::Bare, layer::AuthLayerBuilder, provider::Placement,
    replay::Replay, test_util::ManualClock,
};

const DAY: u64 = 86_400;

/// A session that begins with `access-0`, whose token goes in two headers.
fn session(script: &Script) -> AuthLayerBuilder<Script> {
    let jwt = "x-vendor-jwt".parse().unwrap();
    let placement = Placement::header(jwt).and_bearer();
    let script = script.clone().profile(|it| it.placement(placement));
    script
        .layer(&ManualClock::new())
        .initial(token(0, secs(DAY)))
}

fn script() -> Script {
    Script::with_lifetime(secs(DAY))
}

// === by name, without sockets ===

/// Requests that arrived.
type Seen = Arc<Mutex<Vec<(Uri, HeaderMap)>>>;

/// Redirects `/start` to `location`, and answers everything else with 200.
fn redirecting(
    location: HeaderValue,
) -> (
    impl Service<Request<Empty<Bytes>>, Response = Response<()>, Error = BoxError, Future: Send>
    + Clone
    + Send
    + 'static,
    Seen,
) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let server = tower::service_fn(move |request: Request<Empty<Bytes>>| {
        let (head, _) = request.into_parts();
        let mut response = Response::new(());
        if head.uri.path_and_query().unwrap() == "/start" {
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert("location", location.clone());
        }
        log.lock().unwrap().push((head.uri, head.headers));
        async { Ok(response) }
    });
    (server, seen)
}

fn start(origin: &str) -> Request<Empty<Bytes>> {
    let request = Request::get(format!("{origin}/start"));
    request.body(Empty::new()).unwrap()
}

/// Where `/start` at `origin` leads by `location`, by which headers, if it leads anywhere.
async fn hop(
    origin: &str,
    location: &str,
    change: impl FnOnce(AuthLayerBuilder<Script>) -> AuthLayerBuilder<Script>,
) -> Result<(Uri, HeaderMap), BoxError> {
    let declared = origin.to_owned();
    let script = script().profile(|it| it.origins([declared]));
    let (server, seen) = redirecting(HeaderValue::from_bytes(location.as_bytes()).unwrap());
    let service = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(change(session(&script)).build().unwrap())
        .service(server);
    let response = service.oneshot(start(origin)).await;
    let mut seen = seen.lock().unwrap();
    assert!(has_token(&seen[0].1), "the first request");
    match response {
        Ok(response) => {
            let last = seen.pop().unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{location}");
            assert_eq!(response.extensions().get::<RequestUri>().unwrap().0, last.0);
            Ok(last)
        }
        Err(error) => {
            assert_eq!(seen.len(), 1, "an error, and {location} was asked");
            Err(error)
        }
    }
}

fn has_token(headers: &HeaderMap) -> bool {
    let placed = [
        ("authorization", "Bearer access-0"),
        ("x-vendor-jwt", "access-0"),
    ];
    let placed = placed.map(|(name, value)| {
        let value = HeaderValue::from_static(value);
        headers.get_all(name).iter().eq([&value])
    });
    assert_eq!(placed[0], placed[1], "both or none: {headers:?}");
    assert!(placed[0] || !format!("{:?}", shown(headers)).contains("access-"));
    placed[0]
}

/// All values, the sensitive ones too.
fn shown(headers: &HeaderMap) -> Vec<&[u8]> {
    headers.values().map(HeaderValue::as_bytes).collect()
}

const ELSEWHERE: [&str; 27] = [
    // another scheme, host or port
    "http://api.example.com/",
    "https://api.example.com:444/",
    "http://api.example.com:443/",
    "https://evil.example/",
    "https://sub.api.example.com/",
    "https://api.example.com.evil.example/",
    "https://api-example.com/",
    "https://127.0.0.1/",
    "https://[::1]/",
    // without a scheme
    "//evil.example/",
    r"\\evil.example/",
    r"/\evil.example/",
    "//api.example.com:444/",
    // userinfo
    "https://api.example.com@evil.example/",
    "https://api.example.com:443@evil.example/",
    "https://user:api.example.com@evil.example:443/",
    "//api.example.com@evil.example/",
    r"https://evil.example\@api.example.com/",
    "https://evil.example#@api.example.com/",
    "https://evil.example?@api.example.com/",
    // a trailing dot is another name
    "https://api.example.com./",
    "https://api.example.com.:443/",
    // other spellings of another host
    "https://api.example.com%2eevil.example/",
    "https://\u{430}pi.example.com/",
    "HTTPS://EVIL.EXAMPLE/",
    "ht\ttps://evil.example/",
    "https:/\t/evil.example/",
];

const HERE: [&str; 19] = [
    // relative
    "/there",
    "there",
    "./there",
    "../there",
    "?there",
    "//api.example.com/there",
    "https:there",
    "https:///api.example.com/there",
    // spelt otherwise
    "https://api.example.com",
    "https://api.example.com:443/",
    "HTTPS://API.EXAMPLE.COM/",
    "https://API.example.com:/",
    "https://api.example.com:0443/",
    "https://api%2eexample.com/",
    "https://\u{ff41}pi.example.com/",
    r"https:\\api.example.com\there",
    // with somebody's name
    "https://evil.example@api.example.com/",
    "https://evil.example:443@api.example.com/",
    "https://api.example.com/@evil.example",
];

#[tokio::test]
async fn a_redirect_to_any_other_origin_is_a_typed_error_and_nothing_is_sent_there() {
    for location in ELSEWHERE {
        let error = hop(ORIGIN, location, |it| it).await.expect_err(location);
        assert!(ours(&error).is_origin(), "{location}: {error}");
    }
}

#[tokio::test]
async fn by_explicit_choice_a_redirect_elsewhere_is_followed_without_a_token() {
    for location in ELSEWHERE {
        let bare = AuthLayerBuilder::send_bare_elsewhere;
        let (uri, headers) = hop(ORIGIN, location, bare).await.unwrap();
        assert!(!has_token(&headers), "{location}: {uri}");
        assert!(headers.is_empty(), "{location}: {headers:?}");
    }
}

#[tokio::test]
async fn a_redirect_within_the_origin_gets_the_token_however_it_is_spelt() {
    for location in HERE {
        let (uri, headers) = hop(ORIGIN, location, |it| it).await.expect(location);
        assert!(has_token(&headers), "{location}");
        assert_eq!(uri.host(), Some("api.example.com"), "{location}");
    }
}

#[tokio::test]
async fn addresses_are_the_same_origin_where_they_are_the_same_address() {
    let (v6, v4) = ("https://[2001:db8::a]", "https://192.0.2.1");
    for (origin, same) in [
        (v6, "https://[2001:DB8::A]/"),
        (v6, "https://[2001:db8:0:0:0:0:0:a]/"),
        (v6, "https://[2001:0db8::000a]:443/"),
        (v6, "//[2001:db8::0.0.0.10]/"),
        (v4, "https://192.0.2.1:443/"),
        (v4, "https://3221225985/"),
        (v4, "https://0xC0.0.2.1/"),
    ] {
        let (uri, headers) = hop(origin, same, |it| it).await.expect(same);
        assert!(has_token(&headers), "{same}: {uri}");
    }
    for (origin, other) in [
        (v6, "https://[2001:db8::b]/"),
        (v6, "https://[2001:db8::a]:444/"),
        (v6, "http://[2001:db8::a]/"),
        (v6, "https://[::ffff:192.0.2.1]/"),
        (v4, "https://[::ffff:192.0.2.1]/"),
        (v4, "https://192.0.2.2/"),
        (v4, "https://192.0.2.1.evil.example/"),
    ] {
        let error = hop(origin, other, |it| it).await.expect_err(other);
        assert!(ours(&error).is_origin(), "{other}: {error}");
    }
}

#[tokio::test]
async fn a_location_that_cannot_be_followed_is_the_answer() {
    for location in [
        "///evil.example/",
        "https://",
        "https://[::1",
        "https://api.example.com:99999/",
        "https://a b/",
    ] {
        let (server, seen) = redirecting(HeaderValue::from_static(location));
        let service = FollowRedirect::new(session(&script()).build().unwrap().layer(server));
        let response = service.oneshot(start(ORIGIN)).await.unwrap();
        assert_eq!(response.status(), StatusCode::FOUND, "{location}");
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_header_of_the_callers_own_under_our_name_goes_where_the_follower_lets_it() {
    let send = async |location: &str, filter: Option<FilterCredentials>, bare: bool| {
        let (server, seen) = redirecting(location.parse().unwrap());
        let builder = session(&script());
        let builder = if bare {
            builder.send_bare_elsewhere()
        } else {
            builder
        };
        let inner = builder.build().unwrap().layer(server);
        let mut request = start(ORIGIN);
        for name in ["authorization", "x-vendor-jwt"] {
            let own = HeaderValue::from_static("own");
            request.headers_mut().insert(name, own);
        }
        let sent = match filter {
            None => FollowRedirect::new(inner).oneshot(request).await,
            Some(filter) => {
                let filter = FollowRedirect::with_policy(inner, filter);
                filter.oneshot(request).await
            }
        };
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        (sent.is_ok(), seen)
    };
    // Within the origin ours is in its place, on every hop.
    let (ok, seen) = send("/there", None, false).await;
    assert!(ok && seen.len() == 2 && seen.iter().all(|(_, headers)| has_token(headers)));
    // Elsewhere it does not get, by default.
    let (ok, seen) = send("https://evil.example/", None, false).await;
    assert!(!ok && seen.len() == 1);
    // A bare request is sent as it is: the follower knows `Authorization`, and no vendor's header.
    let (ok, seen) = send("https://cdn.example/", None, true).await;
    assert!(ok && !has_token(&seen[1].1));
    assert_eq!(shown(&seen[1].1), [b"own"]);
    // Unless it is told to take all of them off.
    let all = FilterCredentials::new().remove_all();
    let (ok, seen) = send("https://cdn.example/", Some(all), true).await;
    assert!(ok && seen[1].1.is_empty());
}

#[tokio::test]
async fn a_bare_request_stays_bare_within_its_origin_and_elsewhere_where_the_follower_is_told() {
    let send = async |location: &str, filter: FilterCredentials| {
        let (server, seen) = redirecting(location.parse().unwrap());
        let script = script().profile(|it| it.origins([ORIGIN, "https://other.example.com"]));
        let inner = session(&script).build().unwrap().layer(server);
        let mut request = start(ORIGIN);
        request.extensions_mut().insert(Bare);
        let service = FollowRedirect::with_policy(inner, filter);
        service.oneshot(request).await.unwrap();
        let seen = seen.lock().unwrap();
        assert!(!has_token(&seen[0].1));
        has_token(&seen[1].1)
    };
    let other = "https://other.example.com/";
    assert!(!send("/there", FilterCredentials::new()).await);
    // The follower takes extensions off where the origin changes, and `Bare` is one.
    assert!(send(other, FilterCredentials::new()).await);
    let told = FilterCredentials::new().allow_extension::<Bare>();
    assert!(!send(other, told).await);
}

#[tokio::test]
async fn a_chain_of_hops_has_the_token_at_each_declared_one_and_at_no_other() {
    let (a, b) = (ORIGIN, "https://b.example.com");
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let server = tower::service_fn(move |request: Request<Empty<Bytes>>| {
        let (head, _) = request.into_parts();
        let to = match head.uri.path() {
            "/start" => Some("https://cdn.example/1"),
            "/1" => Some("https://b.example.com/2"),
            "/2" => Some("http://b.example.com/3"),
            "/3" => Some("https://cdn.example/4"),
            "/4" => Some("https://api.example.com/5"),
            _ => None,
        };
        let mut response = Response::new(());
        if let Some(to) = to {
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            let to = HeaderValue::from_static(to);
            response.headers_mut().insert("location", to);
        }
        log.lock().unwrap().push((head.uri, head.headers));
        async { Ok::<_, BoxError>(response) }
    });
    let script = script().profile(|it| it.origins([a, b]));
    let layer = session(&script).send_bare_elsewhere().build().unwrap();
    let service = FollowRedirect::new(layer.layer(server));
    let response = service.oneshot(start(a)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let seen = seen.lock().unwrap();
    let seen: Vec<_> = seen
        .iter()
        .map(|(uri, headers)| (uri.to_string(), has_token(headers)))
        .collect();
    let expected = [
        ("https://api.example.com/start", true),
        ("https://cdn.example/1", false),
        ("https://b.example.com/2", true),
        ("http://b.example.com/3", false),
        ("https://cdn.example/4", false),
        ("https://api.example.com/5", true),
    ];
    assert_eq!(seen, expected.map(|(uri, has)| (uri.to_owned(), has)));
}

// === over sockets ===

/// A server that redirects a path that begins with a status, by that status, and answers others
/// with 200.
async fn peer(to: impl Fn() -> String + Send + Sync + 'static) -> Peer {
    Peer::start(move |request| {
        let code = request.split('/').nth(1).unwrap().get(..3).unwrap();
        match code.parse::<u16>() {
            Ok(code) => redirect(&to()).replace("302 Found", &format!("{code} There")),
            Err(_) => status(200),
        }
    })
    .await
}

type Followed = FollowRedirect<Auth<Client<HttpConnector, Full<Bytes>>, Script>, Follow>;

/// A policy that has a copy of each body.
#[derive(Clone)]
struct Follow(Standard);

impl<E> Policy<Full<Bytes>, E> for Follow {
    fn redirect(&mut self, attempt: &Attempt<'_>) -> Result<Action, E> {
        Policy::<Full<Bytes>, E>::redirect(&mut self.0, attempt)
    }

    fn on_request(&mut self, request: &mut Request<Full<Bytes>>) {
        Policy::<Full<Bytes>, E>::on_request(&mut self.0, request);
    }

    fn clone_body(&self, body: &Full<Bytes>) -> Option<Full<Bytes>> {
        Some(body.clone())
    }
}

fn client(layer: &AuthLayer<Script>) -> Followed {
    let client = Client::builder(TokioExecutor::new()).build_http();
    FollowRedirect::with_policy(layer.layer(client), Follow(Standard::default()))
}

fn post(url: String) -> Request<Full<Bytes>> {
    let request = Request::post(url).header("content-type", "text/plain");
    request.body(Full::from("ten pieces")).unwrap()
}

/// A server that is declared, and one that is not.
async fn two(first_to: &'static str) -> (Peer, Peer, Script) {
    let second = Peer::start(|_| status(200)).await;
    let to = second.url() + first_to;
    let first = peer(move || to.clone()).await;
    let origin = first.url();
    (first, second, script().profile(|it| it.origins([origin])))
}

#[tokio::test]
async fn each_kind_of_redirect_carries_its_body_and_never_the_token_to_another_origin() {
    for code in [301, 302, 303, 307, 308] {
        let (first, second, script) = two("/there").await;
        let url = format!("{}/{code}", first.url());

        let error = client(&session(&script).build().unwrap())
            .oneshot(post(url.clone()))
            .await;
        assert!(ours(&error.unwrap_err()).is_origin(), "{code}");
        assert_eq!((first.take().len(), second.take().len()), (1, 0), "{code}");

        let bare = session(&script).send_bare_elsewhere().build().unwrap();
        let response = client(&bare).oneshot(post(url)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{code}");
        let [sent] = first.take().try_into().unwrap();
        assert!(
            sent.contains("authorization: Bearer access-0\r\n"),
            "{code}: {sent}"
        );
        assert!(
            sent.contains("x-vendor-jwt: access-0\r\n"),
            "{code}: {sent}"
        );
        let [hop] = second.take().try_into().unwrap();
        assert!(!hop.contains("access-"), "{code}: {hop}");
        assert!(
            !hop.contains("authorization") && !hop.contains("x-vendor-jwt"),
            "{code}: {hop}"
        );
        let keeps = matches!(code, 307 | 308);
        assert_eq!(hop.starts_with("POST /there "), keeps, "{code}: {hop}");
        assert_eq!(hop.ends_with("\r\n\r\nten pieces"), keeps, "{code}: {hop}");
    }
}

#[tokio::test]
async fn each_kind_of_redirect_within_the_origin_carries_its_body_and_the_token() {
    for code in [301, 302, 303, 307, 308] {
        let first = peer(|| "/there".to_owned()).await;
        let origin = first.url();
        let script = script().profile(|it| it.origins([origin]));
        let layer = session(&script).build().unwrap();
        let url = format!("{}/{code}", first.url());
        let response = client(&layer).oneshot(post(url)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{code}");
        let [sent, hop] = first.take().try_into().unwrap();
        for request in [&sent, &hop] {
            assert_eq!(request.matches("authorization: Bearer access-0").count(), 1);
            assert_eq!(request.matches("x-vendor-jwt: access-0").count(), 1);
        }
        let keeps = matches!(code, 307 | 308);
        assert_eq!(hop.starts_with("POST /there "), keeps, "{code}: {hop}");
        assert_eq!(hop.ends_with("\r\n\r\nten pieces"), keeps, "{code}: {hop}");
    }
}

#[tokio::test]
async fn a_redirect_back_to_the_declared_origin_gets_the_token_again() {
    let back = Arc::new(Mutex::new(String::new()));
    let to = Arc::clone(&back);
    let second = peer(move || to.lock().unwrap().clone()).await;
    let to = second.url() + "/307";
    let first = peer(move || to.clone()).await;
    *back.lock().unwrap() = first.url() + "/home";
    let origin = first.url();
    let script = script().profile(|it| it.origins([origin]));
    let layer = session(&script).send_bare_elsewhere().build().unwrap();
    let response = client(&layer)
        .oneshot(post(first.url() + "/307"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let [sent, home] = first.take().try_into().unwrap();
    let [away] = second.take().try_into().unwrap();
    assert!(sent.contains("Bearer access-0") && home.contains("Bearer access-0"));
    assert!(!away.contains("access-"), "{away}");
    for request in [sent, away, home] {
        assert!(request.ends_with("ten pieces"), "{request}");
    }
}

#[tokio::test]
async fn a_hop_whose_token_is_refused_is_replayed_and_the_hops_before_it_are_not() {
    let first = Peer::start(|request| match request {
        _ if request.starts_with("POST /start ") => {
            redirect("/there").replace("302 Found", "308 There")
        }
        _ if request.contains("access-0") => status(401),
        _ => status(200),
    })
    .await;
    let origin = first.url();
    let script = script().profile(|it| it.origins([origin]));
    let layer = session(&script).build().unwrap();
    let response = client(&layer)
        .oneshot(post(first.url() + "/start"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.extensions().get(), Some(&Replay::Replayed));
    let [sent, refused, replayed] = first.take().try_into().unwrap();
    assert!(sent.starts_with("POST /start ") && sent.contains("access-0"));
    assert!(refused.starts_with("POST /there ") && refused.contains("access-0"));
    assert!(replayed.starts_with("POST /there ") && replayed.contains("access-1"));
    assert!(replayed.ends_with("ten pieces"));
    assert_eq!(script.exchanges(), 1);
}

#[tokio::test]
async fn a_refusal_by_a_stranger_is_none_of_the_token() {
    let second = Peer::start(|_| status(401)).await;
    let to = second.url();
    let first = peer(move || to.clone()).await;
    let origin = first.url();
    let script = script().profile(|it| it.origins([origin]));
    let layer = session(&script).send_bare_elsewhere().build().unwrap();
    let response = client(&layer)
        .oneshot(post(first.url() + "/302"))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.extensions().get::<Replay>(), None);
    support::settle().await;
    assert_eq!((script.exchanges(), second.take().len()), (0, 1));
}
