//! hyper-util's client inside of the layer: `cargo run --example hyper_client`.
//!
//! A simulated vendor on loopback takes its access tokens back while files are being uploaded, and
//! no caller notices: what was sent of a body is sent again, and the rest follows.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tower::{ServiceBuilder, ServiceExt};
use tower_reauth::{AuthLayer, BoxError, oauth2::OAuth2, test_util::SimOauth};

type Upload = BoxBody<Bytes, BoxError>;
type Pieces = mpsc::Sender<Result<Frame<Bytes>, BoxError>>;

/// A body that is made while it is sent, one piece ahead.
fn upload() -> (Pieces, Upload) {
    let (pieces, body) = mpsc::channel(1);
    (pieces, StreamBody::new(ReceiverStream::new(body)).boxed())
}

fn piece(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(text.into()))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let vendor = SimOauth::start().await?;
    let (id, secret) = (vendor.client_id(), vendor.client_secret());
    let provider = OAuth2::client_credentials(vendor.token_url(), id, secret);
    let auth = AuthLayer::new(provider.origins([vendor.base_url()]));
    let http: Client<_, Upload> = Client::builder(TokioExecutor::new()).build_http();
    let client = ServiceBuilder::new().layer(auth).service(http);

    let (mut callers, mut unfinished) = (JoinSet::new(), Vec::new());
    for _ in 0..100 {
        let (pieces, body) = upload();
        let request = Request::put(vendor.base_url() + "/files").body(body)?;
        callers.spawn(client.clone().oneshot(request));
        pieces.send(piece("the first piece, ")).await?;
        unfinished.push(pieces);
    }
    for pieces in &unfinished {
        // There is room for it when the first is on its way, and so the token with it.
        pieces.send(piece("the second, ")).await?;
    }
    vendor.revoke_access_tokens();
    for pieces in unfinished {
        pieces.send(piece("and the last")).await?;
    }
    let mut refused = 0;
    while let Some(response) = callers.join_next().await {
        refused += usize::from(!response??.status().is_success());
    }

    let seen = vendor.counters();
    println!("100 uploads, {refused} of them refused");
    println!(
        "the vendor refused {} requests and made {} exchanges: at the start, and for the revocation",
        seen.api_refused, seen.exchanges
    );
    match (refused, seen.api_refused, seen.exchanges) {
        (0, 100, 2) => Ok(()),
        _ => Err("a promise was broken".into()),
    }
}
