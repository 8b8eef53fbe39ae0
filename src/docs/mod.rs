//! The manual: what does not belong to one item.

pub mod defaults;
pub mod howto;
pub mod internals;
pub mod limitations;
pub mod performance;
pub mod standards;
pub mod vendors;
