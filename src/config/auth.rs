//! A layer, described.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::{
    provider::{Configured, ProviderConfig},
    secret::SecretSource,
    table::{self, Fault, Table},
    token_client::TokenClientConfig,
};
use crate::{
    AuthLayer, Error, Token, layer::AuthLayerBuilder, provider::BoxProvider,
    token_client::HttpTokenClient,
};

/// A layer as a configuration describes it: the provider's fields, and in tables of their own what a
/// session starts from and how long things may take. See the [module's documentation](super).
///
/// ```
/// use tower_reauth::{BoxError, config::AuthConfig};
///
/// # fn main() -> Result<(), BoxError> {
/// let config: AuthConfig = serde_json::from_str(
///     r#"{
///         "vendor": "immersve", "client_application_id": "id", "origin": "https://app.example",
///         "initial": { "refresh_token": { "value": "from-the-login" } },
///         "layer": { "wait_at_most": "10s" }
///     }"#,
/// )?;
/// let auth = config.builder()?.memory_only().build()?; // or a store
/// # let _ = auth;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuthConfig<P = BoxProvider> {
    provider: ProviderConfig<P>,
    initial: Option<Initial>,
    settings: Settings,
    token_client: TokenClientConfig,
}

/// What the session starts from.
#[derive(Clone, Debug)]
struct Initial {
    access_token: Option<SecretSource>,
    refresh_token: Option<SecretSource>,
}

/// The settings of the layer's builder. None is the builder's default.
#[derive(Clone, Debug, Default)]
struct Settings {
    wait_at_most: Option<Duration>,
    keep_idle_sessions_alive: Option<bool>,
    replay: Option<bool>,
    replay_cap: Option<usize>,
    send_bare_elsewhere: bool,
    respect_existing: bool,
}

// === impl AuthConfig ===

impl<P: Configured> AuthConfig<P> {
    /// The builder of the layer, with everything set that the configuration holds. What is code goes
    /// on top: the store or [`memory_only`](AuthLayerBuilder::memory_only), a token client of your
    /// own, bodies of your own.
    ///
    /// # Errors
    ///
    /// *Misconfigured*, naming a secret that is missing, and what to do.
    pub fn builder(&self) -> Result<AuthLayerBuilder<P>, Error> {
        let client = self.token_client.limit(HttpTokenClient::default());
        let mut builder = AuthLayer::builder(self.provider.provider()?).token_client(client);
        if let Some(initial) = &self.initial {
            builder = builder.initial(initial.token()?);
        }
        Ok(self.settings.set(builder))
    }

    /// The provider alone.
    #[must_use]
    pub fn provider(&self) -> &ProviderConfig<P> {
        &self.provider
    }

    /// The limits of the token client, for one of your own.
    #[must_use]
    pub fn token_client(&self) -> &TokenClientConfig {
        &self.token_client
    }

    fn read(mut table: Table) -> Result<Self, Fault> {
        let provider = P::read(&mut table, &["initial", "layer", "token_client"])?;
        Ok(Self {
            provider,
            initial: table.table("initial")?.map(Initial::read).transpose()?,
            settings: match table.table("layer")? {
                Some(table) => Settings::read(table)?,
                None => Settings::default(),
            },
            token_client: match table.table("token_client")? {
                Some(table) => TokenClientConfig::read(table)?,
                None => TokenClientConfig::default(),
            },
        })
    }
}

impl<'de, P: Configured> Deserialize<'de> for AuthConfig<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        table::read(deserializer, Self::read)
    }
}

// === impl Initial ===

impl Initial {
    fn read(mut table: Table) -> Result<Self, Fault> {
        table.only(&[&["refresh_token", "access_token"]])?;
        let initial = Self {
            refresh_token: table.secret("refresh_token")?,
            access_token: table.secret("access_token")?,
        };
        match initial {
            Self {
                refresh_token: None,
                access_token: None,
            } => Err(table.missing("refresh_token")),
            initial => Ok(initial),
        }
    }

    fn token(&self) -> Result<Token, Error> {
        let read = |source: &Option<SecretSource>| {
            let secret = source.as_ref().map(SecretSource::read);
            secret.transpose()
        };
        Ok(
            match (read(&self.access_token)?, read(&self.refresh_token)?) {
                (Some(access), Some(refresh)) => Token::from_pair(access, refresh),
                (Some(access), None) => Token::new(access),
                (None, Some(refresh)) => Token::from_refresh_token(refresh),
                (None, None) => Token::from_refresh_token(""),
            },
        )
    }
}

// === impl Settings ===

impl Settings {
    fn read(mut table: Table) -> Result<Self, Fault> {
        table.only(&[&[
            "wait_at_most",
            "keep_idle_sessions_alive",
            "replay",
            "replay_cap",
            "send_bare_elsewhere",
            "respect_existing",
        ]])?;
        Ok(Self {
            wait_at_most: table.duration("wait_at_most")?,
            keep_idle_sessions_alive: table.flag("keep_idle_sessions_alive")?,
            replay: table.flag("replay")?,
            replay_cap: table.bytes("replay_cap")?,
            send_bare_elsewhere: table.flag("send_bare_elsewhere")? == Some(true),
            respect_existing: table.flag("respect_existing")? == Some(true),
        })
    }

    fn set<P: Configured>(&self, mut builder: AuthLayerBuilder<P>) -> AuthLayerBuilder<P> {
        if let Some(wait) = self.wait_at_most {
            builder = builder.wait_at_most(wait);
        }
        if let Some(keep) = self.keep_idle_sessions_alive {
            builder = builder.keep_idle_sessions_alive(keep);
        }
        if let Some(replay) = self.replay {
            builder = builder.replay(replay);
        }
        if let Some(bytes) = self.replay_cap {
            builder = builder.replay_cap(bytes);
        }
        if self.send_bare_elsewhere {
            builder = builder.send_bare_elsewhere();
        }
        if self.respect_existing {
            builder = builder.respect_existing();
        }
        builder
    }
}
