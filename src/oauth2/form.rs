//! The parameters of one request, some of which are secrets.

use crate::token::Secret;

/// Names and values, in order. Values that were made for this request are kept as secrets, so that
/// they are overwritten with it.
#[derive(Default)]
pub(super) struct Form<'a>(Vec<(&'a str, Value<'a>)>);

enum Value<'a> {
    Known(&'a str),
    Made(Secret),
}

// === impl Form ===

impl<'a> Form<'a> {
    pub(super) fn of(grant_type: &'a str) -> Self {
        Self::default().with("grant_type", grant_type)
    }

    pub(super) fn with(mut self, name: &'a str, value: &'a str) -> Self {
        self.push(name, value);
        self
    }

    pub(super) fn with_secret(mut self, name: &'a str, value: Secret) -> Self {
        self.push_secret(name, value);
        self
    }

    pub(super) fn push(&mut self, name: &'a str, value: &'a str) {
        self.0.push((name, Value::Known(value)));
    }

    pub(super) fn push_secret(&mut self, name: &'a str, value: Secret) {
        self.0.push((name, Value::Made(value)));
    }

    pub(super) fn pairs(&self) -> Vec<(&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (*name, value.text())).collect()
    }
}

impl Value<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Known(text) => text,
            Self::Made(secret) => secret.expose(),
        }
    }
}
