//! Reading the log: after a start, and to check it.

use std::path::Path;
use std::sync::Arc;

use super::super::StorageError;
use super::super::disk::Disk;
use super::record::{ALIGN, Position, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, record_len};
use super::segment::{self, Segment};

/// Bytes read from a segment at once. Reading the unused part of a segment has the system fill memory with zeros, so
/// not much more than what is used.
const WINDOW: usize = 64 << 10;

/// What reading the log came to.
pub(crate) struct Replayed {
    /// The segment to go on in, and from where.
    pub segment: Arc<Segment>,
    pub offset: u32,
    /// Where the last batch ended.
    pub end: Position,
}

impl Replayed {
    /// A log that begins with this segment.
    pub fn nothing(segment: Segment) -> Self {
        let end = Position { segment: segment.header.number, offset: SEGMENT_HEADER as u32 };
        Self { segment: Arc::new(segment), offset: end.offset, end }
    }
}

/// Hands every record from the segment `first` on to `apply`, in order. Bytes after the last one that were never known
/// to be on disk are what a crash left of a write nobody was told about: they are wiped, so the log can go on there.
/// A bad record that was known to be on disk is an error.
pub(crate) fn replay(
    disk: &dyn Disk,
    folder: &Path,
    first: u32,
    apply: impl FnMut(&[u8]) -> Result<(), StorageError>,
) -> Result<Replayed, StorageError> {
    let segments = open_all(disk, folder, first)?;
    let stop = read(&segments, None, apply)?;
    let (before, from_stop): (Vec<Segment>, Vec<Segment>) =
        segments.into_iter().partition(|segment| segment.header.number < stop.place.segment);
    let mut from_stop = from_stop.into_iter();
    let Some(segment) = from_stop.next() else {
        return Err(StorageError::damaged(&segment::path(folder, first), 0, "the file is missing"));
    };
    // After a kill what was read may not be on disk yet. From here on others see it, and the log will say it is.
    for segment in before.iter().chain([&segment]) {
        segment.file.sync().map_err(|error| StorageError::io("sync", &segment.path, error))?;
    }
    let mut dropped = length(&segment, stop.place.offset as usize)?;
    if dropped > 0 {
        wipe(&segment, stop.place.offset, dropped)?;
    }
    // From the end, so that no gap is left if this is interrupted.
    let later: Vec<Segment> = from_stop.collect();
    for segment in later.iter().rev() {
        dropped += length(segment, SEGMENT_HEADER)?;
        disk.remove(&segment.path).map_err(|error| StorageError::io("remove", &segment.path, error))?;
    }
    if !later.is_empty() {
        disk.sync_dir(folder).map_err(|error| StorageError::io("sync", folder, error))?;
    }
    if dropped > 0 {
        tracing::warn!(
            file = %segment.path.display(),
            offset = stop.place.offset,
            bytes = dropped,
            "the log ends in a write that was not yet on disk when the machine or the process stopped; dropped it"
        );
    }
    Ok(Replayed { segment: Arc::new(segment), offset: stop.place.offset, end: stop.end })
}

/// Checks the records from the segment `first` to `end`; returns the bytes read.
pub(crate) fn scrub(disk: &dyn Disk, folder: &Path, first: u32, end: Position) -> Result<u64, StorageError> {
    let mut segments = open_all(disk, folder, first)?;
    segments.retain(|segment| segment.header.number <= end.segment);
    let mut bytes = 0;
    read(&segments, Some(end), |payload| {
        bytes += payload.len() as u64;
        Ok(())
    })?;
    Ok(bytes)
}

