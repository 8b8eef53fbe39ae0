//! Clients whose requests are not of the `http` crate.
//!
//! [`AuthLayer`](crate::AuthLayer) by itself wraps services over [`http::Request`]. What is here
//! lets it wrap clients with request types of their own, by the same rules. Each needs the feature
//! that brings the client.
//!
//! | client | feature | how |
//! | --- | --- | --- |
//! | `reqwest::Client` | `reqwest` | `ServiceBuilder::new().layer(auth).service(client)`: the `reqwest` module |
//! | `reqwest_middleware` | `reqwest-middleware` | `.with(auth.middleware())`: the `reqwest_middleware` module |

#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "reqwest-middleware")]
pub mod reqwest_middleware;
