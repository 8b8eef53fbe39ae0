//! The vendors, simulated, each with its adapter.

use std::{ops::Deref, time::Duration};

use tower_reauth::{
    Token,
    oauth2::{ClientAuth, OAuth2},
    provider::{BoxProvider, Provider},
    test_util::{
        DressipiOptions, ImmersveOptions, ManualClock, MarketigerOptions, OauthOptions, Seed,
        SimBuilder, SimDressipi, SimImmersve, SimMarketiger, SimOauth, SimVmwareCsp, Simulator,
        VmwareCspOptions,
    },
    vendor::{Dressipi, Immersve, Marketiger3D, VmwareCsp},
};

use crate::sockets::Line;

/// Who is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Immersve,
    Dressipi,
    Marketiger,
    VmwareCsp,
    /// OAuth 2.0 with a rotating refresh token.
    OauthSession,
    /// OAuth 2.0 with the client's own credentials.
    OauthClient,
}

pub(crate) const ALL: [Kind; 6] = [
    Kind::Immersve,
    Kind::Dressipi,
    Kind::Marketiger,
    Kind::VmwareCsp,
    Kind::OauthSession,
    Kind::OauthClient,
];
/// Those whose refresh tokens are good for one use.
pub(crate) const ROTATING: [Kind; 4] = [
    Kind::Immersve,
    Kind::Dressipi,
    Kind::Marketiger,
    Kind::OauthSession,
];
/// Those whose credential stays the same.
pub(crate) const LASTING: [Kind; 2] = [Kind::VmwareCsp, Kind::OauthClient];

pub(crate) type Vendor = Box<dyn Deref<Target = Simulator> + Send + Sync>;

/// A vendor and its adapter, with no layer around it yet.
pub(crate) struct Stand {
    pub(crate) clock: ManualClock,
    pub(crate) vendor: Vendor,
    pub(crate) line: Option<Line>,
    pub(crate) provider: BoxProvider,
    pub(crate) seed: Seed,
    pub(crate) initial: Option<Token>,
    /// Of access tokens.
    pub(crate) lifetime: Duration,
}

/// The simulator's addresses: of its token endpoint, over the line if there is one, and of its API.
struct Places {
    base: String,
    api: [String; 1],
    line: Option<Line>,
}

// === impl Stand ===

impl Stand {
    pub(crate) async fn of(kind: Kind) -> Self {
        Self::at_the_end_of(kind, false).await
    }

    /// One whose token requests go over a line.
    pub(crate) async fn on_a_line(kind: Kind) -> Self {
        Self::at_the_end_of(kind, true).await
    }

    async fn at_the_end_of(kind: Kind, line: bool) -> Self {
        match kind {
            Kind::Immersve => Self::immersve(SimImmersve::builder(), |it| it, line).await,
            Kind::Dressipi => Self::dressipi(SimDressipi::builder(), |it| it, line).await,
            Kind::Marketiger => Self::marketiger(SimMarketiger::builder(), line).await,
            Kind::VmwareCsp => Self::vmware_csp(SimVmwareCsp::builder(), |it| it, line).await,
            Kind::OauthSession => Self::oauth_session(SimOauth::builder(), |it| it, line).await,
            Kind::OauthClient => Self::oauth_client(SimOauth::builder(), |it| it, line).await,
        }
    }

    pub(crate) async fn immersve(
        sim: SimBuilder<ImmersveOptions>,
        adapt: impl FnOnce(Immersve) -> Immersve,
        line: bool,
    ) -> Self {
        let clock = ManualClock::new();
        let sim = sim.clock(clock.clone()).start().await.unwrap();
        let at = Places::of(&sim, line).await;
        let provider = Immersve::new("client-app-id", "https://app.example");
        let provider = adapt(provider.base_url(&at.base).origins(at.api));
        Self::new(clock, sim, at.line, provider).living(20 * MINUTE)
    }

