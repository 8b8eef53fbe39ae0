//! A session that logs in by itself: a simulated Immersve, and a wallet that takes its time to sign.
//!
//! `cargo run --example first_login --features test-util`
#![allow(clippy::print_stdout, reason = "this is what an example is for")]

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    AuthLayer, BoxError, Error,
    test_util::SimImmersve,
    vendor::{Immersve, ImmersveLogin},
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let vendor = SimImmersve::start().await?;
    // Yours asks the user's wallet, and says `ProviderError::refused` if the user declines.
    let login = ImmersveLogin::siwe("polygon-mainnet", "0xA305…De9b", |message| async move {
        println!("the wallet shows:\n\n{message}\n");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        Ok(SimImmersve::sign(&message).into())
    });
    let provider = Immersve::new(vendor.client_application_id(), vendor.origin())
        .base_url(vendor.base_url())
        .login(login);
    let auth = AuthLayer::builder(provider)
        .memory_only()
        // Half a minute, if you leave it out.
        .wait_at_most(Duration::from_secs(1))
        .build()?;

    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let service = auth.layer(client);
    for call in 1..=3 {
        let request = Request::get(vendor.base_url() + "/cards").body(Empty::new())?;
        match service.clone().oneshot(request).await {
            Ok(reply) => println!("call {call}: {}", reply.status()),
            Err(error) if Error::find(&*error).is_some_and(Error::is_login_in_progress) => {
                println!("call {call}: please sign in your wallet");
            }
            Err(error) => println!("call {call}: {error}"),
        }
    }
    println!("logins: {}", vendor.counters().logins);
    Ok(())
}
