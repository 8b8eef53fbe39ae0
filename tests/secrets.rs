//! Promise 11: no output of this crate shows a secret.
//!
//! Every way in is fed a canary, and every way out is searched for it: as text, as hexadecimal
//! digits and as a list of bytes. That secrets and prebuilt headers are overwritten when they are
//! dropped is not tested here: it cannot be observed without `unsafe`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::{
    error::Error as StdError,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use support::{Api, ORIGIN, Script, get, secs};
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_reauth::{
    AuthLayer, Error, Provider, Token,
    oauth2::OAuth2,
    provider::{
        BoxProvider, Exchange, FixedToken, Origins, Placement, Profile, ProviderError, Rotation,
        SessionId, SessionParts, provider_fn,
    },
    test_util::ManualClock,
    token::Secret,
    token_client::{Body, HttpTokenClient},
};

const CANARY: &str = "c4n4ry";
const HOUR: u64 = 3_600;

/// Texts that must not show the canary, and where each came from.
#[derive(Clone, Default)]
struct Outputs(Arc<Mutex<Vec<(String, String)>>>);

impl Outputs {
    fn text(&self, name: &str, text: String) {
        self.0.lock().unwrap().push((name.to_owned(), text));
    }

    fn debug(&self, name: &str, value: &impl Debug) {
        self.text(name, format!("{value:?}"));
        self.text(name, format!("{value:#?}"));
    }

    /// `error` and all that is behind it, in every form.
    fn error(&self, name: &str, error: &(dyn StdError + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.debug(name, &error);
            self.text(name, format!("{error}"));
            self.text(name, format!("{error:#}"));
            next = error.source();
        }
    }

    /// Fails if the canary is in any of at least `n` texts.
    fn hide_the_canary(&self, n: usize) {
        let outputs = self.0.lock().unwrap();
        assert!(outputs.len() >= n, "{} outputs", outputs.len());
        for (name, text) in &*outputs {
            assert!(!shows_canary(text), "{name}: {text}");
        }
    }
}

fn shows_canary(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let bytes: Vec<_> = CANARY.bytes().map(|byte| byte.to_string()).collect();
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let lines = text.replace(char::is_whitespace, "");
    text.contains(CANARY) || text.contains(&hex) || lines.contains(&bytes.join(","))
}

fn canary(what: &str) -> String {
    format!("{CANARY}-{what}")
}

fn laden(number: usize) -> Token {
    Token::from_pair(canary(&format!("access-{number}")), canary("refresh"))
        .with_token_type(canary("type"))
        .with_scope(canary("scope"))
        .with_extra("id_token", canary("id-token"))
        .with_extra("extra", canary("extra"))
        .with_lifetime(secs(HOUR))
}

fn placement() -> Placement {
    Placement::bearer()
        .and_header(HeaderName::from_static("x-token"))
        .and_fixed(HeaderName::from_static("x-api-key"), canary("key"))
}

fn parts() -> SessionParts {
    SessionParts {
        namespace: canary("namespace"),
        vendor: "vendor".to_owned(),
        base_url: String::new(),
        client: canary("client"),
        account: canary("account"),
        scope: canary("scope"),
        resource: vec![canary("resource")],
        audience: vec![canary("audience")],
        binding: canary("binding"),
        session_key: canary("parts-key"),
    }
}

/// A token endpoint that quotes what it was sent, in its head and its body.
fn indiscreet() -> HttpTokenClient {
    HttpTokenClient::over(tower::service_fn(|_: Request<Body>| async {
        Response::builder()
            .status(StatusCode::BAD_REQUEST)
            .header("x-echo", canary("echo"))
            .body(Full::<Bytes>::from(format!("\"{}\"", canary("reply"))))
    }))
}

