//! The quickest way to see what this crate does: `cargo run --release --example quickstart`.
//!
//! It starts four simulated vendors on loopback whose tokens live for seconds, wraps a real hyper
//! client for each, and lets a crowd of callers send requests through a cold start, many
//! rotations, an outage and a revocation. It exits with an error if a promise was broken.
//!
//! This file shows how clients are wrapped. Beside it: `crowd.rs` sends requests and measures,
//! `story.rs` makes things go wrong, `show.rs` draws.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "unlike the library, a program talks to its user and reads the time"
)]

mod crowd;
mod show;
mod story;

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use tokio::time::timeout;
use tower_reauth::{
    AuthLayer, BoxError, Token,
    test_util::{SimDressipi, SimImmersve, SimMarketiger, SimVmwareCsp},
    vendor::{Dressipi, Immersve, Marketiger3D, VmwareCsp},
};

use crate::{crowd::Crowd, show::Stage, story::Findings};

/// How long access tokens live here. Not whole seconds: vendors count those from the last one.
const SHORT: Duration = Duration::from_millis(2_100);
const LONGER: Duration = Duration::from_millis(6_100);

/// A session starts from a login; here, from its refresh token. In production there is a store or
/// a login for `seed()`, and no `base_url`.
async fn immersve() -> Result<Crowd, BoxError> {
    let vendor = SimImmersve::builder()
        .access_lifetime(SHORT)
        .start()
        .await?;
    let provider = Immersve::new(vendor.client_application_id(), vendor.origin());
    let auth = AuthLayer::builder(provider.base_url(vendor.base_url()))
        .initial(Token::from_refresh_token(vendor.seed().refresh_token))
        .memory_only()
        .build()?;
    Ok(Crowd::gather("Immersve", vendor, SHORT, &auth))
}

async fn dressipi() -> Result<Crowd, BoxError> {
    let vendor = SimDressipi::builder()
        .access_lifetime(SHORT)
        .start()
        .await?;
    let provider = Dressipi::new(vendor.base_url(), vendor.client_id());
    let auth = AuthLayer::builder(provider)
        .initial(Token::from_refresh_token(vendor.seed().refresh_token))
        .memory_only()
        .build()?;
    Ok(Crowd::gather("Dressipi", vendor, SHORT, &auth))
}

/// This vendor wants the old access token back, so the session starts from a pair. The access
/// token has expired.
async fn marketiger() -> Result<Crowd, BoxError> {
    let vendor = SimMarketiger::builder()
        .access_lifetime(SHORT)
        .start()
        .await?;
    let provider = Marketiger3D::new().base_url(vendor.base_url() + "/v2");
    let login = vendor.seed();
    let pair = Token::from_pair(login.access_token, login.refresh_token);
    let auth = AuthLayer::builder(provider)
        .initial(pair.with_expiry(SystemTime::UNIX_EPOCH))
        .memory_only()
        .build()?;
    Ok(Crowd::gather("Marketiger3D", vendor, SHORT, &auth))
}

/// An API token starts a session by itself, and never rotates: there is nothing to configure.
async fn vmware() -> Result<Crowd, BoxError> {
    let vendor = SimVmwareCsp::builder().access_lifetime(LONGER);
    let vendor = vendor.expires_in(LONGER.as_secs()).start().await?;
    let provider = VmwareCsp::api_token(vendor.seed().refresh_token, [vendor.base_url()]);
    let auth = AuthLayer::new(provider.base_url(vendor.base_url()));
    Ok(Crowd::gather("VMware Cloud", vendor, LONGER, &auth))
}

/// Gives whether all promises were kept.
async fn run() -> Result<bool, BoxError> {
    show::introduce();
    let crowds = [
        immersve().await?,
        dressipi().await?,
        marketiger().await?,
        vmware().await?,
    ];
    let stage = Stage::open(&crowds);
    let mut findings = Findings::default();
    // It takes nine seconds; longer only where a token or an answer never comes.
    let told = timeout(
        Duration::from_secs(12),
        story::tell(&crowds, &stage, &mut findings),
    );
    findings.complete = told.await.is_ok();
    stage.close();
    show::table(&crowds);
    Ok(show::verdict(&crowds, &findings))
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}
