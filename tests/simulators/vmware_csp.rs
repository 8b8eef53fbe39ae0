use std::time::Duration;

use http::Method;
use tower_reauth::test_util::{Fault, ManualClock, RetryAfter, SimVmwareCsp};

use super::{FORM, Reply, Result, get, post_form, send};

async fn exchange(sim: &SimVmwareCsp, api_token: &str) -> Result<Reply> {
    post_form(sim.token_url(), &[], &[("api_token", api_token)]).await
}

async fn call(sim: &SimVmwareCsp, headers: &[(&'static str, &str)]) -> Result<u16> {
    let reply = get(sim.base_url() + "/vmc/api/orgs", headers).await?;
    Ok(reply.status.as_u16())
}

#[tokio::test]
async fn the_api_token_comes_back_unchanged() -> Result<()> {
    let sim = SimVmwareCsp::start().await?;
    let api_token = sim.seed().refresh_token;
    for _ in 0..2 {
        let reply = exchange(&sim, &api_token).await?;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.text("refresh_token"), api_token);
        assert_eq!(reply.text("token_type"), "bearer");
        assert_eq!(reply.json()["expires_in"], 1799);
        assert_ne!(reply.text("id_token"), reply.text("access_token"));
        let bearer = format!("Bearer {}", reply.text("id_token"));
        assert_eq!(call(&sim, &[("authorization", &bearer)]).await?, 401);
    }
    assert_eq!((sim.counters().exchanges, sim.counters().rotations), (2, 0));
    Ok(())
}

#[tokio::test]
async fn a_refusal_quotes_the_tail_of_the_token() -> Result<()> {
    let sim = SimVmwareCsp::start().await?;
    let reply = exchange(&sim, "secret-tN3NK").await?;
    assert_eq!(reply.status, 400);
    let message = "invalid_grant: Invalid refresh token: xxxx...tN3NK";
    assert_eq!(reply.text("message"), message);
    let body = reply.json();
    assert!(body["moduleCode"].is_number());
    let names: Vec<_> = body.as_object().ok_or("no object")?.keys().collect();
    let expected = [
        "cspErrorCode",
        "message",
        "metadata",
        "moduleCode",
        "requestId",
        "statusCode",
        "traceId",
    ];
    assert_eq!(names, expected);
    assert_eq!(sim.counters().malformed, 0);
    Ok(())
}

#[tokio::test]
async fn a_refusal_can_be_a_404_with_a_module_code_in_quotes() -> Result<()> {
    let builder = SimVmwareCsp::builder().refuse_with_not_found();
    let sim = builder.module_code_as_string().start().await?;
    let reply = exchange(&sim, "unknown").await?;
    assert_eq!(reply.status, 404);
    assert!(reply.text("message").starts_with("invalid_grant: "));
    assert!(reply.json()["moduleCode"].is_string());
    Ok(())
}

#[tokio::test]
async fn malformed_requests_are_refused_without_the_prefix() -> Result<()> {
    let sim = SimVmwareCsp::start().await?;
    let token = sim.seed().refresh_token;
    let forms: [&[(&str, &str)]; 4] = [
        &[],
        &[("refresh_token", &token)],
        &[("api_token", &token), ("refresh_token", &token)],
        &[("api_token", &token), ("api_token", &token)],
    ];
    for form in forms {
        let reply = post_form(sim.token_url(), &[], form).await?;
        assert_eq!(reply.status, 400);
        assert!(!reply.text("message").starts_with("invalid_grant"));
        assert!(!reply.text("message").contains(&token));
    }
    let url = format!("{}?refresh_token={token}", sim.token_url());
    assert_eq!(send(Method::POST, url, &[FORM], "").await?.status, 400);
    assert_eq!(sim.counters().malformed, 5);
    Ok(())
}

#[tokio::test]
async fn the_deprecated_parameter_can_be_accepted() -> Result<()> {
    let sim = SimVmwareCsp::builder()
        .accept_refresh_token()
        .start()
        .await?;
    let token = sim.seed().refresh_token;
    let reply = post_form(sim.token_url(), &[], &[("refresh_token", &token)]).await?;
    assert_eq!(reply.status, 200);
    Ok(())
}

#[tokio::test]
async fn the_promised_lifetime_can_be_set() -> Result<()> {
    let sim = SimVmwareCsp::builder().expires_in(12).start().await?;
    let reply = exchange(&sim, &sim.seed().refresh_token).await?;
    assert_eq!(reply.json()["expires_in"], 12);
    Ok(())
}

#[tokio::test]
async fn either_header_will_do_unless_one_is_wrong() -> Result<()> {
    let sim = SimVmwareCsp::start().await?;
    let token = sim.seed().access_token;
    let bearer = format!("Bearer {token}");
    assert_eq!(call(&sim, &[]).await?, 401);
    assert_eq!(call(&sim, &[("authorization", &bearer)]).await?, 200);
    assert_eq!(call(&sim, &[("csp-auth-token", &token)]).await?, 200);
    let both = [("authorization", &*bearer), ("csp-auth-token", &*token)];
    assert_eq!(call(&sim, &both).await?, 200);
    let stale = [("authorization", &*bearer), ("csp-auth-token", "stale")];
    assert_eq!(call(&sim, &stale).await?, 401);
    Ok(())
}

#[tokio::test]
async fn both_headers_can_be_required() -> Result<()> {
    let sim = SimVmwareCsp::builder()
        .require_both_headers()
        .start()
        .await?;
    let token = sim.seed().access_token;
    let bearer = format!("Bearer {token}");
    assert_eq!(call(&sim, &[("authorization", &bearer)]).await?, 401);
    assert_eq!(call(&sim, &[("csp-auth-token", &token)]).await?, 401);
    let both = [("authorization", &*bearer), ("csp-auth-token", &*token)];
    assert_eq!(call(&sim, &both).await?, 200);
    Ok(())
}

#[tokio::test]
async fn an_access_token_outlives_its_api_token() -> Result<()> {
    let clock = ManualClock::new();
    let sim = SimVmwareCsp::builder().clock(clock.clone()).start().await?;
    let seed = sim.seed();
    sim.revoke_api_tokens();
    assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, 400);
    let own = [("csp-auth-token", &*seed.access_token)];
    assert_eq!(call(&sim, &own).await?, 200);
    clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(call(&sim, &own).await?, 401);
    Ok(())
}

#[tokio::test]
async fn throttling_has_the_vendors_form() -> Result<()> {
    let sim = SimVmwareCsp::start().await?;
    sim.faults().next(Fault::Throttle(RetryAfter::Seconds(3)));
    let reply = exchange(&sim, &sim.seed().refresh_token).await?;
    assert_eq!(reply.json()["statusCode"], 429);
    assert_eq!(reply.header("retry-after"), Some("3"));
    Ok(())
}
