//! Immersve: wallets that sign.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tower_reauth::{
    AuthLayer, Token,
    provider::ProviderError,
    test_util::{Fault, ManualClock, SimImmersve},
    vendor::{Immersve, ImmersveApiKey, ImmersveLogin},
};

use crate::{
    support::secs,
    web::{call, dead, is_over_for_good, layer, was_well_formed},
};

const WALLET: &str = "0xA3058369d6A481B1ff08F62B352409c3D709De9b";

fn siwe() -> ImmersveLogin {
    ImmersveLogin::siwe("polygon-mainnet", WALLET, signs)
}

async fn signs(message: String) -> Result<tower_reauth::token::Secret, ProviderError> {
    Ok(SimImmersve::sign(&message).into())
}

fn provider(sim: &SimImmersve, login: ImmersveLogin) -> Immersve {
    Immersve::new(sim.client_application_id(), sim.origin())
        .base_url(sim.base_url())
        .login(login)
}

#[tokio::test]
async fn each_kind_of_wallet_goes_from_nothing_to_an_answer() {
    type Make = fn(Arc<Mutex<String>>) -> ImmersveLogin;
    fn noting(
        seen: Arc<Mutex<String>>,
    ) -> impl Fn(String) -> std::future::Ready<Result<tower_reauth::token::Secret, ProviderError>>
    {
        move |message| {
            let signature = SimImmersve::sign(&message);
            *seen.lock().unwrap() = message;
            std::future::ready(Ok(signature.into()))
        }
    }
    let table: [(Make, &str); 4] = [
        (
            |seen| ImmersveLogin::siwe("polygon-mainnet", WALLET, noting(seen)),
            "app.example wants you to sign in with your Ethereum account:\n0xA305",
        ),
        (
            |seen| ImmersveLogin::algorand("algorand-mainnet", "EY434UKQU4", noting(seen)),
            "Login with your Algorand address EY434UKQU4\n\nId: ",
        ),
        (
            |seen| ImmersveLogin::xrpl("xahau-mainnet", "EDA2F52112", noting(seen)),
            "7321",
        ),
        (
            |seen| ImmersveLogin::deprecated_siwe(1, WALLET, noting(seen)),
            "app.example wants you to sign in with your Ethereum account:\n0xA305",
        ),
    ];
    for (make, beginning) in table {
        let clock = ManualClock::new();
        let sim = SimImmersve::builder().clock(clock.clone()).start();
        let sim = sim.await.unwrap();
        let seen = Arc::default();
        let layer = layer(provider(&sim, make(Arc::clone(&seen))), &clock, None);
        call(&layer, &sim).await.unwrap();
        let message = seen.lock().unwrap().clone();
        assert!(message.starts_with(beginning), "{message}");
        // And on from there, by the refresh token of the login.
        clock.advance(secs(20 * 60));
        call(&layer, &sim).await.unwrap();
        let counters = sim.counters();
        assert_eq!((counters.logins, counters.exchanges), (1, 1), "{beginning}");
        was_well_formed(&sim);
    }
}

#[tokio::test]
async fn a_dead_refresh_token_is_followed_by_one_login() {
    let clock = ManualClock::new();
    let sim = SimImmersve::builder().clock(clock.clone()).start();
    let sim = sim.await.unwrap();
    let layer = layer(provider(&sim, siwe()), &clock, Some(dead(&sim.seed())));
    let calls = (0..20).map(|_| call(&layer, &sim));
    let mut set = Vec::new();
    for one in calls {
        set.push(one);
    }
    for one in set {
        one.await.unwrap();
    }
    let counters = sim.counters();
    assert_eq!((counters.logins, counters.exchanges), (1, 0));
    assert_eq!(
        counters.token_requests, 3,
        "the refusal, and two for the login"
    );
    was_well_formed(&sim);
}

#[tokio::test]
async fn each_refusal_of_a_login_is_told_for_what_it_is() {
    enum End {
        ForGood,
        Settings,
        InPassing,
    }
    let cases = [
        ("INVALID_SIGNATURE", End::ForGood),
        ("ACCOUNT_DOES_NOT_EXIST", End::ForGood),
        ("CLIENT_APPLICATION_DOMAIN_NOT_ALLOWED", End::Settings),
        ("CHALLENGE_EXPIRED", End::InPassing),
    ];
    for (code, end) in cases {
        let clock = ManualClock::new();
        let sim = SimImmersve::builder()
            .clock(clock.clone())
            .challenge_lifetime(secs(20))
            .stranger("stranger");
        let sim = sim.start().await.unwrap();
        let late = clock.clone();
        let login = match code {
            "INVALID_SIGNATURE" => ImmersveLogin::siwe("polygon-mainnet", WALLET, |_| async {
                Ok("canary signature".into())
            }),
            "ACCOUNT_DOES_NOT_EXIST" => ImmersveLogin::siwe("polygon-mainnet", "stranger", signs),
            "CLIENT_APPLICATION_DOMAIN_NOT_ALLOWED" => siwe().url("https://canary.example"),
            _ => ImmersveLogin::siwe("polygon-mainnet", WALLET, move |message| {
                late.advance(secs(21));
                signs(message)
            }),
        };
        let layer = layer(provider(&sim, login), &clock, Some(dead(&sim.seed())));
        let error = match end {
            End::ForGood => is_over_for_good(&layer, &sim, &clock, "canary").await,
            End::Settings | End::InPassing => call(&layer, &sim).await.unwrap_err(),
        };
        assert!(error.to_string().contains(code), "{error}");
        assert!(error.to_string().contains("403"), "{error}");
        assert_eq!(
            error.is_login_required(),
            matches!(end, End::ForGood),
            "{error}"
        );
        assert_eq!(
            error.is_misconfigured(),
            matches!(end, End::Settings),
            "{error}"
        );
        assert_eq!(
            error.is_transient(),
            matches!(end, End::InPassing),
            "{error}"
        );
        assert!(!error.to_string().contains("canary"), "{error}");
        was_well_formed(&sim);
    }
}

