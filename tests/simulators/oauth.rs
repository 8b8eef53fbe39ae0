use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tower_reauth::test_util::{ExpiresIn, ManualClock, Rotation, SimOauth};

use super::{Reply, Result, get, post_form};

fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encode(id), encode(secret)))
    )
}

async fn ask(sim: &SimOauth, form: &[(&str, &str)]) -> Result<Reply> {
    let basic = basic(sim.client_id(), sim.client_secret());
    post_form(sim.token_url(), &[("authorization", &basic)], form).await
}

async fn refresh(sim: &SimOauth, token: &str) -> Result<Reply> {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    ask(sim, &form).await
}

async fn call(sim: &SimOauth, path: &str, token: &str) -> Result<Reply> {
    let bearer = format!("Bearer {token}");
    get(sim.base_url() + path, &[("authorization", &bearer)]).await
}

const CLIENT_CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn client_credentials_give_no_refresh_token() -> Result<()> {
    let sim = SimOauth::start().await?;
    let reply = ask(&sim, &[CLIENT_CREDENTIALS]).await?;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["expires_in"], 3600);
    assert_eq!(reply.text("scope"), "read write");
    assert_eq!(reply.json().get("refresh_token"), None);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(
        call(&sim, "/api", &reply.text("access_token"))
            .await?
            .status,
        200
    );
    Ok(())
}

#[tokio::test]
async fn the_client_may_authenticate_in_the_body() -> Result<()> {
    let sim = SimOauth::start().await?;
    let (id, secret) = (sim.client_id(), sim.client_secret());
    let form = [
        CLIENT_CREDENTIALS,
        ("client_id", id),
        ("client_secret", secret),
    ];
    assert_eq!(post_form(sim.token_url(), &[], &form).await?.status, 200);
    let wrong = [
        CLIENT_CREDENTIALS,
        ("client_id", id),
        ("client_secret", "no"),
    ];
    let reply = post_form(sim.token_url(), &[], &wrong).await?;
    assert_eq!(
        (reply.status.as_u16(), &*reply.text("error")),
        (400, "invalid_client")
    );
    assert_eq!(reply.header("www-authenticate"), None);
    let reply = post_form(sim.token_url(), &[], &[CLIENT_CREDENTIALS]).await?;
    assert_eq!(reply.text("error"), "invalid_client");
    Ok(())
}

#[tokio::test]
async fn a_wrong_secret_in_the_header_is_challenged() -> Result<()> {
    let sim = SimOauth::start().await?;
    let wrong = basic(sim.client_id(), "no");
    let headers = [("authorization", &*wrong)];
    let reply = post_form(sim.token_url(), &headers, &[CLIENT_CREDENTIALS]).await?;
    assert_eq!(
        (reply.status.as_u16(), &*reply.text("error")),
        (401, "invalid_client")
    );
    let challenge = reply.header("www-authenticate").ok_or("no challenge")?;
    assert!(challenge.starts_with("Basic"));
    assert_eq!(sim.counters().malformed, 0);
    Ok(())
}

#[tokio::test]
async fn two_ways_to_authenticate_are_malformed() -> Result<()> {
    let sim = SimOauth::start().await?;
    let (id, secret) = (sim.client_id(), sim.client_secret());
    let form = [
        CLIENT_CREDENTIALS,
        ("client_id", id),
        ("client_secret", secret),
    ];
    let reply = ask(&sim, &form).await?;
    assert_eq!(
        (reply.status.as_u16(), &*reply.text("error")),
        (400, "invalid_request")
    );
    let form = [CLIENT_CREDENTIALS, ("client_id", id)];
    assert_eq!(
        ask(&sim, &form).await?.status,
        200,
        "an id alone is no method"
    );
    assert_eq!(sim.counters().malformed, 1);
    Ok(())
}

