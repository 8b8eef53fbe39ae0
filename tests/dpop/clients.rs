//! reqwest's requests, as a service and in a chain of middleware.

use http::StatusCode;
use reqwest::{Body, Client, Method, Request, redirect::Policy};
use reqwest_middleware::ClientBuilder;
use tokio_rustls::rustls::crypto::ring;
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Error,
    replay::Replay,
    test_util::ProofNonces::{self, Kept, Next, OneUse},
};

use crate::stand::Stand;

fn http() -> Client {
    // reqwest is built without a choice of its own; a second call finds the first.
    let _chosen = ring::default_provider().install_default();
    let client = Client::builder().no_proxy().redirect(Policy::none());
    client.build().unwrap()
}

fn post(stand: &Stand) -> Request {
    let url = stand.sim.base_url() + "/orders?page=2#top";
    let mut request = Request::new(Method::POST, url.parse().unwrap());
    *request.body_mut() = Some(Body::from("ten pieces"));
    request
}

/// Sends by one of both ways.
async fn send(stand: &Stand, middleware: bool, times: usize) -> Vec<reqwest::Response> {
    let layer = stand.layer();
    let mut responses = Vec::new();
    for number in 0..times {
        if number == times / 2 {
            stand.sim.change_nonces();
            stand.sim.revoke_access_tokens();
        }
        let response = match middleware {
            true => {
                let client = ClientBuilder::new(http()).with(layer.middleware()).build();
                client.execute(post(stand)).await.unwrap()
            }
            false => layer.layer(http()).oneshot(post(stand)).await.unwrap(),
        };
        responses.push(response);
    }
    responses
}

#[tokio::test]
async fn reqwest_gets_proofs_answers_challenges_and_replays() {
    for (middleware, nonces) in [(false, Kept), (true, Kept), (false, OneUse), (true, OneUse)] {
        let stand = Stand::new(nonces, nonces).await;
        let responses = send(&stand, middleware, 6).await;
        assert!(
            responses
                .iter()
                .all(|response| response.status() == StatusCode::OK)
        );
        let replays = responses
            .iter()
            .filter(|it| it.extensions().get::<Replay>().is_some());
        assert_eq!(replays.count(), 1);
        let counters = stand.sim.counters();
        assert_eq!((counters.exchanges, counters.spent_twice), (2, 0));
        assert_eq!(stand.sim.bound_keys(), 1);
        stand.assert_no_bad_proofs();
    }
}

#[tokio::test]
async fn reqwest_hears_a_second_challenge_and_the_token_stays() {
    for middleware in [false, true] {
        let stand = Stand::new(ProofNonces::None, Next).await;
        let responses = send(&stand, middleware, 1).await;
        assert_eq!(responses[0].status(), StatusCode::UNAUTHORIZED);
        let counters = stand.sim.counters();
        // The revocation came before the first exchange.
        assert_eq!((counters.exchanges, counters.api_requests), (1, 2));
    }
}

#[tokio::test]
async fn reqwest_hears_why_there_is_no_token() {
    let stand = Stand::new(Next, Kept).await;
    let service = stand.layer().layer(http());
    let error = service.oneshot(post(&stand)).await.unwrap_err();
    assert!(Error::find(&*error).unwrap().is_transient(), "{error}");
}
