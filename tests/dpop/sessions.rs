//! Sessions: their proofs, their clocks, what a server does to them.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tower::Layer;
use tower_reauth::{
    AuthLayer, Error,
    oauth2::OAuth2,
    test_util::{Fault, ManualClock, ProofNonces},
};

use crate::stand::{HOUR, Stand, client};

#[tokio::test]
async fn every_request_has_a_proof_of_its_own_over_many_lifetimes_with_one_key() {
    let stand = Stand::new(ProofNonces::None, ProofNonces::None).await;
    let service = stand.service();
    for _ in 0..20 {
        stand.ok(&service).await;
        stand.ok(&service).await;
        stand.clock.advance(2 * HOUR);
    }
    let counters = stand.sim.counters();
    assert_eq!((counters.api_answered, counters.api_refused), (40, 0));
    assert_eq!((counters.exchanges, counters.rotations), (20, 20));
    assert_eq!((counters.spent_twice, counters.malformed), (0, 0));
    assert_eq!(stand.sim.bound_keys(), 1);
    stand.assert_no_bad_proofs();
}

#[tokio::test]
async fn a_token_that_is_due_is_used_while_the_next_is_fetched_beside() {
    let stand = Stand::new(ProofNonces::None, ProofNonces::None).await;
    let layer = stand.layer();
    let service = layer.layer(client());
    stand.ok(&service).await;
    let before = layer.handle().status().generation;
    stand.clock.advance(HOUR - Duration::from_secs(120));
    stand
        .sim
        .faults()
        .next(Fault::Delay(Duration::from_secs(1)));
    stand.ok(&service).await;
    assert_eq!(layer.handle().status().generation, before, "nobody waited");
    let exchanged = async {
        while layer.handle().status().generation == before {
            stand.clock.advance(Duration::from_millis(10));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), exchanged)
        .await
        .unwrap();
    stand.ok(&service).await;
}

#[tokio::test]
async fn a_service_with_credentials_of_its_own_keeps_one_key() {
    let stand = Stand::new(ProofNonces::Kept, ProofNonces::Kept).await;
    let sim = &stand.sim;
    let provider =
        OAuth2::client_credentials(sim.token_url(), sim.client_id(), sim.client_secret());
    let provider = provider.dpop().origins([sim.base_url()]);
    let layer = AuthLayer::builder(provider).clock(stand.clock.clone());
    let service = layer.build().unwrap().layer(client());
    for _ in 0..5 {
        stand.ok(&service).await;
        stand.clock.advance(2 * HOUR);
    }
    assert_eq!(sim.counters().exchanges, 5);
    assert_eq!(sim.bound_keys(), 1);
    stand.assert_no_bad_proofs();
}

#[tokio::test]
async fn a_token_that_is_not_bound_is_used_nowhere_and_its_refresh_token_is_kept() {
    let stand = Stand::new(ProofNonces::None, ProofNonces::None).await;
    let service = stand.service();
    let next = stand.sim.seed().refresh_token;
    for token_type in [r#""token_type":"Bearer","#, ""] {
        let body = format!(
            r#"{{"access_token":"unbound",{token_type}"expires_in":3600,"refresh_token":"{next}"}}"#
        );
        stand.sim.faults().next(Fault::Reply {
            status: 200,
            headers: Default::default(),
            body: Bytes::from(body),
        });
        let error = stand.send(&service).await.unwrap_err();
        let error = Error::find(&*error).unwrap();
        assert!(error.is_misconfigured(), "{error}");
        assert!(error.to_string().contains("not bound"), "{error}");
        assert_eq!(stand.sim.counters().api_requests, 0);
        // A setting is looked at again after a while.
        stand.clock.advance(HOUR);
    }
    stand.ok(&service).await;
    let counters = stand.sim.counters();
    assert_eq!((counters.exchanges, counters.spent_twice), (1, 0));
    assert_eq!(stand.sim.bound_keys(), 1);
}

#[tokio::test]
async fn the_servers_clock_is_learned_from_what_it_refuses() {
    for ahead in [true, false] {
        let mut stand = Stand::new(ProofNonces::None, ProofNonces::None).await;
        let (ours, skew) = (ManualClock::new(), Duration::from_secs(600));
        // Both begin at about the same time.
        match ahead {
            true => stand.clock.advance(skew),
            false => ours.advance(skew),
        }
        stand.clock = ours;
        let service = stand.service();
        for _ in 0..5 {
            stand.ok(&service).await;
        }
        let counters = stand.sim.counters();
        assert_eq!((counters.token_requests, counters.exchanges), (2, 1));
        assert_eq!((counters.api_requests, counters.api_answered), (6, 5));
        assert_eq!(stand.sim.bad_proofs(), ["iat is not about now"; 2]);
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_request_sent_again() {
    let stand = Stand::new(ProofNonces::None, ProofNonces::None).await;
    let service = stand.service();
    stand.ok(&service).await;
    stand.sim.revoke_access_tokens();
    stand.ok(&service).await;
    let counters = stand.sim.counters();
    assert_eq!((counters.exchanges, counters.api_requests), (2, 3));
    stand.sim.refuse_next(2);
    let response = stand.send(&service).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "one replay");
    stand.assert_no_bad_proofs();
}