#[test]
fn the_search_finds_a_canary_in_any_of_its_forms() {
    let found = Outputs::default();
    found.debug("bytes", &CANARY.as_bytes());
    found.debug("text", &CANARY);
    found.text("hex", "63346E347279".to_owned());
    let found = found.0.lock().unwrap();
    assert!(
        found.iter().all(|(_, text)| shows_canary(text)),
        "{found:?}"
    );
    assert!(!shows_canary("99, 52, canary"));
}

#[test]
fn no_value_shows_a_secret() {
    let out = Outputs::default();
    out.debug("secret", &Secret::from(canary("secret")));
    out.debug("token", &laden(0));
    out.debug("token in an option", &Some(laden(0)));
    out.debug("placement", &placement());
    out.debug("session parts", &parts());
    out.debug(
        "session id",
        &SessionId::new(parts()).with_session_key(canary("key")),
    );
    let profile = Profile::new("v").identity(parts()).placement(placement());
    out.debug("profile", &profile);
    let fixed = FixedToken::placed(canary("fixed"), placement()).origins([ORIGIN]);
    out.debug("fixed token", &fixed);
    out.debug(
        "provider fn",
        &provider(Outputs::default(), |_| Ok(laden(1))),
    );
    let origins = Origins::from([format!("https://{CANARY}:{CANARY}@api.example.com")]);
    out.debug("origins", &origins);
    out.error("origins", &origins.check().unwrap_err());
    let builder = AuthLayer::builder(fixed)
        .initial(laden(0))
        .session_key(canary("key"))
        .token_client(indiscreet())
        .memory_only();
    out.debug("builder", &builder);
    out.debug("token client", &indiscreet());
    let layer = builder.build().unwrap();
    out.debug("layer", &layer);
    let sibling = layer.with_session(canary("sibling"), laden(0)).unwrap();
    out.debug("sibling", &sibling);
    out.debug("provider", &layer.provider());
    out.debug("handle", &layer.handle());
    out.debug("status", &layer.handle().status());
    out.debug("subscription", &layer.handle().subscribe());
    out.hide_the_canary(38);
}

/// Some token endpoints take a key in the query.
#[test]
fn no_value_shows_the_query_of_an_address() {
    let out = Outputs::default();
    for address in [
        format!("https://id.example.com/token?key={CANARY}"),
        // These cannot be used, and their errors name them.
        format!("http://id.example.com/token?key={CANARY}"),
        format!("http://id.example.com/token?key=k@{CANARY}"),
        format!("https://user:{CANARY}?x@id.example.com/token"),
    ] {
        let provider = OAuth2::client_credentials(&address, "id", "secret").origins([&address]);
        out.debug("provider", &provider);
        out.debug("profile", &Provider::profile(&provider));
        let layer = AuthLayer::new(provider);
        out.debug("layer", &layer);
        let origins = Origins::from([&address]);
        out.debug("origins", &origins);
        if let Err(error) = origins.check() {
            out.error("origins", &error);
        }
    }
    out.hide_the_canary(32);
}

/// A provider that puts all that it gets into `out`, asks an indiscreet endpoint, and gives
/// `result`.
fn provider(
    out: Outputs,
    result: impl Fn(usize) -> Result<Token, ProviderError> + Clone + Send + Sync + 'static,
) -> impl Provider + Debug {
    let number = Arc::new(Mutex::new(0));
    provider_fn(move |exchange: Exchange| {
        let (out, result, number) = (out.clone(), result.clone(), Arc::clone(&number));
        async move {
            out.debug("exchange", &exchange);
            out.debug("session", exchange.session());
            out.debug("client", exchange.client());
            out.debug("refused", &exchange.refused());
            let request = Request::post(format!("{ORIGIN}/{CANARY}?{CANARY}"))
                .header("authorization", CANARY)
                .body(Bytes::from(canary("body")))
                .unwrap();
            let reply = exchange.client().send(request).await?;
            out.debug("reply", &reply);
            out.error("failure", &reply.failure());
            out.error("json", &reply.json::<u64>().unwrap_err());
            out.error("json", &reply.json::<Vec<Secret>>().unwrap_err());
            out.error("success", &reply.success().unwrap_err());
            let number = {
                let mut number = number.lock().unwrap();
                *number += 1;
                *number
            };
            result(number)
        }
    })
    .profile(|profile| {
        profile
            .origins([ORIGIN])
            .placement(placement())
            .identity(parts())
    })
}

