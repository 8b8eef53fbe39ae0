//! An observer that remembers, in short words.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and a test may panic"
)]

use std::sync::{Arc, Mutex};

use tower_reauth::observe::{Event, Observer};

#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<String>>>);

// === impl Heard ===

impl Heard {
    /// What was told since the last look.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Heard {
    fn on_event(&self, _: &str, event: &Event<'_>) {
        self.0.lock().unwrap().push(line(event));
    }
}

fn line(event: &Event<'_>) -> String {
    match event {
        Event::ExchangeStarted { reason, .. } => format!("started: {}", reason.as_str()),
        Event::ExchangeEnded {
            reason,
            outcome,
            took,
            lifetime,
            waiting,
            error,
            ..
        } => {
            assert!(error.is_none() || lifetime.is_none());
            let lifetime = lifetime.map_or(String::new(), |it| format!(", lives {it:?}"));
            format!(
                "ended: {} {}, took {took:?}{lifetime}, {waiting} waiting",
                reason.as_str(),
                outcome.as_str()
            )
        }
        Event::Refused { again: false, .. } => "refused".into(),
        Event::Refused { .. } => "refused again".into(),
        Event::NotReplayed { why, .. } => format!("not replayed: {why}"),
        Event::Unserved { error, .. } => format!("unserved: {}", error.name()),
        Event::LoginRequired { error, .. } => format!("login required: {}", error.name()),
        Event::Revoked { error, .. } => match error {
            Some(error) => format!("not revoked: {}", error.kind().as_str()),
            None => "revoked".into(),
        },
        Event::Unsaved { error, .. } => format!("unsaved: {}", error.kind().as_str()),
        Event::RecordLost { healed, .. } => format!("record lost, healed: {healed}"),
        Event::IntentFound { own, .. } => format!("intent found, own: {own}"),
        other => format!("{other:?}"),
    }
}
