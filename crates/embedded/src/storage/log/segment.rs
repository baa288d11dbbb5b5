//! One file of the log.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::StorageError;
use super::super::disk::{Disk, DiskFile};
use super::record::{BadSegment, FORMAT, SEGMENT_HEADER, SegmentHeader};

/// An open segment.
pub(crate) struct Segment {
    pub header: SegmentHeader,
    pub path: PathBuf,
    pub file: Arc<dyn DiskFile>,
}

/// The file of a segment.
pub(crate) fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("log-{number:08}"))
}

/// The number in a segment's file name.
pub(crate) fn number_in(name: &str) -> Option<u32> {
    name.strip_prefix("log-")?.parse().ok()
}

impl Segment {
    /// Makes a segment. It appears under its name complete and durable or not at all, so whatever has a segment's name
    /// and is no segment was damaged later.
    pub fn create(disk: &dyn Disk, folder: &Path, number: u32, size: u32) -> Result<Self, StorageError> {
        let new = folder.join(format!("log-{number:08}.new"));
        let made = Self::make(disk, new.clone(), number, size)?;
        made.file.sync().map_err(|error| StorageError::io("sync", &new, error))?;
        let path = path(folder, number);
        disk.rename(&new, &path).map_err(|error| StorageError::io("name", &path, error))?;
        disk.sync_dir(folder).map_err(|error| StorageError::io("sync", folder, error))?;
        Ok(Self { path, ..made })
    }

    /// Makes the first segment of a store that is one only once its manifest is there: without waiting for the disk.
    pub fn create_first(disk: &dyn Disk, folder: &Path, size: u32) -> Result<Self, StorageError> {
        Self::make(disk, path(folder, 1), 1, size)
    }

    fn make(disk: &dyn Disk, path: PathBuf, number: u32, size: u32) -> Result<Self, StorageError> {
        let header = SegmentHeader { number, size, salt: RandomState::new().hash_one(number) };
        let file = disk.create(&path, u64::from(size)).and_then(|file| {
            file.write_at(0, &header.to_bytes())?;
            Ok(file)
        });
        let file = file.map_err(|error| StorageError::io("create", &path, error))?;
        Ok(Self { header, path, file })
    }

    pub fn open(disk: &dyn Disk, folder: &Path, number: u32) -> Result<Self, StorageError> {
        let path = path(folder, number);
        let file = disk.open(&path).map_err(|error| StorageError::io("open", &path, error))?;
        let size = file.size().map_err(|error| StorageError::io("look at", &path, error))?;
        let damaged = |at, what: &str| StorageError::damaged(&path, at, what);
        if size < SEGMENT_HEADER as u64 {
            return Err(damaged(size, "the file is cut short"));
        }
        let mut bytes = [0; SEGMENT_HEADER];
        file.read_at(0, &mut bytes).map_err(|error| StorageError::io("read", &path, error))?;
        let header = match SegmentHeader::read(&bytes) {
            Ok(header) => header,
            Err(BadSegment::Damaged) => return Err(damaged(0, "the header's checksum does not match")),
            Err(BadSegment::Newer(found)) => {
                return Err(StorageError::NewerFormat { file: path, found, known: FORMAT });
            }
        };
        if header.number != number {
            return Err(damaged(0, "the header is of another segment"));
        }
        if size != u64::from(header.size) {
            return Err(damaged(size.min(u64::from(header.size)), "the file is not as long as it was made"));
        }
        Ok(Self { header, path, file })
    }
}
