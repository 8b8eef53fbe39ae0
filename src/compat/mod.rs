//! Clients that need more than a service over the `http` crate.
//!
//! [`AuthLayer`](crate::AuthLayer) by itself wraps services over [`http::Request`]. What is here
//! lets it wrap clients with request types of their own, by the same rules, and says what is
//! special about gRPC. Each needs the feature that names the client.
//!
//! | client | feature | how |
//! | --- | --- | --- |
//! | `tonic::transport::Channel` | `tonic` | `ServiceBuilder::new().layer(auth).service(channel)`, into the generated client: the `tonic` module |
//! | `reqwest::Client` | `reqwest` | `ServiceBuilder::new().layer(auth).service(client)`: the `reqwest` module |
//! | `reqwest_middleware` | `reqwest-middleware` | `.with(auth.middleware())`: the `reqwest_middleware` module |

#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "reqwest-middleware")]
pub mod reqwest_middleware;
#[cfg(feature = "tonic")]
pub mod tonic;