#[tokio::test]
async fn basic_credentials_have_to_be_form_encoded() -> Result<()> {
    let sim = SimOauth::start().await?;
    let raw = format!("{}:{}", sim.client_id(), sim.client_secret());
    let raws = [
        format!("Basic {}", STANDARD.encode(raw)),
        "Basic !".into(),
        format!("Basic {}", STANDARD.encode("no colon")),
        format!("Basic {}", STANDARD.encode("id:100%")),
        format!("Basic {}", STANDARD.encode("id:two words")),
        "Bearer token".into(),
    ];
    for raw in &raws {
        let headers = [("authorization", &**raw)];
        let reply = post_form(sim.token_url(), &headers, &[CLIENT_CREDENTIALS]).await?;
        assert_eq!(reply.text("error"), "invalid_request", "{raw}");
        let words = sim.last_malformed().ok_or("not counted")?;
        assert!(!words.contains("s3cret"));
    }
    assert_eq!(sim.counters().malformed, 6);
    Ok(())
}

#[tokio::test]
async fn requests_have_to_be_complete_and_without_doubles() -> Result<()> {
    let sim = SimOauth::start().await?;
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[], "invalid_request"),
        (&[CLIENT_CREDENTIALS, CLIENT_CREDENTIALS], "invalid_request"),
        (&[("grant_type", "refresh_token")], "invalid_request"),
        (&[("grant_type", "password")], "unsupported_grant_type"),
        (
            &[CLIENT_CREDENTIALS, ("scope", "read all")],
            "invalid_scope",
        ),
    ];
    for (form, error) in cases {
        let reply = ask(&sim, form).await?;
        assert_eq!((reply.status.as_u16(), &*reply.text("error")), (400, error));
    }
    assert_eq!(sim.counters().malformed, 3);
    Ok(())
}

