//! tonic's `Channel` as the inner service.
//!
//! [`AuthLayer`](crate::AuthLayer) wraps it like any other service, and a generated client takes the
//! result in place of the channel. With the feature `tonic` the layer knows tonic's bodies, and
//! answers its callers with a [`Status`](::tonic::Status).
//!
//! ```no_run
//! use tonic::transport::{ClientTlsConfig, Endpoint};
//! use tower::ServiceBuilder;
//! use tower_reauth::{AuthLayer, oauth2::OAuth2};
//! # struct OrdersClient<T>(T);
//! # impl<T> OrdersClient<T> where T: tonic::client::GrpcService<tonic::body::Body> {
//! #     fn new(inner: T) -> Self { Self(inner) }
//! # }
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = OAuth2::client_credentials("https://id.example.com/token", "id", "secret");
//! let auth = AuthLayer::new(provider.origins(["https://orders.example.com"]));
//!
//! let endpoint = Endpoint::from_static("https://orders.example.com");
//! let channel = endpoint.tls_config(ClientTlsConfig::new().with_enabled_roots())?.connect_lazy();
//! let client = OrdersClient::new(ServiceBuilder::new().layer(auth).service(channel));
//! # Ok(())
//! # }
//! ```
//!
//! # Refusals
//!
//! | the server answers | what happens |
//! | --- | --- |
//! | UNAUTHENTICATED before the call began (Trailers-Only), or a gateway's bare 401 | one exchange for all calls, and the call is made once more: unary, or a stream of which not more than the [cap](crate::layer::AuthLayerBuilder::replay_cap) was sent |
//! | UNAUTHENTICATED behind the headers of a response | the caller gets it, since such a call may not be made again (gRFC A6); the token is rejected, and the next call gets a newer one |
//! | PERMISSION_DENIED, or anything else | the caller gets it |
//!
//! Where a second refusal, or one without a newer token, reaches the caller, it is the server's own
//! UNAUTHENTICATED. If it was a gateway's HTML page with a bare 401, tonic takes the page for a
//! message, and the caller reads INTERNAL. Interceptors go outside of the layer: one inside gives
//! its responses another type of body, whose end is not heard.
//!
//! # Errors
//!
//! Where no token can be had, a call ends with UNAVAILABLE (the token endpoint was not reached, or
//! not available; the exchange takes longer than a caller waits) or with UNAUTHENTICATED (all else:
//! a login is needed, a setting is wrong, the origin is not declared), as gRFC A97 has it.
//! [`Error::find`](crate::Error::find) finds the layer's own error behind the status:
//!
//! ```
//! fn must_log_in(status: &tonic::Status) -> bool {
//!     tower_reauth::Error::find(status).is_some_and(tower_reauth::Error::is_login_required)
//! }
//! # assert!(!must_log_in(&tonic::Status::unknown("")));
//! ```
//!
//! # Deadlines
//!
//! A deadline that was set by [`Request::set_timeout`](::tonic::Request::set_timeout) includes the
//! wait for a token: when it passes meanwhile, the call ends with DEADLINE_EXCEEDED, and the
//! exchange goes on without it. What is left is passed on with the call, and with its second
//! sending. `Endpoint::timeout` counts for each sending from its beginning, inside of the layer. A
//! `Timeout` of tower outside ends the call as well, which tonic calls UNKNOWN.
//!
//! # Origins
//!
//! A generated client made by `new` sends requests that hold a path only: the channel adds where
//! they go. Such requests get the token, since their channel was built for one peer; see that its
//! endpoint is `https`, all of them where the channel is balanced. One made by `with_origin` sends
//! whole addresses, which must be declared. The layer wants some origin declared in any case: that of
//! the endpoint.
//!
//! Where tokens are bound to keys (DPoP), each call has a proof that names its address. For a client made
//! by `new` that is at the one declared origin: where several are declared, use `with_origin`.
//!
//! # What it costs
//!
//! With a good token and replay off one box a call, for the response's body. With replay on, what
//! [keeping a boxed body](crate::replay) costs.
