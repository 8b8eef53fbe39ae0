//! An API that takes every token back in the middle of a run, and its vendor.

use std::{
    collections::HashSet,
    io, mem,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tower_reauth::{
    AuthLayer, Token,
    oauth2::{ClientAuth, OAuth2},
    test_util::{ManualClock, SimOauth},
};

use crate::web::{Stream, Web, Wire, reply, token, whole};

/// So many requests are under way before the first is judged, where connections are cheap.
const CROWD: usize = 256;

pub(crate) struct Api {
    pub(crate) web: Web,
    state: Arc<State>,
}

struct State {
    /// The wire that requests must come by.
    wire: Wire,
    /// So many requests are under way before the first is judged.
    crowd: usize,
    /// So many attempts get a 503, right before the revocation.
    unavailable: usize,
    gate: Semaphore,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    came: usize,
    judged: usize,
    seen: HashSet<String>,
    revoked: HashSet<String>,
    refused: usize,
    turned_away: usize,
    taken: Vec<String>,
}

impl Api {
    pub(crate) async fn start(wire: Wire) -> Self {
        Self::new(wire, CROWD, 0).await
    }

    /// The same, for fewer requests.
    pub(crate) async fn with_a_crowd_of(crowd: usize, wire: Wire) -> Self {
        Self::new(wire, crowd, 0).await
    }

    /// The same, which answers `unavailable` requests with a 503 before it revokes the tokens.
    pub(crate) async fn with_a_bad_moment(wire: Wire, unavailable: usize) -> Self {
        Self::new(wire, CROWD, unavailable).await
    }

    async fn new(wire: Wire, crowd: usize, unavailable: usize) -> Self {
        let state = Arc::new(State {
            wire,
            crowd,
            unavailable,
            gate: Semaphore::new(0),
            book: Mutex::default(),
        });
        let answering = Arc::clone(&state);
        let answer = move |request| Arc::clone(&answering).answer(request);
        let web = Web::start(wire, answer).await;
        Self { web, state }
    }

    /// So many requests are under way before the first is judged.
    pub(crate) fn crowd(&self) -> usize {
        self.state.crowd
    }

    /// So many are answered before all tokens that were seen are taken back.
    pub(crate) fn before(&self) -> usize {
        self.state.before()
    }

    /// How many requests were refused, and how many got a 503.
    pub(crate) fn counted(&self) -> (usize, usize) {
        let book = self.state.book.lock().unwrap();
        (book.refused, book.turned_away)
    }

    /// The bodies of the requests that were answered well, sorted.
    pub(crate) fn taken(&self) -> Vec<String> {
        let mut taken = self.state.book.lock().unwrap().taken.clone();
        taken.sort();
        taken
    }
}

impl State {
    fn before(&self) -> usize {
        self.crowd / 2
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Stream>> {
        assert_eq!(request.version(), self.wire.version());
        let token = token(&request);
        let is_warm_up = request.uri().path() == "/warm-up";
        let body = request.into_body().collect().await;
        let body = body.map_err(io::Error::other)?.to_bytes();
        let body = String::from_utf8(body.into()).unwrap();
        if is_warm_up {
            self.book.lock().unwrap().seen.insert(token);
            return Ok(reply(200, whole(body)));
        }
        self.wait_for_the_crowd().await;
        let status = self.book.lock().unwrap().judge(&self, token, &body);
        Ok(reply(status, whole(body)))
    }

    async fn wait_for_the_crowd(&self) {
        let came = {
            let mut book = self.book.lock().unwrap();
            book.came += 1;
            book.came
        };
        if came == self.crowd {
            self.gate.close();
        }
        let _open = self.gate.acquire().await;
    }
}

impl Book {
    fn judge(&mut self, state: &State, token: String, body: &str) -> u16 {
        if token.is_empty() || self.revoked.contains(&token) {
            self.refused += 1;
            return 401;
        }
        self.seen.insert(token);
        self.judged += 1;
        if self.judged == state.before() {
            self.revoked = mem::take(&mut self.seen);
        }
        let before = state.before() - state.unavailable..state.before();
        if before.contains(&(self.judged - 1)) {
            self.turned_away += 1;
            return 503;
        }
        self.taken.push(body.to_owned());
        200
    }
}

/// A session at a vendor of its own, whose token may go to `api`.
pub(crate) async fn session(api: &Api) -> (SimOauth, AuthLayer<OAuth2>) {
    let clock = ManualClock::new();
    let sim = SimOauth::builder().clock(clock.clone()).start();
    let sim = sim.await.unwrap();
    let provider = OAuth2::refresh_token(sim.token_url(), sim.client_id())
        .client_auth(ClientAuth::Basic(sim.client_secret().into()))
        .origins([api.web.url()]);
    let seed = sim.seed();
    let layer = AuthLayer::builder(provider)
        .clock(clock)
        .initial(Token::from_pair(seed.access_token, seed.refresh_token))
        .memory_only()
        .build()
        .unwrap();
    (sim, layer)
}
