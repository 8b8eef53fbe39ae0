//! A clock that tests move by hand, and vendors that live in this process.
//!
//! The simulators speak HTTP/1.1 over real sockets of the loopback, so a client under test meets
//! real connections, and real ones that break. They are as strict as the vendors' documents: what
//! breaks the documented format is answered in the vendor's error form, and counted. Each begins
//! its life without sessions; [`seed`](Simulator::seed) makes one.
//!
//! ```
//! use std::time::Duration;
//! use tower_reauth::test_util::{Fault, ManualClock, RetryAfter, SimImmersve};
//!
//! # async fn test() -> std::io::Result<()> {
//! let clock = ManualClock::new();
//! let vendor = SimImmersve::builder()
//!     .clock(clock.clone())
//!     .origin("https://shop.example")
//!     .start()
//!     .await?;
//! let seed = vendor.seed();
//! vendor.faults().next(Fault::Throttle(RetryAfter::Seconds(30)));
//!
//! // ... let the client under test use `seed` at `vendor.base_url()` ...
//! clock.advance(Duration::from_secs(20 * 60));
//! // ... and then:
//! assert_eq!(vendor.counters().spent_twice, 0);
//! # Ok(())
//! # }
//! ```
//!
//! They keep everything in memory, sign with a key of their own, and are for tests only.

mod body;
mod book;
mod builder;
mod client_auth;
mod counters;
mod dressipi;
mod engine;
mod expires_in;
mod fault;
mod immersve;
mod manual_clock;
mod marketiger;
mod oauth;
mod rotation;
mod server;
mod sessions;
mod signer;
mod simulator;
mod vendor;
mod vmware_csp;
mod wire;

pub use builder::SimBuilder;
pub use counters::Counters;
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
pub use vmware_csp::{SimVmwareCsp, VmwareCspOptions};
