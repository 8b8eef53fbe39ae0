//! What is in the file: the records of several sessions.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    store::{
        Record, SessionKey, StoreError,
        wire::{Fields, raw, take, to_secret, torn},
    },
    token::Secret,
};

/// What a reader has to know to touch the file.
const FORMAT: u64 = 1;

/// The records by their keys. They are left as text until somebody asks for one, so that those of
/// later releases come through unchanged.
#[derive(Default)]
pub(in crate::store) struct Folio {
    sessions: BTreeMap<String, Secret>,
    /// Fields of a later release.
    unknown: BTreeMap<String, Secret>,
}

// === impl Folio ===

impl Folio {
    pub(in crate::store) fn from_json(json: &str) -> Result<Self, StoreError> {
        let mut fields: Fields<'_> = serde_json::from_str(json).map_err(|_| torn())?;
        let format: u64 = take(&mut fields, "format")?.ok_or_else(torn)?;
        if format > FORMAT {
            return Err(StoreError::newer());
        }
        let sessions: Fields<'_> = take(&mut fields, "sessions")?.ok_or_else(torn)?;
        Ok(Self {
            sessions: kept(sessions),
            unknown: kept(fields),
        })
    }

    pub(in crate::store) fn to_json(&self) -> Result<Secret, StoreError> {
        to_secret(self)
    }

    pub(in crate::store) fn record(&self, key: &SessionKey) -> Result<Option<Record>, StoreError> {
        let json = self.sessions.get(key.as_str());
        json.map(|json| Record::from_json(json.expose()))
            .transpose()
    }

    pub(in crate::store) fn set(
        &mut self,
        key: &SessionKey,
        record: &Record,
    ) -> Result<(), StoreError> {
        self.sessions
            .insert(key.as_str().to_owned(), record.to_json()?);
        Ok(())
    }

    /// Changes each record that this release may touch.
    pub(in crate::store) fn change_all(
        &mut self,
        change: impl Fn(&mut Record),
    ) -> Result<(), StoreError> {
        for json in self.sessions.values_mut() {
            let mut record = Record::from_json(json.expose())?;
            change(&mut record);
            *json = record.to_json()?;
        }
        Ok(())
    }
}

impl Serialize for Folio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", &FORMAT)?;
        map.serialize_entry("sessions", &Texts(&self.sessions))?;
        for (name, value) in &self.unknown {
            map.serialize_entry(name, raw(value)?)?;
        }
        map.end()
    }
}

/// JSON by name, written as it is.
struct Texts<'a>(&'a BTreeMap<String, Secret>);

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, raw(value)?)?;
        }
        map.end()
    }
}

fn kept(fields: Fields<'_>) -> BTreeMap<String, Secret> {
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name, Secret::from(value.get())))
        .collect()
}