/// What an API sees of a laden session: everything around is put into `out`.
async fn use_layer<P: Provider>(
    layer: &AuthLayer<P>,
    out: &Outputs,
    seen: &Arc<Mutex<Vec<HeaderMap>>>,
) {
    let log = Arc::clone(seen);
    let api = tower::service_fn(move |request: Request<Empty<Bytes>>| {
        let old = request.headers()["x-token"] == "c4n4ry-access-0";
        log.lock().unwrap().push(request.headers().clone());
        std::future::ready(
            Response::builder()
                .status(if old { 401 } else { 200 })
                .body(Empty::<Bytes>::new()),
        )
    });
    let mut service = layer.layer(api);
    out.debug("service", &service);
    let future = service.call(get());
    out.debug("future", &future);
    if let Err(error) = future.await {
        out.error("call", &*error);
    }
    let handle = layer.handle();
    for result in [handle.token().await, handle.refresh().await] {
        match result {
            Ok(token) => out.debug("token", &token),
            Err(error) => out.error("handle", &error),
        }
    }
    out.debug("service", &service);
    out.debug("layer", layer);
    out.debug("handle", &handle);
    out.debug("status", &handle.status());
    out.debug("subscription", &handle.subscribe().changed().await);
}

#[tokio::test]
async fn no_exchange_that_succeeds_shows_a_secret() {
    for seeded in [true, false] {
        let (out, seen) = (Outputs::default(), Arc::default());
        let provider = provider(out.clone(), |number| Ok(laden(number)));
        let builder = AuthLayer::builder(BoxProvider::new(provider))
            .token_client(indiscreet())
            .clock(ManualClock::new())
            .session_key(canary("key"))
            .memory_only();
        let builder = if seeded {
            builder.initial(laden(0))
        } else {
            builder
        };
        use_layer(&builder.build().unwrap(), &out, &seen).await;
        assert!(out.0.lock().unwrap().iter().any(|(name, _)| name == "json"));
        out.hide_the_canary(60);
    }
}

#[tokio::test]
async fn no_exchange_that_fails_shows_a_secret() {
    let text = || canary("vendor-text");
    let failures: [Arc<dyn Fn() -> ProviderError + Send + Sync>; 6] = [
        Arc::new(|| ProviderError::transient("down")),
        Arc::new(|| ProviderError::throttled(Some(secs(3)))),
        Arc::new(|| ProviderError::refused("log in")),
        Arc::new(|| ProviderError::misconfigured("wrong")),
        Arc::new(|| ProviderError::unknown_outcome("lost")),
        Arc::new(|| {
            ProviderError::unknown_outcome("half")
                .salvaging(Token::from_refresh_token(canary("next")))
        }),
    ];
    for failure in failures {
        for seeded in [true, false] {
            let (out, seen) = (Outputs::default(), Arc::default());
            let failure = Arc::clone(&failure);
            let provider = provider(out.clone(), move |_| {
                let error = failure().status(StatusCode::BAD_REQUEST).code("known");
                Err(error.vendor_text(text().as_bytes()))
            });
            let builder = AuthLayer::builder(provider)
                .token_client(indiscreet())
                .clock(ManualClock::new())
                .memory_only();
            let builder = if seeded {
                builder.initial(laden(0))
            } else {
                builder
            };
            use_layer(&builder.build().unwrap(), &out, &seen).await;
            out.hide_the_canary(45);
        }
    }
}

