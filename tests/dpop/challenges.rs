//! Nonces: asked for, learned, out of date.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Error,
    replay::Replay,
    test_util::ProofNonces::{self, Kept, Next, OneUse},
};

use crate::stand::{HOUR, Stand, client};

#[tokio::test]
async fn a_challenge_is_answered_once_with_the_same_token_and_starts_no_exchange() {
    let stand = Stand::new(Kept, Kept).await;
    let service = stand.service();
    stand.ok(&service).await;
    // One at the token endpoint, one at the API.
    assert_eq!(stand.sim.nonce_challenges(), 2);
    let counters = stand.sim.counters();
    assert_eq!((counters.token_requests, counters.exchanges), (2, 1));
    assert_eq!((counters.api_requests, counters.api_answered), (2, 1));
    for _ in 0..5 {
        stand.ok(&service).await;
    }
    assert_eq!(stand.sim.nonce_challenges(), 2, "what was told is kept");
    stand.sim.change_nonces();
    let response = stand.send(&service).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.extensions().get::<Replay>(),
        None,
        "it was no replay"
    );
    assert_eq!(stand.sim.nonce_challenges(), 3);
    assert_eq!(stand.sim.counters().exchanges, 1);
    stand.assert_no_bad_proofs();
}

#[tokio::test]
async fn the_nonce_in_a_success_is_the_one_of_the_next_request() {
    let stand = Stand::new(OneUse, OneUse).await;
    let service = stand.service();
    for _ in 0..20 {
        stand.ok(&service).await;
        stand.clock.advance(HOUR / 2);
    }
    assert!(stand.sim.counters().exchanges >= 9);
    assert_eq!(stand.sim.nonce_challenges(), 2, "the first of each end");
    stand.assert_no_bad_proofs();
}

#[tokio::test]
async fn nonces_that_are_good_once_serve_many_callers_at_once() {
    let stand = Stand::new(OneUse, OneUse).await;
    let service = stand.service();
    let mut callers = JoinSet::new();
    for _ in 0..32 {
        let service = service.clone();
        let requests: Vec<_> = (0..8).map(|_| stand.get()).collect();
        callers.spawn(async move {
            for request in requests {
                let response = service.clone().oneshot(request).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    let counters = stand.sim.counters();
    assert_eq!((counters.exchanges, counters.api_answered), (1, 256));
    assert!(
        counters.api_requests <= 512,
        "two sendings for each at most"
    );
    stand.assert_no_bad_proofs();
}

#[tokio::test]
async fn a_second_challenge_goes_to_the_caller_and_is_no_refusal_of_the_token() {
    let stand = Stand::new(ProofNonces::None, Next).await;
    let service = stand.service();
    for number in 1..=3 {
        let response = stand.send(&service).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key("dpop-nonce"));
        let counters = stand.sim.counters();
        assert_eq!((counters.api_requests, counters.exchanges), (2 * number, 1));
    }
    stand.assert_no_bad_proofs();
}

#[tokio::test]
async fn a_token_endpoint_that_is_never_content_is_asked_twice_and_nothing_is_spent() {
    let stand = Stand::new(Next, ProofNonces::None).await;
    let service = stand.service();
    let error = stand.send(&service).await.unwrap_err();
    let error = Error::find(&*error).unwrap();
    assert!(
        error.is_transient() && !error.is_unknown_outcome(),
        "{error}"
    );
    assert!(error.to_string().contains("nonce"), "{error}");
    let counters = stand.sim.counters();
    assert_eq!((counters.token_requests, counters.api_requests), (2, 0));
    assert_eq!(counters.malformed, 0);
}

#[tokio::test]
async fn a_challenge_leaves_the_replay_for_a_refusal() {
    for (tokens, api) in [(Kept, Kept), (OneUse, OneUse)] {
        let stand = Stand::new(tokens, api).await;
        let service = stand.service();
        stand.ok(&service).await;
        stand.sim.change_nonces();
        stand.sim.revoke_access_tokens();
        // Challenged, refused, exchanged, sent again.
        let response = stand.send(&service).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.extensions().get(), Some(&Replay::Replayed));
        let counters = stand.sim.counters();
        assert_eq!((counters.exchanges, counters.spent_twice), (2, 0));
        stand.assert_no_bad_proofs();
    }
}

#[tokio::test]
async fn many_callers_meet_new_nonces_and_a_revocation_at_once_and_none_hears_of_it() {
    let stand = Stand::new(OneUse, OneUse).await;
    let service = stand.service();
    for round in 0..4 {
        let mut callers = JoinSet::new();
        for _ in 0..32 {
            let (service, request) = (service.clone(), stand.get());
            callers.spawn(async move { service.oneshot(request).await.unwrap().status() });
        }
        stand.sim.change_nonces();
        stand.sim.revoke_access_tokens();
        while let Some(status) = callers.join_next().await {
            assert_eq!(status.unwrap(), StatusCode::OK, "round {round}");
        }
        // Refusals that were cured are no reason to pause.
        stand.clock.advance(HOUR / 60);
    }
    let counters = stand.sim.counters();
    assert_eq!((counters.spent_twice, counters.in_flight_max), (0, 1));
    assert!(counters.exchanges <= 5, "{counters:?}");
    stand.assert_no_bad_proofs();
}

/// A body that nobody can send twice.
struct Once(Option<Bytes>);

impl http_body::Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[tokio::test]
async fn a_challenge_to_a_body_that_cannot_be_sent_twice_teaches_the_nonce_and_costs_no_exchange() {
    let stand = Stand::new(Kept, Kept).await;
    let service = stand.layer().layer(client::<Once>());
    let post = || {
        let url = stand.sim.base_url() + "/orders";
        Request::post(url)
            .body(Once(Some(Bytes::from_static(b"one"))))
            .unwrap()
    };
    let response = service.clone().oneshot(post()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.extensions().get(), Some(&Replay::NotReplayable));
    let response = service.clone().oneshot(post()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(stand.sim.counters().exchanges, 1);
}

#[tokio::test]
async fn without_replay_a_challenge_goes_to_the_caller_and_the_next_request_has_the_nonce() {
    let stand = Stand::new(Kept, Kept).await;
    let builder = stand.builder(stand.provider()).initial(stand.seed());
    let service = builder.replay(false).build().unwrap().layer(client());
    let response = stand.send(&service).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.extensions().get(), Some(&Replay::SwitchedOff));
    stand.ok(&service).await;
    assert_eq!(stand.sim.counters().exchanges, 1);
}
