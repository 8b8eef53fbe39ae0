use http::Method;
use serde_json::{Value, json};
use tower_reauth::test_util::SimImmersve;

use super::{JSON, Reply, Result, call, exchange, get, post_json, send};

async fn post(sim: &SimImmersve, headers: &[(&'static str, &str)], body: Value) -> Result<Reply> {
    post_json(sim.token_url(), headers, body).await
}

fn right_body(sim: &SimImmersve) -> Value {
    json!({
        "refreshToken": sim.seed().refresh_token,
        "clientApplicationId": sim.client_application_id(),
    })
}

#[tokio::test]
async fn a_right_exchange_gives_two_tokens_and_nothing_else() -> Result<()> {
    let sim = SimImmersve::start().await?;
    let reply = exchange(&sim, &sim.seed().refresh_token).await?.json();
    let names: Vec<_> = reply.as_object().ok_or("no object")?.keys().collect();
    assert_eq!(names, ["accessToken", "refreshToken"]);
    assert_eq!(sim.counters().malformed, 0);
    Ok(())
}

#[tokio::test]
async fn a_wrong_or_missing_origin_is_not_allowed() -> Result<()> {
    let sim = SimImmersve::start().await?;
    let wrong = post(
        &sim,
        &[("origin", "https://other.example")],
        right_body(&sim),
    )
    .await?;
    assert_eq!(wrong.status, 403);
    assert_eq!(wrong.text("errorCode"), "ORIGIN_NOT_ALLOWED");
    assert_eq!(
        sim.counters().malformed,
        0,
        "a wrong setting is well-formed"
    );
    let missing = post(&sim, &[], right_body(&sim)).await?;
    assert_eq!(missing.text("errorCode"), "ORIGIN_NOT_ALLOWED");
    assert_eq!(sim.counters().malformed, 1);
    Ok(())
}

#[tokio::test]
async fn another_client_application_is_a_mismatch() -> Result<()> {
    let sim = SimImmersve::start().await?;
    let mut body = right_body(&sim);
    body["clientApplicationId"] = "other".into();
    let reply = post(&sim, &[("origin", sim.origin())], body.clone()).await?;
    assert_eq!(reply.status, 403);
    assert_eq!(reply.text("errorCode"), "CLIENT_APPLICATION_MISMATCH");
    assert_eq!(reply.json()["statusCode"], 403);
    body["clientApplicationId"] = sim.client_application_id().into();
    let reply = post(&sim, &[("origin", sim.origin())], body).await?;
    assert_eq!(reply.status, 200, "it was not spent");
    Ok(())
}

#[tokio::test]
async fn an_unknown_refresh_token_has_expired() -> Result<()> {
    let sim = SimImmersve::start().await?;
    let reply = exchange(&sim, "unknown").await?;
    assert_eq!(reply.status, 403);
    assert_eq!(reply.text("errorCode"), "REFRESH_TOKEN_EXPIRED");
    assert_eq!(sim.counters().spent_twice, 0);
    Ok(())
}

#[tokio::test]
async fn a_missing_member_is_invalid_input() -> Result<()> {
    let sim = SimImmersve::start().await?;
    for name in ["refreshToken", "clientApplicationId"] {
        let mut body = right_body(&sim);
        body[name] = Value::Null;
        let reply = post(&sim, &[("origin", sim.origin())], body).await?;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.text("errorCode"), "INVALID_REQUEST_INPUT");
        assert_eq!(reply.json()["errors"][0]["path"], name);
        let words = sim.last_malformed().ok_or("not counted")?;
        assert!(words.starts_with(name));
    }
    assert_eq!(sim.counters().malformed, 2);
    Ok(())
}

#[tokio::test]
async fn an_authorization_header_or_another_type_is_malformed() -> Result<()> {
    let sim = SimImmersve::start().await?;
    let origin = ("origin", sim.origin());
    let reply = post(
        &sim,
        &[origin, ("authorization", "Bearer x")],
        right_body(&sim),
    )
    .await?;
    assert_eq!(reply.status, 400);
    let text = [origin, ("content-type", "text/plain")];
    let body = right_body(&sim).to_string();
    let reply = send(Method::POST, sim.token_url(), &text, body).await?;
    assert_eq!(reply.status, 400);
    let reply = send(
        Method::POST,
        sim.token_url(),
        &[origin, JSON],
        "{\"refreshToken",
    )
    .await?;
    assert_eq!(reply.status, 400);
    assert_eq!(sim.counters().malformed, 3);
    Ok(())
}

#[tokio::test]
async fn exchanges_can_be_forbidden() -> Result<()> {
    let sim = SimImmersve::builder().forbid_exchanges().start().await?;
    let reply = exchange(&sim, &sim.seed().refresh_token).await?;
    assert_eq!(reply.status, 403);
    assert_eq!(reply.text("errorCode"), "FORBIDDEN");
    assert_eq!(reply.text("reason"), "Unauthorized");
    Ok(())
}

#[tokio::test]
async fn settings_are_heeded() -> Result<()> {
    let builder = SimImmersve::builder().origin("https://mine.example");
    let sim = builder.client_application_id("mine").start().await?;
    assert_eq!(sim.origin(), "https://mine.example");
    assert_eq!(exchange(&sim, &sim.seed().refresh_token).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn the_api_wants_a_bearer_and_echoes_the_account() -> Result<()> {
    let sim = SimImmersve::start().await?;
    let token = sim.seed().access_token;
    assert_eq!(call(&sim, &token).await?.status, 200);
    let url = sim.base_url() + "/api/cards";
    assert_eq!(get(url.clone(), &[]).await?.status, 401);
    assert_eq!(
        get(url.clone(), &[("authorization", &token)]).await?.status,
        401
    );
    let bearer = format!("bearer {token}");
    let headers = [("authorization", &*bearer), ("x-account-id", "acc-1")];
    let reply = get(url.clone(), &headers).await?;
    assert_eq!(reply.text("accountId"), "acc-1");
    let twice = [("authorization", &*bearer), ("authorization", &*bearer)];
    assert_eq!(get(url, &twice).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_business_rule_is_no_refusal() -> Result<()> {
    let sim = SimImmersve::start().await?;
    let bearer = format!("Bearer {}", sim.seed().access_token);
    let url = sim.base_url() + "/forbidden";
    let reply = get(url.clone(), &[("authorization", &bearer)]).await?;
    assert_eq!(reply.status, 403);
    let counters = sim.counters();
    assert_eq!((counters.api_requests, counters.api_refused), (1, 0));
    assert_eq!(get(url, &[]).await?.status, 401);
    Ok(())
}
