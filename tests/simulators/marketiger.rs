use std::time::Duration;

use serde_json::json;
use tower_reauth::test_util::{ManualClock, SimMarketiger};

use super::{Reply, Result, get, post_json};

const HOUR: Duration = Duration::from_secs(3600);

async fn exchange(sim: &SimMarketiger, access: &str, refresh: &str) -> Result<Reply> {
    let body = json!({ "accessToken": access, "refreshToken": refresh });
    post_json(sim.token_url(), &[], body).await
}

async fn call(sim: &SimMarketiger, access: &str) -> Result<Reply> {
    let bearer = format!("Bearer {access}");
    get(
        sim.base_url() + "/v2/Products",
        &[("authorization", &bearer)],
    )
    .await
}

#[tokio::test]
async fn an_expired_access_token_is_good_for_an_exchange() -> Result<()> {
    let clock = ManualClock::new();
    let sim = SimMarketiger::builder()
        .clock(clock.clone())
        .start()
        .await?;
    let seed = sim.seed();
    clock.advance(2 * HOUR);
    assert_eq!(call(&sim, &seed.access_token).await?.status, 401);
    let reply = exchange(&sim, &seed.access_token, &seed.refresh_token).await?;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["success"], true);
    let access = reply.json()["data"]["accessToken"].clone();
    assert_eq!(
        call(&sim, access.as_str().ok_or("no token")?).await?.status,
        200
    );
    Ok(())
}

#[tokio::test]
async fn the_access_token_of_another_session_is_refused() -> Result<()> {
    let sim = SimMarketiger::start().await?;
    let (mine, other) = (sim.seed(), sim.seed());
    for access in [&*other.access_token, "unknown"] {
        let reply = exchange(&sim, access, &mine.refresh_token).await?;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.json()["error"]["type"], "AUTHENTICATION");
        assert_eq!(reply.json()["success"], false);
    }
    let reply = exchange(&sim, &mine.access_token, &mine.refresh_token).await?;
    assert_eq!(reply.status, 200, "it was not spent");
    Ok(())
}

#[tokio::test]
async fn both_tokens_are_compulsory() -> Result<()> {
    let sim = SimMarketiger::start().await?;
    let seed = sim.seed();
    let bodies = [
        json!({ "refreshToken": seed.refresh_token }),
        json!({ "accessToken": seed.access_token }),
        json!([]),
    ];
    for body in bodies {
        let reply = post_json(sim.token_url(), &[], body).await?;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.json()["success"], false);
    }
    assert_eq!(sim.counters().malformed, 3);
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_lives_for_twelve_hours_and_one_exchange() -> Result<()> {
    let clock = ManualClock::new();
    let sim = SimMarketiger::builder()
        .clock(clock.clone())
        .start()
        .await?;
    let (seed, late) = (sim.seed(), sim.seed());
    clock.advance(12 * HOUR - Duration::from_secs(1));
    let reply = exchange(&sim, &seed.access_token, &seed.refresh_token).await?;
    assert_eq!(reply.status, 200);
    let again = exchange(&sim, &seed.access_token, &seed.refresh_token).await?;
    assert_eq!(again.status, 401);
    clock.advance(Duration::from_secs(1));
    let reply = exchange(&sim, &late.access_token, &late.refresh_token).await?;
    assert_eq!(reply.status, 401);
    assert_eq!(sim.counters().spent_twice, 1);
    Ok(())
}

#[tokio::test]
async fn a_refusal_can_hide_in_a_200() -> Result<()> {
    let sim = SimMarketiger::builder().refuse_with_ok().start().await?;
    let reply = exchange(&sim, "unknown", "unknown").await?;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["success"], false);
    assert_eq!(reply.json()["error"]["type"], "AUTHENTICATION");
    assert_eq!(sim.counters().exchanges, 0);
    Ok(())
}

#[tokio::test]
async fn access_tokens_without_exp_expire_all_the_same() -> Result<()> {
    let clock = ManualClock::new();
    let builder = SimMarketiger::builder().clock(clock.clone());
    let sim = builder.access_tokens_without_exp().start().await?;
    let token = sim.seed().access_token;
    let claims = token.split('.').nth(1).ok_or("not a JWT")?;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims)?)?;
    assert!(
        claims.contains("iat") && !claims.contains("exp"),
        "{claims}"
    );
    assert_eq!(call(&sim, &token).await?.status, 200);
    clock.advance(HOUR);
    assert_eq!(call(&sim, &token).await?.status, 401);
    Ok(())
}
