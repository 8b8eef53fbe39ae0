use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower_reauth::test_util::{Fault, ManualClock, RetryAfter, Seed, SimImmersve};

use super::{JSON, Result, call, client, exchange, soon, until};

const SECOND: Duration = Duration::from_secs(1);

async fn manual() -> Result<(ManualClock, SimImmersve, Seed)> {
    let clock = ManualClock::new();
    let sim = SimImmersve::builder().clock(clock.clone()).start().await?;
    let seed = sim.seed();
    Ok((clock, sim, seed))
}

/// A right exchange whose body is not read yet.
async fn start_exchange(sim: &SimImmersve, refresh: &str) -> Result<http::Response<Incoming>> {
    let body = serde_json::json!({
        "refreshToken": refresh,
        "clientApplicationId": sim.client_application_id(),
    });
    let request = Request::post(sim.token_url())
        .header(JSON.0, JSON.1)
        .header("origin", sim.origin())
        .body(Full::new(Bytes::from(body.to_string())))?;
    Ok(client().request(request).await?)
}

#[tokio::test]
async fn cut_before_leaves_the_refresh_token_good() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    sim.faults().next(Fault::CutBefore);
    assert!(exchange(&sim, &seed.refresh_token).await.is_err());
    assert_eq!(sim.counters().token_requests, 1);
    assert_eq!(sim.counters().exchanges, 0);
    assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn cut_before_does_not_wait_for_the_body() -> Result<()> {
    let (_clock, sim, _seed) = manual().await?;
    sim.faults().next(Fault::CutBefore);
    let mut socket = TcpStream::connect(sim.base_url().replace("http://", "")).await?;
    let head = b"POST /auth/token HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n";
    socket.write_all(head).await?;
    assert_eq!(soon(socket.read(&mut [0])).await.unwrap_or(0), 0);
    Ok(())
}

#[tokio::test]
async fn cut_after_spends_the_refresh_token() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    sim.faults().next(Fault::CutAfter);
    assert!(exchange(&sim, &seed.refresh_token).await.is_err());
    assert_eq!(sim.counters().exchanges, 1);
    assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, 403);
    assert_eq!(sim.counters().spent_twice, 1);
    Ok(())
}

#[tokio::test]
async fn cut_body_sends_half_of_the_body_and_spends_the_refresh_token() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    sim.faults().next(Fault::CutBody);
    let reply = start_exchange(&sim, &seed.refresh_token).await?;
    assert_eq!(reply.status(), 200);
    let promised: usize = reply.headers()["content-length"].to_str()?.parse()?;
    let mut body = reply.into_body();
    let half = body.frame().await.ok_or("no frame")??.into_data();
    let half = half.map_err(|_| "no data")?;
    assert_eq!(half.len(), promised / 2);
    assert!(half.starts_with(b"{\"accessToken\""));
    assert!(body.frame().await.ok_or("the body ended well")?.is_err());
    assert_eq!(sim.counters().exchanges, 1);
    Ok(())
}

#[tokio::test]
async fn throttling_comes_with_seconds_or_a_date_or_nothing() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    let date = UNIX_EPOCH + Duration::from_secs(1_800_000_060);
    sim.faults().next(Fault::Throttle(RetryAfter::Seconds(7)));
    sim.faults().next(Fault::Throttle(RetryAfter::Date(date)));
    sim.faults().next(Fault::Throttle(RetryAfter::None));
    for expected in [Some("7"), Some("Fri, 15 Jan 2027 08:01:00 GMT"), None] {
        let reply = exchange(&sim, &seed.refresh_token).await?;
        assert_eq!(reply.status, 429);
        assert_eq!(reply.header("retry-after"), expected);
    }
    assert_eq!(sim.counters().exchanges, 0);
    Ok(())
}

#[tokio::test]
async fn a_status_replaces_processing_or_only_the_answer() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    let page = || ("<html>".to_owned(), "text/html");
    let (body, kind) = page();
    sim.faults().next(Fault::Status(503, body, kind));
    let (body, kind) = page();
    sim.faults().next(Fault::StatusAfter(502, body, kind));
    for (status, exchanges) in [(503, 0), (502, 1)] {
        let reply = exchange(&sim, &seed.refresh_token).await?;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("content-type"), Some("text/html"));
        assert_eq!(&reply.body[..], b"<html>");
        assert_eq!(sim.counters().exchanges, exchanges);
    }
    Ok(())
}

#[tokio::test]
async fn any_reply_can_be_given() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    let mut headers = HeaderMap::new();
    headers.insert("location", HeaderValue::from_static("https://evil.example"));
    // Hyper would panic over this one.
    headers.insert("content-length", HeaderValue::from_static("3"));
    let body = Bytes::from_static(&[0xff, 0xfe]);
    let status = 307;
    sim.faults().next(Fault::Reply {
        status,
        headers,
        body,
    });
    let reply = exchange(&sim, &seed.refresh_token).await?;
    assert_eq!(reply.status, 307);
    assert_eq!(reply.header("location"), Some("https://evil.example"));
    assert_eq!(&reply.body[..], [0xff, 0xfe]);
    assert_eq!(sim.counters().exchanges, 0);
    Ok(())
}

#[tokio::test]
async fn raw_bytes_need_not_be_http() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    sim.faults()
        .next(Fault::Raw(Bytes::from_static(b"HTTP/1.1 banana\r\n\r\n")));
    let error = exchange(&sim, &seed.refresh_token).await.err();
    let error = error.ok_or("there was a reply")?;
    let cause = error.source().ok_or("no cause")?.to_string();
    assert!(cause.contains("invalid HTTP status-code"), "{cause}");

    let raw = b"HTTP/1.1 204 Yes\r\n\r\n";
    sim.faults().next(Fault::Raw(Bytes::from_static(raw)));
    assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, 204);
    assert_eq!(sim.counters().exchanges, 0);
    Ok(())
}

