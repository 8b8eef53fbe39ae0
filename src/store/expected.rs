//! What a write expects to find.

use super::{
    intent::IntentId,
    record::{Record, Version},
};

/// What a write expects to find; if it finds anything else, it changes nothing.
///
/// ```
/// use tower_reauth::store::{Expected, Record, Written};
///
/// // The whole of a store's compare-and-set, under a lock:
/// fn write(slot: &mut Option<Record>, expected: &Expected, record: &Record) -> Written {
///     if !expected.is_met_by(slot.as_ref()) {
///         return Written::Conflict;
///     }
///     *slot = Some(record.clone());
///     Written::Done
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The version of the record; none where there must not be one.
    pub version: Option<Version>,
    /// What the record says of an intent.
    pub intent: ExpectedIntent,
}

/// What a write expects of the record's intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedIntent {
    /// Whatever: a save lands also when its intent was given up for lost.
    Any,
    /// None is open.
    None,
    /// This one is open.
    Open(IntentId),
}

/// Whether a write landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Written {
    /// It did, and will outlive a crash.
    Done,
    /// It did not: the record is another one than expected.
    Conflict,
}

// === impl Expected ===

impl Expected {
    /// The record is of this version, or there is none, whatever its intent.
    #[must_use]
    pub fn version(version: Option<Version>) -> Self {
        Self {
            version,
            intent: ExpectedIntent::Any,
        }
    }

    /// The record is as `seen`, its intent included.
    #[must_use]
    pub fn as_seen(seen: &Record) -> Self {
        let intent = seen.intent().map(|intent| intent.id().clone());
        Self {
            version: Some(seen.version()),
            intent: intent.map_or(ExpectedIntent::None, ExpectedIntent::Open),
        }
    }

    /// Whether `current` is as expected.
    #[must_use]
    pub fn is_met_by(&self, current: Option<&Record>) -> bool {
        if current.map(Record::version) != self.version {
            return false;
        }
        let open = current.and_then(Record::intent);
        match &self.intent {
            ExpectedIntent::Any => true,
            ExpectedIntent::None => open.is_none(),
            ExpectedIntent::Open(id) => open.is_some_and(|open| open.id() == id),
        }
    }
}
