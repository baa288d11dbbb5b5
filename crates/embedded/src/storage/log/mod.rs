//! The log: every batch goes here first, and from here back into memory after a crash.

mod record;
mod replay;
mod segment;
mod writer;

pub(crate) use self::record::Position;
pub(crate) use self::replay::{Replayed, number_in_use, replay, scrub};
pub(crate) use self::segment::{Segment, number_in, path as segment_path};
pub(crate) use self::writer::LogWriter;
