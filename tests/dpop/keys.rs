//! Whose key it is, and where it is kept.

use std::fs;

use tower::Layer;
use tower_reauth::{
    AuthLayer, Error, Token,
    oauth2::{OAuth2, dpop::DpopKey},
    provider::Origins,
    store::{FileStore, MemoryStore, SealKey, SealKeys, Sealed},
    test_util::{ManualClock, ProofNonces::Kept, Rotation, SimOauth},
};

use crate::{
    folder::Folder,
    heard::Heard,
    stand::{HOUR, Stand, client},
};

#[tokio::test]
async fn a_restart_goes_on_with_the_key_that_the_store_has() {
    let (stand, folder) = (Stand::new(Kept, Kept).await, Folder::new());
    let seed = stand.seed();
    for _ in 0..3 {
        let builder = stand.builder(stand.provider()).initial(seed.clone());
        let store = FileStore::new(folder.path("session.json"));
        let layer = builder.store(store).build().unwrap();
        let service = layer.layer(client());
        stand.ok(&service).await;
        stand.clock.advance(2 * HOUR);
        stand.ok(&service).await;
        layer.handle().shutdown().await;
    }
    assert_eq!(stand.sim.bound_keys(), 1);
    assert_eq!(stand.sim.counters().spent_twice, 0);
    stand.assert_no_bad_proofs();
}

#[tokio::test]
async fn replicas_of_a_store_share_the_key_of_whoever_was_first() {
    let (stand, store) = (Stand::new(Kept, Kept).await, MemoryStore::new());
    let seed = stand.seed();
    let services: Vec<_> = (0..4)
        .map(|_| {
            let builder = stand.builder(stand.provider()).initial(seed.clone());
            builder
                .store(store.clone())
                .build()
                .unwrap()
                .layer(client())
        })
        .collect();
    for _ in 0..4 {
        for service in &services {
            stand.ok(service).await;
        }
        stand.clock.advance(2 * HOUR);
    }
    let counters = stand.sim.counters();
    assert_eq!((counters.exchanges, counters.spent_twice), (4, 0));
    assert_eq!(stand.sim.bound_keys(), 1);
    stand.assert_no_bad_proofs();
}

/// What an operator who opens the file can read of a key.
fn secret_part(key: &DpopKey) -> String {
    let pem = key.to_pkcs8_pem();
    let body: String = pem
        .expose()
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    body[60..80].to_owned()
}

#[tokio::test]
async fn a_store_keeps_the_key_with_the_tokens_and_a_seal_hides_both() {
    for sealed in [false, true] {
        let (stand, folder) = (Stand::new(Kept, Kept).await, Folder::new());
        let path = folder.path("session.json");
        let key = DpopKey::generate().unwrap();
        let seed = stand.seed().with_dpop_key(&key);
        let builder = stand.builder(stand.provider()).initial(seed);
        let builder = match sealed {
            false => builder.store(FileStore::new(&path)),
            true => {
                let keys = SealKeys::new(SealKey::new("k1", [7; 32]).unwrap());
                builder.store(Sealed::new(FileStore::new(&path), keys))
            }
        };
        stand.ok(&builder.build().unwrap().layer(client())).await;
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.contains(&secret_part(&key)), !sealed);
    }
}

#[tokio::test]
async fn the_applications_own_key_is_not_written_to_the_store() {
    let (stand, folder) = (Stand::new(Kept, Kept).await, Folder::new());
    let path = folder.path("session.json");
    let (key, seed) = (DpopKey::generate().unwrap(), stand.seed());
    for _ in 0..2 {
        let provider = stand.unbound().dpop_key(key.clone());
        let builder = stand
            .builder(provider)
            .initial(seed.clone().with_dpop_key(&key));
        let layer = builder.store(FileStore::new(&path)).build().unwrap();
        stand.ok(&layer.layer(client())).await;
        layer.handle().shutdown().await;
        stand.clock.advance(2 * HOUR);
    }
    assert!(
        !fs::read_to_string(&path)
            .unwrap()
            .contains(&secret_part(&key))
    );
    assert_eq!(stand.sim.bound_keys(), 1);
    assert_eq!(stand.sim.counters().exchanges, 2);
}

#[tokio::test]
async fn a_new_login_brings_its_own_key() {
    let stand = Stand::new(Kept, Kept).await;
    let layer = stand.layer();
    let service = layer.layer(client());
    stand.ok(&service).await;
    let key = DpopKey::generate().unwrap();
    let login = stand.seed().with_dpop_key(&key);
    layer.handle().replace(login).await.unwrap();
    stand.ok(&service).await;
    assert_eq!(stand.sim.bound_keys(), 2);
    let token = layer.handle().token().await.unwrap();
    assert_eq!(token.dpop_key().unwrap().as_ref(), Some(&key));
}

/// The refresh token of a session, as somebody has kept it who does not know its key.
async fn without_its_key(stand: &Stand, layer: &AuthLayer<OAuth2>) -> Token {
    stand.ok(&layer.layer(client())).await;
    let bound = layer.handle().token().await.unwrap();
    Token::from_refresh_token(bound.refresh_token().unwrap().clone())
}

#[tokio::test]
async fn a_refresh_token_that_is_bound_to_another_key_needs_a_login() {
    let stand = Stand::new(Kept, Kept).await;
    let first = stand.layer();
    let stranger = without_its_key(&stand, &first).await;
    let layer = stand.builder(stand.provider()).initial(stranger);
    let error = stand
        .send(&layer.build().unwrap().layer(client()))
        .await
        .unwrap_err();
    assert!(Error::find(&*error).unwrap().is_login_required(), "{error}");
    assert_eq!(stand.sim.counters().spent_twice, 0);
}

