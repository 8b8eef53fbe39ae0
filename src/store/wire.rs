//! Records as JSON.

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::{
    StoreError,
    record::{Record, Version},
};
use crate::token::Secret;

/// What a reader has to know to touch records that this release writes. It is raised only when a
/// reader that ignores the new fields would spend a token twice, or lose one.
const FORMAT: u64 = 1;

/// A record, or a file of records, by the names of its fields. The values stay in the text that
/// they were read from.
pub(super) type Fields<'a> = BTreeMap<String, &'a RawValue>;

// === impl Record ===

impl Record {
    /// The record as JSON. It holds the tokens in clear: write it only where nobody else can read.
    ///
    /// # Errors
    ///
    /// *Torn*, where a field of a later version is not JSON any more.
    pub fn to_json(&self) -> Result<Secret, StoreError> {
        to_secret(&Wire(self))
    }

    /// The record that `json` holds.
    ///
    /// # Errors
    ///
    /// *Torn* where it is no whole record, *newer* where this release must not touch it.
    pub fn from_json(json: &str) -> Result<Self, StoreError> {
        let mut fields: Fields<'_> = serde_json::from_str(json).map_err(|_| torn())?;
        let format: u64 = take(&mut fields, "format")?.ok_or_else(torn)?;
        if format > FORMAT {
            return Err(StoreError::newer());
        }
        let lineage = take(&mut fields, "lineage")?.ok_or_else(torn)?;
        let revision = take(&mut fields, "revision")?.ok_or_else(torn)?;
        Ok(Self {
            version: Version { lineage, revision },
            token: take(&mut fields, "token")?,
            intent: take(&mut fields, "intent")?,
            refused: take(&mut fields, "refused")?,
            not_before: take(&mut fields, "not_before")?,
            login_over_at: take(&mut fields, "login_over_at")?,
            seeds: take(&mut fields, "seeds")?.unwrap_or_default(),
            rotated: take(&mut fields, "rotated")?.unwrap_or_default(),
            sealed: take(&mut fields, "sealed")?,
            unknown: fields
                .into_iter()
                .map(|(name, value)| (name, Secret::from(value.get())))
                .collect(),
        })
    }
}

/// A record to be written.
struct Wire<'a>(&'a Record);

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", &FORMAT)?;
        map.serialize_entry("lineage", &record.version.lineage)?;
        map.serialize_entry("revision", &record.version.revision)?;
        map.serialize_entry("intent", &record.intent)?;
        map.serialize_entry("not_before", &record.not_before)?;
        if let Some(sealed) = &record.sealed {
            map.serialize_entry("sealed", sealed.expose())?;
        }
        map.serialize_entry("token", &record.token)?;
        map.serialize_entry("refused", &record.refused)?;
        if let Some(at) = &record.login_over_at {
            map.serialize_entry("login_over_at", at)?;
        }
        map.serialize_entry("seeds", &record.seeds)?;
        map.serialize_entry("rotated", &record.rotated)?;
        for (name, value) in &record.unknown {
            map.serialize_entry(name, raw(value)?)?;
        }
        map.end()
    }
}

/// JSON that was kept as text.
pub(super) fn raw<E: serde::ser::Error>(json: &Secret) -> Result<&RawValue, E> {
    serde_json::from_str(json.expose()).map_err(|_| E::custom("not JSON"))
}

/// Takes out a field. The parser's error is dropped: it may quote what it read.
pub(super) fn take<'a, T: Deserialize<'a>>(
    fields: &mut Fields<'a>,
    name: &str,
) -> Result<Option<T>, StoreError> {
    match fields.remove(name) {
        Some(value) => serde_json::from_str(value.get()).map_err(|_| torn()),
        None => Ok(None),
    }
}

/// Writes JSON into a buffer that is large enough from the start, so that it leaves no copies
/// behind in growing.
pub(super) fn to_secret(value: &impl Serialize) -> Result<Secret, StoreError> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, value).map_err(|_| torn())?;
    let mut buffer = Vec::with_capacity(length.0);
    let written = serde_json::to_writer(&mut buffer, value);
    // JSON is UTF-8.
    let text = Secret::from(String::from_utf8(buffer).unwrap_or_default());
    written.map(|()| text).map_err(|_| torn())
}

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn torn() -> StoreError {
    StoreError::torn("the store holds something that is no whole record")
}

#[cfg(test)]
mod tests;
