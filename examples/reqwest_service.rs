//! `reqwest::Client` inside of the layer: `cargo run --example reqwest_service`.
//!
//! A simulated vendor on loopback takes its access tokens back while requests are under way, and
//! no caller notices.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use reqwest::{Client, Method, Request, redirect::Policy};
use tokio::task::JoinSet;
use tokio_rustls::rustls::crypto::ring;
use tower::{ServiceBuilder, ServiceExt};
use tower_reauth::{AuthLayer, BoxError, oauth2::OAuth2, test_util::SimOauth};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let vendor = SimOauth::start().await?;
    let (id, secret) = (vendor.client_id(), vendor.client_secret());
    let provider = OAuth2::client_credentials(vendor.token_url(), id, secret);
    let auth = AuthLayer::new(provider.origins([vendor.base_url()]));

    // Not needed with reqwest's default features, which choose by themselves.
    let _chosen = ring::default_provider().install_default();
    // The layer cannot see redirects that reqwest follows by itself: off with them.
    let http = Client::builder().redirect(Policy::none()).no_proxy();
    let client = ServiceBuilder::new().layer(auth).service(http.build()?);

    let mut callers = JoinSet::new();
    for number in 0..100 {
        if number == 50 {
            while vendor.counters().api_answered < 10 {
                tokio::task::yield_now().await;
            }
            vendor.revoke_access_tokens();
        }
        let mut order = Request::new(Method::POST, (vendor.base_url() + "/orders").parse()?);
        *order.body_mut() = Some(format!("order {number}").into());
        callers.spawn(client.clone().oneshot(order));
    }
    let mut refused = 0;
    while let Some(response) = callers.join_next().await {
        refused += usize::from(!response??.status().is_success());
    }

    let seen = vendor.counters();
    println!("100 callers, {refused} of them refused");
    println!(
        "the vendor refused {} requests and made {} exchanges: at the start, and for the revocation",
        seen.api_refused, seen.exchanges
    );
    match (refused, seen.exchanges) {
        (0, 2) => Ok(()),
        _ => Err("a promise was broken".into()),
    }
}
