//! Events for the `metrics` crate.

use std::sync::Arc;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::Event;

pub(super) fn count(vendor: &Arc<str>, event: &Event<'_>) {
    let vendor = || Arc::clone(vendor);
    let one = |name: &'static str| counter!(name, "vendor" => vendor()).increment(1);
    let by = |name: &'static str, label: &'static str, value: &'static str| {
        counter!(name, "vendor" => vendor(), label => value).increment(1);
    };
    let level = |name: &'static str, change: f64| {
        gauge!(name, "vendor" => vendor()).increment(change);
    };
    match *event {
        Event::ExchangeStarted { .. } => level(IN_FLIGHT, 1.0),
        Event::ExchangeEnded {
            reason,
            outcome,
            took,
            lifetime,
            waiting,
            ..
        } => {
            let (reason, outcome) = (reason.as_str(), outcome.as_str());
            level(IN_FLIGHT, -1.0);
            counter!(EXCHANGES, "vendor" => vendor(), "reason" => reason, "outcome" => outcome)
                .increment(1);
            histogram!(DURATION, "vendor" => vendor(), "outcome" => outcome).record(took);
            if let Some(lifetime) = lifetime {
                histogram!(LIFETIME, "vendor" => vendor()).record(lifetime);
            }
            counter!(WAITED, "vendor" => vendor()).increment(waiting as u64);
        }
        Event::Refused { again } => by(REFUSALS, "again", yes_or_no(again)),
        Event::Replayed => by(REPLAYS, "outcome", "replayed"),
        Event::NotReplayed { why } => by(REPLAYS, "outcome", why),
        Event::Unserved { error } => by(UNSERVED, "kind", error.name()),
        Event::LoginStarted => one(LOGINS_STARTED),
        Event::LoginRequired { .. } => {
            one(LOGINS_REQUIRED);
            level(WITHOUT_LOGIN, 1.0);
        }
        Event::LoginNoLongerRequired => level(WITHOUT_LOGIN, -1.0),
        Event::Replaced => one(REPLACED),
        Event::Revoked { error } => {
            let outcome = error.map_or("revoked", |error| error.kind().as_str());
            by(REVOCATIONS, "outcome", outcome);
        }
        Event::Unsaved { .. } => level(UNSAVED, 1.0),
        Event::Saved => level(UNSAVED, -1.0),
        Event::LeaseLost => one(LEASES_LOST),
        Event::RecordLost { healed } => by(RECORDS_LOST, "healed", yes_or_no(healed)),
        Event::IntentFound { own } => by(INTENTS_FOUND, "own", yes_or_no(own)),
    }
}

/// Tells the recorder what the numbers mean. One that is installed later is not told.
pub(super) fn describe() {
    describe_gauge!(IN_FLIGHT, "exchanges under way");
    describe_counter!(EXCHANGES, "exchanges that ended");
    describe_histogram!(DURATION, Unit::Seconds, "how long an exchange took");
    describe_histogram!(
        LIFETIME,
        Unit::Seconds,
        "how long a new access token will live"
    );
    describe_counter!(WAITED, "callers that waited for an exchange to its end");
    describe_counter!(REFUSALS, "tokens that a server refused");
    describe_counter!(REPLAYS, "what became of refused requests");
    describe_counter!(
        UNSERVED,
        "requests answered with an error of the layer, and not sent"
    );
    describe_counter!(LOGINS_STARTED, "logins that a provider began by itself");
    describe_counter!(LOGINS_REQUIRED, "sessions that came to need a login");
    describe_gauge!(WITHOUT_LOGIN, "sessions that need a login");
    describe_counter!(REPLACED, "logins that the application handed over");
    describe_counter!(REVOCATIONS, "sessions that the application ended");
    describe_gauge!(UNSAVED, "sessions that the store lacks the newest token of");
    describe_counter!(LEASES_LOST, "leases lost during an exchange");
    describe_counter!(RECORDS_LOST, "records that the store had lost");
    describe_counter!(
        INTENTS_FOUND,
        "refresh tokens sent although they may have been spent"
    );
}

const fn yes_or_no(it: bool) -> &'static str {
    if it { "true" } else { "false" }
}

const IN_FLIGHT: &str = "tower_reauth_exchanges_in_flight";
const EXCHANGES: &str = "tower_reauth_exchanges_total";
const DURATION: &str = "tower_reauth_exchange_duration_seconds";
const LIFETIME: &str = "tower_reauth_token_lifetime_seconds";
const WAITED: &str = "tower_reauth_callers_waited_total";
const REFUSALS: &str = "tower_reauth_refusals_total";
const REPLAYS: &str = "tower_reauth_replays_total";
const UNSERVED: &str = "tower_reauth_requests_unserved_total";
const LOGINS_STARTED: &str = "tower_reauth_logins_started_total";
const LOGINS_REQUIRED: &str = "tower_reauth_logins_required_total";
const WITHOUT_LOGIN: &str = "tower_reauth_sessions_without_login";
const REPLACED: &str = "tower_reauth_sessions_replaced_total";
const REVOCATIONS: &str = "tower_reauth_revocations_total";
const UNSAVED: &str = "tower_reauth_sessions_unsaved";
const LEASES_LOST: &str = "tower_reauth_leases_lost_total";
const RECORDS_LOST: &str = "tower_reauth_records_lost_total";
const INTENTS_FOUND: &str = "tower_reauth_intents_found_total";
