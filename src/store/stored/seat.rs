//! What this process knows of a session's record.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::{Expected, Intent, IntentId, Record, SessionKey, Version, held::HeldToken};
use crate::{
    clock::Moment,
    provider::{ProviderError, SessionId},
    token::Secret,
};

/// One session at the store.
pub(super) struct Seat {
    pub(super) key: SessionKey,
    known: Mutex<Known>,
}

#[derive(Default)]
pub(super) struct Known {
    /// What the layer was built with, until the store was read.
    pub(super) seed: Option<HeldToken>,
    /// The newest record that was seen or made here. Never replaced by an older one.
    newest: Option<Record>,
    /// The store lacks the newest record, and is thought to hold this version.
    unsaved: Option<Option<Version>>,
    /// What the store lacks may have landed, and nobody said so: then no intent keeps others out.
    doubtful: bool,
    /// The intent that this process wrote last, and the one before it where that was its own, too: it
    /// may be put back.
    own: [Option<IntentId>; 2],
    /// How many turns are under way: more than one where a session has ended in the middle of one.
    turns: usize,
    /// The intent of somebody else that was seen last, and when it was seen first.
    watched: Option<(IntentId, Moment)>,
    voids: Vec<Void>,
    /// Counts the tokens that the application handed over: seeds and logins.
    logins: u64,
    /// The session's last handle is gone.
    closed: bool,
    /// The token that was refused here for good, until when that counts, and how it was said.
    refused: Option<(Secret, Moment, ProviderError)>,
    /// The lineage, or that there was none, under which a login was made here that was the last. Also
    /// where the store could not take note of that.
    login_over: Option<Option<u64>>,
}

/// An intent of ours that spent nothing, and may stand in the store all the same.
#[derive(Clone)]
pub(super) struct Void {
    pub(super) id: IntentId,
    /// What stood there before it.
    pub(super) before: Option<Intent>,
}

/// How a record that was read compares with what is known.
pub(super) enum Meeting {
    /// It is what there is to work with; none where nobody knows of any.
    Current(Option<Record>),
    /// The store has lost something: this is to be written.
    Lost(Expected, Record),
}

// === impl Seat ===

