//! A vendor that asks for a pause gets it, from every session.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tower::Layer;
use tower_reauth::{
    Error,
    clock::Clock,
    test_util::{Fault, RetryAfter},
};

use crate::site::{ALL, Kind, LASTING, MINUTE, ROTATING, SECOND, Site, Verdict, client, get, pair};

#[tokio::test]
async fn both_forms_of_retry_after_are_a_floor_for_every_session_of_the_layer() {
    for kind in ROTATING {
        for in_words in [false, true] {
            let site = Site::of(kind).await;
            let sibling_seed = site.vendor.seed();
            let sibling = site
                .auth
                .with_session("other", pair(&sibling_seed))
                .unwrap();
            let sibling = sibling.layer(client());
            let url = site.vendor.base_url() + "/api/things";
            site.expire();
            let until = site.clock.now().wall() + 2 * MINUTE;
            let retry_after = match in_words {
                true => RetryAfter::Date(until),
                false => RetryAfter::Seconds(120),
            };
            site.vendor.faults().next(Fault::Throttle(retry_after));
            assert_eq!(site.all_fail().await, Verdict::Throttled, "{kind:?}");
            for _ in 0..2 {
                let error = get(sibling.clone(), url.clone()).await.err().unwrap();
                let error = Error::find(&*error).unwrap();
                assert!(error.is_throttled(), "{kind:?}: {error}");
                let left = error.retry_after().expect("a known pause");
                assert!(left <= 2 * MINUTE && left > SECOND, "{kind:?}: {left:?}");
                site.clock.advance(59 * SECOND);
            }
            assert_eq!(site.all_fail().await, Verdict::Throttled, "{kind:?}");
            assert_eq!(site.counters().token_requests, 1, "{kind:?}");
            site.clock.advance(2 * SECOND);
            site.serves(8).await;
            let reply = get(sibling.clone(), url.clone()).await.unwrap();
            assert_eq!(reply.status, 200, "{kind:?}");
            assert_eq!(site.counters().token_requests, 3, "{kind:?}");
            site.was_careful();
        }
    }
}

#[tokio::test]
async fn a_throttled_vendor_hurts_nobody_whose_token_is_good() {
    for kind in ALL {
        let site = Site::of(kind).await;
        site.serves(1).await;
        let before = site.counters().token_requests;
        site.age();
        let throttle = Fault::Throttle(RetryAfter::Seconds(60));
        site.vendor.faults().next(throttle);
        for _ in 0..6 {
            site.serves(8).await;
            site.clock.advance(9 * SECOND);
        }
        let status = site.handle().status();
        assert!(
            status.failure.is_some_and(|it| it.is_throttled()),
            "{kind:?}"
        );
        assert_eq!(site.counters().token_requests, before + 1, "{kind:?}");
        site.expire();
        site.serves(8).await;
        site.was_healthy();
    }
}

#[tokio::test]
async fn without_retry_after_the_pause_is_ten_seconds() {
    for kind in [Kind::Immersve, Kind::VmwareCsp] {
        let site = Site::of(kind).await;
        site.serves(1).await;
        let before = site.counters().token_requests;
        site.expire();
        site.vendor.faults().next(Fault::Throttle(RetryAfter::None));
        assert_eq!(site.all_fail().await, Verdict::Throttled, "{kind:?}");
        site.clock.advance(9 * SECOND);
        assert_eq!(site.all_fail().await, Verdict::Throttled, "{kind:?}");
        assert_eq!(site.counters().token_requests, before + 1, "{kind:?}");
        site.clock.advance(SECOND);
        site.serves(8).await;
        site.was_healthy();
    }
}

fn told_to_wait(status: u16) -> Fault {
    let headers = [(
        "retry-after".parse().unwrap(),
        HeaderValue::from_static("60"),
    )];
    let (headers, body) = (HeaderMap::from_iter(headers), Bytes::from("canary"));
    Fault::Reply {
        status,
        headers,
        body,
    }
}

#[tokio::test]
async fn those_who_waited_are_told_how_long_to_wait_as_are_those_who_come_later() {
    for kind in ALL {
        for status in [429, 503, 408] {
            let site = Site::of(kind).await;
            site.expire();
            site.vendor.faults().next(told_to_wait(status));
            for _ in 0..2 {
                let error = site.fails().await;
                let wait = error.retry_after().expect("the vendor said so");
                assert!(wait >= MINUTE, "{kind:?} {status}: {wait:?}");
            }
            site.clock.advance(MINUTE);
            site.serves(8).await;
            site.was_healthy();
        }
    }
}

#[tokio::test]
async fn a_pause_that_the_vendor_asked_for_holds_up_who_asks_by_hand_too() {
    for kind in LASTING {
        for status in [429, 503, 408] {
            let site = Site::of(kind).await;
            site.serves(1).await;
            site.vendor.faults().next(told_to_wait(status));
            for _ in 0..3 {
                assert!(site.handle().refresh().await.is_err(), "{kind:?} {status}");
                site.clock.advance(15 * SECOND);
            }
            assert_eq!(site.counters().token_requests, 2, "{kind:?} {status}");
            site.clock.advance(15 * SECOND);
            assert!(site.handle().refresh().await.is_ok(), "{kind:?} {status}");
            site.was_healthy();
        }
    }
}
