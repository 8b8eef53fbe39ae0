//! What happens to a session: events, and who is told of them.
//!
//! An [`Observer`] given to [the builder](crate::layer::AuthLayerBuilder::observer) hears of every
//! [`Event`]. Feature `tracing` also writes each as an event of the `tracing` crate, with the target
//! `tower_reauth`; feature `metrics` counts them with the `metrics` crate. Both do so by
//! themselves, and do nothing as long as the application has installed no subscriber or recorder.
//!
//! # Names
//!
//! | [`Event`] | traced as, at level | fields | counted as |
//! | --- | --- | --- | --- |
//! | `ExchangeStarted` | `exchange started`, DEBUG | `reason` | `tower_reauth_exchanges_in_flight` |
//! | `ExchangeEnded` | `exchange ended`, DEBUG; WARN where it failed | `reason`, `outcome`, `took_ms`, `lifetime_s`, `waiting`, `error` | `tower_reauth_exchanges_total` by `reason` and `outcome`, `tower_reauth_exchange_duration_seconds` by `outcome`, `tower_reauth_token_lifetime_seconds`, `tower_reauth_callers_waited_total` |
//! | `Refused` | `token refused`, DEBUG | `again` | `tower_reauth_refusals_total` by `again` |
//! | `Replayed` | `request replayed`, DEBUG | | `tower_reauth_replays_total` by `outcome`, which is `replayed` |
//! | `NotReplayed` | `request not replayed`, DEBUG | `why` | `tower_reauth_replays_total` by `outcome`, which is the reason |
//! | `Unserved` | `request not sent`, DEBUG | `kind`, `error` | `tower_reauth_requests_unserved_total` by `kind` |
//! | `LoginStarted` | `login started`, INFO | | `tower_reauth_logins_started_total` |
//! | `LoginRequired` | `login required`, ERROR | `error` | `tower_reauth_logins_required_total`, `tower_reauth_sessions_without_login` |
//! | `LoginNoLongerRequired` | `login no longer required`, INFO | | `tower_reauth_sessions_without_login` |
//! | `Replaced` | `session replaced`, INFO | | `tower_reauth_sessions_replaced_total` |
//! | `Revoked` | `session revoked`, INFO; WARN where it failed | `error` | `tower_reauth_revocations_total` by `outcome` |
//! | `Unsaved` | `session unsaved`, WARN | `error` | `tower_reauth_sessions_unsaved` |
//! | `Saved` | `session saved`, INFO | | `tower_reauth_sessions_unsaved` |
//! | `LeaseLost` | `lease lost`, WARN | | `tower_reauth_leases_lost_total` |
//! | `RecordLost` | `record lost`, WARN | `healed` | `tower_reauth_records_lost_total` by `healed` |
//! | `IntentFound` | `intent found`, WARN | `own` | `tower_reauth_intents_found_total` by `own` |
//!
//! Each also has the label `vendor`, the name in the provider's
//! [profile](crate::provider::Profile::new). Metrics whose name ends in `_total` are counters, those
//! in `_seconds` histograms, all others gauges. Labels have few values, all of them in this crate
//! but the vendor's; none names a session, a user or an origin, and no event holds a secret or what
//! a vendor said. Which session needs a login, its own
//! [handle](crate::handle::AuthHandle::subscribe) tells.
//!
//! # An alert on "log in again"
//!
//! `tower_reauth_sessions_without_login > 0`: as many sessions of that vendor, in that process, need a
//! login that the layer will not make by itself. A layer whose last handle is gone takes its sessions
//! out of the count. A session that [logs in by itself](crate::Provider::login) is not in it while its
//! person is being asked, or has not answered: for those alert on
//! `increase(tower_reauth_requests_unserved_total{kind="login_in_progress"}[10m]) > 0` as well, and for
//! wrong settings on `tower_reauth_exchanges_total` with the outcome `misconfigured`.
//!
//! "Refused" is said of two things: `tower_reauth_refusals_total` counts access tokens that an API
//! refused, the outcome `refused` of an exchange credentials that the vendor refused; the reason
//! `refused` is that of an exchange which began for the former.
//!
//! Metrics go to whatever recorder is installed, such as that of the crate
//! `metrics-exporter-prometheus`: install it before the layer is built. Without one nothing is counted.

#[cfg(feature = "metrics")]
mod metered;
mod observers;
mod outcome;
#[cfg(feature = "tracing")]
mod traced;

