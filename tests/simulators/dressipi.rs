use serde_json::Value;
use tower_reauth::test_util::{Fault, RetryAfter, Rotation, SimDressipi};

use super::{Reply, Result, get, post_form};

const REDIRECT_URI: &str = "urn:ietf:wg:oauth:2.0:oob:auto";

fn right_form<'a>(sim: &'a SimDressipi, refresh: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
        ("client_id", sim.client_id()),
        ("redirect_uri", REDIRECT_URI),
    ]
}

async fn exchange(sim: &SimDressipi, refresh: &str) -> Result<Reply> {
    post_form(sim.token_url(), &[], &right_form(sim, refresh)).await
}

async fn personalised(sim: &SimDressipi, token: &str) -> Result<Value> {
    let url = sim.base_url() + "/api/recommendations";
    let reply = get(url, &[("x-dressipi-jwt", token)]).await?;
    assert_eq!(reply.status, 200);
    Ok(reply.json()["personalised"].clone())
}

#[tokio::test]
async fn a_right_exchange_is_an_oauth_reply() -> Result<()> {
    let sim = SimDressipi::start().await?;
    let refresh = sim.seed().refresh_token;
    assert!(
        refresh.contains(['+', '/', '=']) && refresh.contains("--"),
        "has to be encoded"
    );
    let reply = exchange(&sim, &refresh).await?;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text("token_type"), "Bearer");
    assert_eq!(reply.json()["expires_in"], 86_400);
    assert_ne!(reply.text("refresh_token"), refresh);
    assert_eq!(personalised(&sim, &reply.text("access_token")).await?, true);
    Ok(())
}

#[tokio::test]
async fn each_violation_has_its_error() -> Result<()> {
    let sim = SimDressipi::start().await?;
    let refresh = sim.seed().refresh_token;
    let cases = [
        ("redirect_uri", "https://app.example", "invalid_request", 1),
        ("redirect_uri", "", "invalid_request", 2),
        ("client_id", "", "invalid_request", 3),
        ("client_id", "other", "invalid_client", 3),
        ("grant_type", "password", "unsupported_grant_type", 4),
        ("grant_type", "", "invalid_request", 5),
        ("refresh_token", "", "invalid_request", 6),
        ("refresh_token", "unknown", "invalid_grant", 6),
    ];
    for (name, value, error, malformed) in cases {
        let mut form = right_form(&sim, &refresh);
        form.retain(|(it, _)| *it != name);
        form.push((name, value));
        let reply = post_form(sim.token_url(), &[], &form).await?;
        assert_eq!(reply.status, 400, "{name}={value}");
        assert_eq!(reply.text("error"), error, "{name}={value}");
        assert_eq!(sim.counters().malformed, malformed, "{name}={value}");
    }
    assert_eq!(exchange(&sim, &refresh).await?.status, 200, "never spent");
    Ok(())
}

#[tokio::test]
async fn a_parameter_that_is_there_twice_is_malformed() -> Result<()> {
    let sim = SimDressipi::start().await?;
    let refresh = sim.seed().refresh_token;
    let mut form = right_form(&sim, &refresh);
    form.push(("client_id", sim.client_id()));
    let reply = post_form(sim.token_url(), &[], &form).await?;
    assert_eq!(reply.text("error"), "invalid_request");
    assert_eq!(
        sim.last_malformed().as_deref(),
        Some("a parameter is there twice")
    );
    Ok(())
}

#[tokio::test]
async fn an_api_key_may_be_asked_for() -> Result<()> {
    let sim = SimDressipi::builder().api_key("key-1").start().await?;
    let seed = sim.seed();
    let reply = exchange(&sim, &seed.refresh_token).await?;
    assert_eq!(reply.text("error"), "invalid_client");
    let form = right_form(&sim, &seed.refresh_token);
    let reply = post_form(sim.token_url(), &[("x-api-key", "key-1")], &form).await?;
    assert_eq!(reply.status, 200);

    let jwt = ("x-dressipi-jwt", &*seed.access_token);
    let url = sim.base_url() + "/api";
    assert_eq!(get(url.clone(), &[jwt]).await?.status, 403);
    assert_eq!(get(url, &[jwt, ("x-api-key", "key-1")]).await?.status, 200);
    assert!(!format!("{sim:?}").contains("key-1"));
    Ok(())
}

#[tokio::test]
async fn it_can_rotate_at_every_second_exchange() -> Result<()> {
    let sim = SimDressipi::builder()
        .rotation(Rotation::Sometimes)
        .start()
        .await?;
    let first = sim.seed().refresh_token;
    assert_eq!(exchange(&sim, "unknown").await?.status, 400);
    let kept = exchange(&sim, &first).await?;
    assert_eq!(kept.json().get("refresh_token"), None);
    let second = exchange(&sim, &first).await?.text("refresh_token");
    assert_eq!(exchange(&sim, &second).await?.status, 200);
    assert_eq!(sim.counters().rotations, 1);
    assert_eq!(exchange(&sim, &first).await?.text("error"), "invalid_grant");
    assert_eq!(sim.counters().families_killed, 1);
    Ok(())
}

#[tokio::test]
async fn it_can_keep_the_refresh_token_for_good() -> Result<()> {
    let sim = SimDressipi::builder()
        .rotation(Rotation::Never)
        .start()
        .await?;
    let refresh = sim.seed().refresh_token;
    for _ in 0..3 {
        let reply = exchange(&sim, &refresh).await?;
        assert_eq!(reply.json().get("refresh_token"), None);
    }
    assert_eq!(sim.counters().exchanges, 3);
    assert_eq!(sim.counters().rotations, 0);
    Ok(())
}

#[tokio::test]
async fn the_api_never_says_401() -> Result<()> {
    let sim = SimDressipi::start().await?;
    let token = sim.seed().access_token;
    assert_eq!(personalised(&sim, &token).await?, true);
    assert_eq!(personalised(&sim, &format!("Bearer {token}")).await?, false);
    assert_eq!(personalised(&sim, "unknown").await?, false);
    let url = sim.base_url() + "/api";
    let bearer = format!("Bearer {token}");
    let elsewhere = get(url, &[("authorization", &bearer)]).await?;
    assert_eq!(elsewhere.json()["personalised"], false);
    sim.refuse_next(1);
    assert_eq!(personalised(&sim, &token).await?, false);
    sim.revoke_access_tokens();
    assert_eq!(personalised(&sim, &token).await?, false);
    let counters = sim.counters();
    assert_eq!((counters.api_answered, counters.api_anonymous), (1, 5));
    assert_eq!(counters.api_refused, 0);
    Ok(())
}

#[tokio::test]
async fn throttling_needs_no_json() -> Result<()> {
    let sim = SimDressipi::start().await?;
    sim.faults().next(Fault::Throttle(RetryAfter::None));
    let reply = exchange(&sim, &sim.seed().refresh_token).await?;
    assert_eq!(
        (reply.status.as_u16(), &reply.body[..]),
        (429, &b"Too many requests"[..])
    );
    Ok(())
}
