//! A tower layer that keeps the access tokens of service clients alive.
//!
//! Services call vendors with access tokens that expire. [`AuthLayer`] wraps the client that makes
//! those calls. It attaches the current token to each request, gets the next one before the current
//! one dies, shares one exchange between all callers, recovers once when a server refuses a token,
//! and neither loses nor spends twice a refresh token that may be used only once.
//!
//! ```no_run
//! use http::Request;
//! use http_body_util::Empty;
//! use hyper_rustls::HttpsConnectorBuilder;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_reauth::{AuthLayer, BoxError, vendor::VmwareCsp};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), BoxError> {
//! let auth = AuthLayer::new(VmwareCsp::api_token("your-api-token", ["https://vmc.vmware.com"]));
//! let https = HttpsConnectorBuilder::new().with_webpki_roots().https_only().enable_http1().build();
//! let client = Client::builder(TokioExecutor::new()).build(https);
//! let service = ServiceBuilder::new().layer(auth).service(client);
//!
//! let request = Request::get("https://vmc.vmware.com/vmc/api/orgs").body(Empty::<bytes::Bytes>::new())?;
//! let response = service.oneshot(request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to go
//!
//! | you want to | look at |
//! | --- | --- |
//! | wrap a client | [`AuthLayer`], and its [builder](AuthLayer::builder) |
//! | wrap a reqwest client, or tonic's channel | [`compat`] |
//! | use one of the vendors | [`vendor`], or [`oauth2`] for a plain OAuth 2.0 server |
//! | find a server by its issuer, sign for the client, bind tokens to a key | [`oauth2`] |
//! | write a provider for another vendor | [`provider`] |
//! | see a session's state, log a user in again, shut down | [`handle::AuthHandle`] |
//! | learn that a user must log in again | [`Error::is_login_required`] of a failed call, [`AuthHandle::subscribe`](handle::AuthHandle::subscribe) without one |
//! | have a session log in by itself | the [vendors](vendor), or [`Provider::login`] |
//! | ask users to wait while somebody logs in | [`Error::is_login_in_progress`], [`handle::Status::logging_in`] |
//! | be warned before an API token dies | [`handle::Status::credential_expires_within`] |
//! | log, count or alert on what happens to sessions | [`observe`] |
//! | know what an error means | [`Error`] |
//! | know whether a request was sent again, and why not | [`replay::Replay`] |
//! | handle an API that refuses with another status than 401, or in a body | [`provider::Refusal`], [`peek`] |
//! | send one request without a token | [`attach::Bare`] |
//! | call another host | [`provider::Origins`] |
//! | keep a session over a restart, share it between processes | [`store`] |
//! | log a person in for the first time | [`OAuth2::authorization`](oauth2::OAuth2::authorization), [`OAuth2::device_login`](oauth2::OAuth2::device_login) |
//! | bring your own client for token requests, a certificate, or a corporate CA | [`token_client`] |
//! | configure a vendor in TOML or JSON | `config`, with feature `serde` |
//! | test your own service against vendors that fail on demand | `test_util`, with feature `test-util` |
//! | find a recipe | [`docs::howto`] |
//! | know where a vendor's first credential comes from, and what its errors mean | [`docs::vendors`] |
//! | know why a number is what it is | [`docs::defaults`] |
//! | know what a request costs | [`docs::performance`] |
//! | know which rule of which standard is kept, and by which test | [`docs::standards`] |
//! | know what it cannot do | [`docs::limitations`] |
//! | change this crate | [`docs::internals`] |
//!
//! # Features
//!
//! | feature | what it adds | default |
//! | --- | --- | --- |
//! | `https` | the built-in token client: hyper-util with rustls | yes |
//! | `jwt` | clients that sign: `private_key_jwt`, and assertions | no |
//! | `redis` | `store::RedisStore`: sessions shared by processes on many machines | no |
//! | `seal` | `store::Sealed`: tokens encrypted at rest | no |
//! | `reqwest` | `reqwest::Client` as the inner service; no TLS, which you choose at reqwest | no |
//! | `reqwest-middleware` | `AuthLayer::middleware`, and with it `reqwest` | no |
//! | `tonic` | tonic's bodies and `Status`; its transport is chosen at tonic | no |
//! | `axum` | `axum::body::Body` | no |
//! | `serde` | `config`: vendors and layers out of a configuration file | no |
//! | `dpop` | tokens that are bound to a key (RFC 9449) | no |
//! | `tracing` | [events](observe) for the `tracing` crate | no |
//! | `metrics` | [events](observe) counted with the `metrics` crate | no |
//! | `test-util` | simulated vendors on loopback, a clock moved by hand | no |

#![forbid(unsafe_code)]
#![cfg_attr(tower_reauth_docsrs, feature(doc_cfg))]

pub mod attach;
mod cell;
mod challenge;
pub mod clock;
pub mod compat;
#[cfg(feature = "serde")]
pub mod config;
pub mod docs;
mod error;
pub mod future;
/// With the other tests, and yet inside: what they reach is private.
#[cfg(test)]
#[path = "../tests/fuzz/mod.rs"]
mod fuzz;
mod grpc;
pub mod handle;
mod lane;
pub mod layer;
pub mod oauth2;
pub mod observe;
pub mod peek;
pub mod provider;
pub mod replay;
mod service;
pub mod store;
#[cfg(feature = "test-util")]
pub mod test_util;
pub mod token;
pub mod token_client;
pub mod vendor;

pub use self::{
    error::{BoxError, Error},
    layer::AuthLayer,
    provider::Provider,
    service::Auth,
    token::Token,
};

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;