#[tokio::test]
async fn a_narrower_scope_is_granted() -> Result<()> {
    let sim = SimOauth::builder().scope("a b c").start().await?;
    let reply = ask(&sim, &[CLIENT_CREDENTIALS, ("scope", "c a")]).await?;
    assert_eq!(reply.text("scope"), "c a");
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_rotates_and_is_spent_once() -> Result<()> {
    let sim = SimOauth::start().await?;
    let first = sim.seed().refresh_token;
    let second = refresh(&sim, &first).await?.text("refresh_token");
    let again = refresh(&sim, &first).await?;
    assert_eq!(
        (again.status.as_u16(), &*again.text("error")),
        (400, "invalid_grant")
    );
    assert_eq!(refresh(&sim, &second).await?.text("error"), "invalid_grant");
    assert_eq!(sim.counters().families_killed, 1);
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_may_stay() -> Result<()> {
    let sim = SimOauth::builder()
        .rotation(Rotation::Never)
        .start()
        .await?;
    let token = sim.seed().refresh_token;
    for _ in 0..2 {
        let reply = refresh(&sim, &token).await?;
        assert_eq!(reply.json().get("refresh_token"), None);
    }
    Ok(())
}

#[tokio::test]
async fn a_lost_reply_may_be_asked_for_again_within_the_grace_time() -> Result<()> {
    let clock = ManualClock::new();
    let builder = SimOauth::builder().clock(clock.clone());
    let sim = builder.reuse_grace(Duration::from_secs(60)).start().await?;
    let token = sim.seed().refresh_token;
    assert_eq!(refresh(&sim, &token).await?.status, 200);
    clock.advance(Duration::from_secs(59));
    assert_eq!(refresh(&sim, &token).await?.status, 200);
    assert_eq!(sim.counters().spent_twice, 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!(refresh(&sim, &token).await?.status, 400);
    assert_eq!(sim.counters().families_killed, 1);
    Ok(())
}

#[tokio::test]
async fn the_lifetime_is_written_as_asked() -> Result<()> {
    let cases = [
        (ExpiresIn::Number, json!(3600)),
        (ExpiresIn::Text, json!("3600")),
        (ExpiresIn::Float, json!(3600.0)),
        (ExpiresIn::Missing, Value::Null),
        (ExpiresIn::Zero, json!(0)),
        (ExpiresIn::Negative, json!(-1)),
        (ExpiresIn::Huge, json!(u64::MAX)),
    ];
    for (how, expected) in cases {
        let sim = SimOauth::builder().expires_in(how).start().await?;
        let reply = ask(&sim, &[CLIENT_CREDENTIALS]).await?.json();
        assert_eq!(reply["expires_in"], expected, "{how:?}");
    }
    Ok(())
}

#[tokio::test]
async fn access_tokens_may_be_opaque() -> Result<()> {
    let clock = ManualClock::new();
    let builder = SimOauth::builder().clock(clock.clone());
    let sim = builder.opaque_access_tokens().start().await?;
    let token = sim.seed().access_token;
    assert!(!token.contains('.'));
    assert_eq!(call(&sim, "/api", &token).await?.status, 200);
    clock.advance(Duration::from_secs(3600));
    assert_eq!(call(&sim, "/api", &token).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn the_api_challenges_as_the_rfc_has_it() -> Result<()> {
    let sim = SimOauth::start().await?;
    let bare = get(sim.base_url() + "/api", &[]).await?;
    let unknown = call(&sim, "/api", "unknown").await?;
    let scoped = call(&sim, "/scoped", &sim.seed().access_token).await?;
    let challenge = |reply: &Reply| reply.header("www-authenticate").map(str::to_owned);
    let (bare_says, unknown_says) = (challenge(&bare), challenge(&unknown));
    assert_eq!(bare.status, 401);
    assert_eq!(bare_says.as_deref(), Some("Bearer realm=\"simulator\""));
    assert_eq!(unknown.status, 401);
    assert!(unknown_says.is_some_and(|it| it.contains("error=\"invalid_token\"")));
    assert_eq!(scoped.status, 403);
    assert!(challenge(&scoped).is_some_and(|it| it.contains("error=\"insufficient_scope\"")));
    assert_eq!(
        (sim.counters().api_requests, sim.counters().api_refused),
        (3, 2)
    );
    Ok(())
}

#[tokio::test]
async fn debug_shows_no_client_secret() -> Result<()> {
    let sim = SimOauth::start().await?;
    assert!(!format!("{sim:?} {sim:#?}").contains("s3cret"));
    assert!(!format!("{:?}", SimOauth::builder()).contains("s3cret"));
    Ok(())
}

#[tokio::test]
async fn a_revoked_token_takes_its_session_along_and_an_unknown_one_is_no_error() -> Result<()> {
    let sim = SimOauth::start().await?;
    let authorization = basic(sim.client_id(), sim.client_secret());
    let headers = [("authorization", &*authorization)];
    for by_refresh_token in [true, false] {
        let seed = sim.seed();
        let other = sim.seed();
        let token = match by_refresh_token {
            true => &seed.refresh_token,
            false => &seed.access_token,
        };
        let form = [("token", &**token)];
        assert_eq!(
            post_form(sim.revocation_url(), &headers, &form)
                .await?
                .status,
            200
        );
        assert_eq!(call(&sim, "/api", &seed.access_token).await?.status, 401);
        assert_eq!(refresh(&sim, &seed.refresh_token).await?.status, 400);
        assert_eq!(call(&sim, "/api", &other.access_token).await?.status, 200);
    }
    let unknown = post_form(sim.revocation_url(), &headers, &[("token", "unknown")]).await?;
    assert_eq!(unknown.status, 200);
    let stranger = post_form(sim.revocation_url(), &[], &[("token", "unknown")]).await?;
    assert_eq!(stranger.status, 400);
    let counters = sim.counters();
    assert_eq!(
        (
            counters.revocations,
            counters.exchanges,
            counters.families_killed
        ),
        (2, 0, 0)
    );
    Ok(())
}
