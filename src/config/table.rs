//! A configuration as it was written, before anybody knows what it means.
//!
//! Each configuration is read into a [`Table`] first, and out of it field by field. serde's derived
//! code would be shorter, and wrong here: its errors quote what they do not like, a secret in the
//! wrong place among them, they say where a field is only as far as a format does, and a tagged enum
//! keeps a copy of every text, which nobody overwrites.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};

use super::{duration, value::Value};
use crate::provider::{Origins, ProviderError};

/// Fields that nobody has asked for yet, and the path to them.
#[derive(Debug)]
pub(super) struct Table {
    path: String,
    fields: Vec<(String, Value)>,
}

/// What is wrong with a configuration, and where. Holds names of fields, and no value.
#[derive(Debug)]
pub(super) struct Fault {
    path: String,
    reason: String,
}

/// The name of one of `choices`.
pub(super) fn name_of<T: PartialEq>(choices: &[(&'static str, T)], meaning: &T) -> &'static str {
    let named = choices.iter().find(|(_, choice)| choice == meaning);
    named.map_or("", |(name, _)| name)
}

/// Reads what `T` is made of; the way in of every `Deserialize` here.
pub(super) fn read<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(Table) -> Result<T, Fault>,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Table::of(String::new(), value)
        .and_then(read)
        .map_err(D::Error::custom)
}

// === impl Table ===

impl Table {
    fn of(path: String, value: Value) -> Result<Self, Fault> {
        match value {
            Value::Table(fields) => Ok(Self { path, fields }),
            _ => Err(Fault::new(path, "must be a table with named fields")),
        }
    }

    /// Refuses every field whose name is in none of `known`. The first thing to be done: a typo is
    /// then reported as one, and not as a missing field.
    pub(super) fn only(&self, known: &[&[&str]]) -> Result<(), Fault> {
        let names = || known.iter().copied().flatten();
        let unknown = |name: &str| !names().any(|known| *known == name);
        let Some((name, _)) = self.fields.iter().find(|(name, _)| unknown(name)) else {
            return Ok(());
        };
        let list: Vec<String> = names().map(|name| format!("`{name}`")).collect();
        let reason = format!("is no field here; there are {}", list.join(", "));
        Err(self.fault(name, reason))
    }

    /// The field of this name, out of the table.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.fields.iter().position(|(field, _)| field == name)?;
        match self.fields.swap_remove(at).1 {
            Value::Nothing => None,
            value => Some(value),
        }
    }

    pub(super) fn fault(&self, name: &str, reason: impl Into<String>) -> Fault {
        Fault::new(self.path_of(name), reason)
    }

    /// Refuses a field that means something beside others only.
    pub(super) fn refuse(&mut self, name: &str, reason: impl Into<String>) -> Result<(), Fault> {
        match self.take(name) {
            None => Ok(()),
            Some(_) => Err(self.fault(name, reason)),
        }
    }

    pub(super) fn missing(&self, name: &str) -> Fault {
        self.fault(name, "is missing")
    }

    /// Where the field of this name is.
    pub(super) fn path_of(&self, name: &str) -> String {
        match &*self.path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    pub(super) fn table(&mut self, name: &str) -> Result<Option<Table>, Fault> {
        let path = self.path_of(name);
        self.take(name)
            .map(|value| Self::of(path, value))
            .transpose()
    }

    /// Whether there is a field of this name, whatever it holds.
    pub(super) fn holds(&self, name: &str) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|(field, value)| field == name && !matches!(value, Value::Nothing))
    }

    pub(super) fn holds_table(&self, name: &str) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|(field, value)| field == name && matches!(value, Value::Table(_)))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        let text = self.take(name).map(|value| value.text());
        match text {
            None => Ok(None),
            Some(None) => Err(self.fault(name, "must be a text")),
            Some(Some(text)) if text.is_empty() => Err(self.fault(name, "must not be empty")),
            Some(text) => Ok(text),
        }
    }

    pub(super) fn needed_text(&mut self, name: &str) -> Result<String, Fault> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// One of `choices`, each with its meaning.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let text = value.text().unwrap_or_default();
        let chosen = choices.iter().find(|(choice, _)| *choice == text);
        let chosen = chosen.map(|(_, meaning)| *meaning);
        let list = || choices.iter().map(|(choice, _)| format!("{choice:?}"));
        let unknown = || format!("must be one of {}", list().collect::<Vec<_>>().join(", "));
        chosen.map(Some).ok_or_else(|| self.fault(name, unknown()))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Flag(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.fault(name, "must be true or false")),
        }
    }

    /// A number of bytes.
    pub(super) fn bytes(&mut self, name: &str) -> Result<Option<usize>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) if usize::try_from(number).is_ok() => {
                Ok(usize::try_from(number).ok())
            }
            Some(_) => Err(self.fault(name, "must be a whole number of bytes")),
        }
    }

    pub(super) fn duration(&mut self, name: &str) -> Result<Option<Duration>, Fault> {
        let read = |value: Value| match value {
            Value::Number(seconds) => Some(Duration::from_secs(seconds)),
            value => duration::parse(&value.text()?),
        };
        let read = self.take(name).map(read);
        match read {
            None => Ok(None),
            Some(Some(duration)) => Ok(Some(duration)),
            Some(None) => Err(self.fault(name, duration::FORMS)),
        }
    }

    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let wrong = |table: &Self| table.fault(name, "must be a list of texts, such as [\"one\"]");
        match self.take(name) {
            None => Ok(None),
            Some(Value::List(values)) => {
                let texts: Option<_> = values.into_iter().map(|value| value.text()).collect();
                texts.map(Some).ok_or_else(|| wrong(self))
            }
            Some(_) => Err(wrong(self)),
        }
    }

    /// Names that the configuration's author chose, with a text each.
    pub(super) fn pairs(&mut self, name: &str) -> Result<Vec<(String, String)>, Fault> {
        let Some(table) = self.table(name)? else {
            return Ok(Vec::new());
        };
        let Table { path, fields } = table;
        let pairs = fields.into_iter().map(|(name, value)| match value.text() {
            Some(text) => Ok((name, text)),
            None => Err(Fault::new(format!("{path}.{name}"), "must be a text")),
        });
        pairs.collect()
    }

    /// Origins that can be used.
    pub(super) fn origins(&mut self) -> Result<Option<Origins>, Fault> {
        let Some(texts) = self.texts("origins")? else {
            return Ok(None);
        };
        let origins = Origins::from(texts);
        match origins.check() {
            Err(error) => Err(self.fault("origins", format!("cannot be used: {error}"))),
            Ok(_) => Ok(Some(origins)),
        }
    }

    /// A URL that `check` finds no fault with.
    pub(super) fn url(
        &mut self,
        name: &str,
        check: impl FnOnce(&str) -> Result<(), ProviderError>,
    ) -> Result<Option<String>, Fault> {
        let Some(url) = self.text(name)? else {
            return Ok(None);
        };
        let checked = check(&url);
        checked.map_err(|error| self.fault(name, format!("cannot be used: {error}")))?;
        Ok(Some(url))
    }
}

// === impl Fault ===

impl Fault {
    pub(super) fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.path {
            "" => write!(f, "the configuration {}", self.reason),
            path => write!(f, "`{path}` {}", self.reason),
        }
    }
}
