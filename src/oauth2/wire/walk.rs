//! The walk behind [`Json`](super::Json): one pass through a body, which fills as it goes.

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::token::Secret;

/// Why a body is not one whole JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Empty,
    EndsEarly,
    NotJson,
    NotAnObject,
}

#[derive(PartialEq)]
pub(super) enum Scalar {
    Text(Secret),
    Number(f64),
    Flag(bool),
    /// It is there, and it is a list, an object, or nothing that can be decoded.
    Unreadable,
}

/// One walk through a body.
pub(super) struct Pass<'a> {
    wanted: &'a [&'static str],
    unreadable: &'a [&'static str],
    pub(super) found: Vec<(&'static str, Scalar)>,
    is_object: bool,
    /// The value that is being decoded.
    pub(super) reading: Option<&'static str>,
    /// The number read last, as long as nothing behind it shows where it ends.
    unclosed: Option<&'static str>,
}

/// What a key leads to.
#[derive(Clone, Copy)]
enum Slot {
    Object(&'static str),
    Value(&'static str),
    Skipped,
}

struct Key<'a> {
    wanted: &'a [&'static str],
    within: &'static str,
}

struct Node<'p, 'a> {
    pass: &'p mut Pass<'a>,
    slot: Slot,
}

// === impl Fault ===

impl Fault {
    /// In words that hold nothing of the body.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Empty => "the reply is empty",
            Self::EndsEarly => "the reply's JSON ends too early",
            Self::NotJson => "the reply is not JSON",
            Self::NotAnObject => "the reply is not a JSON object",
        }
    }
}

// === impl Pass ===

impl<'a> Pass<'a> {
    pub(super) fn new(wanted: &'a [&'static str], unreadable: &'a [&'static str]) -> Self {
        Self {
            wanted,
            unreadable,
            found: Vec::new(),
            is_object: false,
            reading: None,
            unclosed: None,
        }
    }

    /// Reads `body`, and says why it did not get to a proper end.
    pub(super) fn run(&mut self, body: &[u8]) -> Option<Fault> {
        if body.trim_ascii().is_empty() {
            return Some(Fault::Empty);
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let slot = Slot::Object(TOP);
        let walked = Node { pass: self, slot }.deserialize(&mut json);
        match walked.and_then(|()| json.end()) {
            Ok(()) if self.is_object => None,
            Ok(()) => Some(Fault::NotAnObject),
            Err(error) if error.is_eof() => {
                self.forget_half_a_number(body);
                Some(Fault::EndsEarly)
            }
            Err(_) => Some(Fault::NotJson),
        }
    }

    fn walk<'de, A: MapAccess<'de>>(
        &mut self,
        within: &'static str,
        mut map: A,
    ) -> Result<(), A::Error> {
        let wanted = self.wanted;
        while let Some(slot) = map.next_key_seed(Key { wanted, within })? {
            self.unclosed = None;
            map.next_value_seed(Node { pass: self, slot })?;
        }
        Ok(())
    }

    fn keep(&mut self, name: &'static str, scalar: Scalar) {
        let known = self.found.iter().any(|(found, _)| *found == name);
        if known && scalar == Scalar::Unreadable {
            return;
        }
        self.unclosed = matches!(scalar, Scalar::Number(_)).then_some(name);
        self.found.retain(|(found, _)| *found != name);
        self.found.push((name, scalar));
    }

    /// A text ends with its quote. `17` may be the beginning of `1799`.
    fn forget_half_a_number(&mut self, body: &[u8]) {
        if body.last().is_some_and(u8::is_ascii_digit) {
            let unclosed = self.unclosed;
            self.found.retain(|(found, _)| Some(*found) != unclosed);
        }
    }
}

// === impl Key ===

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Slot;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Slot, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Slot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Slot, E> {
        for path in self.wanted {
            let (object, name) = path.split_once('.').unwrap_or((TOP, path));
            if object == self.within && name == key {
                return Ok(Slot::Value(path));
            }
            if self.within == TOP && object == key {
                return Ok(Slot::Object(object));
            }
        }
        Ok(Slot::Skipped)
    }
}

// === impl Node ===

impl Node<'_, '_> {
    fn keep(self, scalar: Scalar) {
        if let Slot::Value(name) = self.slot {
            self.pass.keep(name, scalar);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Node { pass, slot } = self;
        match slot {
            Slot::Skipped => IgnoredAny::deserialize(deserializer).map(drop),
            Slot::Value(name) if pass.unreadable.contains(&name) => {
                IgnoredAny::deserialize(deserializer)?;
                pass.keep(name, Scalar::Unreadable);
                Ok(())
            }
            Slot::Object(_) => deserializer.deserialize_any(Node { pass, slot }),
            Slot::Value(name) => {
                pass.reading = Some(name);
                deserializer.deserialize_any(Node {
                    pass: &mut *pass,
                    slot,
                })?;
                pass.reading = None;
                Ok(())
            }
        }
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if let Slot::Object(name) = self.slot {
            self.pass.is_object |= name == TOP;
            return self.pass.walk(name, map);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.keep(Scalar::Unreadable);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.keep(Scalar::Unreadable);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.keep(Scalar::Text(Secret::from(text)));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.keep(Scalar::Number(number));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.keep(Scalar::Number(number as f64));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.keep(Scalar::Number(number as f64));
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.keep(Scalar::Flag(flag));
        Ok(())
    }

    /// `null` is the same as nothing.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The name of the outermost object.
const TOP: &str = "";
