//! The service that the tests and the example call: its message, and the code that `tonic_build`
//! writes for its four methods.

pub(crate) use self::generated::{
    notes_client::NotesClient,
    notes_server::{Notes, NotesServer},
};

/// The one message.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Note {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

// As `tonic_build` writes it; `generation.rs` says so.
#[rustfmt::skip]
#[allow(
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "nobody writes it by hand"
)]
#[path = "generated.rs"]
mod generated;

// === impl Note ===

impl Note {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}