#[tokio::test]
async fn a_signer_who_declines_is_not_asked_again() {
    let clock = ManualClock::new();
    let sim = SimImmersve::builder().clock(clock.clone()).start();
    let sim = sim.await.unwrap();
    let asked = Arc::new(AtomicUsize::default());
    let count = Arc::clone(&asked);
    let login = ImmersveLogin::siwe("polygon-mainnet", WALLET, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Err(ProviderError::refused("the user declined")) }
    });
    let layer = layer(provider(&sim, login), &clock, None);
    let error = is_over_for_good(&layer, &sim, &clock, "canary").await;
    assert!(error.to_string().contains("the user declined"), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_wallet_without_an_account_gets_one_where_the_login_says_so() {
    for deprecated in [false, true] {
        let clock = ManualClock::new();
        let sim = SimImmersve::builder()
            .clock(clock.clone())
            .stranger("stranger");
        let sim = sim.start().await.unwrap();
        let login = match deprecated {
            false => ImmersveLogin::siwe("polygon-mainnet", "stranger", signs),
            true => ImmersveLogin::deprecated_siwe(1, "stranger", signs),
        };
        let layer = layer(provider(&sim, login.auto_signup()), &clock, None);
        call(&layer, &sim).await.unwrap();
        was_well_formed(&sim);
    }
}

#[tokio::test]
async fn a_challenge_that_does_not_come_is_asked_for_again_and_a_lost_login_is_not() {
    let clock = ManualClock::new();
    let sim = SimImmersve::builder().clock(clock.clone()).start();
    let sim = Arc::new(sim.await.unwrap());
    let down = || Fault::Status(503, "{}".into(), "application/json");
    // Nothing was signed yet.
    for fault in [down(), Fault::CutAfter, Fault::CutBody] {
        let layer = layer(provider(&sim, siwe()), &clock, None);
        sim.faults().next(fault);
        let error = call(&layer, &sim).await.unwrap_err();
        assert!(
            error.is_transient() && !error.is_login_required(),
            "{error}"
        );
        clock.advance(secs(2));
        call(&layer, &sim).await.unwrap();
    }
    // A signature may have been used up.
    let logins = sim.counters().logins;
    let signed = Arc::new(AtomicUsize::default());
    let count = Arc::clone(&signed);
    let vendor = Arc::clone(&sim);
    let login = ImmersveLogin::siwe("polygon-mainnet", WALLET, move |message| {
        count.fetch_add(1, Ordering::SeqCst);
        vendor.faults().next(Fault::CutAfter);
        signs(message)
    });
    let layer = layer(provider(&sim, login), &clock, None);
    for _ in 0..20 {
        let error = call(&layer, &sim).await.unwrap_err();
        assert!(
            error.is_login_required() && error.is_unknown_outcome(),
            "{error}"
        );
        clock.advance(secs(600));
    }
    assert_eq!(signed.load(Ordering::SeqCst), 1);
    assert_eq!(
        sim.counters().logins,
        logins + 1,
        "the vendor had granted it"
    );
}

#[tokio::test]
async fn a_session_that_logged_out_does_not_log_in_by_itself() {
    let clock = ManualClock::new();
    let sim = SimImmersve::builder().clock(clock.clone()).start();
    let sim = sim.await.unwrap();
    let layer = layer(provider(&sim, siwe()), &clock, None);
    call(&layer, &sim).await.unwrap();
    layer.handle().revoke().await.unwrap();
    assert!(call(&layer, &sim).await.unwrap_err().is_login_required());
    assert_eq!(sim.counters().logins, 1);
    let seed = sim.seed();
    let token = Token::from_pair(seed.access_token, seed.refresh_token);
    layer.handle().replace(token).await.unwrap();
    call(&layer, &sim).await.unwrap();
}

#[tokio::test]
async fn an_api_key_needs_no_token_and_never_expires() {
    let clock = ManualClock::new();
    let sim = SimImmersve::builder().api_key("canary-key", "canary-secret");
    let sim = sim.clock(clock.clone()).start().await.unwrap();
    let provider = |secret: &str| {
        ImmersveApiKey::new("canary-key", secret)
            .base_url(sim.base_url())
            .account_id("account")
    };
    let auth = AuthLayer::builder(provider("canary-secret")).clock(clock.clone());
    let auth = auth.build().unwrap();
    for _ in 0..5 {
        let reply = call(&auth, &sim).await.unwrap();
        assert_eq!(reply["accountId"], "account");
        clock.advance(secs(30 * 24 * 3_600));
    }
    assert_eq!(sim.counters().token_requests, 0);
    assert!(!format!("{auth:?} {:?}", provider("x")).contains("canary"));
    // A wrong key comes back as it was refused.
    let wrong = AuthLayer::new(provider("wrong"));
    let handle = wrong.handle();
    handle.token().await.unwrap();
    assert!(!handle.reject(handle.status().generation) || sim.counters().token_requests == 0);
    for (key, secret) in [("", "s"), ("a\nb", "s")] {
        let auth = AuthLayer::new(ImmersveApiKey::new(key, secret));
        assert!(auth.handle().token().await.unwrap_err().is_misconfigured());
    }
}
