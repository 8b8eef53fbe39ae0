//! A server, a clock, and a layer between them.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Layer, ServiceExt};
use tower_reauth::{
    Auth, AuthLayer, BoxError, Token,
    layer::AuthLayerBuilder,
    oauth2::{ClientAuth, OAuth2, dpop::DpopKey},
    test_util::{ManualClock, ProofNonces, SimOauth},
};

pub type Inner<B> = Client<HttpConnector, B>;

pub struct Stand {
    pub sim: SimOauth,
    pub clock: ManualClock,
}

impl Stand {
    pub async fn new(tokens: ProofNonces, api: ProofNonces) -> Self {
        let clock = ManualClock::new();
        let sim = SimOauth::builder().clock(clock.clone()).dpop(tokens, api);
        let sim = sim.start().await.unwrap();
        Self { sim, clock }
    }

    pub fn unbound(&self) -> OAuth2 {
        OAuth2::refresh_token(self.sim.token_url(), self.sim.client_id())
            .client_auth(ClientAuth::Basic(self.sim.client_secret().into()))
            .origins([self.sim.base_url()])
    }

    pub fn provider(&self) -> OAuth2 {
        self.unbound().dpop()
    }

    pub fn builder(&self, provider: OAuth2) -> AuthLayerBuilder<OAuth2> {
        AuthLayer::builder(provider)
            .clock(self.clock.clone())
            .memory_only()
    }

    pub fn seed(&self) -> Token {
        Token::from_refresh_token(self.sim.seed().refresh_token)
    }

    pub fn layer(&self) -> AuthLayer<OAuth2> {
        let builder = self.builder(self.provider()).initial(self.seed());
        builder.build().unwrap()
    }

    /// A layer that starts from a login and the key that it is bound to.
    pub fn layer_with_key(&self, key: &DpopKey) -> AuthLayer<OAuth2> {
        let seed = self.seed().with_dpop_key(key);
        let builder = self.builder(self.provider()).initial(seed);
        builder.build().unwrap()
    }

    pub fn service(&self) -> Auth<Inner<Full<Bytes>>, OAuth2> {
        self.layer().layer(client())
    }

    pub fn get(&self) -> Request<Full<Bytes>> {
        let url = self.sim.base_url() + "/orders?page=1";
        Request::get(url).body(Full::default()).unwrap()
    }

    pub async fn send(
        &self,
        service: &Auth<Inner<Full<Bytes>>, OAuth2>,
    ) -> Result<Response<Incoming>, BoxError> {
        service.clone().oneshot(self.get()).await
    }

    /// Sends one that has to be answered.
    pub async fn ok(&self, service: &Auth<Inner<Full<Bytes>>, OAuth2>) {
        let response = self.send(service).await.unwrap();
        assert_eq!(
            response.status(),
            StatusCode::OK,
            "{:?}",
            self.sim.bad_proofs()
        );
    }

    /// Proofs that were refused for anything but a nonce.
    pub fn assert_no_bad_proofs(&self) {
        assert!(
            self.sim.bad_proofs().is_empty(),
            "{:?}",
            self.sim.bad_proofs()
        );
    }
}

pub fn client<B>() -> Inner<B>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

pub const HOUR: Duration = Duration::from_secs(60 * 60);