#[tokio::test]
async fn a_seed_with_its_key_is_taken_after_it_was_handed_over_without() {
    let (stand, store) = (Stand::new(Kept, Kept).await, MemoryStore::new());
    let key = DpopKey::generate().unwrap();
    let first = stand.layer_with_key(&key);
    let without = without_its_key(&stand, &first).await;

    let service = |seed: Token| {
        let builder = stand.builder(stand.provider()).initial(seed);
        let layer = builder.store(store.clone()).build().unwrap();
        layer.layer(client())
    };
    let error = stand.send(&service(without.clone())).await.unwrap_err();
    assert!(Error::find(&*error).unwrap().is_login_required(), "{error}");
    stand.ok(&service(without.with_dpop_key(&key))).await;
}

#[tokio::test]
async fn a_wrong_key_at_a_restart_takes_no_session_that_is_good() {
    let clock = ManualClock::new();
    let sim = SimOauth::builder().clock(clock.clone()).dpop(Kept, Kept);
    let sim = sim.rotation(Rotation::Never).start().await.unwrap();
    let (stand, store) = (Stand { sim, clock }, MemoryStore::new());
    let seed = stand.seed();
    for _ in 0..2 {
        let key = DpopKey::generate().unwrap();
        let builder = stand.builder(stand.provider());
        let builder = builder.initial(seed.clone().with_dpop_key(&key));
        let layer = builder.store(store.clone()).build().unwrap();
        stand.ok(&layer.layer(client())).await;
        layer.handle().shutdown().await;
        stand.clock.advance(2 * HOUR);
    }
    assert_eq!(stand.sim.counters().exchanges, 2);
    assert_eq!(stand.sim.bound_keys(), 1);
}

#[tokio::test]
async fn a_login_with_its_key_replaces_one_that_was_handed_over_without() {
    let (stand, store) = (Stand::new(Kept, Kept).await, MemoryStore::new());
    let key = DpopKey::generate().unwrap();
    let first = stand.layer_with_key(&key);
    let without = without_its_key(&stand, &first).await;

    let builder = stand.builder(stand.provider()).initial(without.clone());
    let layer = builder.store(store.clone()).build().unwrap();
    let service = layer.layer(client());
    let error = stand.send(&service).await.unwrap_err();
    assert!(Error::find(&*error).unwrap().is_login_required(), "{error}");
    let login = without.with_dpop_key(&key);
    layer.handle().replace(login).await.unwrap();
    stand.ok(&service).await;
}

#[tokio::test]
async fn seeds_without_their_key_or_with_a_foreign_one_are_told_at_once() {
    let stand = Stand::new(Kept, Kept).await;
    let key = || DpopKey::generate().unwrap();
    for (provider, seed, word) in [
        (stand.provider(), Token::new("access"), "with_dpop_key"),
        (
            stand.unbound(),
            stand.seed().with_dpop_key(&key()),
            "`.dpop()`",
        ),
        (
            stand.unbound().dpop_key(key()),
            stand.seed().with_dpop_key(&key()),
            "another key",
        ),
    ] {
        let error = stand.builder(provider).initial(seed).build().unwrap_err();
        assert!(error.is_misconfigured(), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn an_access_token_without_its_key_is_not_sent() {
    let stand = Stand::new(Kept, Kept).await;
    let seed = stand.sim.seed();
    let seed = Token::from_pair(seed.access_token, seed.refresh_token);
    let layer = stand
        .builder(stand.provider())
        .initial(seed)
        .build()
        .unwrap();
    stand.ok(&layer.layer(client())).await;
    let counters = stand.sim.counters();
    assert_eq!((counters.exchanges, counters.api_answered), (1, 1));
    assert_eq!(counters.api_requests, 2, "a challenge, and no refusal");
}

#[tokio::test]
async fn a_path_gets_a_proof_for_the_one_declared_origin_and_none_where_there_are_several() {
    for several in [false, true] {
        let stand = Stand::new(Kept, Kept).await;
        let mut provider = stand.provider();
        if several {
            let origins = [stand.sim.base_url(), "https://api.example.com".to_owned()];
            provider = provider.origins(Origins::from(origins));
        }
        let heard = Heard::default();
        let builder = stand.builder(provider).observer(heard.clone());
        let layer = builder.initial(stand.seed()).build().unwrap();
        let base = stand.sim.base_url();
        // As a channel does that was built for one peer.
        let inner = tower::ServiceBuilder::new()
            .map_request(move |mut request: http::Request<_>| {
                let url = format!("{base}{}", request.uri());
                *request.uri_mut() = url.parse().unwrap();
                request
            })
            .service(client());
        let request = http::Request::post("/orders.Orders/List?q");
        let request = request
            .body(http_body_util::Full::<bytes::Bytes>::default())
            .unwrap();
        let answer = tower::ServiceExt::oneshot(layer.layer(inner), request).await;
        match several {
            false => assert_eq!(answer.unwrap().status(), 200),
            true => {
                let error = answer.unwrap_err();
                let error = Error::find(&*error).unwrap();
                assert!(error.is_misconfigured(), "{error}");
                assert!(error.to_string().contains("with_origin"), "{error}");
                assert_eq!(stand.sim.counters().api_requests, 0);
                let unserved = "unserved: misconfigured".to_owned();
                assert_eq!(heard.take().last(), Some(&unserved), "observers hear of it");
            }
        }
        stand.assert_no_bad_proofs();
    }
}
