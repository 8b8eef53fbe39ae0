//! A clock that tests move by hand, and vendors that live in this process.
//!
//! The simulators speak HTTP/1.1 over real sockets of the loopback, so a client under test meets
//! real connections, and real ones that break. They are as strict as the vendors' documents: what
//! breaks the documented format is answered in the vendor's error form, and counted. Each begins
//! its life without sessions; [`seed`](Simulator::seed) makes one.
//!
//! The layer and the simulator get clones of one clock, so that they agree on what has expired:
//!
//! ```
//! use std::time::Duration;
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Empty;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_reauth::test_util::{Fault, ManualClock, RetryAfter, SimImmersve};
//! use tower_reauth::{AuthLayer, BoxError, Token, vendor::Immersve};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), BoxError> {
//! let clock = ManualClock::new();
//! let vendor = SimImmersve::builder().clock(clock.clone()).start().await?;
//! let seed = vendor.seed();
//!
//! let provider = Immersve::new(vendor.client_application_id(), vendor.origin()).base_url(vendor.base_url());
//! let auth = AuthLayer::builder(provider)
//!     .initial(Token::from_pair(seed.access_token, seed.refresh_token))
//!     .memory_only()
//!     .clock(clock.clone())
//!     .build()?;
//! // Here goes your own service, around this one or in its place.
//! let client = Client::builder(TokioExecutor::new()).build_http();
//! let service = ServiceBuilder::new().layer(auth).service(client);
//!
//! let get = || Request::get(format!("{}/cards", vendor.base_url())).body(Empty::<Bytes>::new());
//! assert_eq!(service.clone().oneshot(get()?).await?.status(), 200);
//!
//! // The token dies, and the vendor is too busy to give another:
//! clock.advance(Duration::from_secs(20 * 60));
//! vendor.faults().next(Fault::Throttle(RetryAfter::Seconds(30)));
//! assert!(service.clone().oneshot(get()?).await.is_err());
//!
//! clock.advance(Duration::from_secs(30));
//! assert_eq!(service.clone().oneshot(get()?).await?.status(), 200);
//! assert_eq!(vendor.counters().spent_twice, 0);
//! # Ok(())
//! # }
//! ```
//!
//! A store of your own is put through its contract by [`store_conformance()`].
//!
//! The simulators keep everything in memory, sign with a key of their own, and are for tests only.

mod answers;
mod body;
mod book;
mod bound;
mod builder;
mod client_auth;
mod counters;
mod csp_accounts;
mod dpop;
mod dressipi;
mod engine;
mod expires_in;
mod fault;
mod immersve;
mod immersve_replies;
mod logins;
mod manual_clock;
mod marketiger;
mod oauth;
mod once;
mod policy;
mod rotation;
mod server;
mod sessions;
mod shopper;
mod signer;
mod simulator;
mod spoiling;
mod store_conformance;
mod vendor;
mod vmware_csp;
mod wallet;
mod wire;

pub use builder::SimBuilder;
pub use counters::Counters;
pub use dpop::ProofNonces;
pub use dressipi::{DressipiOptions, SimDressipi};
pub use expires_in::ExpiresIn;
pub use fault::{Fault, Faults, RetryAfter};
pub use immersve::{ImmersveOptions, SimImmersve};
pub use manual_clock::ManualClock;
pub use marketiger::{MarketigerOptions, SimMarketiger};
pub use oauth::{OauthOptions, SimOauth};
pub use rotation::Rotation;
pub use sessions::Seed;
pub use simulator::Simulator;
pub use store_conformance::{Nonconformity, StoreTime, store_conformance};
pub use vmware_csp::{SimVmwareCsp, VmwareCspOptions};
