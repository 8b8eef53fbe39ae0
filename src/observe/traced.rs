//! Events for the `tracing` crate.

use tracing::{debug, error, info, warn};

use super::Event;

const TARGET: &str = "tower_reauth";

/// Two levels for one event: the second where something is wrong.
macro_rules! judged {
    ($wrong:expr, $fine:ident or $bad:ident, $($event:tt)*) => {
        match $wrong {
            true => $bad!(target: TARGET, $($event)*),
            false => $fine!(target: TARGET, $($event)*),
        }
    };
}

pub(super) fn trace(vendor: &str, event: &Event<'_>) {
    match *event {
        Event::ExchangeStarted { reason } => {
            debug!(target: TARGET, vendor, reason = reason.as_str(), "exchange started");
        }
        Event::ExchangeEnded {
            reason,
            outcome,
            took,
            lifetime,
            waiting,
            error,
        } => judged!(
            error.is_some(), debug or warn,
            vendor,
            reason = reason.as_str(),
            outcome = outcome.as_str(),
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            lifetime_s = lifetime.map(|lifetime| lifetime.as_secs()),
            waiting,
            error = error.map(tracing::field::display),
            "exchange ended"
        ),
        Event::Unserved { error } => {
            let kind = error.name();
            debug!(target: TARGET, vendor, kind, error = %error, "request not sent");
        }
        Event::LoginRequired { error } => {
            error!(target: TARGET, vendor, error = %error, "login required");
        }
        Event::Refused { .. } | Event::Replayed | Event::NotReplayed { .. } => {
            trace_refusal(vendor, event);
        }
        _ => trace_session(vendor, event),
    }
}

fn trace_refusal(vendor: &str, event: &Event<'_>) {
    match *event {
        Event::Refused { again } => debug!(target: TARGET, vendor, again, "token refused"),
        Event::Replayed => debug!(target: TARGET, vendor, "request replayed"),
        Event::NotReplayed { why } => debug!(target: TARGET, vendor, why, "request not replayed"),
        _ => {}
    }
}

/// What concerns its home, or its beginning and end.
fn trace_session(vendor: &str, event: &Event<'_>) {
    match *event {
        Event::LoginStarted => info!(target: TARGET, vendor, "login started"),
        Event::LoginNoLongerRequired => {
            info!(target: TARGET, vendor, "login no longer required");
        }
        Event::Replaced => info!(target: TARGET, vendor, "session replaced"),
        Event::Revoked { error } => judged!(
            error.is_some(), info or warn,
            vendor,
            error = error.map(tracing::field::display),
            "session revoked"
        ),
        Event::Unsaved { error } => {
            warn!(target: TARGET, vendor, error = %error, "session unsaved")
        }
        Event::Saved => info!(target: TARGET, vendor, "session saved"),
        Event::LeaseLost => warn!(target: TARGET, vendor, "lease lost"),
        Event::RecordLost { healed } => warn!(target: TARGET, vendor, healed, "record lost"),
        Event::IntentFound { own } => warn!(target: TARGET, vendor, own, "intent found"),
        _ => {}
    }
}
