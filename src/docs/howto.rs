//! Recipes: what do I write to …?
//!
//! | I want to … | |
//! | --- | --- |
//! | keep a session over a restart | [a store](#keep-a-session-over-a-restart) |
//! | run several replicas of one session | [a shared store](#share-a-session-between-replicas) |
//! | have a session log in by itself | [what each vendor needs](#have-a-session-log-in-by-itself) |
//! | encrypt what is stored | [a seal](#encrypt-what-is-stored) |
//! | serve many users | [a layer for each](#serve-many-users) |
//! | be warned before an API token dies | [a date](#be-warned-before-an-api-token-dies) |
//! | ask one vendor with another's token | [a handle](#ask-one-vendor-with-anothers-token) |
//! | be alerted on "log in again" | [a metric, a callback, a subscription](#be-alerted-on-log-in-again) |
//! | hand over a new login | [`replace`](#hand-over-a-new-login) |
//! | retry requests that failed | [outside of this layer](#retry-requests-that-failed) |
//! | keep to a deadline | [a limit](#keep-to-a-deadline) |
//! | call two hosts, or one without a token | [origins](#call-other-hosts) |
//! | recognise a refusal that is no 401 | [a rule](#recognise-a-refusal-that-is-no-401) |
//! | write a provider | [a closure, or a trait](#write-a-provider) |
//! | go through a proxy, trust a corporate CA | [a token client](#bring-a-token-client) |
//! | configure it from a file | [feature `serde`](#configure-it-from-a-file) |
//! | see what it does | [logs, metrics, a dashboard](#see-what-it-does) |
//! | test my service | [simulated vendors](#test-a-service-against-it) |
//! | shut down | [in order](#shut-down) |
//!
//! # Keep a session over a restart
//!
//! Give the builder a [store](crate::store). The refresh token that the layer is built with then
//! counts only if the store has never seen it: after the first exchange the store has a newer one.
//!
//! ```no_run
//! use tower_reauth::{AuthLayer, Token, store::FileStore, vendor::Immersve};
//!
//! # fn main() -> Result<(), tower_reauth::Error> {
//! let auth = AuthLayer::builder(Immersve::new("client-app-id", "https://app.example"))
//!     .initial(Token::from_refresh_token("from-the-login"))
//!     .store(FileStore::new("session.json"))
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! The record is found by the provider's settings (vendor, base URL, client, account, scope, resources,
//! key or certificate) and the session key. With one of them changed it is another session, which starts
//! from `initial`. Before the process ends, [shut down](#shut-down).
//!
//! Without a store say `.memory_only()`: a restart then needs the refresh token of a new login.
//! Credentials that stay the same (API tokens, client secrets) need neither.
//!
//! # Have a session log in by itself
//!
//! Tell the provider with what: a password ([`Marketiger3D`](crate::vendor::Marketiger3D)), a service
//! account ([`VmwareCsp`](crate::vendor::VmwareCsp)), or a function that asks a person (a wallet's
//! signature, a passcode, a code). [`vendors`](super::vendors) says for each which; a provider of your own
//! implements [`Provider::login`](crate::Provider::login). Callers who wait too long for a person hear
//! [`is_login_in_progress`](crate::Error::is_login_in_progress). An OAuth 2.0 server's first token comes
//! from [`authorization`](crate::oauth2::OAuth2::authorization) or
//! [`device_login`](crate::oauth2::OAuth2::device_login), and is handed over.
//!
//! # Share a session between replicas
//!
//! Give all of them the same Redis (feature `redis`), and the same seed. One of them makes each
//! exchange; the others take what it got.
//!
//! ```no_run
//! # #[cfg(feature = "redis")]
//! # fn main() -> Result<(), tower_reauth::BoxError> {
//! use tower_reauth::{AuthLayer, Token, store::RedisStore, vendor::Immersve};
//!
//! let store = RedisStore::builder("rediss://redis.internal:6380").password("from-a-vault").build()?;
//! let auth = AuthLayer::builder(Immersve::new("client-app-id", "https://app.example"))
//!     .initial(Token::from_refresh_token("from-the-login"))
//!     .store(store)
//!     .build()?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "redis"))]
//! # fn main() {}
//! ```
//!
//! Redis keeps what it has acknowledged only where it is told to: `RedisStore` lists the settings. On
//! one machine a [`FileStore`](crate::store::FileStore) will do, and any other database is
//! [four methods](crate::store::TokenStore) away.
//!
//! # Encrypt what is stored
//!
//! ```
//! # #[cfg(feature = "seal")]
//! # fn main() -> Result<(), tower_reauth::BoxError> {
//! use tower_reauth::store::{FileStore, SealKey, SealKeys, Sealed};
//!
//! # let from_a_vault = "pV0nqFTGZKrcYJGkVe0C0i9Y8k2o3yXoY0mXyXb8u1c=";
//! let keys = SealKeys::new(SealKey::from_base64("2026-11", from_a_vault)?); // openssl rand -base64 32
//! let store = Sealed::new(FileStore::new("session.json"), keys);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "seal"))]
//! # fn main() {}
//! ```
//!
//! # Serve many users
//!
//! Build one layer, and a [sibling](crate::AuthLayer::with_session) for each user. Siblings share the
//! provider, the store, the token client, the pauses that the vendor asks for and one keeper; nothing
//! of their sessions. Keep the sibling for as long as the user is served: the same key again, while
//! the first is alive, is an error. The logins of the built-in vendors are those of one account: the layer
//! makes them for the session that it was built with, never for a sibling, which needs
//! [`replace`](#hand-over-a-new-login) when its refresh token is dead. A provider of your own may say
//! [`Login::Each`](crate::provider::Login::Each).
//!
//! ```
//! # use tower_reauth::{AuthLayer, Error, Token, store::MemoryStore, vendor::Dressipi};
//! # fn main() -> Result<(), Error> {
//! let shop = AuthLayer::builder(Dressipi::new("https://dressipi.shop.example/api", "client-id"))
//!     .store(MemoryStore::new())
//!     .build()?;
//! let shopper = shop.with_session("shopper-1742", Token::from_refresh_token("from-the-first-visit"))?;
//! # let _ = shopper;
//! # Ok(())
//! # }
//! ```
//!
//! # Be alerted on "log in again"
//!
//! Three ways; take the one that reaches the right person.
//!
//! - *Operators*: feature `metrics`, and an alert on `tower_reauth_sessions_without_login > 0`; or,
//!   with feature `tracing`, on the ERROR `login required`. See [`observe`](crate::observe), also for
//!   sessions that log in by themselves.
//! - *Your own code, for a whole layer*: an [observer](crate::layer::AuthLayerBuilder::observer) that
//!   looks for [`Event::LoginRequired`](crate::observe::Event::LoginRequired).
//! - *The user whose session it is*: a task that waits on that session's handle.
//!
//! ```
//! use tower_reauth::handle::AuthHandle;
//!
//! async fn watch(handle: AuthHandle) {
//!     let mut states = handle.subscribe();
//!     let mut told = false;
//!     while let Some(status) = states.changed().await {
//!         match &status.login_required {
//!             Some(why) if !told => eprintln!("please log in again: {why}"), // a mail, a banner, a page
//!             _ => {}
//!         }
//!         told = status.is_login_required();
//!     }
//! }
//! # let _ = watch;
//! ```
//!
//! And a request that fails for it says so: [`Error::find`](crate::Error::find), then
//! [`is_login_required`](crate::Error::is_login_required).
//!
//! # Be warned before an API token dies
//!
//! With [`watch_api_token`](crate::vendor::VmwareCsp::watch_api_token) the layer asks once a day when the
//! API token expires. Look at each change of the session, or once a day:
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tower_reauth::handle::AuthHandle;
//!
//! fn warns(handle: &AuthHandle) -> bool {
//!     let two_weeks = Duration::from_secs(14 * 24 * 60 * 60);
//!     handle.status().credential_expires_within(two_weeks, SystemTime::now())
//! }
//! # let _ = warns;
//! ```
//!
//! It is false too where nobody knows: `credential_expires_at` is none before the first exchange, or if
//! the vendor did not say. An idle session asks nobody.
//!
//! # Hand over a new login
//!
//! [`AuthHandle::replace`](crate::handle::AuthHandle::replace), with what the login gave: it ends
//! whatever was held against the old one, in the store and for all replicas too.
//!
//! ```
//! # use tower_reauth::{Error, Token, handle::AuthHandle};
//! async fn logged_in(handle: &AuthHandle, access: String, refresh: String) -> Result<(), Error> {
//!     handle.replace(Token::from_pair(access, refresh)).await
//! }
//! # let _ = logged_in;
//! ```
//!
//! # Retry requests that failed
//!
//! Put retries *outside* of this layer, so that each attempt gets the token that is current then:
//!
//! ```
//! # use std::time::Duration;
//! # use tower::{ServiceBuilder, retry::Policy};
//! # use tower_reauth::{AuthLayer, provider::FixedToken};
//! # #[derive(Clone)] struct Twice;
//! # impl<Q, S, E> Policy<Q, S, E> for Twice {
//! #     type Future = std::future::Ready<()>;
//! #     fn retry(&mut self, _: &mut Q, _: &mut Result<S, E>) -> Option<Self::Future> { None }
//! #     fn clone_request(&mut self, _: &Q) -> Option<Q> { None }
//! # }
//! # let client = tower::service_fn(|_: http::Request<String>| async {
//! #     Ok::<_, std::io::Error>(http::Response::new(String::new()))
//! # });
//! # let auth = AuthLayer::new(FixedToken::bearer("t0ken").origins(["https://api.example.com"]));
//! let client = ServiceBuilder::new()
//!     .timeout(Duration::from_secs(60)) // all attempts, and the waits for tokens
//!     .retry(Twice)
//!     .layer(auth)
//!     .timeout(Duration::from_secs(10)) // one sending
//!     .service(client);
//! # let _ = client;
//! ```
//!
//! A 401 needs no retry: the layer sends a refused request again by itself, once.
//!
//! # Keep to a deadline
//!
//! [`wait_at_most`](crate::layer::AuthLayerBuilder::wait_at_most) is how long a request waits for a
//! token that is not there, 30 seconds by default. A `Timeout` outside of the layer may be shorter:
//! the exchange goes on without its caller, and the next request finds the token. gRPC calls and
//! reqwest requests with a deadline of their own wait no longer than that.
//!
//! # Call other hosts
//!
//! The token goes to the origins that the provider declares, and nowhere else; a request to another
//! one is answered with an [error](crate::Error::is_origin) that names it. Declare all of them at the
//! provider (`.origins(["https://api.example.com", "https://files.example.com"])`), send what needs no
//! token with [`Bare`](crate::attach::Bare) in its extensions, or let everything else pass bare:
//! [`send_bare_elsewhere`](crate::layer::AuthLayerBuilder::send_bare_elsewhere).
//!
//! # Recognise a refusal that is no 401
//!
//! By its status or headers: [`Refusal`](crate::provider::Refusal) in the provider's profile. By its
//! body: a [`PeekLayer`](crate::peek::PeekLayer) inside of this layer.
//!
//! # Write a provider
//!
//! ```
//! use std::time::Duration;
//! use tower_reauth::{AuthLayer, Token, provider::{ProviderError, provider_fn}};
//!
//! let provider = provider_fn(|exchange| async move {
//!     let request = http::Request::post("https://id.acme.example/token")
//!         .header("x-key", "s3cr3t")
//!         .body(Default::default())
//!         .map_err(|_| ProviderError::misconfigured("the key is no header value"))?;
//!     let reply = exchange.client().send(request).await?.success()?;
//!     let token = String::from_utf8_lossy(reply.body()).into_owned();
//!     Ok(Token::new(token).with_lifetime(Duration::from_secs(3600)).with_asked_at(reply.sent_at()))
//! });
//! let auth = AuthLayer::new(provider.origins(["https://api.acme.example"]));
//! # let _ = auth;
//! ```
//!
//! [`provider`](crate::provider) has one as a type, with a profile. Send with the exchange's client:
//! it says of each failure whether the request may have arrived.
//!
//! A vendor that fails inside a 200 has to be read for it, or its error would be taken for a token, and a
//! session that has ended for a reply that was lost:
//!
//! ```
//! use serde::Deserialize;
//! use tower_reauth::provider::{ProviderError, TokenReply};
//!
//! #[derive(Deserialize)]
//! struct Verdict { ok: bool, #[serde(default)] error: String }
//!
//! fn read(reply: &TokenReply) -> Result<(), ProviderError> {
//!     let verdict: Verdict = reply.json()?;
//!     match (verdict.ok, verdict.error.as_str()) {
//!         (true, _) => Ok(()),
//!         (_, "invalid_refresh_token") => Err(ProviderError::refused("the session has ended")),
//!         (_, "ratelimited") => Err(ProviderError::throttled(reply.retry_after())),
//!         (_, "internal_error") => Err(ProviderError::unknown_outcome("the vendor failed")),
//!         _ => Err(ProviderError::misconfigured("the vendor refused the request")),
//!     }
//! }
//! # let _ = read;
//! ```
//!
//! `tests/generality` has seven such vendors whole, each below sixty lines.
//!
//! # Ask one vendor with another's token
//!
//! Hold the other layer's handle in your provider, and call its `token().await?`: its error becomes a
//! [`ProviderError`](crate::provider::ProviderError). Or give your layer's builder a
//! [`token_client`](crate::layer::AuthLayerBuilder::token_client) that the *other* layer wraps; that one
//! has to declare the token endpoint as an origin. `tests/generality/amazon` does both. After a login at
//! the other session, call your handle's [`refresh`](crate::handle::AuthHandle::refresh).
//!
//! # Bring a token client
//!
//! Any tower service over `http`, with limits around it: [`HttpTokenClient::over`]. It carries token
//! requests only; the client that the layer wraps is configured where it is built.
//!
//! # Configure it from a file
//!
//! Feature `serde`, and `config`: a block of TOML or JSON for each vendor, secrets in files or in the
//! environment. `cargo run --example check_vendor --all-features -- your.toml` makes one real exchange
//! from it, and says what is wrong and what to do.
//!
//! # See what it does
//!
//! Features `tracing` and `metrics`; [`observe`](crate::observe) has the names. A dashboard for Grafana
//! is `examples/grafana_dashboard.json`. One request's story is on its response:
//! [`Replay`](crate::replay::Replay).
//!
//! # Test a service against it
//!
//! Feature `test-util`: vendors on loopback that are as strict as their documentation, and fail when
//! told; a clock that is moved by hand. A [`FixedToken`](crate::provider::FixedToken) is enough
//! where the token does not matter.
//!
//! # Shut down
//!
//! Send no more requests, then [`shutdown`](crate::handle::AuthHandle::shutdown): it waits for an
//! exchange that is under way, and until what it brought is saved. Call
//! [`revoke`](crate::handle::AuthHandle::revoke) before it only where the session is to end: the next
//! process then needs a new login.
//!
//! [`HttpTokenClient::over`]: crate::token_client::HttpTokenClient::over
