//! A server, a vendor that is a script, and a layer between them.

use tonic::transport::Channel;
use tower::{Layer, ServiceBuilder};
use tower_reauth::{Auth, AuthLayer, layer::AuthLayerBuilder, test_util::ManualClock};

use crate::{
    notes::NotesClient,
    server::{Kind, Refuse, Server, Wire},
    support::{Script, secs, token},
};

pub(crate) struct Stand {
    pub(crate) server: Server,
    pub(crate) script: Script,
    pub(crate) clock: ManualClock,
    pub(crate) layer: AuthLayer<Script>,
}

pub(crate) type Client = NotesClient<Auth<Channel, Script>>;

pub(crate) const DAY: u64 = 86_400;

impl Stand {
    /// A layer that holds `access-0`, which its server refuses in this way.
    pub(crate) async fn refusing(wire: Wire, refuse: Refuse) -> Self {
        let script = Script::with_lifetime(secs(DAY));
        Self::new(wire, refuse, script, |layer| {
            layer.initial(token(0, secs(DAY)))
        })
        .await
    }

    /// A layer without a token, whose vendor answers only when it is let.
    pub(crate) async fn waiting() -> Self {
        let script = Script::gated(secs(DAY));
        Self::new(Wire::Plain, Refuse::AtOnce, script, |layer| layer).await
    }

    /// A layer that holds `access-0`, which its server refuses in this way, and whose vendor gives a
    /// newer one only when it is let.
    pub(crate) async fn waiting_for_a_newer(refuse: Refuse) -> Self {
        let script = Script::gated(secs(DAY));
        Self::new(Wire::Plain, refuse, script, |layer| {
            layer.initial(token(0, secs(DAY)))
        })
        .await
    }

    pub(crate) async fn new(
        wire: Wire,
        refuse: Refuse,
        script: Script,
        configure: impl FnOnce(AuthLayerBuilder<Script>) -> AuthLayerBuilder<Script>,
    ) -> Self {
        let clock = ManualClock::new();
        let layer = configure(script.layer(&clock)).build().unwrap();
        Self {
            server: Server::start(wire, refuse).await,
            script,
            clock,
            layer,
        }
    }

    /// The layer around a channel of its own.
    pub(crate) fn service(&self) -> Auth<Channel, Script> {
        self.layer.layer(self.server.endpoint().connect_lazy())
    }

    pub(crate) async fn client(&self) -> Client {
        let channel = self.server.endpoint().connect().await.unwrap();
        let service = ServiceBuilder::new()
            .layer(self.layer.clone())
            .service(channel);
        NotesClient::new(service)
    }

    /// Waits until an exchange has begun.
    pub(crate) async fn has_begun(&self) {
        let begun = async {
            while self.script.exchanges() == 0 {
                tokio::task::yield_now().await;
            }
        };
        let begun = tokio::time::timeout(secs(10), begun).await;
        begun.expect("an exchange begins");
    }

    /// Waits until no exchange is under way, which must be soon.
    pub(crate) async fn comes_to_rest(&self) {
        let handle = self.layer.handle();
        let rest = tokio::time::timeout(secs(10), handle.shutdown()).await;
        rest.expect("no exchange is left hanging");
    }
}

/// What a kind of call sends, of these texts.
pub(crate) fn sent<'a>(kind: Kind, texts: &[&'a str]) -> Vec<&'a str> {
    match kind {
        Kind::Unary | Kind::ServerStream => vec![texts[0]],
        Kind::ClientStream | Kind::Bidirectional => texts.to_vec(),
    }
}

/// What a kind of call is answered with, for these texts.
pub(crate) fn answered(kind: Kind, texts: &[&str]) -> Vec<String> {
    match kind {
        Kind::Unary => vec![texts[0].to_owned()],
        Kind::ClientStream => vec![texts.join(",")],
        Kind::ServerStream => vec![texts[0].to_owned(); 3],
        Kind::Bidirectional => texts.iter().copied().map(str::to_owned).collect(),
    }
}
