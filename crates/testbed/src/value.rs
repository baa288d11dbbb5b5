//! CQL types and values as the oracle sees them: bytes on the wire, and a text that says all that the bytes say.
//!
//! Two values have the same text only if they have the same bytes; bytes that are no value of their type are shown
//! as they are. That makes a comparison of texts a comparison of bytes.

mod calendar;
mod encode;
mod kind;
mod literal;
mod show;

pub use encode::encode;
pub use kind::Type;
pub use literal::Literal;
pub use show::{hex, show};