/// Whether the file of this segment is there and holds anything after its header.
pub(crate) fn number_in_use(disk: &dyn Disk, folder: &Path, number: u32) -> Result<bool, StorageError> {
    match Segment::open(disk, folder, number) {
        Ok(segment) => Ok(length(&segment, SEGMENT_HEADER)? > 0),
        Err(StorageError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(false),
        // Half made.
        Err(StorageError::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The segments in a folder from `first` on, without a gap.
fn open_all(disk: &dyn Disk, folder: &Path, first: u32) -> Result<Vec<Segment>, StorageError> {
    let names = disk.list(folder).map_err(|error| StorageError::io("list", folder, error))?;
    let last = names.iter().filter_map(|name| segment::number_in(name)).max().unwrap_or(first).max(first);
    let open = |number| {
        Segment::open(disk, folder, number).map_err(|error| match error {
            StorageError::Io { file, source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                StorageError::damaged(&file, 0, "the file is missing")
            }
            other => other,
        })
    };
    (first..=last).map(open).collect()
}

/// Where reading stopped: the place itself, and where the last batch before it ended.
struct Stop {
    place: Position,
    end: Position,
}

/// Reads records up to the first that is not there or (with `until`) to that place.
fn read(
    segments: &[Segment],
    until: Option<Position>,
    mut apply: impl FnMut(&[u8]) -> Result<(), StorageError>,
) -> Result<Stop, StorageError> {
    let first = segments.first().map_or(0, |segment| segment.header.number);
    let start = Position { segment: first, offset: SEGMENT_HEADER as u32 };
    let mut stop = Stop { place: start, end: start };
    let mut after = After::AtMost(start);
    for (at, segment) in segments.iter().enumerate() {
        let mut reader = Reader::new(segment);
        while let Some(payload) = reader.next(after)? {
            if !payload.is_empty() {
                apply(payload)?;
                stop.end = reader.place();
                after = After::Exactly(stop.end);
            }
            if until == Some(stop.end) {
                return Ok(stop);
            }
        }
        stop.place = reader.place();
        let continued = match segments.get(at + 1) {
            Some(next) => Reader::new(next).header(after)?.is_some(),
            None => false,
        };
        if !continued {
            let rest = segments.get(at..).unwrap_or_default();
            if until.is_some_and(|until| until > stop.end) || known_synced_past(rest, stop.place)? {
                return Err(damage(rest, stop.place)?);
            }
            break;
        }
    }
    Ok(stop)
}

/// What the next record must say it comes after.
#[derive(Clone, Copy)]
enum After {
    /// The first record: what was before it in the log is in tables by now.
    AtMost(Position),
    Exactly(Position),
}

/// Whether a header after `place` says that the log was on disk beyond it.
fn known_synced_past(segments: &[Segment], place: Position) -> Result<bool, StorageError> {
    for segment in segments {
        let here = segment.header.number == place.segment;
        let mut reader = Reader::new(segment);
        reader.offset = if here { place.offset as usize } else { SEGMENT_HEADER };
        let Some(last) = reader.nonzero_from(reader.offset)? else { continue };
        while reader.offset < last {
            if let Some(header) = RecordHeader::read(reader.bytes(RECORD_HEADER)?, segment.header.salt)
                && header.synced > place
            {
                return Ok(true);
            }
            reader.offset += ALIGN;
        }
    }
    Ok(false)
}

/// The error for a record missing at `place`; where nothing at all follows there, the next segment's first record is
/// the bad one.
fn damage(segments: &[Segment], place: Position) -> Result<StorageError, StorageError> {
    let what = "a record that was on disk does not read back";
    let Some((segment, rest)) = segments.split_first() else { return Ok(StorageError::Closed) };
    let ends_here = length(segment, place.offset as usize)? == 0;
    Ok(match rest.first() {
        Some(next) if ends_here => StorageError::damaged(&next.path, SEGMENT_HEADER as u64, what),
        _ => StorageError::damaged(&segment.path, u64::from(place.offset), what),
    })
}

/// How far the bytes from `offset` on that are not zero reach.
fn length(segment: &Segment, offset: usize) -> Result<usize, StorageError> {
    Ok(Reader::new(segment).nonzero_from(offset)?.map_or(0, |last| last - offset))
}

fn wipe(segment: &Segment, offset: u32, len: usize) -> Result<(), StorageError> {
    let written = segment.file.write_at(u64::from(offset), &vec![0; len]).and_then(|()| segment.file.sync());
    written.map_err(|error| StorageError::io("clear the end of", &segment.path, error))
}

/// Reads one segment through a window.
struct Reader<'a> {
    segment: &'a Segment,
    offset: usize,
    window: Vec<u8>,
    window_at: usize,
}

impl<'a> Reader<'a> {
    fn new(segment: &'a Segment) -> Self {
        Self { segment, offset: SEGMENT_HEADER, window: Vec::new(), window_at: 0 }
    }

    fn place(&self) -> Position {
        Position { segment: self.segment.header.number, offset: self.offset as u32 }
    }

    fn size(&self) -> usize {
        self.segment.header.size as usize
    }

    /// Up to `len` bytes from the current offset on; fewer only at the end of the file.
    fn bytes(&mut self, len: usize) -> Result<&[u8], StorageError> {
        let len = len.min(self.size().saturating_sub(self.offset));
        let inside = self.offset >= self.window_at && self.offset + len <= self.window_at + self.window.len();
        if !inside {
            let load = len.max(WINDOW).min(self.size().saturating_sub(self.offset));
            self.window.resize(load, 0);
            self.window_at = self.offset;
            self.segment
                .file
                .read_at(self.offset as u64, &mut self.window)
                .map_err(|error| StorageError::io("read", &self.segment.path, error))?;
        }
        let start = self.offset - self.window_at;
        Ok(self.window.get(start..start + len).unwrap_or_default())
    }

    /// The header of the record here, if it is the one to come next.
    fn header(&mut self, after: After) -> Result<Option<RecordHeader>, StorageError> {
        let salt = self.segment.header.salt;
        let header = RecordHeader::read(self.bytes(RECORD_HEADER)?, salt);
        Ok(header.filter(|header| match after {
            After::AtMost(place) => header.after <= place,
            After::Exactly(place) => header.after == place,
        }))
    }

    /// The payload of the record here, if it is whole; moves on past it.
    fn next(&mut self, after: After) -> Result<Option<&[u8]>, StorageError> {
        let Some(header) = self.header(after)? else { return Ok(None) };
        let payload_end = RECORD_HEADER + header.len as usize;
        let whole = self.bytes(payload_end)?.get(RECORD_HEADER..payload_end);
        if whole.is_none_or(|payload| crc32fast::hash(payload) != header.payload_crc) {
            return Ok(None);
        }
        let start = self.offset - self.window_at;
        self.offset += record_len(header.len as usize);
        Ok(self.window.get(start + RECORD_HEADER..start + payload_end))
    }

    /// The end of the last byte from `offset` on that is not zero.
    fn nonzero_from(&mut self, offset: usize) -> Result<Option<usize>, StorageError> {
        let restore = std::mem::replace(&mut self.offset, offset);
        let mut last = None;
        while self.offset < self.size() {
            let data = self.segment.file.next_data(self.offset as u64);
            match data.map_err(|error| StorageError::io("read", &self.segment.path, error))? {
                Some(data) => self.offset = self.offset.max(usize::try_from(data).unwrap_or(usize::MAX)),
                None => break,
            }
            let at = self.offset;
            let bytes = self.bytes(WINDOW)?;
            let len = bytes.len();
            // Nearly all is zeros, and comparing is many times faster than searching.
            if bytes.iter().any(|&byte| byte != 0) {
                last = bytes.iter().rposition(|&byte| byte != 0).map(|i| at + i + 1).or(last);
            }
            self.offset += len;
        }
        self.offset = restore;
        Ok(last)
    }
}