#[tokio::test]
async fn an_endless_body_goes_on_past_every_cap() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    sim.faults().next(Fault::EndlessBody);
    let mut body = start_exchange(&sim, &seed.refresh_token).await?.into_body();
    let mut read = 0;
    while read < 4 * 1024 * 1024 {
        let frame = body.frame().await.ok_or("it ended")??;
        read += frame.data_ref().map_or(0, Bytes::len);
    }
    Ok(())
}

#[tokio::test]
async fn an_oversized_body_has_its_size() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    sim.faults().next(Fault::OversizedBody(2_000_000));
    let reply = exchange(&sim, &seed.refresh_token).await?;
    assert_eq!(reply.body.len(), 2_000_000);
    assert_eq!(sim.counters().exchanges, 0);
    Ok(())
}

#[tokio::test]
async fn a_slow_body_comes_byte_by_byte() -> Result<()> {
    let (clock, sim, seed) = manual().await?;
    sim.faults().next(Fault::SlowBody(SECOND));
    let mut body = start_exchange(&sim, &seed.refresh_token).await?.into_body();
    for expected in b"{\"acc" {
        until(|| clock.sleepers() == 1).await;
        clock.advance(SECOND);
        let frame = body.frame().await.ok_or("it ended")??;
        assert_eq!(frame.data_ref().map(|it| &it[..]), Some(&[*expected][..]));
    }
    assert_eq!(sim.counters().exchanges, 1);
    Ok(())
}

#[tokio::test]
async fn delayed_requests_are_in_flight_together() -> Result<()> {
    let (clock, sim, seed) = manual().await?;
    let other = sim.seed();
    sim.faults().times(2, Fault::Delay(SECOND));
    let hold = async {
        until(|| clock.sleepers() == 2).await;
        assert_eq!(sim.counters().exchanges, 0);
        clock.advance(SECOND);
    };
    let first = exchange(&sim, &seed.refresh_token);
    let second = exchange(&sim, &other.refresh_token);
    let (first, second, ()) = tokio::join!(first, second, hold);
    assert_eq!(
        (first?.status, second?.status),
        (200.try_into()?, 200.try_into()?)
    );
    assert_eq!(exchange(&sim, &sim.seed().refresh_token).await?.status, 200);
    assert_eq!(sim.counters().in_flight_max, 2);
    Ok(())
}

#[tokio::test]
async fn a_fault_can_be_delayed() -> Result<()> {
    let (clock, sim, seed) = manual().await?;
    sim.faults()
        .next(Fault::CutAfter.delayed(SECOND).delayed(SECOND));
    let hold = async {
        until(|| clock.sleepers() == 1).await;
        clock.advance(SECOND);
        assert_eq!(clock.sleepers(), 1, "delays add up");
        clock.advance(SECOND);
    };
    let (reply, ()) = tokio::join!(exchange(&sim, &seed.refresh_token), hold);
    assert!(reply.is_err());
    assert_eq!(sim.counters().exchanges, 1);
    Ok(())
}

#[tokio::test]
async fn a_request_is_processed_although_the_client_hangs_up() -> Result<()> {
    let (clock, sim, seed) = manual().await?;
    sim.faults().next(Fault::Delay(SECOND));
    tokio::select! {
        _reply = exchange(&sim, &seed.refresh_token) => return Err("not held".into()),
        () = until(|| clock.sleepers() == 1) => {}
    }
    // The connection is gone when another has been served in the meantime.
    assert_eq!(call(&sim, &seed.access_token).await?.status, 200);
    clock.advance(SECOND);
    until(|| sim.counters().exchanges == 1).await;
    Ok(())
}

#[tokio::test]
async fn queued_faults_go_before_the_standing_one() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    let status = |status| Fault::Status(status, String::new(), "text/plain");
    sim.faults().until_cleared(status(500));
    sim.faults().times(2, status(501));
    sim.faults().next(status(502));
    for expected in [501, 501, 502, 500, 500, 500] {
        assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, expected);
    }
    sim.faults().next(status(503));
    sim.faults().clear();
    assert_eq!(exchange(&sim, &seed.refresh_token).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn faults_leave_the_api_alone() -> Result<()> {
    let (_clock, sim, seed) = manual().await?;
    sim.faults().until_cleared(Fault::CutBefore);
    assert_eq!(call(&sim, &seed.access_token).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn replies_are_dated_by_the_simulators_clock() -> Result<()> {
    let (clock, sim, seed) = manual().await?;
    clock.advance(60 * SECOND);
    let reply = call(&sim, &seed.access_token).await?;
    assert_eq!(reply.header("date"), Some("Fri, 15 Jan 2027 08:01:00 GMT"));
    Ok(())
}

#[tokio::test]
async fn a_dropped_simulator_closes_its_connections_and_drops_what_it_held() -> Result<()> {
    let (clock, sim, seed) = manual().await?;
    let address = sim.base_url().replace("http://", "");
    let mut idle = TcpStream::connect(&address).await?;
    sim.faults().next(Fault::Delay(SECOND));
    tokio::select! {
        _reply = exchange(&sim, &seed.refresh_token) => return Err("not held".into()),
        () = until(|| clock.sleepers() == 1) => {}
    }
    drop(sim);
    assert_eq!(soon(idle.read(&mut [0])).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(&address).await.is_err());
    until(|| clock.sleepers() == 0).await;
    Ok(())
}