use std::time::Duration;

pub(crate) use self::observers::Observers;
pub use self::outcome::Outcome;
use crate::{
    error::Error,
    provider::{ProviderError, Reason},
};

/// Is told what happens to the sessions of a layer.
///
/// Any `Fn(&str, &Event<'_>)` is one.
///
/// ```
/// use tower_reauth::{AuthLayer, observe::Event, provider::FixedToken};
///
/// let provider = FixedToken::bearer("t0ken").origins(["https://api.example.com"]);
/// let auth = AuthLayer::builder(provider).observer(|vendor: &str, event: &Event<'_>| {
///     if let Event::LoginRequired { error, .. } = event {
///         eprintln!("{vendor}: somebody has to log in: {error}");
///     }
/// });
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Something has happened to a session of `vendor`.
    ///
    /// Called where it happens, by the task that it happens to, and before those who wait for it go
    /// on; never under a lock. It should be over soon: hand longer work to a task of your own. If it
    /// panics, the panic ends here.
    fn on_event(&self, vendor: &str, event: &Event<'_>);
}

impl<F> Observer for F
where
    F: Fn(&str, &Event<'_>) + Send + Sync + 'static,
{
    fn on_event(&self, vendor: &str, event: &Event<'_>) {
        self(vendor, event);
    }
}

/// Something that happened to a session.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The provider is asked for a token.
    #[non_exhaustive]
    ExchangeStarted {
        /// Why.
        reason: Reason,
    },
    /// The exchange is over.
    #[non_exhaustive]
    ExchangeEnded {
        /// Why it was begun.
        reason: Reason,
        /// How it ended.
        outcome: Outcome,
        /// How long it took, from the look that began it.
        took: Duration,
        /// How long the access token that it brought will live, where that is known.
        lifetime: Option<Duration>,
        /// How many callers waited for it to the end.
        waiting: usize,
        /// Why there is no token, where there is none.
        error: Option<&'a Error>,
    },
    /// A server refused a token.
    #[non_exhaustive]
    Refused {
        /// The request had been sent again with a newer token, and that was refused as well.
        again: bool,
    },
    /// A refused request was sent again, with a newer token.
    Replayed,
    /// A refused request was not sent again.
    #[non_exhaustive]
    NotReplayed {
        /// One of the [reasons](crate::replay::Replay): `no_newer_token`, `not_replayable`,
        /// `over_cap`, `still_sending`, `switched_off`; or `late`, where the refusal came behind a
        /// body, or `out_of_time`, where the request's own deadline was over.
        why: &'static str,
    },
    /// A request was answered with an error of the layer's own, and not sent.
    #[non_exhaustive]
    Unserved {
        /// The error.
        error: &'a Error,
    },
    /// The [provider logs in](crate::Provider::login), since there is no refresh token that the vendor
    /// would take: people may be waited for. What comes of it, the end of the exchange says that it is
    /// a part of. Processes that share a store and wait for the login of another do not tell it.
    LoginStarted,
    /// Somebody has to log in again, now or when the access token expires.
    #[non_exhaustive]
    LoginRequired {
        /// Why.
        error: &'a Error,
    },
    /// Nobody has to log in any more: a login came, another process had one, or the session is over.
    LoginNoLongerRequired,
    /// The application handed over a new login.
    Replaced,
    /// The application asked for the session's end.
    #[non_exhaustive]
    Revoked {
        /// Why the vendor did not end it, where it did not.
        error: Option<&'a ProviderError>,
    },
    /// What an exchange brought could not be saved. It is used all the same, and saved as soon as
    /// the store takes it.
    #[non_exhaustive]
    Unsaved {
        /// Why.
        error: &'a ProviderError,
    },
    /// What could not be saved has been.
    Saved,
    /// The lease of an exchange under way ran out, or another process took it.
    LeaseLost,
    /// A store lacks a record that this process has seen in it, or holds an older one.
    #[non_exhaustive]
    RecordLost {
        /// The newest that this process knows has been written back; otherwise another process has
        /// written meanwhile.
        healed: bool,
    },
    /// A refresh token is sent that may have been spent before: an exchange was begun with it, and
    /// nobody has saved how it ended.
    #[non_exhaustive]
    IntentFound {
        /// This process had begun it.
        own: bool,
    },
}