#[tokio::test]
async fn what_the_vendor_said_is_behind_its_own_accessor() {
    let error = ProviderError::refused("log in").vendor_text(CANARY.as_bytes());
    let script = Script::with_lifetime(secs(HOUR));
    script.usually(move |_| Err(error.clone()));
    let handle = script.layer(&ManualClock::new()).build().unwrap().handle();
    let error = handle.token().await.unwrap_err();
    let said = error.provider_error().unwrap().vendor_said().unwrap();
    assert_eq!(said.expose(), CANARY);
}

#[tokio::test]
async fn a_providers_panic_shows_nothing_to_its_callers() {
    let script = Script::with_lifetime(secs(HOUR));
    script.usually(|_| panic!("{CANARY}"));
    let handle = script.layer(&ManualClock::new()).build().unwrap().handle();
    let out = Outputs::default();
    out.error("panic", &handle.token().await.unwrap_err());
    out.debug("status", &handle.status());
    out.hide_the_canary(6);
}

// === on the wire ===

#[tokio::test]
async fn headers_that_hold_a_secret_are_marked_sensitive_each_time() {
    for seeded in [true, false] {
        let (out, seen) = (Outputs::default(), Arc::<Mutex<Vec<HeaderMap>>>::default());
        let builder = AuthLayer::builder(provider(out.clone(), |number| Ok(laden(number))))
            .token_client(indiscreet())
            .clock(ManualClock::new())
            .memory_only();
        let builder = if seeded {
            builder.initial(laden(0))
        } else {
            builder
        };
        let layer = builder.build().unwrap();
        use_layer(&layer, &out, &seen).await;
        use_layer(&layer, &out, &seen).await;
        let seen = seen.lock().unwrap();
        // The seed is refused, and its request sent again.
        assert_eq!(seen.len(), 2 + usize::from(seeded));
        for headers in &*seen {
            for name in ["authorization", "x-token", "x-api-key"] {
                let value = &headers[name];
                assert!(value.is_sensitive(), "{name}");
                assert!(value.to_str().unwrap().contains(CANARY), "{name}");
            }
            assert!(!shows_canary(&format!("{headers:?} {headers:#?}")));
        }
    }
}

// === bytes that would break a header ===

const BREAKING: [&str; 5] = [
    "c4n4ry\r\nx-evil: 1",
    "c4n4ry\n",
    "\rc4n4ry",
    "c4n4ry\0",
    "c4n4ry\u{7f}",
];

#[tokio::test]
async fn a_vendors_token_that_would_break_a_header_is_a_typed_error_and_its_refresh_token_is_kept()
{
    for bad in BREAKING {
        let (clock, script, out) = (
            ManualClock::new(),
            Script::with_lifetime(secs(HOUR)),
            Outputs::default(),
        );
        script.next(move |_| Ok(Token::from_pair(bad, canary("second"))));
        let builder = script
            .layer(&clock)
            .initial(Token::from_refresh_token(canary("first")));
        let layer = builder.build().unwrap();
        let api = Api::accepting_all();
        let error = layer.layer(api.clone()).oneshot(get()).await.unwrap_err();
        assert!(api.seen().is_empty());
        let ours = Error::find(&*error).unwrap();
        assert!(ours.is_unknown_outcome(), "{ours:?}");
        out.error("call", &*error);
        out.debug("layer", &layer);
        out.hide_the_canary(6);
        clock.advance(secs(10));
        layer.layer(api.clone()).oneshot(get()).await.unwrap();
        assert_eq!(script.asked()[1].refresh, Some(canary("second")));
        assert_eq!(api.seen(), ["Bearer access-2"]);
    }
}

