//! What calls for a login, and what does not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tower_reauth::{
    AuthLayer, Provider, Token,
    handle::AuthHandle,
    provider::{Exchange, Login, Profile, ProviderError, Rotation},
    test_util::ManualClock,
};

use crate::support::{ORIGIN, secs};

/// Fails all exchanges in one way, and all logins in another.
struct Failing {
    exchange: ProviderError,
    login: ProviderError,
    rotation: Rotation,
    logins: Arc<AtomicUsize>,
}

impl Provider for Failing {
    async fn obtain(&self, _: Exchange) -> Result<Token, ProviderError> {
        Err(self.exchange.clone())
    }

    async fn login(&self, _: Exchange) -> Result<Token, ProviderError> {
        self.logins.fetch_add(1, SeqCst);
        Err(self.login.clone())
    }

    fn profile(&self) -> Profile {
        let profile = Profile::new("failing").origins([ORIGIN]);
        profile.rotation(self.rotation).login(Login::First)
    }
}

fn handle(clock: &ManualClock, provider: Failing) -> AuthHandle {
    AuthLayer::builder(provider)
        .clock(clock.clone())
        .initial(Token::from_refresh_token("refresh"))
        .memory_only()
        .build()
        .unwrap()
        .handle()
}

#[tokio::test]
async fn neither_a_failure_that_passes_nor_a_refusal_that_came_with_a_refresh_token_does() {
    let next = Token::from_refresh_token("next");
    for exchange in [
        ProviderError::transient("down"),
        ProviderError::misconfigured("no such client"),
        ProviderError::refused("half a reply").salvaging(next),
    ] {
        let logins = Arc::new(AtomicUsize::new(0));
        let provider = Failing {
            exchange: exchange.clone(),
            login: ProviderError::refused("wrong password"),
            rotation: Rotation::Must,
            logins: Arc::clone(&logins),
        };
        let error = handle(&ManualClock::new(), provider).token().await;
        let error = error.unwrap_err();
        assert_eq!(error.provider_error().unwrap().kind(), exchange.kind());
        assert_eq!(logins.load(SeqCst), 0, "{exchange}");
    }
}

/// It is asked about again: somebody may have put it right at the vendor's.
#[tokio::test]
async fn the_next_refusal_of_a_lasting_refresh_token_does_not_where_the_login_was_refused() {
    let (clock, logins) = (ManualClock::new(), Arc::new(AtomicUsize::new(0)));
    let provider = Failing {
        exchange: ProviderError::refused("ended"),
        login: ProviderError::refused("wrong password"),
        rotation: Rotation::Never,
        logins: Arc::clone(&logins),
    };
    let handle = handle(&clock, provider);
    for _ in 0..60 {
        let error = handle.token().await.unwrap_err();
        assert!(error.is_login_required(), "{error}");
        assert!(error.to_string().contains("wrong password"), "{error}");
        clock.advance(secs(60));
    }
    assert_eq!(logins.load(SeqCst), 1);
}
