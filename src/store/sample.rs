//! Records for tests of stores, which cannot make any by themselves.

use std::time::Duration;

use super::{
    fingerprint::Unique, held::HeldToken, intent::Intent, record::Record, unix::UnixMillis,
};
use crate::{clock::Moment, provider::Profile, token::Token};

const NOW: Moment = Moment::new(Duration::from_secs(50), Duration::from_secs(1_800_000_000));

impl Record {
    /// The record of a login just made, with every field that a record can have.
    pub(crate) fn sample() -> Self {
        let unique = Unique::new();
        let token = Token::from_pair(format!("access \"{}\"", unique.as_str()), unique.as_str())
            .with_token_type("Bearer")
            .with_lifetime(Duration::from_secs(3600))
            .with_refresh_lifetime(Duration::from_secs(86_400))
            .with_refresh_hint(Duration::from_secs(1800))
            .with_scope("read write")
            .with_key(Some("a key, which nobody looks into".into()))
            .with_extra("id_token", "\u{1f511} with a line\nbreak, and a \0");
        let mut record = Self::begin(HeldToken::seed(&token, NOW, &profile()), None, NOW);
        record.not_before = Some(UnixMillis::of(NOW));
        record.refuse(Some(UnixMillis::of(NOW)));
        record.unknown = vec![("later".to_owned(), r#"{"deep":[1,"two",null]}"#.into())];
        record
    }

    /// This record after one more exchange.
    pub(crate) fn sample_exchanged(&self) -> Self {
        let token = Token::from_pair(Unique::new().as_str(), Unique::new().as_str());
        let mut next = self.exchanged(HeldToken::fresh(&token, NOW, NOW, &profile()));
        next.not_before = self.not_before;
        next
    }

    /// The record of another login, after this one.
    #[cfg(test)]
    pub(crate) fn sample_begun(&self) -> Self {
        let token = Token::from_refresh_token(Unique::new().as_str());
        Self::begin(HeldToken::seed(&token, NOW, &profile()), Some(self), NOW)
    }

    /// This record with an open intent.
    pub(crate) fn sample_intended(&self) -> Self {
        let intent = Intent::new(UnixMillis::of(NOW), Duration::from_secs(10), None);
        Self {
            intent: Some(intent),
            ..self.clone()
        }
    }
}

fn profile() -> Profile {
    Profile::new("sample")
}