#[tokio::test]
async fn a_good_token_goes_on_where_its_successor_would_break_a_header() {
    let (clock, script) = (ManualClock::new(), Script::with_lifetime(secs(HOUR)));
    script.usually(|_| Ok(Token::from_pair(BREAKING[0], "refresh")));
    let layer = script
        .layer(&clock)
        .initial(support::token(0, secs(HOUR)))
        .build()
        .unwrap();
    assert!(layer.handle().refresh().await.is_err());
    let api = Api::accepting_all();
    layer.layer(api.clone()).oneshot(get()).await.unwrap();
    assert_eq!(api.seen(), ["Bearer access-0"]);
}

/// A setting that no header may hold: nothing was sent, and nothing can have been spent.
fn is_a_wrong_setting(error: &Error, out: &Outputs) {
    assert!(error.is_misconfigured(), "{error:?}");
    assert!(
        !error.is_unknown_outcome() && !error.is_transient(),
        "{error:?}"
    );
    out.error("setting", error);
}

#[tokio::test]
async fn a_seed_that_would_break_a_header_is_a_wrong_setting() {
    let out = Outputs::default();
    for bad in BREAKING {
        let script = Script::with_lifetime(secs(HOUR));
        let clock = ManualClock::new();
        let built = script.layer(&clock).initial(Token::new(bad)).build();
        is_a_wrong_setting(&built.unwrap_err(), &out);
        let layer = script.layer(&clock).build().unwrap();
        let sibling = layer.with_session("ann", Token::new(bad));
        is_a_wrong_setting(&sibling.unwrap_err(), &out);
        let replaced = layer.handle().replace(Token::new(bad)).await;
        is_a_wrong_setting(&replaced.unwrap_err(), &out);
    }
    out.hide_the_canary(BREAKING.len() * 3 * 4);
}

#[tokio::test]
async fn a_fixed_header_that_no_header_may_hold_is_a_wrong_setting_and_is_named() {
    let out = Outputs::default();
    for bad in BREAKING {
        let key = HeaderName::from_static("x-api-key");
        let placement = Placement::bearer().and_fixed(key, bad);
        let script =
            Script::with_lifetime(secs(HOUR)).profile(|profile| profile.placement(placement));
        let built = AuthLayer::builder(script.clone()).build().unwrap_err();
        assert!(built.to_string().contains("x-api-key"), "{built}");
        is_a_wrong_setting(&built, &out);
        let call: BoxError = AuthLayer::new(script.clone())
            .layer(Api::accepting_all())
            .oneshot(get())
            .await
            .unwrap_err();
        is_a_wrong_setting(Error::find(&*call).unwrap(), &out);
        assert_eq!(script.exchanges(), 0, "no refresh token is spent in vain");
    }
    out.hide_the_canary(BREAKING.len() * 2 * 4);
}

/// Remembers what it was told of, as a store does.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Vec<Token>>>);

impl Provider for Store {
    async fn obtain(&self, _: Exchange) -> Result<Token, ProviderError> {
        Err(ProviderError::transient("not asked here"))
    }

    fn profile(&self) -> Profile {
        Profile::new("store")
            .origins([ORIGIN])
            .rotation(Rotation::Must)
    }

    async fn replace(&self, _: &SessionId, token: &Token) -> Result<(), ProviderError> {
        self.0.lock().unwrap().push(token.clone());
        Ok(())
    }
}

#[tokio::test]
async fn a_login_that_cannot_be_used_is_not_handed_to_the_provider() {
    let store = Store::default();
    let layer = AuthLayer::builder(store.clone())
        .initial(Token::new("good"))
        .build()
        .unwrap();
    let handle = layer.handle();
    for bad in [Token::new(BREAKING[0]), Token::new("")] {
        let error = handle.replace(bad).await.unwrap_err();
        assert!(error.is_misconfigured(), "{error:?}");
    }
    assert!(
        store.0.lock().unwrap().is_empty(),
        "a store would keep it over the good one"
    );
    let token = handle.token().await.unwrap();
    assert_eq!(token.access_token().unwrap().expose(), "good");
    handle.replace(Token::new("better")).await.unwrap();
    assert_eq!(store.0.lock().unwrap().len(), 1);
}