    pub(crate) async fn dressipi(
        sim: SimBuilder<DressipiOptions>,
        adapt: impl FnOnce(Dressipi) -> Dressipi,
        line: bool,
    ) -> Self {
        let clock = ManualClock::new();
        let sim = sim.clock(clock.clone()).start().await.unwrap();
        let at = Places::of(&sim, line).await;
        let provider = Dressipi::new(&at.base, "client-id").origins(at.api);
        Self::new(clock, sim, at.line, adapt(provider)).living(24 * HOUR)
    }

    pub(crate) async fn marketiger(sim: SimBuilder<MarketigerOptions>, line: bool) -> Self {
        let clock = ManualClock::new();
        let sim = sim.clock(clock.clone()).start().await.unwrap();
        let at = Places::of(&sim, line).await;
        let provider = Marketiger3D::new()
            .base_url(at.base + "/v2")
            .origins(at.api);
        Self::new(clock, sim, at.line, provider).living(HOUR)
    }

    pub(crate) async fn vmware_csp(
        sim: SimBuilder<VmwareCspOptions>,
        adapt: impl FnOnce(VmwareCsp) -> VmwareCsp,
        line: bool,
    ) -> Self {
        let clock = ManualClock::new();
        let sim = sim.clock(clock.clone()).start().await.unwrap();
        let at = Places::of(&sim, line).await;
        let seed = sim.seed();
        let provider = VmwareCsp::api_token(seed.refresh_token.as_str(), at.api);
        let provider = adapt(provider.base_url(&at.base));
        Self {
            seed,
            initial: None,
            ..Self::new(clock, sim, at.line, provider).living(Duration::from_secs(1799))
        }
    }

    pub(crate) async fn oauth_session(
        sim: SimBuilder<OauthOptions>,
        adapt: impl FnOnce(OAuth2) -> OAuth2,
        line: bool,
    ) -> Self {
        let clock = ManualClock::new();
        let sim = sim.clock(clock.clone()).start().await.unwrap();
        let at = Places::of(&sim, line).await;
        let secret = ClientAuth::Basic(sim.client_secret().into());
        let provider = OAuth2::refresh_token(at.base.clone() + "/token", sim.client_id())
            .client_auth(secret)
            .revocation_endpoint(at.base + "/revoke")
            .origins(at.api);
        Self::new(clock, sim, at.line, adapt(provider)).living(HOUR)
    }

    pub(crate) async fn oauth_client(
        sim: SimBuilder<OauthOptions>,
        adapt: impl FnOnce(OAuth2) -> OAuth2,
        line: bool,
    ) -> Self {
        let clock = ManualClock::new();
        let sim = sim.clock(clock.clone()).start().await.unwrap();
        let at = Places::of(&sim, line).await;
        let provider = OAuth2::client_credentials(
            at.base.clone() + "/token",
            sim.client_id(),
            sim.client_secret(),
        )
        .revocation_endpoint(at.base + "/revoke")
        .origins(at.api);
        Self {
            initial: None,
            ..Self::new(clock, sim, at.line, adapt(provider)).living(HOUR)
        }
    }

    fn new(
        clock: ManualClock,
        vendor: impl Deref<Target = Simulator> + Send + Sync + 'static,
        line: Option<Line>,
        provider: impl Provider,
    ) -> Self {
        let seed = vendor.seed();
        Self {
            clock,
            line,
            provider: BoxProvider::new(provider),
            initial: Some(pair(&seed)),
            lifetime: Duration::ZERO,
            vendor: Box::new(vendor),
            seed,
        }
    }

    fn living(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }
}

// === impl Places ===

impl Places {
    async fn of(sim: &Simulator, line: bool) -> Self {
        let api = [sim.base_url()];
        let line = match line {
            true => Some(Line::to(&sim.base_url()).await.unwrap()),
            false => None,
        };
        let base = line.as_ref().map_or_else(|| sim.base_url(), Line::url);
        Self { base, api, line }
    }
}

/// What a login gave.
pub(crate) fn pair(seed: &Seed) -> Token {
    Token::from_pair(seed.access_token.as_str(), seed.refresh_token.as_str())
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
