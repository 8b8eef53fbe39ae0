//! Sessions are kept alive through many lifetimes of their tokens, with everybody calling at once.

use tower_reauth::{
    oauth2::ClientAuth,
    test_util::{ExpiresIn, Rotation, SimDressipi, SimOauth},
};

use crate::site::{Kind, MINUTE, SECOND, Site, Stand};

const CALLERS: usize = 24;
const LIFETIMES: u64 = 5;

/// Five lifetimes in which requests keep the token young, and one that nobody calls in. There are
/// exchanges when the token gets old, and none before.
async fn lives_on(site: Site) -> u64 {
    // Sessions without a seed begin with an exchange.
    site.serves(CALLERS).await;
    let mut exchanges = site.counters().exchanges;
    for _ in 0..LIFETIMES {
        let jitter = site.lifetime / 10 + SECOND;
        site.clock.advance(site.lifetime - site.early() - jitter);
        site.serves(CALLERS).await;
        assert_eq!(site.counters().exchanges, exchanges, "too early");
        site.clock.advance(jitter);
        site.serves(CALLERS).await;
        exchanges += 1;
        assert_eq!(site.counters().exchanges, exchanges, "due");
        site.clock.advance(SECOND);
        site.serves(CALLERS).await;
        assert_eq!(site.counters().exchanges, exchanges, "just arrived");
    }
    site.expire();
    site.serves(CALLERS).await;
    assert_eq!(site.counters().exchanges, exchanges + 1, "expired");
    site.was_healthy();
    assert_eq!(site.counters().token_requests, exchanges + 1);
    site.counters().rotations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn immersve_lives_on_and_rotates_with_every_exchange() {
    let rotations = lives_on(Site::of(Kind::Immersve).await).await;
    assert_eq!(rotations, LIFETIMES + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marketiger_lives_on_and_rotates_with_every_exchange() {
    let rotations = lives_on(Site::of(Kind::Marketiger).await).await;
    assert_eq!(rotations, LIFETIMES + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dressipi_lives_on_whether_it_rotates_always_sometimes_or_never() {
    for (rotation, expected) in [
        (Rotation::Always, LIFETIMES + 1),
        (Rotation::Sometimes, LIFETIMES.div_ceil(2)),
        (Rotation::Never, 0),
    ] {
        let sim = SimDressipi::builder().rotation(rotation);
        let stand = Stand::dressipi(sim, |it| it, false).await;
        let rotations = lives_on(stand.open()).await;
        assert_eq!(rotations, expected, "{rotation:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vmware_csp_lives_on_and_never_rotates() {
    let rotations = lives_on(Site::of(Kind::VmwareCsp).await).await;
    assert_eq!(rotations, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oauth_client_lives_on_by_basic_and_by_post() {
    let by_header = Site::of(Kind::OauthClient).await;
    assert_eq!(lives_on(by_header).await, 0);
    let sim = SimOauth::builder().client("id", "s3cret %+&");
    let post = ClientAuth::Post("s3cret %+&".into());
    let by_body = Stand::oauth_client(sim, |it| it.client_auth(post), false).await;
    assert_eq!(lives_on(by_body.open()).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oauth_session_lives_on_and_rotates() {
    let rotations = lives_on(Site::of(Kind::OauthSession).await).await;
    assert_eq!(rotations, LIFETIMES + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_nobody_can_read_live_as_long_as_the_reply_says() {
    for form in [ExpiresIn::Number, ExpiresIn::Text, ExpiresIn::Float] {
        let sim = SimOauth::builder().opaque_access_tokens().expires_in(form);
        let site = Stand::oauth_client(sim, |it| it, false).await.open();
        assert_eq!(lives_on(site).await, 0, "{form:?}");
    }
}

#[tokio::test]
async fn a_session_from_a_refresh_token_alone_begins_with_one_exchange_for_all() {
    for kind in [Kind::Immersve, Kind::Dressipi, Kind::OauthSession] {
        let stand = Stand::of(kind).await;
        let seed = stand.vendor.seed();
        let refresh = tower_reauth::Token::from_refresh_token(seed.refresh_token);
        let site = stand.open_with(|builder| builder.initial(refresh));
        site.serves(CALLERS).await;
        assert_eq!(site.counters().exchanges, 1, "{kind:?}");
        site.clock.advance(MINUTE);
        site.serves(CALLERS).await;
        assert_eq!(site.counters().exchanges, 1, "{kind:?}");
        site.was_healthy();
    }
}
