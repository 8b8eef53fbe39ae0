//! The layer as a reqwest middleware, inside of retries: `cargo run --example reqwest_middleware`.
//!
//! A simulated vendor on loopback takes its access tokens back, and no caller notices. A request to
//! a server that is not the vendor's is stopped, with an error that says so.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use reqwest::redirect::Policy;
use reqwest_middleware::ClientBuilder;
use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
use tokio_rustls::rustls::crypto::ring;
use tower_reauth::{
    AuthLayer, BoxError, Error, Token,
    oauth2::{ClientAuth, OAuth2},
    test_util::SimOauth,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // A session that began with somebody's login; its refresh token is good for one use.
    let vendor = SimOauth::start().await?;
    let login = vendor.seed();
    let provider = OAuth2::refresh_token(vendor.token_url(), vendor.client_id())
        .client_auth(ClientAuth::Basic(vendor.client_secret().into()))
        .origins([vendor.base_url()]);
    let auth = AuthLayer::builder(provider)
        .initial(Token::from_pair(login.access_token, login.refresh_token))
        .memory_only()
        .build()?;

    // Not needed with reqwest's default features, which choose by themselves.
    let _chosen = ring::default_provider().install_default();
    // The layer cannot see redirects that reqwest follows by itself: off with them.
    let http = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy();
    // Retries outside, so that each attempt gets the token that is current then.
    let retries = ExponentialBackoff::builder().build_with_max_retries(3);
    let client = ClientBuilder::new(http.build()?)
        .with(RetryTransientMiddleware::new_with_policy(retries))
        .with(auth.middleware())
        .build();

    let orders = vendor.base_url() + "/orders";
    let response = client.post(&orders).body("ten pieces").send().await?;
    println!("with the login's token: {}", response.status());

    vendor.revoke_access_tokens();
    let response = client.post(&orders).body("ten more").send().await?;
    let after = response.status();
    println!("after a revocation:     {after}");

    let elsewhere = client.get("https://example.com/").send().await;
    let stopped = elsewhere
        .as_ref()
        .err()
        .and_then(|error| Error::find(error));
    println!("to somebody else:       {}", stopped.ok_or("it was sent")?);

    let seen = vendor.counters();
    let held = after.is_success() && stopped.is_some_and(Error::is_origin);
    match (held, seen.api_refused, seen.exchanges) {
        (true, 1, 1) => Ok(()),
        _ => Err("a promise was broken".into()),
    }
}