impl Seat {
    pub(super) fn new(session: &SessionId) -> Self {
        Self {
            key: SessionKey::of(session),
            known: Mutex::default(),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Known ===

impl Known {
    /// Compares what was read with what is known, and takes it over unless it is older.
    pub(super) fn meet(&mut self, seen: Option<Record>, now: Moment) -> Meeting {
        self.watch(seen.as_ref().and_then(Record::intent), now);
        let version = seen.as_ref().map(Record::version);
        if let Some(newest) = &self.newest
            && version < Some(newest.version())
        {
            return Meeting::Lost(Expected::version(version), newest.clone());
        }
        self.newest = seen;
        self.saved();
        Meeting::Current(self.newest.clone())
    }

    pub(super) fn newest(&self) -> Option<&Record> {
        self.newest.as_ref()
    }

    /// Notes what the store holds now, since it was written here.
    pub(super) fn wrote(&mut self, record: &Record) {
        match &self.newest {
            // An exchange went on in memory meanwhile.
            Some(newest) if newest.version() > record.version() => {
                self.unsaved = self.unsaved.map(|_| Some(record.version()));
            }
            _ => {
                self.newest = Some(record.clone());
                self.saved();
            }
        }
    }

    /// Keeps a record that the store does not hold yet. False where a newer one is known.
    pub(super) fn keep(&mut self, record: Record, stored: Option<Version>) -> bool {
        let newest = self.newest.as_ref().map(Record::version);
        if newest > Some(record.version()) {
            return false;
        }
        self.newest = Some(record);
        self.unsaved.get_or_insert(stored);
        true
    }

    /// The record that the store lacks, and what it is expected to hold.
    pub(super) fn unsaved(&self) -> Option<(Record, Option<Version>)> {
        Some((self.newest.clone()?, self.unsaved?))
    }

    fn saved(&mut self) {
        self.unsaved = None;
        self.doubtful = false;
    }

    /// Notes that a save may have landed.
    pub(super) fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// Whether the store is known to lack the newest record, so that the intent in it is still ours.
    pub(super) fn holds_newest(&self) -> bool {
        self.unsaved.is_some() && !self.doubtful
    }

    /// Notes what the store holds in the place of what was expected.
    pub(super) fn expect(&mut self, stored: Option<Version>) {
        self.unsaved = self.unsaved.map(|_| stored);
    }

    /// A new login: everything else is forgotten.
    pub(super) fn replaced(&mut self, record: Record) {
        *self = Self {
            newest: Some(record),
            logins: self.logins + 1,
            turns: self.turns,
            ..Self::default()
        };
    }

    /// A login that was made here. The session's last handle may be gone by now.
    pub(super) fn logged_in(&mut self, record: Record) {
        let closed = self.closed;
        self.replaced(record);
        self.closed = closed;
    }

    /// A seed, from a layer that is being built.
    pub(super) fn open(&mut self, seed: HeldToken) {
        self.seed = Some(seed);
        self.logins += 1;
        self.closed = false;
    }

    pub(super) fn logins(&self) -> u64 {
        self.logins
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether nobody will ask for this session again, and nothing is left to write.
    pub(super) fn is_over(&self) -> bool {
        self.closed && !self.owes()
    }

    /// Notes an intent of ours, that stands in the place of `before`.
    pub(super) fn intends(&mut self, intent: &Intent, before: Option<&Intent>) {
        let before = before.map(Intent::id).filter(|id| self.wrote_intent(id));
        self.own = [Some(intent.id().clone()), before.cloned()];
    }

    /// Whether this process wrote the intent, and the exchange is over: there is one at a time, but
    /// that of a session that has ended goes on while the next one has begun.
    pub(super) fn is_own(&self, intent: &Intent) -> bool {
        self.turns <= 1 && self.wrote_intent(intent.id())
    }

    fn wrote_intent(&self, id: &IntentId) -> bool {
        self.own.iter().flatten().any(|own| own == id)
    }

    pub(super) fn turn_begins(&mut self) {
        self.turns += 1;
    }

    pub(super) fn turn_ends(&mut self) {
        self.turns = self.turns.saturating_sub(1);
    }

    fn watch(&mut self, intent: Option<&Intent>, now: Moment) {
        let Some(intent) = intent else {
            return;
        };
        let is_ours = self.is_own(intent) || self.voids.iter().any(|it| it.id == *intent.id());
        if !is_ours && self.watched_since(intent).is_none() {
            self.watched = Some((intent.id().clone(), now));
        }
    }

    /// When this intent was seen first, if it is the one that was seen last.
    pub(super) fn watched_since(&self, intent: &Intent) -> Option<Moment> {
        let (id, since) = self.watched.as_ref()?;
        (id == intent.id()).then_some(*since)
    }

    /// Notes an intent that spent nothing. There may be several: which of them stands in the store
    /// is known only when it is read.
    pub(super) fn add_void(&mut self, void: Void) {
        self.voids.push(void);
        let over = self.voids.len().saturating_sub(VOIDS);
        self.voids.drain(..over);
    }

    pub(super) fn voids(&self) -> Vec<Void> {
        self.voids.clone()
    }

    /// These do not stand in the store any more.
    pub(super) fn taken_back(&mut self, voids: &[Void]) {
        self.voids
            .retain(|void| voids.iter().all(|back| back.id != void.id));
    }

    /// The intent that counts in `record`.
    pub(super) fn open_intent(&self, record: &Record) -> Option<Intent> {
        let intent = record.intent()?;
        match self.voids.iter().find(|void| void.id == *intent.id()) {
            Some(void) => void.before.clone(),
            None => Some(intent.clone()),
        }
    }

    pub(super) fn refuse(&mut self, token: Secret, until: Moment, error: ProviderError) {
        self.refused = Some((token, until, error));
    }

    /// How the vendor refused `token`, as far as that still counts.
    pub(super) fn refusal_of(&self, token: &HeldToken, now: Moment) -> Option<ProviderError> {
        let (refused, until, error) = self.refused.as_ref()?;
        let counts = token.refresh.as_ref() == Some(refused) && !until.reached(now);
        counts.then(|| error.clone())
    }

    /// Notes that a login was the last for what the store holds: a record of `lineage`, or none.
    pub(super) fn login_is_over(&mut self, lineage: Option<u64>) {
        self.login_over = Some(lineage);
    }

    /// Whether no login is made for a record of `lineage`, or for none. Until there is another.
    pub(super) fn has_login_over(&self, lineage: Option<u64>) -> bool {
        self.login_over == Some(lineage)
    }

    /// Whether there is something to write as soon as the store answers.
    fn owes(&self) -> bool {
        self.unsaved.is_some() || !self.voids.is_empty()
    }
}

/// One for each write that nobody answered, and it is tried every two seconds.
const VOIDS: usize = 16;
