//! `reqwest::Client` as the inner service.
//!
//! It is a tower service of [`reqwest::Request`], and [`Auth`](crate::Auth)
//! around it is one too. The same goes for whatever else takes such requests and gives
//! [`reqwest::Response`]s, a `ClientWithMiddleware` for instance.
//!
//! ```no_run
//! use reqwest::{Client, Method, Request, redirect::Policy};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_reauth::{AuthLayer, BoxError, vendor::VmwareCsp};
//!
//! # async fn example() -> Result<(), BoxError> {
//! let auth = AuthLayer::new(VmwareCsp::api_token("your-api-token", ["https://vmc.vmware.com"]));
//! let client = Client::builder().redirect(Policy::none()).build()?;
//! let service = ServiceBuilder::new().layer(auth).service(client);
//!
//! let request = Request::new(Method::GET, "https://vmc.vmware.com/vmc/api/orgs".parse()?);
//! let response = service.oneshot(request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Replay
//!
//! A refused request is sent once more. What [`try_clone`](::reqwest::Request::try_clone) can copy,
//! no body or one that is whole in memory, is copied. A streaming body is followed while it is sent,
//! up to the [cap](crate::layer::AuthLayerBuilder::replay_cap), as [`replay`](crate::replay) says of
//! boxed bodies.
//!
//! # Redirects
//!
//! Switch them off, with `redirect::Policy::none()`. By default reqwest follows them by itself,
//! inside of the layer, and takes only `Authorization` and cookies off a request that goes on to
//! another host: a token in a vendor's own header travels on. The layer learns of it where the
//! response's URL is at no declared origin. Then the token that was sent is rejected, as one that
//! strangers may have seen, and the response is marked as [`Strayed`]. It learns nothing of hops in
//! between, nor where following ended in an error.
//!
//! A proof of possession (DPoP) names the address of its request, and is good for no other: a redirect
//! that is followed ends in a refusal.
//!
//! # Requests without a token
//!
//! reqwest keeps a request's extensions to itself, so [`Bare`](crate::attach::Bare) cannot be seen
//! here. Send such a request by the inner client, that of
//! [`get_ref`](crate::Auth::get_ref) or the clone that you kept.
//!
//! # What it costs
//!
//! One box a request, and with replay on what cloning it costs: its head, and a reference to its
//! body. A stream costs what following it takes.
//!
//! # Refusals inside a body
//!
//! A [`PeekLayer`](crate::peek::PeekLayer) around the client, inside of this layer, gives reqwest's
//! responses as well.

mod peek;
mod place;
mod recovery;
mod second;
mod send;
mod sent;
mod service;

pub use self::{peek::PeekFuture, send::Strayed, service::ResponseFuture};
#[cfg(feature = "reqwest-middleware")]
pub(super) use self::{
    peek::look,
    send::{Carrier, send},
};
