//! Bound tokens that say where they may go.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tower::Layer;
use tower_reauth::{
    AuthLayer, Error, Token,
    oauth2::OAuth2,
    provider::{Exchange, Origins, Profile, Provider, ProviderError},
    test_util::ProofNonces::{Kept, OneUse},
};

use crate::stand::{HOUR, Stand, client};

/// A server that says with each token where its API is.
struct Telling {
    server: OAuth2,
    api: String,
    /// Says two, and the API second.
    moved: Arc<AtomicBool>,
}

impl Provider for Telling {
    async fn obtain(&self, exchange: Exchange) -> Result<Token, ProviderError> {
        let token = self.server.obtain(exchange).await?;
        let token = match self.moved.load(SeqCst) {
            true => token.with_origin("https://elsewhere.example"),
            false => token,
        };
        Ok(token.with_origin(&self.api))
    }

    fn profile(&self) -> Profile {
        let declared = Origins::from(["http://127.0.0.1:1", "https://api.example.com"]);
        let profile = Provider::profile(&self.server);
        profile.origins(declared.and_those_of_tokens())
    }
}

#[tokio::test]
async fn a_proof_names_the_origin_that_came_with_its_token_and_has_the_nonce_of_that() {
    for nonces in [Kept, OneUse] {
        let stand = Stand::new(nonces, nonces).await;
        let moved = Arc::new(AtomicBool::new(false));
        let provider = Telling {
            server: stand.provider(),
            api: stand.sim.base_url(),
            moved: Arc::clone(&moved),
        };
        let builder = AuthLayer::builder(provider).clock(stand.clock.clone());
        let builder = builder.memory_only().initial(stand.seed());
        let service = builder.build().unwrap().layer(client());
        for round in 0..6 {
            moved.store(round % 2 == 1, SeqCst);
            for _ in 0..3 {
                let response = tower::ServiceExt::oneshot(service.clone(), stand.get()).await;
                assert_eq!(response.unwrap().status(), 200);
            }
            match round % 3 {
                0 => stand.sim.revoke_access_tokens(),
                _ => stand.clock.advance(2 * HOUR),
            }
        }
        assert_eq!(stand.sim.nonce_challenges(), 2, "one of each end");
        assert_eq!(stand.sim.counters().spent_twice, 0);
        assert_eq!(stand.sim.bound_keys(), 1);
        stand.assert_no_bad_proofs();

        let elsewhere = http::Request::get("http://127.0.0.1:2/orders");
        let elsewhere = elsewhere.body(http_body_util::Full::default()).unwrap();
        let error = tower::ServiceExt::oneshot(service.clone(), elsewhere).await;
        let error = error.unwrap_err();
        assert!(Error::find(&*error).unwrap().is_origin(), "{error}");
    }
}
