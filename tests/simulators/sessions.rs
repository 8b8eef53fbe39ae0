use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde_json::Value;
use tower_reauth::test_util::{ManualClock, SimImmersve};

use super::{JSON, Result, call, exchange, get, post_json, send};

const SECOND: Duration = Duration::from_secs(1);

async fn manual() -> Result<(ManualClock, SimImmersve)> {
    let clock = ManualClock::new();
    let sim = SimImmersve::builder().clock(clock.clone()).start().await?;
    Ok((clock, sim))
}

fn claims(token: &str) -> Result<Value> {
    let payload = token.split('.').nth(1).ok_or("not a JWT")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}

#[tokio::test]
async fn a_spent_refresh_token_kills_the_family() -> Result<()> {
    let (_clock, sim) = manual().await?;
    let (seed, bystander) = (sim.seed(), sim.seed());
    let rotated = exchange(&sim, &seed.refresh_token).await?;
    let (access, refresh) = (rotated.text("accessToken"), rotated.text("refreshToken"));
    assert_eq!(call(&sim, &access).await?.status, 200);

    let again = exchange(&sim, &seed.refresh_token).await?;
    assert_eq!(again.text("errorCode"), "REFRESH_TOKEN_EXPIRED");
    assert_eq!(exchange(&sim, &refresh).await?.status, 403);
    assert_eq!(call(&sim, &access).await?.status, 401);
    assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, 403);
    assert_eq!(exchange(&sim, &bystander.refresh_token).await?.status, 200);

    let counters = sim.counters();
    assert_eq!((counters.exchanges, counters.rotations), (2, 2));
    assert_eq!((counters.spent_twice, counters.families_killed), (2, 1));
    Ok(())
}

#[tokio::test]
async fn a_spent_refresh_token_stays_spent_when_the_wall_steps_back() -> Result<()> {
    let (clock, sim) = manual().await?;
    let seed = sim.seed();
    assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, 200);
    clock.step_wall_back(60 * SECOND);
    assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, 403);
    Ok(())
}

