//! What many callers of an expired token cost.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::Duration,
};

use allocation_counter::measure;
use http::Request;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceExt};
use tower_reauth::{
    AuthLayer, Token,
    provider::{Exchange, ProviderError, ProviderFn, provider_fn},
};

use super::{
    call::{
        clients::{self, Answer, Bare, Body, ORIGIN, TOKEN},
        clock,
    },
    median,
};

/// What a stampede came to.
#[derive(Clone, Copy, Debug)]
pub struct Stampede {
    pub exchanges: usize,
    pub served: usize,
    /// As a multiple of what as many tasks cost without a layer, plus the time of the endpoint.
    pub time: f64,
}

type Obtaining = Pin<Box<dyn Future<Output = Result<Token, ProviderError>> + Send>>;
type Obtain = Box<dyn Fn(Exchange) -> Obtaining + Send + Sync>;

/// Ten thousand tasks on an expired token, whose endpoint takes a while and then may fail.
pub fn stampede(fails: bool) -> Stampede {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let rounds: Vec<_> = (0..ROUNDS).map(|_| round(&runtime, fails)).collect();
    Stampede {
        exchanges: rounds
            .iter()
            .map(|round| round.exchanges)
            .max()
            .unwrap_or_default(),
        served: rounds
            .iter()
            .map(|round| round.served)
            .min()
            .unwrap_or_default(),
        time: median(rounds.iter().map(|round| round.time).collect()),
    }
}

fn round(runtime: &Runtime, fails: bool) -> Stampede {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&exchanges);
    let layer = expired(Box::new(move |_| {
        counter.fetch_add(1, SeqCst);
        Box::pin(async move {
            tokio::time::sleep(ENDPOINT).await;
            match fails {
                true => Err(ProviderError::transient("down")),
                false => Ok(Token::new(TOKEN).with_lifetime(Duration::from_secs(3_600))),
            }
        })
    }));
    let (_, bare) = tasks(runtime, Bare);
    let (served, taken) = tasks(runtime, layer.layer(Bare));
    Stampede {
        exchanges: exchanges.load(SeqCst),
        served,
        time: taken.as_secs_f64() / (bare + ENDPOINT).as_secs_f64(),
    }
}

/// Spawns the tasks, and gives how many were served and how long all took.
fn tasks<S>(runtime: &Runtime, client: S) -> (usize, Duration)
where
    S: Service<Request<Body>, Response = Answer> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    let began = clock();
    let served = runtime.block_on(async {
        let send = |client: S| {
            tokio::spawn(async move { client.oneshot(clients::request()).await.is_ok() })
        };
        let tasks: Vec<_> = (0..TASKS).map(|_| send(client.clone())).collect();
        let mut served = 0;
        for task in tasks {
            served += usize::from(task.await.unwrap());
        }
        served
    });
    (served, began.elapsed())
}

fn expired(obtain: Obtain) -> AuthLayer<ProviderFn<Obtain>> {
    AuthLayer::new(provider_fn(obtain).origins([ORIGIN]))
}

/// The bytes that a request holds on the heap while it waits for a token, itself taken off. What its
/// future takes is the same for every request, and a figure of its own.
pub fn waiter_bytes() -> f64 {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let client = expired(Box::new(|_| Box::pin(pending()))).layer(Bare);
    let requests: Vec<_> = (0..WAITERS).map(|_| clients::request()).collect();
    let mut waiting = Vec::with_capacity(WAITERS);
    let held = measure(|| wait(client, requests, &mut waiting));
    // What is freed with the list of the requests is what they are themselves.
    held.bytes_current as f64 / WAITERS as f64
}

fn wait<S>(mut client: S, requests: Vec<Request<Body>>, waiting: &mut Vec<S::Future>)
where
    S: Service<Request<Body>, Response = Answer>,
    S::Future: Unpin,
{
    let mut cx = Context::from_waker(Waker::noop());
    for request in requests {
        let mut future = client.call(request);
        assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
        waiting.push(future);
    }
}

const TASKS: usize = 10_000;
const ENDPOINT: Duration = Duration::from_millis(50);
const ROUNDS: usize = 5;
const WAITERS: usize = 100_000;
