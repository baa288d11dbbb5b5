//! Appending to the log.

use std::sync::Arc;

use super::super::StorageError;
use super::record::{ALIGN, Position, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, record_len};
use super::segment::Segment;

/// The end of the log.
pub(crate) struct LogWriter {
    segment: Arc<Segment>,
    offset: u32,
    /// Where the last batch ended, perhaps in the segment before.
    end: Position,
    buffer: Vec<u8>,
}

impl LogWriter {
    /// Goes on in `segment` from `offset`; the last batch ended at `end`.
    pub fn new(segment: Arc<Segment>, offset: u32, end: Position) -> Self {
        Self { segment, offset, end, buffer: Vec::new() }
    }

    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Where the last batch ended.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Bytes of a record with this payload, and of the mark after it.
    pub fn needs(payload: usize) -> usize {
        record_len(payload) + record_len(0)
    }

    /// The size a segment needs for one such record.
    pub fn segment_for(payload: usize) -> usize {
        SEGMENT_HEADER + Self::needs(payload)
    }

    /// Whether such a record still fits the segment.
    pub fn has_room(&self, payload: usize) -> bool {
        self.offset as usize + Self::needs(payload) <= self.segment.header.size as usize
    }

    /// Whether the segment is more than half full: time to have the next one made.
    pub fn past_half(&self) -> bool {
        self.offset > self.segment.header.size / 2
    }

    /// Goes on in another segment.
    pub fn rotate(&mut self, segment: Arc<Segment>) {
        self.segment = segment;
        self.offset = SEGMENT_HEADER as u32;
    }

    /// Writes one record holding `parts`. After an error the end is where it was: the next record is written over
    /// whatever part of this one reached the file, so nothing follows a partial record.
    pub fn append<'a>(
        &mut self,
        parts: impl Iterator<Item = &'a [u8]>,
        synced: Position,
    ) -> Result<(), StorageError> {
        self.write(parts, synced)?;
        self.end = Position { segment: self.segment.header.number, offset: self.offset };
        Ok(())
    }

    /// Writes a record that only says how far the log is on disk. It may be lost without harm: nothing depends on its
    /// being there.
    pub fn mark(&mut self, synced: Position) -> Result<(), StorageError> {
        self.write(std::iter::empty(), synced)
    }

    fn write<'a>(
        &mut self,
        parts: impl Iterator<Item = &'a [u8]>,
        synced: Position,
    ) -> Result<(), StorageError> {
        self.buffer.clear();
        self.buffer.resize(RECORD_HEADER, 0);
        parts.for_each(|part| self.buffer.extend_from_slice(part));
        let payload = self.buffer.get(RECORD_HEADER..).unwrap_or_default();
        let header = RecordHeader {
            len: payload.len() as u32,
            payload_crc: crc32fast::hash(payload),
            synced,
            after: self.end,
        };
        let header = header.to_bytes(self.segment.header.salt);
        self.buffer.iter_mut().zip(header).for_each(|(to, from)| *to = from);
        self.buffer.resize(self.buffer.len().next_multiple_of(ALIGN), 0);
        self.segment
            .file
            .write_at(u64::from(self.offset), &self.buffer)
            .map_err(|error| StorageError::io("write", &self.segment.path, error))?;
        self.offset += self.buffer.len() as u32;
        if self.buffer.capacity() > KEPT_BUFFER {
            self.buffer = Vec::new();
        }
        Ok(())
    }
}

/// A buffer beyond this, made for one large batch, is given back.
const KEPT_BUFFER: usize = 4 << 20;