#[tokio::test]
async fn an_access_token_dies_exactly_at_its_exp() -> Result<()> {
    let (clock, sim) = manual().await?;
    let seed = sim.seed();
    clock.advance(20 * 60 * SECOND - Duration::from_millis(1));
    assert_eq!(call(&sim, &seed.access_token).await?.status, 200);
    clock.advance(Duration::from_millis(1));
    assert_eq!(call(&sim, &seed.access_token).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_dies_exactly_at_its_exp() -> Result<()> {
    let (clock, sim) = manual().await?;
    let (early, late) = (sim.seed(), sim.seed());
    clock.advance(30 * 24 * 3600 * SECOND - Duration::from_millis(1));
    assert_eq!(exchange(&sim, &early.refresh_token).await?.status, 200);
    clock.advance(Duration::from_millis(1));
    let reply = exchange(&sim, &late.refresh_token).await?;
    assert_eq!(reply.text("errorCode"), "REFRESH_TOKEN_EXPIRED");
    assert_eq!(sim.counters().spent_twice, 0);
    Ok(())
}

#[tokio::test]
async fn whole_lifetimes_have_whole_dates_and_others_have_fractions() -> Result<()> {
    let clock = ManualClock::new();
    clock.advance(Duration::from_millis(300));
    let start = SimImmersve::builder().clock(clock.clone());
    let sim = start.clone().access_lifetime(20 * SECOND).start().await?;
    let whole = claims(&sim.seed().access_token)?;
    assert_eq!(whole["iat"], 1_800_000_000_u64);
    assert_eq!(whole["exp"], 1_800_000_020_u64);

    let sim = start
        .access_lifetime(Duration::from_millis(250))
        .start()
        .await?;
    let seed = sim.seed();
    let fraction = claims(&seed.access_token)?;
    assert_eq!(fraction["iat"], 1_800_000_000.3);
    assert_eq!(fraction["exp"], 1_800_000_000.55);
    clock.advance(Duration::from_millis(249));
    assert_eq!(call(&sim, &seed.access_token).await?.status, 200);
    clock.advance(Duration::from_millis(1));
    assert_eq!(call(&sim, &seed.access_token).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn every_token_is_unique() -> Result<()> {
    let (_clock, sim) = manual().await?;
    let (one, two) = (sim.seed(), sim.seed());
    let (one, two) = (claims(&one.access_token)?, claims(&two.access_token)?);
    assert_ne!(one["jti"], two["jti"]);
    Ok(())
}

#[tokio::test]
async fn foreign_and_altered_tokens_are_refused() -> Result<()> {
    let (_clock, sim) = manual().await?;
    let (_clock, other) = manual().await?;
    let foreign = other.seed().access_token;
    assert_eq!(call(&sim, &foreign).await?.status, 401);

    let seed = sim.seed();
    let mut altered = claims(&seed.access_token)?;
    altered["exp"] = 1_900_000_000_u64.into();
    let altered = URL_SAFE_NO_PAD.encode(altered.to_string());
    let mut parts: Vec<_> = seed.access_token.split('.').collect();
    parts[1] = &altered;
    assert_eq!(call(&sim, &parts.join(".")).await?.status, 401);
    assert_eq!(
        call(&sim, &seed.refresh_token).await?.status,
        401,
        "no access token"
    );
    Ok(())
}

#[tokio::test]
async fn revoked_access_tokens_can_be_replaced() -> Result<()> {
    let (_clock, sim) = manual().await?;
    let seed = sim.seed();
    sim.revoke_access_tokens();
    assert_eq!(call(&sim, &seed.access_token).await?.status, 401);
    let reply = exchange(&sim, &seed.refresh_token).await?;
    assert_eq!(call(&sim, &reply.text("accessToken")).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn revoked_sessions_are_dead() -> Result<()> {
    let (_clock, sim) = manual().await?;
    let seed = sim.seed();
    sim.revoke_sessions();
    assert_eq!(call(&sim, &seed.access_token).await?.status, 401);
    assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, 403);
    let newer = sim.seed();
    assert_eq!(call(&sim, &newer.access_token).await?.status, 200);
    assert_eq!(sim.counters().families_killed, 0);
    Ok(())
}

#[tokio::test]
async fn a_logout_needs_a_good_access_token_and_ends_its_session() -> Result<()> {
    let (_clock, sim) = manual().await?;
    let (seed, other) = (sim.seed(), sim.seed());
    let logout = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let url = sim.base_url() + "/auth/logout";
        post_json(url, &[("authorization", &bearer)], serde_json::json!({})).await
    };
    assert_eq!(logout("nobody's").await?.status, 401);
    assert_eq!(logout(&seed.access_token).await?.status, 200);
    assert_eq!(call(&sim, &seed.access_token).await?.status, 401);
    assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, 403);
    assert_eq!(logout(&seed.access_token).await?.status, 401);
    assert_eq!(call(&sim, &other.access_token).await?.status, 200);
    assert_eq!(sim.counters().revocations, 1);
    Ok(())
}

#[tokio::test]
async fn good_tokens_can_be_refused_on_demand() -> Result<()> {
    let (_clock, sim) = manual().await?;
    let seed = sim.seed();
    sim.refuse_next(2);
    for expected in [401, 401, 200] {
        assert_eq!(call(&sim, &seed.access_token).await?.status, expected);
    }
    let counters = sim.counters();
    assert_eq!(counters.api_requests, 3);
    assert_eq!((counters.api_refused, counters.api_answered), (2, 1));
    Ok(())
}

#[tokio::test]
async fn a_secret_in_the_query_is_malformed_and_not_repeated() -> Result<()> {
    let (_clock, sim) = manual().await?;
    for name in ["refreshToken", "refresh_token", "client_secret"] {
        let url = format!("{}?{name}=hush", sim.token_url());
        let headers = [JSON, ("origin", sim.origin())];
        let reply = send(Method::POST, url, &headers, "{}").await?;
        assert_eq!(reply.status, 400);
        let words = sim.last_malformed().ok_or("not counted")?;
        assert_eq!(words, "a secret is in the query string");
    }
    assert_eq!(sim.counters().malformed, 3);
    Ok(())
}

#[tokio::test]
async fn a_token_request_is_a_post() -> Result<()> {
    let (_clock, sim) = manual().await?;
    assert_eq!(get(sim.token_url(), &[]).await?.status, 400);
    assert_eq!(
        sim.last_malformed().as_deref(),
        Some("a token request is a POST")
    );
    assert_eq!(sim.counters().api_requests, 0);
    Ok(())
}

#[tokio::test]
async fn debug_shows_no_tokens() -> Result<()> {
    let (_clock, sim) = manual().await?;
    let seed = sim.seed();
    let shown = format!("{sim:?} {sim:#?} {seed:?}");
    assert!(!shown.contains(&seed.access_token));
    assert!(!shown.contains(&seed.refresh_token));
    Ok(())
}
