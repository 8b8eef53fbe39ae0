//! When an API token dies: asked for now and then, and told as it is.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::VmwareCsp;
use crate::{
    clock::Moment,
    oauth2::wire::{self, Json},
    provider::{Exchange, ProviderError, TokenReply},
    token::Secret,
};

/// What was last heard of an API token.
#[derive(Clone, Default)]
pub(super) struct Details(Arc<Mutex<Option<Heard>>>);

#[derive(Clone)]
struct Heard {
    api_token: Secret,
    at: Moment,
    expires_at: Option<SystemTime>,
}

// === impl Details ===

impl Details {
    /// When `api_token` expires. It is asked for once a day, beside an exchange that has worked; an
    /// answer that does not come is no failure, and asked for again with the next one.
    pub(super) async fn expiry(
        &self,
        provider: &VmwareCsp,
        exchange: &Exchange,
        api_token: &Secret,
    ) -> Option<SystemTime> {
        let now = exchange.client().now();
        let heard = self.heard().clone();
        if let Some(heard) = heard.filter(|heard| heard.api_token == *api_token)
            && !heard.at.after(AGAIN_AFTER).reached(now)
        {
            return heard.expires_at;
        }
        let asked = ask(provider, exchange, api_token).await.ok()?;
        *self.heard() = Some(Heard {
            api_token: api_token.clone(),
            at: now,
            expires_at: asked,
        });
        asked
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Option<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Details(..)")
    }
}

async fn ask(
    provider: &VmwareCsp,
    exchange: &Exchange,
    api_token: &Secret,
) -> Result<Option<SystemTime>, ProviderError> {
    let uri = provider
        .base
        .uri("/csp/gateway/am/api/auth/api-tokens/details")?;
    let request = wire::post_json(uri, &[("tokenValue", api_token.expose())])?;
    let sent = exchange.client().send(request);
    let reply = exchange.within(PATIENCE, sent).await??;
    Ok(expiry_in(&reply.success()?))
}

/// Milliseconds since 1970. A token that never expires says nothing, or something that is no time.
fn expiry_in(reply: &TokenReply) -> Option<SystemTime> {
    let millis = Json::read(reply.body(), &["expiresAt"]).number("expiresAt")?;
    let sensible = millis > 0.0 && millis < YEAR_9999;
    let since_1970 = sensible.then(|| Duration::from_secs_f64(millis / 1_000.0))?;
    UNIX_EPOCH.checked_add(since_1970)
}

const AGAIN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Callers may be waiting for the token that is there already.
const PATIENCE: Duration = Duration::from_secs(3);
const YEAR_9999: f64 = 253_402_300_799_000.0;
